"""Turning points and break-even prices: bisection against closed forms, and laws."""

from __future__ import annotations

import math
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tradewind.decide.planning import plan, sensitivity
from tradewind.decide.planning.search import Search
from tradewind.decide.prediction import default_calibration
from tradewind.domain.offer import Offer, Offers
from tradewind.domain.plan import Candidate, CostPart, Plan, Rented

CALIBRATION = default_calibration()
AMOUNTS = st.floats(0.01, 100.0)


@given(slope=AMOUNTS, offset=st.floats(0.0, 50.0), target=AMOUNTS)
def test_a_crossing_of_a_line_is_where_algebra_says(slope: float, offset: float, target: float) -> None:
    found = sensitivity.crossing(lambda price: slope * price + offset - target, 0.0, 1e4)
    expected = (target - offset) / slope
    if 0.0 <= expected <= 1e4:
        assert found == pytest.approx(expected, rel=1e-6, abs=1e-6)
    else:
        assert found is None


@given(step=st.floats(2.0, 500.0), exact=st.sampled_from([1e-2, 1e-4]))
def test_the_turning_point_is_the_first_step_within_its_width(step: float, exact: float) -> None:
    start, end = 1.0, 1000.0
    found = sensitivity.turning_point(lambda value: value > step, start, end, exact=exact)
    assert found is not None
    assert found.answer is True
    assert 0.0 <= math.log(found.at / step) <= exact * (1.0 + 1e-9)


@given(step=st.floats(0.002, 0.5))
def test_a_turning_point_is_found_downwards_too(step: float) -> None:
    found = sensitivity.turning_point(lambda value: value < step, 1.0, 0.001)
    assert found is not None
    assert found.at <= step <= found.at * 1.002


def test_an_answer_that_never_changes_has_no_turning_point() -> None:
    assert sensitivity.turning_point(lambda value: 7, 1.0, 100.0) is None


def test_the_nearest_of_two_changes_is_found() -> None:
    found = sensitivity.turning_point(lambda value: (value > 3.0) + (value > 90.0), 1.0, 1000.0)
    assert found is not None
    assert found.at == pytest.approx(3.0, rel=2e-3)
    assert found.answer == 1


def planned(make: SimpleNamespace, offers: list[Offer], **goal: Any) -> tuple[Plan, Search]:
    market = Offers.of(offers, storage=make.storage, transfer=make.transfer, snapshot="by hand")
    wish, front = make.goal(**goal), make.front(make.profile("one", threads=(1,), batches=(1, 8)))
    found = plan(wish, front, market, CALIBRATION, host=make.host, today="2026-02-03", seed=0)
    return found, Search(wish, front.profiles, market, CALIBRATION, "2026-02-03")


@pytest.fixture(scope="module")
def two(make: SimpleNamespace) -> tuple[Plan, Search]:
    """A choice at 0.10 usd/h and a runner-up of equal machines in another region at 0.13 usd/h."""
    offers = [make.offer(price_usd_per_hour=0.10), make.offer(region="eu-north-1", price_usd_per_hour=0.13)]
    return planned(make, offers)


def beside(candidate: Candidate) -> float:
    return sum(part.usd_per_month for part in candidate.costs if part.name != "compute")


def test_the_runner_ups_break_even_price_equals_the_closed_form(two: tuple[Plan, Search]) -> None:
    choice = two[0].choice
    runner = msgspec.structs.replace(
        choice,
        offer=msgspec.structs.replace(choice.offer, region="eu-north-1", price_usd_per_hour=0.13),
        costs=(
            CostPart(
                name="compute",
                usd_per_month=choice.layout.instances * 0.13 * 730.0,
                because="",
                source="a list",
                as_of="2026-01-01",
            ),
            CostPart(
                name="storage",
                usd_per_month=beside(choice) + 4.0,
                because="",
                source="a list",
                as_of="2026-01-01",
            ),
        ),
        fleet=(),
    )
    found = sensitivity.price_to_tie(runner, choice.cost_usd_per_month)
    expected = (choice.cost_usd_per_month - beside(choice) - 4.0) / (runner.layout.instances * 730.0)
    assert found == pytest.approx(expected, rel=1e-6)
    assert sensitivity.cost_at_price(runner, expected) == pytest.approx(choice.cost_usd_per_month)


