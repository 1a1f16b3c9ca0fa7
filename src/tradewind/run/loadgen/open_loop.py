"""The open loop: a Poisson process of arrivals, and latency from the moment that each was due."""

from __future__ import annotations

import ctypes
import gc
import select
import time
from collections import deque
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from tradewind.domain.errors import InputError, ResourceError
from tradewind.run.loadgen.connections import BROKEN, Connection, Pool, Waiting
from tradewind.run.loadgen.figures import UNANSWERED, Sample, observation_of
from tradewind.run.loadgen.target import Scrape, find_target, read_scrape, requests_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from tradewind.domain.estimate import Observation
    from tradewind.domain.plan import Run
    from tradewind.run.loadgen.target import Target

__all__ = ["arrivals_s", "drive"]

MAX_ARRIVALS: Final = 20_000_000
PATIENCE_S: Final = 5.0
"""How long answers are waited for after the last arrival, or ten times the bound if that is longer."""
PR_SET_TIMERSLACK: Final = 29
"""From <linux/prctl.h>."""


def drive(
    run_or_url: Run | str,
    *,
    model: str,
    rows: Mapping[str, NDArray[Any]],
    rate_rps: float,
    seconds: float,
    warmup_s: float,
    connections: int,
    seed: int,
    bound_s: float,
) -> Observation:
    """What the server does with requests of one row that arrive at random, `rate_rps` on average.

    The warm-up comes first and is not counted. At most `connections` requests are under way; further ones
    wait for a connection, and the wait is part of their latency. `bound_s` decides what counts as late.
    CPU time, memory and utilization are what the server itself reports at both ends of the window; they
    are None if it does not. Utilization is CPU time over time and threads, at most 1.

    Errors: InputError for what cannot be sent, ResourceError when nothing answers there.
    """
    _check(rate_rps, seconds, warmup_s, connections, bound_s)
    target = find_target(run_or_url, model)
    requests = requests_of(target, rows, seed)
    due_s = np.concatenate(
        [
            arrivals_s(rate_rps, warmup_s, seed=seed),
            warmup_s + arrivals_s(rate_rps, seconds, seed=seed + 1),
        ]
    )
    pool = Pool(target, connections + 1)
    collecting = gc.isenabled()
    gc.disable()
    try:
        loop = _OpenLoop(pool, target, requests, due_s.tolist(), warmup_s)
        sample = loop.run(warmup_s + seconds, max(PATIENCE_S, 10.0 * bound_s))
    finally:
        if collecting:
            gc.enable()
        pool.close()
    return observation_of(sample, bound_s=bound_s, window_s=seconds, seed=seed)


def arrivals_s(rate_rps: float, seconds: float, *, seed: int) -> NDArray[np.float64]:
    """The times of a Poisson process, given that it has as many arrivals as the rate says.

    Given their number, the arrivals of a Poisson process are uniform and independent. Fixing the number
    keeps the offered load at the rate without taking the randomness from the gaps.

    >>> arrivals_s(2.0, 3.0, seed=1).round(1).tolist()
    [0.4, 0.9, 1.3, 1.5, 2.8, 2.9]
    """
    count = round(rate_rps * seconds)
    return np.sort(np.random.default_rng(seed).uniform(0.0, seconds, count))


