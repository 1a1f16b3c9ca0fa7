"""HTTP over real sockets: order, framing, limits, time-outs, and whatever strangers send."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import time
from typing import TYPE_CHECKING, Any

import pytest
import uvloop

from tradewind.run.serving import http
from tradewind.run.serving.http import Connection, Exchange, Turns

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    Dialogue = Callable[["Peer"], Awaitable[None]]


class Echo:
    """Answers with what it got; bodies that begin with "wait" only when told to, in any order."""

    def __init__(self) -> None:
        self.draining = False
        self.max_body_bytes = 64_000_000
        self.answers: dict[int, int] = {}
        self.waiting: dict[bytes, Exchange] = {}
        self.meanwhile: Callable[[], None] = lambda: None

    def handle(self, exchange: Exchange) -> None:
        if exchange.body.startswith(b"wait"):
            self.waiting[exchange.body] = exchange
        elif exchange.body == b"block":
            self.meanwhile()
            exchange.reply(200, b"blocked")
        elif exchange.body == b"raise":
            raise ValueError("a bug")
        else:
            exchange.reply(200, b"%b %b %b" % (exchange.method, exchange.path, exchange.body), b"text/plain")


class Peer:
    """A client that writes raw bytes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, server: Served) -> None:
        self.reader = reader
        self.writer = writer
        self.server = server

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        with contextlib.suppress(ConnectionError):
            await self.writer.drain()

    async def answer(self, *, head_only: bool = False) -> tuple[int, dict[str, str], bytes]:
        head = (await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), 10.0)).decode()
        first, *lines = head.strip().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        body = b"" if head_only else await self.reader.readexactly(int(headers.get("content-length", 0)))
        return int(first.split()[1]), headers, body

    async def ended(self) -> bool:
        """Whether the server has closed; what it sent before is dropped."""
        with contextlib.suppress(ConnectionError):
            while await asyncio.wait_for(self.reader.read(2**16), 10.0):
                pass
        return True


class Served:
    def __init__(self) -> None:
        self.handler = Echo()
        self.connections: set[Connection] = set()

    @contextlib.asynccontextmanager
    async def peer(self) -> AsyncIterator[Peer]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            yield Peer(reader, writer, self)
        finally:
            writer.close()

    async def listen(self) -> Any:
        loop = asyncio.get_running_loop()
        turns = Turns(loop)
        server = await loop.create_server(
            lambda: Connection(self.handler, self.connections, turns), "127.0.0.1", 0
        )
        self.port = server.sockets[0].getsockname()[1]
        return server


def talk(dialogue: Dialogue) -> Served:
    """Runs a dialogue against a fresh server; afterwards the server must still answer another client."""

    async def main() -> Served:
        served = Served()
        server = await served.listen()
        async with served.peer() as peer:
            await asyncio.wait_for(dialogue(peer), 60.0)
        async with served.peer() as other:
            await other.send(b"GET /alive HTTP/1.1\r\nHost: x\r\n\r\n")
            assert (await other.answer())[2] == b"GET /alive "
        server.close()
        return served

    return uvloop.run(main())


def post(body: bytes, *headers: bytes, path: bytes = b"/p") -> bytes:
    lines = b"".join(header + b"\r\n" for header in headers)
    return b"POST %b HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n%b\r\n%b" % (path, len(body), lines, body)


