"""Laws of intervals made of misses."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradewind.decide.prediction.intervals import bounds, misses_of, widen
from tradewind.domain.estimate import Calibration, Constant

MISSES = st.lists(st.floats(-1.5, 1.5), min_size=1, max_size=200)


def calibration(**misses: list[float]) -> Calibration:
    return Calibration(
        constants={
            name: Constant(value=1.0, standard_error=0.1, fitted_on="here", residuals=tuple(values))
            for name, values in misses.items()
        }
    )


@given(misses=MISSES, level=st.floats(0.5, 0.95))
def test_the_bounds_hold_one_and_widen_with_the_level(misses: list[float], level: float) -> None:
    low, high = bounds(misses, level)
    assert 0.0 < low < 1.0 < high
    wider_low, wider_high = bounds(misses, min(level + 0.04, 0.99))
    assert wider_low <= low
    assert wider_high >= high


@given(seed=st.integers(0, 30), spread=st.floats(0.05, 0.6), shift=st.floats(-0.3, 0.3))
def test_new_outcomes_are_held_as_often_as_promised(seed: int, spread: float, shift: float) -> None:
    """Split conformal prediction holds at least the level on average, whatever the distribution."""
    generator = np.random.default_rng(seed)
    low, high = bounds(list(shift + spread * generator.standard_t(4, size=400)), 0.8)
    new = np.exp(shift + spread * generator.standard_t(4, size=4000))
    assert np.mean((new >= low) & (new <= high)) > 0.73


def test_nothing_known_is_a_wide_interval() -> None:
    assert bounds([], 0.8) == (0.5, 2.0)


def test_few_misses_promise_little() -> None:
    low, high = bounds([0.1, -0.1, 0.05], 0.8)
    assert high == pytest.approx(math.exp(0.2))
    assert low == pytest.approx(math.exp(-0.2))


def test_what_is_far_is_never_told_closer() -> None:
    known = calibration(call_near_ratio=[-0.4, 0.4] * 50, call_far_ratio=[-0.1, 0.1] * 50)
    ones = np.ones(3)
    low, high = widen(ones, ["call"] * 3, np.array([0.0, 0.5, 1.0]), known, 0.8)
    assert list(low) == sorted(low, reverse=True)
    assert list(high) == sorted(high)


@given(st.floats(1e-6, 1e6))
def test_the_interval_scales_with_the_prediction(seconds: float) -> None:
    known = calibration(call_near_ratio=[-0.1, 0.2, 0.05] * 20)
    low, high = widen(np.array([1.0, seconds]), ["call", "call"], np.zeros(2), known, 0.8)
    assert low[1] == pytest.approx(seconds * low[0])
    assert high[1] == pytest.approx(seconds * high[0])


def test_an_unknown_kind_is_told_with_the_widest_interval() -> None:
    assert misses_of(calibration(), "nothing") == ((), ())
    low, high = widen(np.ones(1), ["nothing"], np.ones(1), calibration(), 0.8)
    assert (low[0], high[0]) == pytest.approx((0.5, 2.0))
