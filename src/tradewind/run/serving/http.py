"""HTTP/1.1 on a socket: bytes to exchanges, answers in order, limits and time-outs.

One `Connection` per client; every request becomes an `Exchange` that its handler answers at once or later.
Not covered: TLS, HTTP/2, compressed bodies (415), trailers (ignored). A proxy in front brings these.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import time
import traceback
from collections import deque
from typing import TYPE_CHECKING, Any, Final, Protocol

import httptools
import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["INTERNAL", "Connection", "Exchange", "Handler", "Turns"]

MAX_HEAD_BYTES: Final = 32 * 2**10
REQUEST_TIMEOUT_S: Final = 60.0
"""From the first byte of a request to its last."""
IDLE_TIMEOUT_S: Final = 120.0
WRITE_TIMEOUT_S: Final = 30.0
"""How long a client may leave an answer unread when the buffers are full."""
LINGER_S: Final = 2.0
"""After the last answer what still arrives is read and dropped: closing at once would make the kernel
reset the connection, and the client might lose the answer."""
MAX_PIPELINED: Final = 32
"""Unanswered requests of one connection after which no more are read."""

REST_S: Final = 1e-4
"""An event loop that takes less than this to its next request has not rested in between."""

DOUBT_S: Final = 0.002
"""If a request may have waited for longer than this, the kernel is asked; asking takes microseconds."""
LAST_RECEIVED: Final = struct.Struct("52xI")
"""tcpi_last_data_recv in <linux/tcp.h>: milliseconds since the last data arrived."""

REASONS: Final = {
    200: b"OK",
    400: b"Bad Request",
    404: b"Not Found",
    405: b"Method Not Allowed",
    408: b"Request Timeout",
    413: b"Content Too Large",
    415: b"Unsupported Media Type",
    417: b"Expectation Failed",
    431: b"Request Header Fields Too Large",
    500: b"Internal Server Error",
    503: b"Service Unavailable",
}

JSON: Final = b"application/json"
INTERNAL: Final = "an error of this server; its log says more"
"""All that a client is told of a bug."""


class Handler(Protocol):
    """What answers requests. It answers each exchange exactly once, now or later."""

    draining: bool
    """No answer promises to keep its connection open any more."""
    answers: dict[int, int]
    """How many were given, by status."""
    max_body_bytes: int
    """Longer bodies are refused before they are read."""

    def handle(self, exchange: Exchange) -> None:
        """Answers, or sees to it that it will be answered."""
        ...


class Turns:
    """Since when the requests that the event loop reads now may have waited.

    If the loop has just rested, they came now; if not, they may have come at any time since it last looked,
    and to keep a deadline the earliest must be assumed.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._reading = False
        self._since_s = 0.0
        self._looked_s = 0.0
        self._worked_s = 0.0

    def arrived_s(self, now_s: float) -> float:
        """The earliest possible arrival of what is read now."""
        if not self._reading:
            self._reading = True
            self._loop.call_soon(self._read_all)
            self._since_s = self._looked_s if now_s - self._worked_s < REST_S else now_s
            self._looked_s = now_s
        return self._since_s

    def worked(self) -> None:
        """Says that the loop was busy until now; called at the end of everything that takes time."""
        self._worked_s = time.monotonic()

    def _read_all(self) -> None:
        self._reading = False
        self.worked()


class Exchange:
    """One request and its answer."""

    __slots__ = (
        "answer",
        "arrived_s",
        "body",
        "connection",
        "inference",
        "json_length",
        "keep_alive",
        "method",
        "path",
    )

    def __init__(
        self,
        connection: Connection,
        method: bytes,
        path: bytes,
        body: bytes,
        json_length: int | None,
        keep_alive: bool,
        arrived_s: float,
    ) -> None:
        self.connection = connection
        self.method = method
        self.path = path
        self.body = body
        self.json_length = json_length
        self.keep_alive = keep_alive
        self.arrived_s = arrived_s
        self.inference: Any = None
        """What the handler has made of the body."""
        self.answer: bytes | None = None

    def reply(self, status: int, body: bytes, content_type: bytes = JSON, extra: bytes = b"") -> None:
        """Answers; `extra` are whole header lines. The bytes leave when all earlier answers have left."""
        connection = self.connection
        handler = connection.handler
        handler.answers[status] = handler.answers.get(status, 0) + 1
        if not self.keep_alive or handler.draining:
            self.keep_alive = False
            extra += b"Connection: close\r\n"
        head = b"HTTP/1.1 %d %b\r\nContent-Type: %b\r\nContent-Length: %d\r\n%b\r\n" % (
            status,
            REASONS[status],
            content_type,
            len(body),
            extra,
        )
        self.answer = head if self.method == b"HEAD" else head + body
        connection.flush()

    def fail(self, status: int, message: str, extra: bytes = b"") -> None:
        """Answers with the protocol's error document."""
        self.reply(status, msgspec.json.encode({"error": message}), extra=extra)


