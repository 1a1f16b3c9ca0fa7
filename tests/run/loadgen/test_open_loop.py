"""The open loop against real servers, good and bad ones."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradewind.domain.errors import InputError, ResourceError
from tradewind.run import loadgen, serving
from tradewind.run.loadgen.open_loop import arrivals_s
from tradewind.run.loadgen.target import find_target, requests_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tradewind.domain.estimate import Observation
    from tradewind.domain.plan import Run

ROWS = {"x": np.random.default_rng(0).normal(size=(200, 4)).astype(np.float32)}


@pytest.fixture(scope="module")
def doubler(doubling: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    log = tmp_path_factory.mktemp("log") / "server.log"
    run = serving.start(doubling, model="doubling", threads=1, max_batch=16, latency_s=5.0, log=log)
    yield run
    serving.stop(run)


def drive(run: Run | str, **options: Any) -> Observation:
    chosen = {
        "model": "doubling",
        "rows": ROWS,
        "rate_rps": 200.0,
        "seconds": 0.5,
        "warmup_s": 0.1,
        "connections": 8,
        "seed": 1,
        "bound_s": 5.0,
        **options,
    }
    return loadgen.drive(run, **chosen)


class Stub:
    """A server of the protocol's outer form, whose answers are made up by the test."""

    def __init__(self, answer: Callable[[int], bytes | None]) -> None:
        self._answer = answer
        self._count = 0
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.bodies: list[bytes] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._talk, args=(client,), daemon=True).start()

    def _talk(self, client: socket.socket) -> None:
        with client, client.makefile("rb") as lines:
            while first := lines.readline():
                length = 0
                while (line := lines.readline()) not in (b"\r\n", b""):
                    name, _, value = line.lower().partition(b":")
                    if name == b"content-length":
                        length = int(value)
                body = lines.read(length)
                if first.startswith(b"GET /v2/models/"):
                    answer = http(200, b'{"inputs":[{"name":"x","datatype":"FP32"}]}')
                elif first.startswith(b"GET"):
                    answer = http(404, b"{}")
                else:
                    self.bodies.append(body)
                    self._count += 1
                    given = self._answer(self._count)
                    if given is None:
                        return
                    answer = given
                try:
                    client.sendall(answer)
                except OSError:
                    return

    def close(self) -> None:
        self._listener.close()


def http(status: int, body: bytes, *headers: bytes) -> bytes:
    lines = b"".join(header + b"\r\n" for header in headers)
    return b"HTTP/1.1 %d X\r\n%bContent-Length: %d\r\n\r\n%b" % (status, lines, len(body), body)


class TestArrivals:
    @given(st.floats(0.1, 1000.0), st.floats(0.1, 5.0), st.integers(0, 2**31))
    def test_they_are_ordered_inside_the_window_and_as_many_as_the_rate_says(
        self, rate_rps: float, seconds: float, seed: int
    ) -> None:
        times = arrivals_s(rate_rps, seconds, seed=seed)
        assert len(times) == round(rate_rps * seconds)
        assert np.all(np.diff(times) >= 0.0)
        assert np.all((times >= 0.0) & (times <= seconds))
        np.testing.assert_array_equal(times, arrivals_s(rate_rps, seconds, seed=seed))

    def test_gaps_are_those_of_a_poisson_process(self) -> None:
        gaps = np.diff(arrivals_s(1000.0, 50.0, seed=5))
        assert gaps.mean() == pytest.approx(1e-3, rel=0.01)
        assert gaps.std() == pytest.approx(1e-3, rel=0.03), "exponential: the deviation is the mean"
        assert np.corrcoef(gaps[:-1], gaps[1:])[0, 1] == pytest.approx(0.0, abs=0.02)


