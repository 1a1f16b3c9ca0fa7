"""Serving, event by event: what the closed forms of the queue say is checked against what happens.

Engines share one queue. Requests are served in the order in which they arrive; a free engine never waits, and
takes what waits up to its largest batch: the rule of `batching`, for requests that all have the same time.
"""

from __future__ import annotations

import heapq
import math
from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from tradewind.decide.control.batching import BatchQueue, Refusal

if TYPE_CHECKING:
    from tradewind.decide.control.batching import Batch, LatencyCurve

__all__ = ["Sample", "poisson_arrivals_s", "sample_of", "serve", "simulate"]

_BLOCKS: Final = 10
"""Consecutive parts of a run, alike but for chance: their spread is that of the estimate (batch means)."""
_WARM_UP: Final = 0.05
"""Share of the requests that is left out: the first ones find nobody before them."""
_STEADY: Final = np.ones(1)


def poisson_arrivals_s(rate_rps: float, requests: int, generator: np.random.Generator) -> np.ndarray:
    """(requests,) times at which requests arrive at random, so many a second on average, rising.

    >>> times = poisson_arrivals_s(100.0, 5000, np.random.default_rng(0))
    >>> bool(45.0 < times[-1] < 55.0)
    True
    """
    return np.cumsum(generator.exponential(1.0 / rate_rps, requests))


def simulate(
    arrivals_s: np.ndarray,
    service_s: np.ndarray,
    *,
    engines: int = 1,
    wake_s: float = 0.0,
    stretch: np.ndarray = _STEADY,
) -> np.ndarray:
    """(n,) the time from the arrival of each request to its answer.

    A batch of b takes `service_s[b - 1]`, and `wake_s` more when its engine had nothing to do; the i-th batch
    takes `stretch[i]` times as long, over and over again (random times, say). `arrivals_s` must rise.

    >>> simulate(np.array([0.0, 0.5, 0.6, 9.0]), np.array([1.0, 1.5])).round(3).tolist()
    [1.0, 2.0, 1.9, 1.0]
    """
    times: list[float] = np.asarray(arrivals_s).tolist()
    lasts: list[float] = np.asarray(service_s).tolist()
    factors: list[float] = np.asarray(stretch).tolist()
    total, size, turns = len(times), len(lasts), len(factors)
    free_s = [-math.inf] * engines
    heads: list[int] = []
    ends_s: list[float] = []
    head = turn = 0
    while head < total:
        arrived_s, rested_s = times[head], free_s[0]
        if rested_s > arrived_s:
            started_s, last = rested_s, bisect_right(times, rested_s, head, min(head + size, total))
            end_s = started_s + lasts[last - head - 1] * factors[turn]
        else:
            last = head + 1
            end_s = arrived_s + lasts[0] * factors[turn] + wake_s
        heads.append(head)
        ends_s.append(end_s)
        heapq.heapreplace(free_s, end_s)
        head = last
        turn += 1
        if turn == turns:
            turn = 0
    counts = np.diff(np.array([*heads, total]))
    return np.asarray(np.repeat(np.array(ends_s), counts) - np.asarray(arrivals_s))


def serve(arrivals_s: np.ndarray, curve: LatencyCurve, bound_s: float) -> np.ndarray:
    """(n,) the same for one engine behind the very queue of a server, with deadlines `bound_s` after arrival.

    Infinite for a request that is refused or given up. The curve tells the true times, and learns nothing new.

    >>> from tradewind.decide.control.batching import LatencyCurve
    >>> serve(np.array([0.0, 0.1, 0.2]), LatencyCurve({1: 1.0}, 1), 2.0).round(3).tolist()
    [1.0, 1.9, inf]
    """
    queue: BatchQueue[int] = BatchQueue(curve, bound_s=bound_s)
    times: list[float] = np.asarray(arrivals_s).tolist()
    latency_s = np.full(len(times), np.inf)
    running: Batch[int] | None = None

    def run_until(now_s: float) -> None:
        nonlocal running
        while running is not None:
            end_s = running.started_s + running.calibrated_s
            if end_s > now_s:
                return
            queue.finish(running, end_s)
            queue.answered(running, end_s)
            for ticket in running.tickets:
                latency_s[ticket.payload] = end_s - times[ticket.payload]
            running = queue.take(end_s)[0]

    for place, now_s in enumerate(times):
        run_until(now_s)
        admitted = queue.admit(now_s, place, rows=1, group=(), weight=1.0, deadline_s=now_s + bound_s)
        if running is None and not isinstance(admitted, Refusal):
            running = queue.take(now_s)[0]
    run_until(math.inf)
    return latency_s


@dataclass(frozen=True)
class Sample:
    """A quantile of simulated latencies, with the standard error that chance leaves."""

    value_s: float
    error_s: float

    def above(self, bound_s: float) -> bool:
        """Whether it is above a bound by more than three standard errors: 1 of 700 is so by chance."""
        return self.value_s - 3.0 * self.error_s > bound_s


def sample_of(latency_s: np.ndarray, level: float) -> Sample:
    """The quantile at a level of the latencies of one run, in the order of arrival; the first are left out.

    The error is that of the means of blocks, which are long enough to be nearly independent.
    """
    kept = latency_s[int(_WARM_UP * len(latency_s)) :]
    blocks = [float(np.quantile(block, level)) for block in np.array_split(kept, _BLOCKS)]
    return Sample(float(np.quantile(kept, level)), float(np.std(blocks, ddof=1) / math.sqrt(_BLOCKS)))
