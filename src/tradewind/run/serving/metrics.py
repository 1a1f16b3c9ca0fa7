"""What the server counts about itself, in the text format of Prometheus.

Own histograms: a counter of a client library costs as much as decoding the request.
"""

from __future__ import annotations

import os
import time
from bisect import bisect_left
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias, get_args

from tradewind.decide.control.batching import Release

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["Histogram", "Metrics", "Sample", "memory_bytes", "render"]

Sample: TypeAlias = "tuple[str, Mapping[str, str], float]"
"""Suffix of the name, labels, value."""

LATENCY_BOUNDS_S: Final = tuple(
    round(base * 10.0**power, 9)
    for power in range(-5, 2)
    for base in (1.0, 1.25, 1.6, 2.0, 2.5, 3.2, 4.0, 5.0, 6.3, 8.0)
)
"""From 10 us to 80 s in steps of 25 %: a percentile read from them is at most so far off."""


class Histogram:
    """Counts of values by upper bounds.

    >>> histogram = Histogram((1.0, 2.0))
    >>> for value in (0.5, 2.0, 9.0):
    ...     histogram.observe(value)
    >>> [(labels["le"], count) for suffix, labels, count in histogram.samples() if suffix == "_bucket"]
    [('1', 1), ('2', 2), ('+Inf', 3)]
    """

    __slots__ = ("_bounds", "_counts", "total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, value: float) -> None:
        """Counts one value."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self.total += value

    def samples(self) -> Iterable[Sample]:
        """The cumulative buckets, the sum and the count."""
        seen = 0
        for bound, count in zip((*self._bounds, float("inf")), self._counts, strict=True):
            seen += count
            yield "_bucket", {"le": "+Inf" if bound == float("inf") else f"{bound:g}"}, seen
        yield "_sum", {}, self.total
        yield "_count", {}, seen


class Metrics:
    """Everything that the server counts on its way."""

    def __init__(self, max_rows: int) -> None:
        self.latency = Histogram(LATENCY_BOUNDS_S)
        """From the arrival of an accepted request to its answer."""
        sizes = {*range(1, 17), *(24 * 2**n for n in range(10)), *(32 * 2**n for n in range(10))}
        bounds = [*sorted(size for size in sizes if size < max_rows), max_rows]
        self.batch_rows = Histogram(tuple(map(float, bounds)))
        self.batches: dict[str, int] = dict.fromkeys(get_args(Release), 0)
        self.refused: dict[str, int] = {"deadline": 0, "displaces": 0, "given_up": 0}
        self.inline_batches = 0
        self.in_flight = 0
        self.rows = 0
        self.engine_busy_s = 0.0
        """Time in the network's calls, wherever they ran."""
        self.inline_cpu_s = 0.0
        """CPU time in those calls that ran on the thread of the event loop."""


def memory_bytes() -> int:
    """The resident memory of this process."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def render(families: Iterable[tuple[str, str, str, Iterable[Sample]]]) -> bytes:
    """The page: for each family its name, type, meaning, and samples.

    >>> print(render([("up_total", "counter", "How often.", [("", {"code": "200"}, 3)])]).decode(), end="")
    # HELP up_total How often.
    # TYPE up_total counter
    up_total{code="200"} 3
    """
    lines: list[str] = []
    for name, kind, meaning, samples in families:
        lines.append(f"# HELP {name} {meaning}")
        lines.append(f"# TYPE {name} {kind}")
        for suffix, labels, value in samples:
            inside = ",".join(f'{key}="{_escape(text)}"' for key, text in labels.items())
            lines.append(
                f"{name}{suffix}{{{inside}}} {_number(value)}"
                if inside
                else f"{name}{suffix} {_number(value)}"
            )
    return ("\n".join(lines) + "\n").encode()


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(float(value))


def _escape(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def cpu_s() -> float:
    """CPU seconds of this process, all its threads."""
    return time.process_time()