def test_the_choice_may_rise_to_the_runner_up_by_the_closed_form(two: tuple[Plan, Search]) -> None:
    choice = two[0].choice
    dearer = choice.cost_usd_per_month + 73.0
    found = sensitivity.rise_to_tie(choice, dearer)
    assert found == pytest.approx((dearer - beside(choice)) / (choice.layout.instances * 730.0), rel=1e-6)


def test_prices_that_no_fall_can_make_up_for_have_no_break_even(two: tuple[Plan, Search]) -> None:
    choice = two[0].choice
    assert sensitivity.price_to_tie(choice, 0.5 * beside(choice)) is None
    assert sensitivity.price_to_tie(choice, 2.0 * choice.cost_usd_per_month) is None, "it costs less already"


@settings(max_examples=40, deadline=None)
@given(prices=st.lists(st.floats(0.001, 5.0), min_size=2, max_size=6))
def test_the_cost_never_falls_when_the_price_rises(two: tuple[Plan, Search], prices: list[float]) -> None:
    costs = [sensitivity.cost_at_price(two[0].choice, price) for price in sorted(prices)]
    assert costs == sorted(costs)


def test_of_a_mixed_fleet_only_the_machines_of_the_offer_change(two: tuple[Plan, Search]) -> None:
    choice = two[0].choice
    other = msgspec.structs.replace(choice.offer, purchase="spot")
    fleet = (
        Rented(offer=choice.offer, machines=1, machine_hours_per_month=730.0, usd_per_month=73.0),
        Rented(offer=other, machines=2, machine_hours_per_month=300.0, usd_per_month=20.0),
    )
    part = CostPart(name="compute", usd_per_month=93.0, because="", source="", as_of="2026-01-01")
    mixed = msgspec.structs.replace(choice, fleet=fleet, costs=(part,))
    assert sensitivity.cost_at_price(mixed, choice.offer.price_usd_per_hour) == pytest.approx(93.0)
    assert sensitivity.cost_at_price(mixed, 2.0 * choice.offer.price_usd_per_hour) == pytest.approx(166.0)


def test_the_planner_answers_what_planning_answers(two: tuple[Plan, Search]) -> None:
    found, search = two
    answer = sensitivity.planner_of(search)(found.goal)
    assert answer is not None
    assert answer.offer.key == found.choice.offer.key
    assert answer.cost_usd_per_month == pytest.approx(found.choice.cost_usd_per_month)


def test_turns_are_where_planning_turns(two: tuple[Plan, Search]) -> None:
    found, search = two
    planner = sensitivity.planner_of(search)
    turns = {turn.name: turn for turn in sensitivity.turns(found.goal, planner)}
    turned = turns["load, upwards"]
    assert turned.at is not None
    before = planner(sensitivity.with_load(found.goal, turned.at / 1.002))
    after = planner(sensitivity.with_load(found.goal, turned.at))
    assert before is not None
    assert after is not None
    assert before.layout.instances == found.choice.layout.instances
    assert after.layout.instances > found.choice.layout.instances
    tighter = turns["p99, tighter"]
    assert tighter.at is not None
    assert tighter.at < found.goal.serve.latency_s
    assert all(turn.basis == "replanned" for turn in turns.values())


def test_the_cost_rises_with_the_load_and_falls_with_a_looser_bound(two: tuple[Plan, Search]) -> None:
    found, search = two
    load, latency = sensitivity.curves(found.goal, sensitivity.planner_of(search))
    costs = [point.usd for point in load.points if point.usd is not None]
    assert all(one <= two * (1 + 1e-9) for one, two in pairwise(costs))
    looser = [point.usd if point.usd is not None else math.inf for point in latency.points]
    assert all(one >= two * (1 - 1e-9) for one, two in pairwise(looser))
    assert [point.at for point in load.points] == sorted(point.at for point in load.points)