class TestDrive:
    def test_every_request_is_answered_at_a_low_load(self, doubler: Run) -> None:
        seen = drive(doubler)
        assert seen.sent == seen.answered == 100
        assert seen.refused == seen.failed == 0
        assert seen.load_rps == 200.0
        assert seen.window_s == 0.5
        assert seen.origin == "measured"
        assert seen.memory_bytes is not None
        assert seen.memory_bytes.likely > 2**20
        assert seen.cpu_s_per_request is not None
        assert 0.0 < seen.cpu_s_per_request.likely < 0.1
        assert seen.utilization is not None
        assert 0.0 < seen.utilization.likely <= 1.0

    def test_a_url_does_as_well_as_a_run(self, doubler: Run) -> None:
        assert drive(doubler.endpoint, warmup_s=0.0).answered == 100

    def test_apart_measures_the_same_things(self, doubler: Run) -> None:
        seen = loadgen.drive_apart(
            doubler,
            model="doubling",
            rows=ROWS,
            rate_rps=200.0,
            seconds=0.5,
            warmup_s=0.1,
            connections=8,
            seed=1,
            bound_s=5.0,
        )
        assert (seen.sent, seen.answered) == (100, 100)
        with pytest.raises(InputError, match="no metadata of the model 'other'"):
            loadgen.drive_apart(
                doubler,
                model="other",
                rows=ROWS,
                rate_rps=200.0,
                seconds=0.5,
                warmup_s=0.1,
                connections=8,
                seed=1,
                bound_s=5.0,
            )

    def test_refusals_are_counted_apart(self, heavy: Path, tmp_path: Path) -> None:
        run = serving.start(
            heavy, model="heavy", threads=1, max_batch=16, latency_s=1e-5, log=tmp_path / "log"
        )
        try:
            seen = drive(run, model="heavy")
        finally:
            serving.stop(run)
        assert seen.refused == seen.sent == 100
        assert seen.latency_s == {}
        assert seen.cpu_s_per_request is None

    def test_many_rows_are_sent_in_turn(self) -> None:
        with closing(Stub(lambda number: http(200, b"{}"))) as stub:
            drive(stub.url, warmup_s=0.0)
            assert len(set(stub.bodies)) == 100
            assert b'"shape":[1,4]' in stub.bodies[0]

    def test_a_stall_is_seen_by_all_that_would_have_come(self) -> None:
        """With two connections a closed loop would see two slow answers; 200 requests were due."""

        def answer(number: int) -> bytes:
            if number in (50, 51):
                time.sleep(0.5)
            return http(200, b"{}")

        with closing(Stub(answer)) as stub:
            seen = drive(stub.url, rate_rps=400.0, seconds=1.0, warmup_s=0.0, connections=2, bound_s=0.1)
        assert seen.answered == 400
        assert seen.late >= 100

    def test_all_kinds_of_failures_are_counted(self) -> None:
        kinds = {
            0: http(200, b"{}"),
            1: http(400, b"{}"),
            2: http(429, b"{}"),
            3: b"not http\r\n\r\n",
            4: None,
            5: http(200, b"{}", b"Connection: close"),
            6: http(200, b"{}", b"Content-Type: application/json") + b"more than was announced",
        }
        with closing(Stub(lambda number: kinds[number % 7])) as stub:
            seen = drive(stub.url, rate_rps=140.0, seconds=1.0, warmup_s=0.0)
        assert seen.sent == 140
        assert seen.refused == 20
        assert seen.answered == 40
        assert seen.failed == 80
        assert seen.cpu_s_per_request is None

    def test_a_server_that_ends_is_no_crash(self) -> None:
        def answer(number: int) -> bytes | None:
            if number == 20:
                stub.close()
            return http(200, b"{}", b"Connection: close") if number < 30 else None

        with closing(Stub(answer)) as stub:
            seen = drive(stub.url, rate_rps=200.0, seconds=0.5, warmup_s=0.0, connections=4, bound_s=0.01)
        assert seen.sent == 100
        assert 1 <= seen.answered < 100
        assert seen.failed == seen.sent - seen.answered

    def test_answers_in_pieces(self) -> None:
        body = b"." * 300_000
        with closing(Stub(lambda number: http(200, body))) as stub:
            assert drive(stub.url, rate_rps=40.0, warmup_s=0.0).answered == 20


class TestBadInput:
    def test_nothing_listens(self) -> None:
        with closing(socket.create_server(("127.0.0.1", 0))) as unused:
            port = unused.getsockname()[1]
        with pytest.raises(ResourceError, match="is the server running"):
            drive(f"http://127.0.0.1:{port}")

    @pytest.mark.parametrize("url", ["127.0.0.1:80", "https://x", "http://", "http://a:b", "http://[1"])
    def test_what_is_no_address(self, url: str) -> None:
        with pytest.raises(InputError, match="not the address"):
            drive(url)

    @pytest.mark.parametrize(
        ("options", "words"),
        [
            ({"model": "other"}, "no metadata of the model 'other'"),
            ({"rows": {"w": ROWS["x"]}}, "takes x"),
            ({"rows": {"x": ROWS["x"][:0]}}, "empty"),
            ({"rate_rps": 0.0}, "positive"),
            ({"rate_rps": float("nan")}, "positive"),
            ({"seconds": 0.0}, "positive"),
            ({"warmup_s": -1.0}, "positive"),
            ({"bound_s": 0.0}, "positive"),
            ({"connections": 0}, "at least 1"),
            ({"connections": 10_000_000}, "fewer connections"),
            ({"rate_rps": 1e9}, "over the limit"),
        ],
    )
    def test_what_cannot_be_driven(self, doubler: Run, options: dict[str, Any], words: str) -> None:
        with pytest.raises(InputError, match=words):
            drive(doubler, **options)


class TestRequests:
    def test_numbers_are_written_shortly_and_exactly(self, doubler: Run) -> None:
        rows = {"x": np.array([[0.1, 1e-7, -3.0, 16777217.0]], np.float32)}
        (request,) = requests_of(find_target(doubler, "doubling"), rows, seed=0)
        assert b"[0.1,1e-7,-3.0,16777216.0]" in request
