"""When nothing keeps a goal, every constraint given up alone, by no more than it takes, and what that costs."""

from __future__ import annotations

from functools import partial
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from tradewind.decide.planning import opened, plan
from tradewind.decide.prediction import default_calibration
from tradewind.domain import codec
from tradewind.domain.goal import Goal, Quality
from tradewind.domain.offer import Offer, Offers
from tradewind.domain.plan import Plan, Relaxed

CALIBRATION = default_calibration()


def planned(
    make: SimpleNamespace, goal: Goal, offers: list[Offer], elsewhere: Any = (), **front: Any
) -> Plan:
    def market(some: list[Offer]) -> Offers:
        return Offers.of(some, storage=make.storage, transfer=make.transfer, snapshot="by hand")

    return plan(
        goal,
        front.get("front", make.front()),
        market(offers),
        CALIBRATION,
        host=make.host,
        today="2026-02-03",
        seed=7,
        wider={name: partial(market, [*offers, *more]) for name, more in dict(elsewhere).items()},
    )


def by_constraint(found: Plan) -> dict[str, Relaxed]:
    return {one.constraint: one for one in found.relaxed}


@pytest.fixture(scope="module")
def poor(make: SimpleNamespace) -> tuple[Goal, Plan]:
    """A goal whose budget pays for three quarters of it."""
    goal = make.goal(load_rps=60_000.0, p99_s=0.004)
    full = planned(make, goal, [make.offer()]).choice.cost_usd_per_month
    goal = msgspec.structs.replace(goal, budget_usd_per_month=0.75 * full)
    cheap = make.offer(region="us-east-1", price_usd_per_hour=0.01)
    # Answers from there cost more to send, so that only the load decides.
    return goal, planned(make, goal, [make.offer()], {"regions": [cheap], "purchase": []})


def test_a_goal_that_is_kept_gives_nothing_up(make: SimpleNamespace) -> None:
    assert planned(make, make.goal(), [make.offer()]).relaxed == ()


def test_all_others_hold_when_one_gives_way(poor: tuple[Goal, Plan]) -> None:
    goal, found = poor
    assert not found.meets_goal
    relaxed = by_constraint(found)
    assert {"p99", "load", "budget", "confidence"} <= relaxed.keys()
    for name, one in relaxed.items():
        if one.candidate is None:
            assert one.given == ""
            continue
        assert name == "budget" or one.usd_per_month <= goal.budget_usd_per_month * (1.0 + 1e-9), name
        assert name == "load" or one.candidate.estimate.load_rps == pytest.approx(goal.serve.load.rate_rps)
        assert name == "confidence" or one.candidate.confidence >= goal.confidence - 0.01, name
    assert relaxed["budget"].usd_per_month == found.choice.cost_usd_per_month
    assert list(found.relaxed) == sorted(found.relaxed, key=lambda one: one.usd_per_month)
    assert codec.decode(codec.encode(found), Plan, source="test") == found


def test_what_is_given_is_enough_and_hardly_less_is_not(
    make: SimpleNamespace, poor: tuple[Goal, Plan]
) -> None:
    goal, found = poor
    load = by_constraint(found)["load"].candidate
    assert load is not None
    for factor, enough in ((1.0, True), (1.1, False)):
        again = make.goal(
            load_rps=factor * load.estimate.load_rps, p99_s=0.004, budget=goal.budget_usd_per_month * 1.0001
        )
        assert planned(make, again, [make.offer()]).meets_goal == enough


def test_a_latency_below_all_machines_gives_way_alone(make: SimpleNamespace) -> None:
    found = planned(make, make.goal(p99_s=0.0002, budget=5000.0), [make.offer()])
    relaxed = by_constraint(found)
    assert relaxed["p99"].candidate is not None
    # No load, however small, and no money keeps it.
    assert relaxed["load"].candidate is None
    assert relaxed["budget"].candidate is None
    assert "ms" in relaxed["p99"].given


def test_the_variant_that_loses_least_is_what_quality_gives(make: SimpleNamespace) -> None:
    front = make.front(
        make.profile("slow", overhead_s=5e-3, row_s=1e-3),
        make.profile("little", overhead_s=60e-6, quality=0.78, within=False),
        make.profile("much", overhead_s=40e-6, quality=0.6, within=False),
    )
    goal = make.goal(load_rps=4000.0, budget=1000.0, p99_s=0.004, quality=Quality(max_drop=0.001))
    found = planned(make, goal, [make.offer()], front=front)
    assert not found.meets_goal
    quality = by_constraint(found)["quality"]
    assert quality.candidate is not None
    assert quality.candidate.variant_name == "little"
    assert quality.given == "little: accuracy 0.78, -0.02"


def test_offers_outside_the_goal_are_asked_one_constraint_at_a_time(make: SimpleNamespace) -> None:
    goal = make.goal(load_rps=6000.0, budget=1500.0, clouds=("aws",), regions=("eu-west-1",))
    spot = make.offer(purchase="spot", price_usd_per_hour=0.001)
    other = make.offer(cloud="gcp", region="europe-west1", price_usd_per_hour=0.5)
    dear = [make.offer(price_usd_per_hour=3.0)]
    found = planned(make, goal, dear, {"purchase": [spot], "clouds": [other], "regions": []})
    assert not found.meets_goal
    relaxed = by_constraint(found)
    assert relaxed["purchase"].candidate is not None
    assert relaxed["purchase"].given == "spot"
    assert relaxed["purchase"].candidate.offer.purchase == "spot"
    assert relaxed["regions"].candidate is None
    assert relaxed["regions"].asked == "eu-west-1"
    assert relaxed["budget"].candidate is not None


def test_only_constraints_that_are_there_are_opened(make: SimpleNamespace) -> None:
    assert sorted(opened(make.goal())) == ["purchase"]
    goal = make.goal(
        clouds=("aws",), regions=("eu-*",), jurisdiction=("eu",), memory_bytes=1e9, purchase=("on_demand",)
    )
    wide = opened(goal)
    assert sorted(wide) == ["clouds", "jurisdiction", "memory_bytes", "purchase", "regions"]
    assert wide["regions"].clouds == ("aws",)
    assert wide["regions"].regions == ("*",)
