"""Intervals from what predictions missed where they had not been fitted: split conformal prediction.

A miss is log(measured / predicted) of a row that the fit did not see. Rows near the data of the fit (their device
and family of networks were in it) miss as rows of left-out groups did; rows far from it miss as whole left-out
tables did. Between the two a distance from 0 to 1 interpolates.

Source: Lei et al. 2018, "Distribution-free predictive inference for regression"; two-sided, one quantile a side.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tradewind.decide.prediction.transformers import Column
    from tradewind.domain.estimate import Calibration

__all__ = ["bounds", "misses_of", "widen"]

_LEAST = 0.02
"""No prediction of a machine that is not at hand is told closer than 2 % to either side."""


def bounds(misses: Sequence[float], level: float) -> tuple[float, float]:
    """Factors that hold `level` of new outcomes round a prediction: (low, high), low < 1 < high.

    Each side takes the ceil((n + 1)(1 + level) / 2)-th smallest of n misses, which holds for any distribution of
    exchangeable rows. With too few misses for that, the largest, doubled.

    >>> low, high = bounds([-0.2, -0.1, 0.0, 0.1, 0.2] * 20, 0.8)
    >>> round(low, 2), round(high, 2)
    (0.82, 1.22)
    """
    values = np.sort(np.asarray(misses, dtype=np.float64))
    n = len(values)
    if n == 0:
        return 0.5, 2.0
    rank = math.ceil((n + 1) * (1.0 + level) / 2.0)
    if rank <= n:
        high, low = float(values[rank - 1]), float(values[n - rank])
    else:
        high, low = 2.0 * float(values[-1]), 2.0 * float(values[0])
    return math.exp(min(low, -_LEAST)), math.exp(max(high, _LEAST))


def misses_of(calibration: Calibration, kind: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Misses of a kind of prediction: near the data of the fit, and far from it. Empty when none are known."""
    constants = calibration.constants
    near, far = (constants.get(f"{kind}_{place}_ratio") for place in ("near", "far"))
    return (near.residuals if near else ()), (far.residuals if far else ())


def widen(
    predicted: Column,
    kinds: Sequence[str],
    distance: Column,
    calibration: Calibration,
    level: float,
) -> tuple[Column, Column]:
    """Low and high ends round predictions (n,), by their kinds and distances from the data of the fit.

    0 is near and 1 far; up to 2 what is stranger still is told with an interval that goes on widening.
    """
    factors: Mapping[str, tuple[tuple[float, float], tuple[float, float]]] = {
        kind: _both(calibration, kind, level) for kind in set(kinds)
    }
    near_low, near_high, far_low, far_high = (
        np.array([math.log(factors[kind][place][side]) for kind in kinds])
        for place in (0, 1)
        for side in (0, 1)
    )
    weight = np.clip(distance, 0.0, 2.0)
    low = predicted * np.exp(near_low + weight * (far_low - near_low))
    high = predicted * np.exp(near_high + weight * (far_high - near_high))
    return low, high


def _both(
    calibration: Calibration, kind: str, level: float
) -> tuple[tuple[float, float], tuple[float, float]]:
    near, far = misses_of(calibration, kind)
    close = bounds(near or far, level)
    wide = bounds(far or near, level)
    # What is far is never told closer than what is near.
    return close, (min(close[0], wide[0]), max(close[1], wide[1]))
