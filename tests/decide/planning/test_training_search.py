"""The search finds what a search without bounds finds, and keeps its laws."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tradewind.decide.planning.training_pricing import Asked, Front, Incumbent, Spread, Tally
from training_cases import (
    DENSE,
    NETWORKS,
    SPREAD,
    brute,
    goal,
    offer,
    space_of,
)

MACHINES = (("A10G", 1), ("A10G", 4), ("A100-40GB", 2), ("H100-SXM", 8), ("L4", 2))
PURCHASES = ("on_demand", "spot", "commit_1y")


def asked_of(wanted):
    return Asked(wanted.objective, wanted.train.deadline_s, wanted.budget_usd, wanted.confidence)


def best_of(wanted, several, asked=None):
    best = Incumbent()
    space_of(wanted, several).search(asked or asked_of(wanted), best, Tally())
    return best.found


def value_of(wanted, several):
    found = best_of(wanted, several)
    return found.value if found else np.inf


several_offers = st.lists(
    st.builds(
        lambda machine, price, purchase, region, gbps, rate, quota, grid: offer(
            *machine,
            price=price * machine[1],
            purchase=purchase,
            region=region,
            network_gbps=gbps,
            interruptions_per_hour=rate if purchase == "spot" else None,
            most_machines=quota,
            grid_gco2e_per_kwh=grid,
        ),
        machine=st.sampled_from(MACHINES),
        price=st.floats(0.2, 5.0),
        purchase=st.sampled_from(PURCHASES),
        region=st.sampled_from(["us-east-1", "eu-west-1"]),
        gbps=st.sampled_from([10.0, 100.0, None]),
        rate=st.sampled_from([None, 0.001, 0.05, 2.0]),
        quota=st.sampled_from([None, 1.0, 3.0]),
        grid=st.sampled_from([None, 20.0, 500.0]),
    ),
    min_size=1,
    max_size=4,
)
goals = st.builds(
    goal,
    st.sampled_from(NETWORKS),
    samples=st.floats(1e2, 1e6),
    deadline_s=st.floats(3.0, 7.0).map(lambda power: 10.0**power),
    budget=st.floats(0.0, 6.0).map(lambda power: 10.0**power),
    confidence=st.sampled_from([0.6, 0.9, 0.99]),
    objective=st.sampled_from(["cost", "cost", "time", "carbon"]),
)


@settings(max_examples=40)
@given(wanted=goals, several=several_offers)
def test_the_search_equals_one_without_bounds(wanted, several):
    asked = asked_of(wanted)
    assert value_of(wanted, several) == pytest.approx(brute(asked, wanted, several), rel=1e-9)


test_the_search_equals_one_without_bounds_in_hundreds_of_goals = pytest.mark.slow(
    settings(max_examples=300)(
        given(wanted=goals, several=several_offers)(
            test_the_search_equals_one_without_bounds.hypothesis.inner_test
        )
    )
)


@settings(max_examples=12)
@given(wanted=goals, several=several_offers, more=several_offers)
def test_more_offers_are_never_worse(wanted, several, more):
    assert value_of(wanted, [*several, *more]) <= value_of(wanted, several) * (1.0 + 1e-12)


@settings(max_examples=12)
@given(wanted=goals, several=several_offers, looser=st.floats(1.0, 10.0))
def test_looser_limits_are_never_worse(wanted, several, looser):
    space, asked = space_of(wanted, several), asked_of(wanted)
    values = []
    for question in (
        asked,
        dataclasses.replace(asked, deadline_s=asked.deadline_s * looser),
        dataclasses.replace(asked, budget_usd=asked.budget_usd * looser),
        dataclasses.replace(asked, confidence=0.55),
    ):
        best = Incumbent()
        space.search(question, best, Tally())
        values.append(best.found.value if best.found else np.inf)
    assert max(values[1:]) <= values[0]


@settings(max_examples=12)
@given(wanted=goals, several=several_offers, times=st.floats(1.0, 4.0))
def test_more_to_learn_is_never_cheaper(wanted, several, times):
    train = wanted.train
    more = goal(
        wanted.model,
        samples=train.samples * times,
        deadline_s=train.deadline_s,
        budget=wanted.budget_usd,
        confidence=wanted.confidence,
        objective=wanted.objective,
    )
    assert value_of(more, several) >= value_of(wanted, several) * (1.0 - 1e-12)


def test_the_front_has_nothing_that_another_beats_by_its_share():
    wanted = goal(DENSE, samples=1e6)
    several = [offer("A10G", 4, 4.0), offer("H100-SXM", 8, 40.0), offer("A100-40GB", 2, 5.0)]
    found = best_of(wanted, several)
    front = Front(0.05, 3.0 * found.value)
    space_of(wanted, several).search(asked_of(wanted), front, Tally())
    assert len(front.kept) > 1
    for one in front.kept:
        for other in front.kept:
            if one is not other:
                assert one.cost_usd < other.cost_usd or one.mean_s < other.mean_s
    assert min(one.cost_usd for one in front.kept) <= found.value * 1.05
    fastest = best_of(
        wanted, several, dataclasses.replace(asked_of(wanted), objective="time", budget_usd=1e12)
    )
    if fastest.cost_usd <= front.most_usd:
        assert min(one.mean_s for one in front.kept) <= fastest.mean_s * 1.05


def test_a_spread_gives_its_ends_back():
    spread = Spread(0.5, 2.0)
    assert spread.factor(0.9) == pytest.approx(2.0)
    assert spread.factor(0.1) == pytest.approx(0.5)


def test_a_kept_deadline_is_kept_with_confidence():
    several = [offer("H100-SXM", 8, 40.0)]
    loose = best_of(goal(DENSE), several)
    tight = goal(DENSE, deadline_s=loose.mean_s * SPREAD.factor(0.9) * 0.999)
    found = best_of(tight, several)
    assert found is None or found.mean_s < loose.mean_s
    exact = best_of(goal(DENSE, deadline_s=loose.mean_s * SPREAD.factor(0.9) * 1.001), several)
    assert exact.kept >= 0.9