class Connection(asyncio.Protocol):
    """One client's connection."""

    def __init__(self, handler: Handler, connections: set[Connection], turns: Turns) -> None:
        self.handler = handler
        self._turns = turns
        self._connections = connections
        self._transport: Any = None
        self._parser = httptools.HttpRequestParser(self)
        self._pending: deque[Exchange] = deque()
        self._now_s = 0.0
        self._arrived_s = 0.0
        self._reading_since_s = 0.0
        """When the first byte of an unfinished request came; 0 when there is none."""
        self._stalled_since_s = 0.0
        """Since when the client has not read what was written; 0 when it has."""
        self._ended_s = 0.0
        """When the last answer was written; 0 before."""
        self._half_closed = False
        self._paused = False
        self._head_bytes = 0
        self._in_head = True
        self._begun_now = False
        self._begin()

    def _begin(self) -> None:
        self._target = b""
        self._chunks: list[bytes] = []
        self._size = 0
        self._json_length: bytes | None = None
        self._content_length = b""
        self._expect = b""
        self._encoding = b""
        self._chunked = False
        self._head_size = 0

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client has connected."""
        self._transport = transport
        self._connections.add(self)
        self._now_s = time.monotonic()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone; answers that are still to come go nowhere."""
        self._connections.discard(self)
        self._pending.clear()
        self._transport = None

    def data_received(self, data: bytes) -> None:
        """Feeds the parser, which calls the methods below."""
        if self._ended_s:
            return
        self._now_s = time.monotonic()
        self._arrived_s = self._turns.arrived_s(self._now_s)
        if self._now_s - self._arrived_s > DOUBT_S:
            self._arrived_s = max(self._arrived_s, self._now_s - self._age_s())
        if not self._reading_since_s:
            self._reading_since_s = self._now_s
        self._begun_now = False
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            # The offer to change the protocol is ignored, as RFC 9110 (7.8) allows; this parser ends with it.
            self._parser = httptools.HttpRequestParser(self)
            rest = data[upgrade.args[0] :] if upgrade.args else b""
            if rest:
                self.data_received(rest)
            return
        except httptools.HttpParserError as error:
            if not self._ended_s:
                detail = str(error) or type(error).__name__
                self._refuse(400, f"not a valid HTTP request: {detail[:200]}")
            return
        if self._in_head and not self._begun_now:
            # The parser gathers an unfinished header without a limit of its own.
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES:
                self._refuse(431, f"the header is over the limit of {MAX_HEAD_BYTES} bytes")

    def eof_received(self) -> bool:
        """The client will send no more; it still gets its answers."""
        self._half_closed = True
        return bool(self._pending)

    def pause_writing(self) -> None:
        """The client does not read its answers."""
        self._stalled_since_s = time.monotonic()
        self._regulate()

    def resume_writing(self) -> None:
        """The client reads again."""
        self._stalled_since_s = 0.0
        self._regulate()

    # What httptools calls.

    def on_message_begin(self) -> None:
        """A request begins."""
        self._reading_since_s = self._now_s
        self._begun_now = True
        self._head_bytes = 0
        self._begin()

    def on_url(self, url: bytes) -> None:
        """A part of its target."""
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """One of its headers."""
        self._head_size += len(name) + len(value)
        keep = _HEADERS.get(name.lower())
        if keep is not None:
            keep(self, value)

    def on_headers_complete(self) -> None:
        """What can be refused without the body is refused here."""
        self._in_head = False
        if self._ended_s:
            return
        if self._head_size + len(self._target) > MAX_HEAD_BYTES:
            self._refuse(431, f"the header is over the limit of {MAX_HEAD_BYTES} bytes")
        elif self._content_length and int(self._content_length) > self.handler.max_body_bytes:
            self._refuse(
                413,
                f"the body has {int(self._content_length)} bytes, over the limit of "
                f"{self.handler.max_body_bytes}; send fewer rows",
            )
        elif self._parser.should_upgrade() and (self._chunked or int(self._content_length or 0)):
            # The parser would take the body for the other protocol.
            self._refuse(400, "Upgrade is not supported; send the request without this header")
        elif self._encoding and self._encoding.lower() != b"identity":
            self._refuse(415, "compressed bodies are not supported; send the body without Content-Encoding")
        elif self._expect:
            if self._expect.lower() != b"100-continue":
                self._refuse(417, "of expectations only 100-continue is supported")
            elif not self._pending:
                self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        """A part of its body."""
        if self._ended_s:
            return
        self._size += len(body)
        if self._size > self.handler.max_body_bytes:
            limit = self.handler.max_body_bytes
            self._refuse(413, f"the body is over the limit of {limit} bytes; send fewer rows")
            return
        self._chunks.append(body)

    def on_message_complete(self) -> None:
        """The request is whole: it is handed to the handler."""
        self._in_head = True
        self._begun_now = True
        self._reading_since_s = 0.0
        if self._ended_s:
            return
        chunks = self._chunks
        body = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        parser = self._parser
        exchange = Exchange(
            self, parser.get_method(), self._target, body, None, parser.should_keep_alive(), self._arrived_s
        )
        self._pending.append(exchange)
        if self._json_length is not None:
            if not self._json_length.isdigit():
                exchange.fail(400, "Inference-Header-Content-Length must be a whole number")
                return
            exchange.json_length = int(self._json_length)
        try:
            self.handler.handle(exchange)
        except Exception:
            # The edge of the process: a bug costs one request, and is seen.
            traceback.print_exc()
            exchange.fail(500, INTERNAL)
        if len(self._pending) >= MAX_PIPELINED:
            self._regulate()

    # What the server calls.

    def flush(self) -> None:
        """Writes the answers that are ready, in the order of their requests."""
        transport, pending = self._transport, self._pending
        if transport is None:
            return
        while pending and (answer := pending[0].answer) is not None:
            exchange = pending.popleft()
            transport.write(answer)
            if not exchange.keep_alive:
                self._end()
                return
        if self._half_closed and not pending:
            transport.close()
        elif self._paused:
            self._regulate()

    def check(self, now_s: float, *, idle_timeout_s: float = IDLE_TIMEOUT_S) -> None:
        """Ends what takes too long; called every now and then."""
        transport = self._transport
        if transport is None:
            return
        if self._ended_s:
            if self._pending:
                return
            if now_s - self._ended_s > LINGER_S and not self._stalled_since_s:
                transport.close()
            elif now_s - self._ended_s > WRITE_TIMEOUT_S:
                transport.abort()
        elif self._stalled_since_s and now_s - self._stalled_since_s > WRITE_TIMEOUT_S:
            transport.abort()
        elif self._reading_since_s:
            if now_s - self._reading_since_s > REQUEST_TIMEOUT_S:
                self._refuse(408, f"the request took longer than {REQUEST_TIMEOUT_S:.0f} s to arrive")
        elif not self._pending and now_s - self._now_s > idle_timeout_s:
            transport.close()

    def _age_s(self) -> float:
        """How long what has just been read has lain in the kernel."""
        connected = self._transport.get_extra_info("socket")
        told = connected.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, LAST_RECEIVED.size)
        (age_ms,) = LAST_RECEIVED.unpack(told)
        return float(age_ms) * 1e-3

    def _refuse(self, status: int, message: str) -> None:
        """Answers what cannot be handled, after all earlier answers, and ends the connection."""
        exchange = Exchange(self, b"", b"", b"", None, False, self._now_s)
        self._pending.append(exchange)
        self._reading_since_s = 0.0
        # Nothing that follows is understood any more, even if earlier answers are still to come.
        self._ended_s = self._now_s
        self._chunks.clear()
        exchange.fail(status, message)

    def _end(self) -> None:
        self._ended_s = time.monotonic()
        self._pending.clear()
        if self._half_closed or not self._transport.can_write_eof():
            self._transport.close()
        else:
            self._transport.write_eof()

    def _regulate(self) -> None:
        """Reads only while the client takes its answers and does not run ahead of them."""
        pause = bool(self._stalled_since_s) or len(self._pending) >= MAX_PIPELINED
        if pause != self._paused and self._transport is not None and not self._transport.is_closing():
            self._paused = pause
            if pause:
                self._transport.pause_reading()
            else:
                self._transport.resume_reading()


def _keep_json_length(connection: Connection, value: bytes) -> None:
    connection._json_length = value


def _keep_content_length(connection: Connection, value: bytes) -> None:
    connection._content_length = value


def _keep_chunked(connection: Connection, value: bytes) -> None:
    connection._chunked = True


def _keep_expect(connection: Connection, value: bytes) -> None:
    connection._expect = value


def _keep_encoding(connection: Connection, value: bytes) -> None:
    connection._encoding = value


_HEADERS: Final[dict[bytes, Callable[[Connection, bytes], None]]] = {
    b"inference-header-content-length": _keep_json_length,
    b"content-length": _keep_content_length,
    b"transfer-encoding": _keep_chunked,
    b"expect": _keep_expect,
    b"content-encoding": _keep_encoding,
}
"""The headers that matter, looked up by their whole name."""
