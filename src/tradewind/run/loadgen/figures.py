"""From the single requests to an Observation."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from tradewind.domain.estimate import Observation
from tradewind.domain.noun import Range

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tradewind.run.loadgen.target import Scrape

__all__ = ["UNANSWERED", "Sample", "latency_ranges", "observation_of"]

PERCENTILES: Final = {"p50": 0.50, "p90": 0.90, "p95": 0.95, "p99": 0.99}
UNANSWERED: Final = -2
"""In place of a status: no answer came while it was waited for."""
REFUSALS: Final = (429, 503)
BLOCKS: Final = 20
RESAMPLES: Final = 200
LEVEL: Final = 0.95


@dataclass(frozen=True)
class Sample:
    """What was seen of the requests of a window, in the order in which they were due."""

    started_at: str
    latency_s: NDArray[np.float64]
    status: NDArray[np.int64]
    before: Scrape | None
    after: Scrape | None


def observation_of(sample: Sample, *, bound_s: float, window_s: float, seed: int) -> Observation:
    """The figures of the sample. Percentiles are of answered requests, and absent if there are none."""
    answered = sample.status == 200
    refused = np.isin(sample.status, REFUSALS)
    latency_s = sample.latency_s[answered]
    count, sent = int(answered.sum()), len(sample.status)
    utilization = memory = cpu = None
    if sample.after is not None:
        memory = Range.exactly(sample.after.memory_bytes)
    if sample.before is not None and sample.after is not None:
        spent_s = sample.after.cpu_s - sample.before.cpu_s
        passed_s = sample.after.uptime_s - sample.before.uptime_s
        answers = sample.after.answered - sample.before.answered
        if passed_s > 0.0 and sample.after.threads > 0.0:
            utilization = Range.exactly(min(1.0, spent_s / passed_s / sample.after.threads))
        # The two pages that were asked for are answers, too.
        if answers > 1.0:
            cpu = Range.exactly(spent_s / (answers - 1.0))
    return Observation(
        load_rps=sent / window_s,
        latency_s=latency_ranges(latency_s, seed=seed),
        throughput_rps=Range.exactly(count / window_s),
        utilization=utilization,
        memory_bytes=memory,
        cpu_s_per_request=cpu,
        started_at=sample.started_at,
        window_s=window_s,
        sent=sent,
        answered=count,
        refused=int(refused.sum()),
        failed=sent - count - int(refused.sum()),
        late=int((latency_s > bound_s).sum()),
    )


def latency_ranges(latency_s: NDArray[np.float64], *, seed: int) -> dict[str, Range]:
    """Percentiles (nearest rank) with 95 % intervals by a seeded bootstrap over blocks of time.

    Requests that are close in time share queues, so single requests must not be resampled as if they were
    independent; `latency_s` is in the order of time, and whole blocks of it are drawn.
    """
    count = len(latency_s)
    if count == 0:
        return {}
    likely = _percentiles(latency_s)
    blocks = np.array_split(latency_s, min(BLOCKS, count))
    random = np.random.default_rng(seed)
    drawn = np.array(
        [
            _percentiles(
                np.concatenate([blocks[place] for place in random.integers(len(blocks), size=len(blocks))])
            )
            for _ in range(RESAMPLES)
        ]
    )
    low, high = np.quantile(drawn, [(1.0 - LEVEL) / 2.0, (1.0 + LEVEL) / 2.0], axis=0)
    return {
        name: Range(
            low=float(min(low[place], likely[place])),
            likely=float(likely[place]),
            high=float(max(high[place], likely[place])),
        )
        for place, name in enumerate(PERCENTILES)
    }


def _percentiles(values: NDArray[np.float64]) -> NDArray[np.float64]:
    ranks = [math.ceil(share * len(values)) - 1 for share in PERCENTILES.values()]
    found: NDArray[np.float64] = np.partition(values, ranks)[ranks]
    return found
