"""HTTP GET that outlasts what passes: dropped connections, 429 and 5xx; and gives up on what does not."""

from __future__ import annotations

import random
from email.utils import parsedate_to_datetime
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

from tradewind.domain.errors import MissingExtra, ResourceError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import httpx

__all__ = ["Web"]

TRIES: Final = 6
FIRST_WAIT_S: Final = 1.0
"""Doubled after each try, and shortened by chance to half at least, so that clients do not ask in step."""
LONGEST_WAIT_S: Final = 300.0
TIMEOUT_S: Final = 60.0
_PASSES: Final = (408, 425, 429, 500, 502, 503, 504)
"""Refusals that pass with time."""


class Web:
    """Asks over HTTP. `extra` is what to install when httpx is missing; `sleep` waits so many seconds."""

    def __init__(self, *, extra: str, sleep: Callable[[float], None], seed: int) -> None:
        self._extra = extra
        self._sleep = sleep
        self._chance = random.Random(seed)

    def get(self, url: str, params: Mapping[str, str], headers: Mapping[str, str], limit_bytes: int) -> bytes:
        """The whole answer.

        Errors: MissingExtra; ResourceError when it is refused for good, not to be had, or too large.
        """
        if find_spec("httpx") is None:
            raise MissingExtra("httpx", extra=self._extra)
        import httpx

        refusal = ""
        with httpx.Client(timeout=TIMEOUT_S) as client:
            for attempt in range(TRIES):
                wait_s = FIRST_WAIT_S * 2.0**attempt * self._chance.uniform(0.5, 1.0)
                try:
                    with client.stream("GET", url, params=params, headers=headers) as response:
                        if response.status_code == httpx.codes.OK:
                            return _body(response, limit_bytes)
                        refusal = f"{response.status_code} {response.reason_phrase}"
                        if response.status_code not in _PASSES:
                            said = response.read()[:200].decode(errors="replace")
                            raise ResourceError(f"{url}: {refusal}: {' '.join(said.split())}")
                        wait_s = max(wait_s, _retry_after_s(response.headers))
                except httpx.TransportError as error:
                    refusal = f"{type(error).__name__} {error}".strip()
                if wait_s > LONGEST_WAIT_S:
                    raise ResourceError(f"{url}: {refusal}, and to wait {wait_s:.0f} s; run it again later")
                if attempt + 1 < TRIES:
                    self._sleep(wait_s)
        raise ResourceError(f"{url}: {refusal}, {TRIES} times; run it again later")


def _body(response: httpx.Response, limit_bytes: int) -> bytes:
    body = bytearray()
    for piece in response.iter_bytes():
        body += piece
        if len(body) > limit_bytes:
            raise ResourceError(
                f"{response.url}: over the limit of {limit_bytes} bytes; this is no price list"
            )
    return bytes(body)


def _retry_after_s(headers: httpx.Headers) -> float:
    """The seconds that the server asks to wait, perhaps by a date of its own clock; 0 when it asks none."""
    stated = headers.get("Retry-After", "")
    if stated.isdigit():
        return float(stated)
    try:
        then, now = (parsedate_to_datetime(text) for text in (stated, headers.get("Date", "")))
        return max(0.0, (then - now).total_seconds())
    except (TypeError, ValueError):
        return 0.0
