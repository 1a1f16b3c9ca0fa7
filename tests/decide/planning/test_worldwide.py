"""Users in several parts of the world, against brute force over the regions."""

from __future__ import annotations

import itertools
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tradewind.decide.catalog.places import GROUPS, place_group
from tradewind.decide.planning import plan
from tradewind.decide.planning.distances import round_trip_s
from tradewind.decide.prediction import default_calibration
from tradewind.domain import codec
from tradewind.domain.errors import CodecError, InputError
from tradewind.domain.goal import DataAt, Goal
from tradewind.domain.offer import Offer, Offers
from tradewind.domain.plan import Plan

CALIBRATION = default_calibration()
REGIONS = ("eu-west-1", "us-east-1", "ap-northeast-1", "sa-east-1")


@pytest.mark.parametrize(("one", "other"), [*itertools.combinations([*GROUPS, None], 2)])
def test_the_way_back_is_as_long_and_nowhere_is_far(one: str | None, other: str | None) -> None:
    assert round_trip_s(one, other) == round_trip_s(other, one)
    assert 0.02 < round_trip_s(one, other) < 0.4
    if one is not None:
        assert round_trip_s(one, one) < round_trip_s(one, other) or {one, other} == {"us", "northamerica"}


def planned(make: SimpleNamespace, goal: Goal, offers: list[Offer]) -> Plan:
    market = Offers.of(offers, storage=make.storage, transfer=make.transfer, snapshot="by hand")
    front = make.front(make.profile(threads=(1,), batches=(1, 8)))
    return plan(goal, front, market, CALIBRATION, host=make.host, today="2026-02-03", seed=7)


@given(
    prices=st.lists(st.sampled_from([0.05, 0.2, 0.9, None]), min_size=4, max_size=4),
    users=st.sampled_from([{"europe": 0.6, "us": 0.4}, {"asia": 0.5, "us": 0.3, "europe": 0.2}, {"us": 1.0}]),
    p99_s=st.sampled_from([0.06, 0.15, 0.3]),
)
@settings(deadline=None, max_examples=6)
def test_every_share_is_served_where_that_is_cheapest(
    make: SimpleNamespace, prices: list[float | None], users: dict[str, float], p99_s: float
) -> None:
    offers = [
        make.offer(region=region, price_usd_per_hour=usd)
        for region, usd in zip(REGIONS, prices, strict=True)
        if usd is not None
    ]
    if not offers:
        return
    goal = make.goal(load_rps=30_000.0, p99_s=p99_s, users=users)
    found = planned(make, goal, offers)
    assert {site.users: site.share for site in found.sites} == users
    total, all_met = 0.0, True
    for name, share in users.items():
        costs = []
        for offer in offers:
            left_s = p99_s - round_trip_s(name, place_group("aws", offer.region))
            if left_s <= 0.0:
                continue
            alone = planned(make, make.goal(load_rps=30_000.0 * share, p99_s=left_s), [offer])
            if alone.meets_goal:
                costs.append(alone.choice.cost_usd_per_month)
        site = next(site for site in found.sites if site.users == name)
        assert site.meets_goal == bool(costs)
        all_met = all_met and bool(costs)
        if costs:
            assert site.candidate is not None
            assert site.candidate.cost_usd_per_month == pytest.approx(min(costs))
            total += min(costs)
    assert found.meets_goal == all_met
    if all_met:
        assert found.cost_usd_per_month == pytest.approx(total)
        assert found.misses == ()


def test_users_nearby_are_no_costlier_than_without_the_way(make: SimpleNamespace) -> None:
    offers = [make.offer(), make.offer(region="us-east-1")]
    whole = planned(make, make.goal(load_rps=30_000.0, p99_s=0.3), offers)
    shared = planned(make, make.goal(load_rps=30_000.0, p99_s=0.3, users={"europe": 0.5, "us": 0.5}), offers)
    assert whole.cost_usd_per_month == whole.choice.cost_usd_per_month
    assert whole.sites == ()
    assert shared.sites[0].candidate == shared.choice
    assert shared.choice.estimate.load_rps == 15_000.0
    assert shared.goal.users == {"europe": 0.5, "us": 0.5}
    assert codec.decode(codec.encode(shared), Plan, source="test") == shared


def test_users_who_are_too_far_are_named_with_what_they_need(make: SimpleNamespace) -> None:
    goal = make.goal(load_rps=1000.0, p99_s=0.05, users={"europe": 0.7, "asia": 0.3})
    found = planned(make, goal, [make.offer()])
    assert not found.meets_goal
    (miss,) = found.misses
    assert "users in asia" in miss.advice
    assert miss.got > 0.22
    assert [site.meets_goal for site in found.sites] == [True, False]
    near = msgspec.structs.replace(goal, serve=msgspec.structs.replace(goal.serve, p99_s=miss.got * 1.02))
    assert planned(make, near, [make.offer()]).meets_goal


def test_data_are_stored_once_and_the_budget_is_for_all(make: SimpleNamespace) -> None:
    offers = [make.offer(), make.offer(region="us-east-1")]
    data: Any = DataAt(uri="s3://b", region="eu-west-1", size_bytes=1e12)
    goal = make.goal(load_rps=30_000.0, p99_s=0.1, users={"europe": 0.6, "us": 0.4}, data_at=data)
    found = planned(make, goal, offers)
    storage = [
        part.usd_per_month
        for site in found.sites
        if site.candidate
        for part in site.candidate.costs
        if part.name == "storage"
    ]
    assert storage == [pytest.approx(23.0), 0.0]
    short = msgspec.structs.replace(goal, budget_usd_per_month=0.9 * found.cost_usd_per_month)
    missed = planned(make, short, offers)
    assert not missed.meets_goal
    assert missed.misses[0].constraint == "budget"


def test_wrong_users_say_what_is_known(make: SimpleNamespace) -> None:
    with pytest.raises(InputError, match="did you mean europe"):
        planned(make, make.goal(users={"europa": 1.0}), [make.offer()])
    with pytest.raises(ValueError, match="add up to 1"):
        make.goal(users={"europe": 0.5})
    text = codec.encode(make.goal()).decode().replace('"users": {}', '"users": {"us": 2.0}')
    with pytest.raises(CodecError, match="add up to 1"):
        codec.decode(text, Goal, source="goal.yaml")
