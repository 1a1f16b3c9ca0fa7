from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradewind.decide.catalog.ladders import unfitting, unreadable

STATED = {"price_usd": "0.09", "as_of": "2026-05-06"}
TODAY = "2026-11-23"


def ladder(bounds: list[float]) -> list[tuple[float, float]]:
    return list(zip([0.0, *bounds], [*bounds, math.inf], strict=True))


BOUNDS = st.lists(st.floats(min_value=1.0, max_value=1e9), unique=True).map(sorted)


@given(BOUNDS)
def test_steps_that_follow_each_other_fit(bounds: list[float]) -> None:
    assert unfitting(ladder(bounds)) == ""


@given(BOUNDS, st.data())
def test_a_ladder_without_one_of_its_steps_does_not_fit(bounds: list[float], data: st.DataObject) -> None:
    steps = ladder(bounds)
    del steps[data.draw(st.integers(min_value=0, max_value=len(steps) - 1))]
    assert unfitting(steps) != ""


@given(BOUNDS, st.data())
def test_a_step_stated_twice_does_not_fit(bounds: list[float], data: st.DataObject) -> None:
    steps = ladder(bounds)
    assert unfitting(sorted([*steps, data.draw(st.sampled_from(steps))])) != ""


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"price_usd": "0"}, "the price is 0; a price is above 0"),
        ({"price_usd": ""}, "the price is not stated; a price is above 0"),
        ({"as_of": "soon"}, "'soon' holds no day"),
        ({"as_of": "2026-11-24"}, "2026-11-24 is after today, 2026-11-23"),
        ({}, ""),
    ],
)
def test_what_cannot_be_used_is_said(changes: dict[str, str], said: str) -> None:
    assert unreadable({**STATED, **changes}, TODAY) == said
