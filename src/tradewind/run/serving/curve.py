"""The latency curve of a loaded variant, measured before it serves."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from tradewind.lab.engines import Session

__all__ = ["measure_curve", "sizes_up_to"]

BUDGET_S: Final = 0.3
"""How long to measure; longer only to finish the passes below."""
PASSES: Final = (3, 40)
"""At least and at most."""
LONGEST_S: Final = 2.0
"""Larger sizes of a slow network are left out when the first calls have taken this long."""
QUANTILE: Final = 0.2
"""Others use the machine too: a low quantile shows the network, the median would show them."""


def sizes_up_to(largest: int) -> list[int]:
    """The sizes that are measured: 1, 2, 3, 4, 6, 8, 12, 16, 24, ... and the largest.

    >>> sizes_up_to(20)
    [1, 2, 3, 4, 6, 8, 12, 16, 20]
    """
    sizes = {1, largest}
    for power in range(1, largest.bit_length() + 1):
        sizes |= {2**power, 3 * 2 ** (power - 1)}
    return sorted(size for size in sizes if size <= largest)


def measure_curve(session: Session, golden: Mapping[str, NDArray[Any]], sizes: list[int]) -> dict[int, float]:
    """Seconds of a call by its rows, over interleaved passes; the inputs are golden rows, repeated."""
    feeds: dict[int, dict[str, NDArray[Any]]] = {}
    begun_s = time.perf_counter()
    for size in sizes:
        feeds[size] = {name: _rows(array, size) for name, array in golden.items()}
        session.run(feeds[size])
        if time.perf_counter() - begun_s > LONGEST_S:
            break
    times: dict[int, list[float]] = {size: [] for size in feeds}
    begun_s = time.perf_counter()
    for done in range(PASSES[1]):
        if done >= PASSES[0] and time.perf_counter() - begun_s > BUDGET_S:
            break
        if done and time.perf_counter() - begun_s > LONGEST_S:
            break
        for size in feeds if done % 2 else reversed(feeds):
            before_s = time.perf_counter()
            session.run(feeds[size])
            times[size].append(time.perf_counter() - before_s)
    return {size: sorted(taken)[int(QUANTILE * len(taken))] for size, taken in times.items()}


def _rows(array: NDArray[Any], count: int) -> NDArray[Any]:
    return np.ascontiguousarray(np.resize(array, (count, *array.shape[1:])))
