"""The server's process: loads, checks, measures, listens, and drains."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import gc
import importlib.metadata
import os
import resource
import signal
import socket
import sys
import time
import traceback
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import uvloop

from tradewind.decide.control.batching import BatchQueue, LatencyCurve
from tradewind.domain.errors import InputError, ResourceError
from tradewind.domain.plan import Run
from tradewind.domain.variant import Variant
from tradewind.files import nouns
from tradewind.lab import engines
from tradewind.run.serving.batcher import Batcher
from tradewind.run.serving.curve import measure_curve, sizes_up_to
from tradewind.run.serving.http import Connection, Turns
from tradewind.run.serving.metrics import Metrics
from tradewind.run.serving.process import DRAIN_TIMEOUT_S
from tradewind.run.serving.service import Service
from tradewind.run.serving.tensors import Codec

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from tradewind.run.serving.http import Exchange

__all__ = ["serve"]

SWITCH_INTERVAL_S: Final = 0.0002
"""How long the worker may have to wait for the interpreter when the event loop is busy; 5 ms by default,
which would add as much to each batch."""
CHECK_EVERY_S: Final = 1.0
ACCEPT_GRACE_S: Final = 0.1
"""After the signal to end, connections that the kernel has already accepted for us are still taken."""
IDLE_GRACE_S: Final = 0.5
"""While draining, a connection that has been quiet for this long is closed."""
BACKLOG: Final = 1024


def serve(
    variant_folder: Path,
    *,
    model: str,
    threads: int,
    max_batch: int,
    latency_s: float,
    host: str = "127.0.0.1",
    port: int = 0,
    on_ready: Callable[[Run], None] = lambda run: None,
) -> None:
    """Serves the variant in the foreground until SIGTERM or Ctrl-C, then drains and returns.

    Must be called by the main thread. `latency_s` is the deadline of requests that bring none of their
    own (the parameter `timeout`, in microseconds). Port 0 takes a free one; `on_ready` is told which.

    Errors: InputError for what cannot be served so, ResourceError when the port is in use, CannotMeasure
    when the variant does not load or does not answer its golden outputs here.
    """
    _check_options(model, threads, max_batch, latency_s, port)
    variant = nouns.read(variant_folder / "manifest.json", Variant)
    listener = _bind(host, port)
    with contextlib.closing(listener):
        session = engines.load(variant_folder, variant, threads=threads)
        engines.verify_golden(variant_folder, variant, session)
        golden, golden_outputs = engines.read_golden(variant_folder, variant)
        _check_rows(variant, golden, golden_outputs)
        codec = Codec(variant, model=model, max_rows=max_batch, golden=golden)
        sizes = sizes_up_to(codec.max_rows) if codec.fixed_rows is None else [codec.max_rows]
        points = measure_curve(session, golden, sizes)
        waiting: BatchQueue[Exchange] = BatchQueue(LatencyCurve(points, codec.max_rows), bound_s=latency_s)
        metrics = Metrics(codec.max_rows)
        loop = uvloop.new_event_loop()
        with contextlib.closing(loop):
            service = Service(
                loop, codec, waiting, metrics, latency_s=latency_s, threads=threads, version=_version()
            )
            turns = Turns(loop)
            service.batcher = Batcher(
                loop, session, waiting, metrics, service.deliver, service.give_up, turns, _crash
            )
            loop.run_until_complete(service.batcher.measure_handover())
            _settle()
            loop.run_until_complete(_answer(loop, listener, service, turns, model, on_ready))
            service.batcher.close()


async def _answer(
    loop: asyncio.AbstractEventLoop,
    listener: socket.socket,
    service: Service,
    turns: Turns,
    model: str,
    on_ready: Callable[[Run], None],
) -> None:
    """Answers until a signal comes, and what was accepted until then."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    connections: set[Connection] = set()
    server = await loop.create_server(
        lambda: Connection(service, connections, turns), sock=listener, backlog=BACKLOG
    )
    host, port = listener.getsockname()[:2]
    on_ready(
        Run(
            id=f"{model}-{os.getpid()}",
            state="ready",
            endpoint=f"http://{f'[{host}]' if ':' in host else host}:{port}",
            model=model,
            pid=os.getpid(),
            host=host,
            started_at=datetime.now(UTC).isoformat(timespec="seconds"),
        )
    )
    while not stop.is_set():
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), CHECK_EVERY_S)
        for connection in tuple(connections):
            connection.check(time.monotonic())
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.remove_signal_handler(number)
    # From here on a second signal ends the process at once.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    service.draining = True
    await asyncio.sleep(ACCEPT_GRACE_S)
    server.close()
    begun_s = time.monotonic()
    while connections and time.monotonic() - begun_s < DRAIN_TIMEOUT_S:
        await asyncio.sleep(0.02)
        for connection in tuple(connections):
            connection.check(time.monotonic(), idle_timeout_s=IDLE_GRACE_S)


def _check_options(model: str, threads: int, max_batch: int, latency_s: float, port: int) -> None:
    if not model or not all(letter.isalnum() or letter in "-_." for letter in model):
        raise InputError(f"the model name {model!r} cannot stand in a URL; use letters, digits, - _ and .")
    if threads < 1:
        raise InputError(f"{threads} threads; the engine needs at least 1")
    if max_batch < 1:
        raise InputError(f"max_batch {max_batch}; a batch has at least 1 row")
    if not 0.0 < latency_s < 3600.0:
        raise InputError(f"latency {latency_s} s; give a bound between 0 and 3600 s")
    if not 0 <= port <= 65535:
        raise InputError(f"port {port}; give one between 0 and 65535 (0 takes a free one)")


def _check_rows(
    variant: Variant, inputs: Mapping[str, NDArray[Any]], outputs: Mapping[str, NDArray[Any]]
) -> None:
    """Refuses a network that does not answer row by row: batches of several requests would be mixed up."""
    rows = {name: array.shape[:1] for name, array in (*inputs.items(), *outputs.items())}
    if len(set(rows.values())) != 1:
        shown = ", ".join(f"{name} {list(shape)}" for name, shape in rows.items())
        raise InputError(
            f"{variant.name}: the golden inputs and outputs differ in their rows ({shown}); only a network that "
            "answers each row by itself can be served"
        )


def _bind(host: str, port: int) -> socket.socket:
    """The socket, bound before the network is loaded so that a port in use is told at once."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except OSError as error:
        raise ResourceError(f"{host}:{port}: no such address ({error.strerror}); use 127.0.0.1") from None
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise ResourceError(
                f"port {port} on {host} is in use by another process; stop it or choose another port (0 takes a free one)"
            ) from None
        raise ResourceError(
            f"{host}:{port}: cannot listen ({error.strerror}); choose another host or port"
        ) from None
    return listener


def _settle() -> None:
    """Makes the process one that waits for requests and does nothing else."""
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    # A number that is too large for its type becomes infinite; that is no warning for the log.
    np.seterr(over="ignore")
    # What is loaded stays; looking through it for garbage would show in the highest latencies.
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _crash(error: BaseException) -> None:
    """Ends a process whose worker has ended: it must not look alive."""
    traceback.print_exception(error, file=sys.stderr)
    sys.stderr.flush()
    os._exit(1)


def _version() -> str:
    try:
        return importlib.metadata.version("tradewind")
    except importlib.metadata.PackageNotFoundError:
        return "unknown"