class _OpenLoop:
    """One run of the loop: sends what is due, hears what comes, in one thread."""

    def __init__(
        self, pool: Pool, target: Target, requests: list[bytes], due_s: list[float], warmup_s: float
    ) -> None:
        self._pool = pool
        self._requests = requests
        self._due_s = due_s
        self._warmup_s = warmup_s
        self._status = [UNANSWERED] * len(due_s)
        self._latency_s = [0.0] * len(due_s)
        self._free = list(pool.by_descriptor.values())
        self._watcher = self._free.pop()
        """Asks for the metrics; it carries none of the load."""
        self._scrape = f"GET /metrics HTTP/1.1\r\nHost: {target.authority}\r\n\r\n".encode()
        self._scrapes: list[Scrape | None] = []
        self._asked = 0
        self._queue: deque[int] = deque()
        self._open = 0

    def run(self, end_s: float, patience_s: float) -> Sample:
        """Runs to the end, and waits for the answers that are still to come."""
        _precise_timers()
        due_s, queue, pool = self._due_s, self._queue, self._pool
        descriptor = pool.epoll.fileno()
        count, number = len(due_s), 0
        started_at = datetime.now(UTC)
        begun_s = time.perf_counter()
        now_s = 0.0
        while now_s < end_s or (self._busy and now_s < end_s + patience_s):
            while number < count and due_s[number] <= now_s:
                if self._free:
                    self._start(self._free.pop(), number)
                else:
                    queue.append(number)
                number += 1
            if self._asked == 0 and now_s >= self._warmup_s:
                started_at = datetime.now(UTC)
                self._ask()
            elif self._asked == 1 and now_s >= end_s:
                self._ask()
            next_s = due_s[number] if number < count else end_s if now_s < end_s else now_s + 0.05
            if self._asked == 0:
                next_s = min(next_s, self._warmup_s)
            wait_s = next_s - (time.perf_counter() - begun_s)
            if wait_s > 0.0:
                # epoll_wait counts in milliseconds; select, which can watch an epoll object, in microseconds.
                select.select((descriptor,), (), (), wait_s)
            for ready, _ in pool.epoll.poll(0):
                self._hear(pool.by_descriptor[ready], begun_s)
            now_s = time.perf_counter() - begun_s
        first = int(np.searchsorted(due_s, self._warmup_s))
        return Sample(
            started_at=started_at.isoformat(timespec="seconds"),
            latency_s=np.array(self._latency_s[first:]),
            status=np.array(self._status[first:], dtype=np.int64),
            before=self._scrapes[0] if self._scrapes else None,
            after=self._scrapes[1] if len(self._scrapes) > 1 else None,
        )

    @property
    def _busy(self) -> bool:
        """Whether anything can still be sent or heard."""
        sendable = self._queue and len(self._pool.by_descriptor) > 1
        return bool(self._open or sendable) or len(self._scrapes) < 2

    def _start(self, connection: Connection, number: int) -> None:
        connection.number = number
        connection.due_s = self._due_s[number]
        self._open += 1
        if not self._pool.send(connection, self._requests[number % len(self._requests)]):
            self._finish(connection, BROKEN, 0.0)

    def _hear(self, connection: Connection, begun_s: float) -> None:
        status = self._pool.receive(connection)
        if status is Waiting:
            return
        assert isinstance(status, int)
        if connection is self._watcher:
            self._scrapes.append(read_scrape(connection.body) if status == 200 else None)
            if status == BROKEN or not connection.keeps:
                self._pool.drop(connection)
            return
        if connection.number < 0:
            # The server closed a connection that was not in use.
            self._replace(connection)
            return
        self._finish(connection, status, time.perf_counter() - begun_s)

    def _finish(self, connection: Connection, status: int, now_s: float) -> None:
        self._open -= 1
        self._status[connection.number] = status
        self._latency_s[connection.number] = now_s - connection.due_s
        connection.number = -1
        if status == BROKEN or not connection.keeps:
            self._replace(connection)
        elif self._queue:
            self._start(connection, self._queue.popleft())
        else:
            self._free.append(connection)

    def _replace(self, connection: Connection) -> None:
        """A new connection in place of one that has ended."""
        if connection in self._free:
            self._free.remove(connection)
        self._pool.drop(connection)
        try:
            fresh = self._pool.open()
        except ResourceError:
            # The server is gone; the requests that find no connection will be counted as failed.
            return
        fresh.number = -1
        if self._queue:
            self._start(fresh, self._queue.popleft())
        else:
            self._free.append(fresh)

    def _ask(self) -> None:
        self._asked += 1
        if self._watcher.descriptor not in self._pool.by_descriptor or not self._pool.send(
            self._watcher, self._scrape
        ):
            self._scrapes.append(None)


def _precise_timers() -> None:
    """Lets timers of this thread fire when they are due, not up to 50 us later."""
    ctypes.CDLL(None).prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0)


def _check(rate_rps: float, seconds: float, warmup_s: float, connections: int, bound_s: float) -> None:
    if not rate_rps > 0.0 or not seconds > 0.0 or not warmup_s >= 0.0 or not bound_s > 0.0:
        raise InputError(
            f"rate {rate_rps} rps, {seconds} s, warm-up {warmup_s} s, bound {bound_s} s; all must be positive "
            "(the warm-up may be 0)"
        )
    if rate_rps * (seconds + warmup_s) > MAX_ARRIVALS:
        raise InputError(
            f"{rate_rps:.0f} rps for {seconds + warmup_s:.0f} s are over the limit of {MAX_ARRIVALS} requests; "
            "measure for a shorter time"
        )
    if connections < 1:
        raise InputError(f"{connections} connections; at least 1 is needed")
