"""The front of plans."""

from __future__ import annotations

import math

from hypothesis import given, settings
from hypothesis import strategies as st

from tradewind.decide.planning.candidates import MOST_ON_FRONT, Sized, pareto_of
from tradewind.decide.planning.space import Cell

figures = st.tuples(
    st.floats(1.0, 1e5),
    st.floats(1e-4, 1.0),
    st.one_of(st.floats(1.0, 1e6), st.just(math.inf)),
    st.floats(0.0, 0.5),
)


def sized(index: int, usd: float, latency_s: float, grams: float, risk: float) -> Sized:
    return Sized(
        cell=Cell(index, 0),
        needed=1,
        replicas=1,
        usd_per_month=usd,
        latency_s=latency_s,
        gco2e_per_month=grams,
        risk=risk,
    )


@given(pool=st.lists(figures, min_size=1, max_size=120))
@settings(derandomize=True, deadline=None, max_examples=60)
def test_nothing_is_beaten_and_what_is_left_out_has_a_reason(
    pool: list[tuple[float, float, float, float]],
) -> None:
    candidates = [sized(index, *figures) for index, figures in enumerate(pool)]
    chosen = min(candidates, key=lambda one: one.figures)
    front = pareto_of(candidates, chosen, within_usd=math.inf)
    assert chosen in front
    assert len(front) <= MOST_ON_FRONT
    assert [one.figures for one in front] == sorted(one.figures for one in front)
    for one in front:
        for other in front:
            better = all(a <= b for a, b in zip(other.figures, one.figures, strict=True))
            assert one is chosen or not (better and other.figures != one.figures)
    if len(front) < MOST_ON_FRONT:
        for left in (one for one in candidates if one not in front):
            assert any(
                all(a <= 1.01 * b + 0.005 for a, b in zip(one.figures, left.figures, strict=True))
                for one in front
            )


def test_what_is_over_the_budget_is_not_on_the_front() -> None:
    cheap, quick = sized(0, 10.0, 0.1, 5.0, 0.1), sized(1, 100.0, 0.01, 5.0, 0.1)
    assert pareto_of([cheap, quick], cheap, within_usd=50.0) == [cheap]
    assert pareto_of([cheap, quick], cheap, within_usd=math.inf) == [cheap, quick]


def test_differences_that_nobody_would_tell_are_left_out() -> None:
    one, other = sized(0, 10.0, 0.1, 5.0, 0.1), sized(1, 10.5, 0.0995, 5.0, 0.0999)
    assert pareto_of([one, other], one, within_usd=math.inf) == [one]
