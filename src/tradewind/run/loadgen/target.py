"""The server that is driven, and the requests that are sent to it."""

from __future__ import annotations

import http.client
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlsplit

import msgspec
import numpy as np

from tradewind.domain.errors import InputError, ResourceError
from tradewind.domain.plan import Run

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

__all__ = ["Scrape", "Target", "find_target", "read_scrape", "requests_of"]

MAX_REQUESTS: Final = 1024
"""Distinct rows that are sent in turn."""
MAX_REQUESTS_BYTES: Final = 64 * 2**20

_NUMPY: Final = {
    "BOOL": "bool",
    "FP16": "float16",
    "FP32": "float32",
    "FP64": "float64",
    **{f"{sign.upper()}{bits}": f"{sign}{bits}" for sign in ("int", "uint") for bits in (8, 16, 32, 64)},
}


@dataclass(frozen=True)
class Target:
    """A server that answered, and what its model takes."""

    host: str
    port: int
    model: str
    inputs: tuple[tuple[str, str], ...]
    """Name and datatype of each."""

    @property
    def authority(self) -> str:
        """Host and port as they stand in a URL."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def connect(self) -> socket.socket:
        """A new connection that does not block. Errors: ResourceError."""
        try:
            connected = socket.create_connection((self.host, self.port), timeout=10.0)
        except OSError as error:
            raise ResourceError(
                f"{self.authority}: no connection ({error.strerror or error}); is the server running, and are "
                "fewer connections enough?"
            ) from None
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connected.setblocking(False)
        return connected


def find_target(run_or_url: Run | str, model: str) -> Target:
    """The target, asked for the inputs of its model. Errors: InputError, ResourceError."""
    url = run_or_url.endpoint if isinstance(run_or_url, Run) else run_or_url
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port or 80
    except ValueError:
        host, port, parts = None, 0, urlsplit("")
    if parts.scheme != "http" or not host:
        raise InputError(f"{url!r} is not the address of a server; write it like http://127.0.0.1:8000")
    connection = http.client.HTTPConnection(host, port, timeout=10.0)
    try:
        connection.request("GET", f"/v2/models/{quote(model)}")
        answer = connection.getresponse()
        body = answer.read()
    except (OSError, http.client.HTTPException) as error:
        raise ResourceError(
            f"{url}: does not answer ({error or type(error).__name__}); is the server running?"
        ) from None
    finally:
        connection.close()
    try:
        metadata = msgspec.json.decode(body, type=_Metadata)
    except msgspec.DecodeError:
        said = " ".join(body[:200].decode(errors="replace").split())
        raise InputError(
            f"{url}: has no metadata of the model {model!r} (status {answer.status}: {said}); check the name"
        ) from None
    return Target(host, port, model, tuple((given.name, given.datatype) for given in metadata.inputs))


class _Tensor(msgspec.Struct):
    name: str
    datatype: str


class _Metadata(msgspec.Struct):
    inputs: list[_Tensor]


def requests_of(target: Target, rows: Mapping[str, NDArray[Any]], seed: int) -> list[bytes]:
    """Whole HTTP requests, one row each, of up to 1024 rows in a seeded random order.

    Errors: InputError when the rows do not have the inputs that the model takes.
    """
    wanted = [name for name, _ in target.inputs]
    if set(rows) != set(wanted):
        raise InputError(
            f"the rows have {', '.join(rows) or 'no inputs'}; {target.model} takes {', '.join(wanted)}"
        )
    count = min(len(array) for array in rows.values())
    if count == 0 or any(len(array) != count for array in rows.values()):
        raise InputError(
            "the rows are empty or of different numbers; give at least one, the same for each input"
        )
    order = np.random.default_rng(seed).permutation(count)[:MAX_REQUESTS]
    requests: list[bytes] = []
    size = 0
    for row in order:
        document = {
            "inputs": [
                {
                    "name": name,
                    "shape": [1, *rows[name].shape[1:]],
                    "datatype": datatype,
                    "data": _numbers(rows[name][row], datatype),
                }
                for name, datatype in target.inputs
            ]
        }
        body = msgspec.json.encode(document)
        head = (
            f"POST /v2/models/{quote(target.model)}/infer HTTP/1.1\r\nHost: {target.authority}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        requests.append(head.encode() + body)
        size += len(body)
        if size > MAX_REQUESTS_BYTES:
            break
    return requests


def _numbers(row: NDArray[Any], datatype: str) -> list[Any]:
    if datatype not in _NUMPY:
        raise InputError(f"the model takes {datatype}, which this load generator cannot send")
    flat = np.asarray(row).ravel().astype(_NUMPY[datatype])
    if flat.dtype in (np.float16, np.float32):
        # The shortest text that names the same number, as clients in other languages write it.
        return [float(str(value)) for value in flat]
    numbers: list[Any] = flat.tolist()
    return numbers


@dataclass(frozen=True)
class Scrape:
    """What a server says about itself at one moment."""

    cpu_s: float
    uptime_s: float
    threads: float
    memory_bytes: float
    answered: float


def read_scrape(page: bytes) -> Scrape | None:
    """The figures from a metrics page; None if it is not one of this project's servers."""
    values: dict[str, float] = {}
    for line in page.decode(errors="replace").splitlines():
        name, _, number = line.rpartition(" ")
        if name and not name.startswith("#"):
            try:
                values[name] = float(number)
            except ValueError:
                return None
    try:
        return Scrape(
            cpu_s=values["process_cpu_seconds_total"],
            uptime_s=values["tradewind_uptime_seconds"],
            threads=values["tradewind_threads"],
            memory_bytes=values["process_resident_memory_bytes"],
            answered=values.get('tradewind_answers_total{code="200"}', 0.0),
        )
    except KeyError:
        return None