class TestFraming:
    def test_many_requests_on_one_connection(self) -> None:
        async def dialogue(peer: Peer) -> None:
            for number in range(50):
                await peer.send(post(b"n%d" % number))
                assert await peer.answer() == (
                    200,
                    HEADERS(5 + 3 + len(b"n%d" % number)),
                    b"POST /p n%d" % number,
                )

        talk(dialogue)

    def test_pipelined_answers_keep_the_order_of_their_requests(self) -> None:
        async def dialogue(peer: Peer) -> None:
            numbers = list(range(12))
            await peer.send(b"".join(post(b"wait%d" % n) if n % 3 else post(b"now%d" % n) for n in numbers))
            waiting = peer.server.handler.waiting
            while len(waiting) < 8:
                await asyncio.sleep(0.001)
            order = list(waiting)
            random.Random(1).shuffle(order)
            for body in order:
                waiting[body].reply(200, body, b"text/plain")
            for n in numbers:
                _, _, body = await peer.answer()
                assert body == (b"wait%d" % n if n % 3 else b"POST /p now%d" % n)

        talk(dialogue)

    def test_more_pipelined_requests_than_are_read_at_once(self) -> None:
        async def dialogue(peer: Peer) -> None:
            count = 40 * http.MAX_PIPELINED

            async def write() -> None:
                for n in range(count):
                    await peer.send(post(b"wait%d" % n + b"." * 2000))

            writing = asyncio.ensure_future(write())
            waiting = peer.server.handler.waiting
            for n in range(count):
                while not waiting:
                    await asyncio.sleep(0.001)
                assert len(waiting) < 10 * http.MAX_PIPELINED
                waiting.pop(next(iter(waiting))).reply(200, b"%d" % n)
                assert (await peer.answer())[2] == b"%d" % n
            await writing

        talk(dialogue)

    def test_a_request_in_single_bytes(self) -> None:
        async def dialogue(peer: Peer) -> None:
            for byte in post(b"slowly") + post(b"again"):
                await peer.send(bytes([byte]))
                await asyncio.sleep(0)
            assert (await peer.answer())[2] == b"POST /p slowly"
            assert (await peer.answer())[2] == b"POST /p again"

        talk(dialogue)

    def test_chunked_bodies(self) -> None:
        async def dialogue(peer: Peer) -> None:
            await peer.send(b"POST /c HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
            for part in (b"3\r\nabc\r\n", b"4;extension=1\r\ndefg\r\n", b"0\r\nTrailer: 1\r\n\r\n"):
                await peer.send(part)
            assert (await peer.answer())[2] == b"POST /c abcdefg"

        talk(dialogue)

    def test_a_client_that_expects_to_be_told_to_continue(self) -> None:
        async def dialogue(peer: Peer) -> None:
            head, body = post(b"after", b"Expect: 100-continue").split(b"\r\n\r\n")
            await peer.send(head + b"\r\n\r\n")
            assert (await peer.answer())[0] == 100
            await peer.send(body)
            assert (await peer.answer())[2] == b"POST /p after"

        talk(dialogue)

    def test_a_header_that_contains_another_ones_name(self) -> None:
        async def dialogue(peer: Peer) -> None:
            await peer.send(post(b"four", b"Inference-Header-Content-Length: 2", b"X-Content-Length: 900"))
            assert (await peer.answer())[2] == b"POST /p four"

        talk(dialogue)

    def test_an_offer_to_upgrade_is_ignored(self) -> None:
        async def dialogue(peer: Peer) -> None:
            offer = (b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABkAAQ")
            lines = b"\r\n".join(offer)
            await peer.send(b"GET /u HTTP/1.1\r\nHost: x\r\n" + lines + b"\r\n\r\n" + post(b"next"))
            assert (await peer.answer())[2] == b"GET /u "
            assert (await peer.answer())[2] == b"POST /p next"

        talk(dialogue)

    def test_head_has_no_body(self) -> None:
        async def dialogue(peer: Peer) -> None:
            await peer.send(b"HEAD /h HTTP/1.1\r\nHost: x\r\n\r\n" + post(b"x"))
            status, headers, _ = await peer.answer(head_only=True)
            assert (status, headers["content-length"]) == (200, str(len(b"HEAD /h ")))
            assert (await peer.answer())[2] == b"POST /p x"

        talk(dialogue)


def HEADERS(length: int) -> dict[str, str]:
    return {"content-type": "text/plain", "content-length": str(length)}


class TestEnding:
    @pytest.mark.parametrize(
        "request_", [b"GET / HTTP/1.0\r\n\r\n", b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"]
    )
    def test_the_connection_ends_when_the_client_wants_it(self, request_: bytes) -> None:
        async def dialogue(peer: Peer) -> None:
            await peer.send(request_)
            _, headers, _ = await peer.answer()
            assert headers["connection"] == "close"
            assert await peer.ended()

        talk(dialogue)

    def test_a_client_that_has_said_all_still_gets_its_answers(self) -> None:
        async def dialogue(peer: Peer) -> None:
            await peer.send(post(b"wait1") + post(b"two"))
            peer.writer.write_eof()
            while not (waiting := peer.server.handler.waiting):
                await asyncio.sleep(0.001)
            await asyncio.sleep(0.02)
            waiting[b"wait1"].reply(200, b"one")
            assert (await peer.answer())[2] == b"one"
            assert (await peer.answer())[2] == b"POST /p two"
            assert await peer.ended()

        talk(dialogue)

    def test_a_client_that_is_gone_is_no_error(self) -> None:
        async def dialogue(peer: Peer) -> None:
            await peer.send(post(b"wait1"))
            while not (waiting := peer.server.handler.waiting):
                await asyncio.sleep(0.001)
            peer.writer.transport.abort()
            await asyncio.sleep(0.01)
            waiting[b"wait1"].reply(200, b"too late")
            while peer.server.connections:
                await asyncio.sleep(0.001)

        talk(dialogue)

    def test_while_draining_every_answer_is_the_last_of_its_connection(self) -> None:
        async def dialogue(peer: Peer) -> None:
            await peer.send(post(b"a"))
            assert "connection" not in (await peer.answer())[1]
            peer.server.handler.draining = True
            await peer.send(post(b"b"))
            _, headers, body = await peer.answer()
            assert (headers["connection"], body) == ("close", b"POST /p b")
            assert await peer.ended()

        talk(dialogue)


class TestLimits:
    @pytest.mark.parametrize(
        ("sent", "status"),
        [
            (post(b"", b"X: " + b"a" * 40_000), 431),
            (b"GET /" + b"a" * 40_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 431),
            (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n", 413),
            (post(b"old", b"Connection: Upgrade", b"Upgrade: h2c"), 400),
            (post(b"zipped", b"Content-Encoding: gzip"), 415),
            (post(b"", b"Expect: a-miracle"), 417),
            (b"POST / HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
            (b"POST / HTTP/1.1\r\nContent-Length: -3\r\n\r\n", 400),
            (b"POST / HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", 400),
            (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
            (b"nonsense\r\n\r\n", 400),
            (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
            (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
            (post(b"x", b"Inference-Header-Content-Length: many"), 400),
        ],
    )
    def test_what_is_refused(self, sent: bytes, status: int) -> None:
        async def dialogue(peer: Peer) -> None:
            await peer.send(sent)
            got, _, body = await peer.answer()
            assert got == status
            assert body.startswith(b'{"error":"')

        served = talk(dialogue)
        assert served.handler.answers[status] == 1

    def test_an_endless_header_is_cut(self) -> None:
        async def dialogue(peer: Peer) -> None:
            await peer.send(b"GET / HTTP/1.1\r\nX: ")
            for _ in range(200):
                await peer.send(b"a" * 8192)
                await asyncio.sleep(0)
            assert (await peer.answer())[0] == 431
            assert await peer.ended()

        talk(dialogue)

    def test_an_endless_chunked_body_is_cut(self) -> None:
        async def dialogue(peer: Peer) -> None:
            peer.server.handler.max_body_bytes = 100_000
            await peer.send(b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n")
            for _ in range(20):
                await peer.send(b"2000\r\n" + b"a" * 0x2000 + b"\r\n")
            assert (await peer.answer())[0] == 413

        talk(dialogue)

    def test_an_error_comes_after_the_answers_before_it(self) -> None:
        async def dialogue(peer: Peer) -> None:
            await peer.send(post(b"wait1") + b"nonsense\r\n\r\n")
            while not (waiting := peer.server.handler.waiting):
                await asyncio.sleep(0.001)
            waiting[b"wait1"].reply(200, b"one")
            assert (await peer.answer())[2] == b"one"
            assert (await peer.answer())[0] == 400
            assert await peer.ended()

        talk(dialogue)

    def test_a_bug_costs_one_request(self, capsys: pytest.CaptureFixture[str]) -> None:
        async def dialogue(peer: Peer) -> None:
            await peer.send(post(b"raise") + post(b"next"))
            assert (await peer.answer())[0] == 500
            assert (await peer.answer())[2] == b"POST /p next"

        talk(dialogue)
        assert "ValueError: a bug" in capsys.readouterr().err

    def test_strangers_do_no_harm(self) -> None:
        """Mutations of good requests: whatever comes back, the server goes on answering others."""
        good = post(b'{"inputs":[]}', b"Expect: 100-continue", b"Inference-Header-Content-Length: 5")
        generator = random.Random(7)

        async def dialogue(peer: Peer) -> None:
            for _ in range(150):
                data = bytearray(good * generator.randint(1, 3))
                for _ in range(generator.randint(1, 6)):
                    place = generator.randrange(len(data))
                    action = generator.randrange(3)
                    if action == 0:
                        data[place] = generator.randrange(256)
                    elif action == 1:
                        del data[place : place + generator.randint(1, 20)]
                    else:
                        data[place:place] = generator.randbytes(generator.randint(1, 20))
                async with peer.server.peer() as stranger:
                    await stranger.send(bytes(data))
                    stranger.writer.write_eof()
                    with contextlib.suppress(TimeoutError, ConnectionError):
                        await asyncio.wait_for(stranger.reader.read(), 0.05)

        talk(dialogue)


class TestTimeouts:
    def test_an_unfinished_request_times_out(self) -> None:
        async def dialogue(peer: Peer) -> None:
            await peer.send(b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nabc")
            await one(peer).settled()
            one(peer).check(time.monotonic() + http.REQUEST_TIMEOUT_S - 5.0)
            one(peer).check(time.monotonic() + http.REQUEST_TIMEOUT_S + 5.0)
            assert (await peer.answer())[0] == 408
            assert await peer.ended()

        talk(dialogue)

    def test_an_idle_connection_is_closed_and_a_waiting_one_is_not(self) -> None:
        async def dialogue(peer: Peer) -> None:
            later_s = time.monotonic() + http.IDLE_TIMEOUT_S + 5.0
            await peer.send(post(b"wait1"))
            while not (waiting := peer.server.handler.waiting):
                await asyncio.sleep(0.001)
            one(peer).check(later_s)
            waiting[b"wait1"].reply(200, b"one")
            assert (await peer.answer())[2] == b"one"
            one(peer).check(later_s)
            assert await peer.ended()

        talk(dialogue)

    def test_a_client_that_reads_nothing_is_cut_off(self) -> None:
        async def dialogue(peer: Peer) -> None:
            peer.reader._transport.pause_reading()  # type: ignore[attr-defined]
            await peer.send(post(b"wait1"))
            while not (waiting := peer.server.handler.waiting):
                await asyncio.sleep(0.001)
            waiting[b"wait1"].reply(200, b"." * 30_000_000)
            await asyncio.sleep(0.05)
            one(peer).check(time.monotonic() + http.WRITE_TIMEOUT_S + 5.0)
            while peer.server.connections:
                await asyncio.sleep(0.001)

        talk(dialogue)


class OneConnection:
    def __init__(self, connection: Connection) -> None:
        self.check = connection.check
        self._connection = connection

    async def settled(self) -> None:
        while not self._connection._reading_since_s:
            await asyncio.sleep(0.001)


def one(peer: Peer) -> OneConnection:
    (connection,) = peer.server.connections
    return OneConnection(connection)


class TestTurns:
    def test_what_a_busy_loop_reads_may_have_waited_since_it_last_looked(self) -> None:
        async def main() -> None:
            turns = Turns(asyncio.get_running_loop())
            first_s = time.monotonic()
            assert turns.arrived_s(first_s) == first_s
            assert turns.arrived_s(first_s + 1.0) == first_s, "the same turn"
            await asyncio.sleep(0)
            turns.worked()
            assert turns.arrived_s(time.monotonic()) == first_s, "it has not rested since"
            await asyncio.sleep(0.01)
            rested_s = time.monotonic()
            assert turns.arrived_s(rested_s) == rested_s

        uvloop.run(main())

    def test_the_kernel_knows_how_long_a_request_has_waited(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(http, "REST_S", 1000.0)
        arrived_s: list[float] = []

        async def dialogue(peer: Peer) -> None:
            with socket.create_connection(("127.0.0.1", peer.server.port)) as other:

                def meanwhile() -> None:
                    other.sendall(post(b"wait1"))
                    arrived_s.append(time.monotonic())
                    time.sleep(0.06)

                peer.server.handler.meanwhile = meanwhile
                await peer.send(post(b"block"))
                assert (await peer.answer())[2] == b"blocked"
                while not (waiting := peer.server.handler.waiting):
                    await asyncio.sleep(0.001)
                # The kernel counts in steps of up to 10 ms.
                assert waiting[b"wait1"].arrived_s < arrived_s[0] + 0.02
                waiting[b"wait1"].reply(200, b"one")

        talk(dialogue)
