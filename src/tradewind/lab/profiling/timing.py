"""How long calls take, measured so that a busy machine disturbs all subjects alike.

Every cell (subject, batch, threads) is called in short bursts, and the bursts of all cells are spread
over the whole time in a random order, so that a slow second of the machine falls on everybody. The low
quantile of many calls is what the machine does when nobody disturbs it; the spread is reported beside.
"""

from __future__ import annotations

import gc
import random
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from tradewind.domain.profile import LatencyPoint
from tradewind.lab.engines import load

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from tradewind.domain.variant import Variant
    from tradewind.lab.engines import Session

__all__ = ["batch_of", "measure"]

BURST_S: Final = 0.01
"""Short against the time in which the load of a machine changes, long against a call of a small network."""
LONGEST_BURST_S: Final = 0.05
"""A burst ends early when the machine has become slower than it was at warm-up."""
MOST_CALLS_PER_BURST: Final = 50
FEWEST_BURSTS: Final = 3
"""Even a cell that exceeds its share of the time is measured that often."""
MOST_BURSTS: Final = 100
LOW_QUANTILE: Final = 0.1
HIGH_QUANTILE: Final = 0.9


@dataclass
class _Cell:
    """One thing to be timed, and its times so far."""

    subject: int
    batch: int
    threads: int
    session: Session
    inputs: dict[str, NDArray[Any]]
    calls_per_burst: int = 1
    wall_s: list[float] = field(default_factory=list)
    cpu_s: list[float] = field(default_factory=list)

    def burst(self) -> None:
        if self.calls_per_burst > 1:
            # The first call wakes threads and fills caches after another subject's turn; it is not counted.
            # A call that is longer than a burst does not notice.
            self.session.run(self.inputs)
        cpu_before, started, calls = time.process_time(), time.perf_counter(), 0
        while calls < self.calls_per_burst:
            begun = time.perf_counter()
            self.session.run(self.inputs)
            ended = time.perf_counter()
            self.wall_s.append(ended - begun)
            calls += 1
            if ended - started > LONGEST_BURST_S:
                break
        self.cpu_s.append((time.process_time() - cpu_before) / calls)

    def point(self) -> LatencyPoint:
        low, median, high = np.quantile(self.wall_s, (LOW_QUANTILE, 0.5, HIGH_QUANTILE))
        return LatencyPoint(
            batch=self.batch,
            threads=self.threads,
            low_s=float(low),
            median_s=float(median),
            high_s=float(high),
            cpu_s=float(np.quantile(self.cpu_s, LOW_QUANTILE)),
            runs=len(self.wall_s),
        )


def measure(
    subjects: Sequence[tuple[Variant, Path]],
    sample: Mapping[str, NDArray[Any]],
    *,
    batches: Sequence[int],
    threads: Sequence[int],
    seconds: float,
    seed: int,
) -> list[tuple[LatencyPoint, ...]]:
    """The latency curve of each subject, all of them interleaved in this process.

    Args:
        subjects: Variants and their folders; the same one twice tells how far equal things differ.
        sample: Rows of inputs by name; batches repeat them as needed.
        batches: Batch sizes to measure.
        threads: Thread counts to measure.
        seconds: About how long to measure; slow cells are called at least three times all the same.
        seed: Of the order.

    Returns:
        For each subject its points, sorted by threads, then batch.

    Errors: CannotMeasure when a subject cannot be loaded or run.
    """
    generator = random.Random(seed)
    sessions = [
        {count: load(folder, variant, threads=count) for count in threads} for variant, folder in subjects
    ]
    try:
        cells = [
            _Cell(subject, batch, count, sessions[subject][count], batch_of(sample, batch))
            for subject in range(len(subjects))
            for count in sorted(threads)
            for batch in sorted(batches)
        ]
        _run(cells, seconds, generator)
    finally:
        for by_threads in sessions:
            for session in by_threads.values():
                session.close()
    return [tuple(cell.point() for cell in cells if cell.subject == index) for index in range(len(subjects))]


def batch_of(sample: Mapping[str, NDArray[Any]], rows: int) -> dict[str, NDArray[Any]]:
    """The first rows of a sample, repeated when it has fewer.

    >>> batch_of({"x": np.array([[1], [2]])}, 3)["x"].tolist()
    [[1], [2], [1]]
    """
    return {name: array[np.arange(rows) % len(array)] for name, array in sample.items()}


def _run(cells: list[_Cell], seconds: float, generator: random.Random) -> None:
    begun = time.perf_counter()
    spans = {id(cell): _warm_up(cell) for cell in cells}
    left_s = max(seconds - (time.perf_counter() - begun), 0.0)
    schedule = []
    for cell in cells:
        call_s = spans[id(cell)]
        cell.calls_per_burst = min(max(int(BURST_S / call_s), 1), MOST_CALLS_PER_BURST)
        burst_s = (cell.calls_per_burst + 1) * call_s
        bursts = min(max(int(left_s / len(cells) / burst_s), FEWEST_BURSTS), MOST_BURSTS)
        # One burst in each n-th of the time, at a random moment of it.
        schedule += [((place + generator.random()) / bursts, cell) for place in range(bursts)]
    schedule.sort(key=lambda entry: entry[0])
    collecting = gc.isenabled()
    gc.disable()
    try:
        for _, cell in schedule:
            # Past the end, only what has been measured too seldom still is.
            if time.perf_counter() - begun < seconds or len(cell.cpu_s) < FEWEST_BURSTS:
                cell.burst()
    finally:
        if collecting:
            gc.enable()


def _warm_up(cell: _Cell) -> float:
    """The time of a call after the first ones, which allocate and choose kernels."""
    times: list[float] = []
    begun = time.perf_counter()
    cell.session.run(cell.inputs)
    first_s = time.perf_counter() - begun
    for _ in range(2 if first_s < LONGEST_BURST_S else 1):
        begun = time.perf_counter()
        cell.session.run(cell.inputs)
        times.append(time.perf_counter() - begun)
    return max(min(times), 1e-7)
