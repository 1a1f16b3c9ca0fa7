"""What is told of a plan from the plan alone: every limit, direction, family and number."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from tradewind.decide.planning import plan
from tradewind.decide.planning.explaining import explain, grouped, neighbours_of, option_of
from tradewind.decide.prediction import default_calibration
from tradewind.domain import codec
from tradewind.domain.explanation import Explanation
from tradewind.domain.noun import Rejected
from tradewind.domain.offer import Offers
from tradewind.domain.plan import Plan


def planned(make: SimpleNamespace, **goal: Any) -> Plan:
    offers = [
        make.offer(price_usd_per_hour=0.10),
        make.offer(region="eu-north-1", price_usd_per_hour=0.13),
        make.offer(
            instance_type="c7i.2xlarge", vcpus=8, physical_cores=4, cpu_ghz=3.4, price_usd_per_hour=0.4
        ),
        make.offer(purchase="spot", price_usd_per_hour=0.09, interruptions_per_hour=0.01),
        make.offer(cloud="gcp", region="europe-west1", instance_type="n2-standard-4", price_usd_per_hour=0.2),
        make.offer(instance_type="t3.large", shared_cpu=True),
    ]
    market = Offers.of(offers, storage=make.storage, transfer=make.transfer, snapshot="by hand")
    front = make.front(make.profile("one", threads=(1,), batches=(1, 8)))
    return plan(
        make.goal(**goal), front, market, default_calibration(), host=make.host, today="2026-02-03", seed=0
    )


@pytest.fixture(scope="module")
def found(make: SimpleNamespace) -> tuple[Plan, Explanation]:
    one = planned(make)
    return one, explain(one)


def test_the_same_plan_has_the_same_explanation_which_survives_a_file(
    found: tuple[Plan, Explanation],
) -> None:
    one, told = found
    assert explain(one) == told
    assert codec.decode(codec.encode(told), Explanation, source="a file") == told


def test_every_rejected_family_is_in_one_group(found: tuple[Plan, Explanation]) -> None:
    one, told = found
    names = [name for group in told.fallen for name in group.families]
    assert sorted(names) == sorted(family.name for family in one.rejected)
    assert sum(group.alternatives for group in told.fallen) == sum(family.count for family in one.rejected)
    for group in told.fallen:
        assert group.families[0] in group.nearest


def test_reasons_that_differ_in_their_amounts_are_one_reason() -> None:
    reasons = (
        "p99 of 20 ms is out of reach: at rest it is 31 ms",
        "quota of 3 machines: 10 rps need 4",
        "quota of 1 machine: 10 rps need 4",
        "p99 of 20 ms is out of reach: at rest it is 44 ms",
    )
    groups = grouped(Rejected(name=str(place), reason=reason) for place, reason in enumerate(reasons))
    assert groups[0].families == ("0", "3")
    assert groups[0].reason == "p99 of 20 ms is out of reach"
    assert [group.families for group in groups[1:]] == [("1",), ("2",)]


def test_every_limit_tells_how_much_is_left(found: tuple[Plan, Explanation]) -> None:
    one, told = found
    bounds = {bound.name: bound for bound in told.bounds}
    assert set(bounds) >= {
        "p99",
        "confidence",
        "budget",
        "quality",
        "load",
        "memory of a machine",
        "cores of a machine",
        "fewest machines",
        "quota",
    }
    budget = bounds["budget"]
    assert budget.room == pytest.approx(1.0 - one.choice.cost_usd_per_month / one.goal.budget_usd_per_month)
    for bound in told.bounds:
        assert bound.origin in ("measured", "predicted", "quoted", "assumed")
        if bound.room is not None and bound.name not in ("fewest machines", "cores of a machine"):
            assert bound.tight == (bound.room <= 0.05), bound.name


def test_a_missed_limit_has_no_room(make: SimpleNamespace) -> None:
    one = planned(make, budget=1.0)
    assert not one.meets_goal
    told = explain(one)
    budget = next(bound for bound in told.bounds if bound.name == "budget")
    assert budget.room is not None
    assert budget.room < 0.0
    assert budget.tight
    assert told.misses


def test_every_direction_names_something_better_in_it_or_says_why_not(
    found: tuple[Plan, Explanation],
) -> None:
    told = found[1]
    directions = {one.direction: one for one in told.neighbours}
    better = {
        "cheaper": lambda one: one.cost_usd < told.choice.cost_usd,
        "faster": lambda one: one.time_s < told.choice.time_s,
        "surer": lambda one: one.confidence > told.choice.confidence,
        "fewer machines": lambda one: one.machines < told.choice.machines,
        "other region": lambda one: one.region != told.choice.region,
        "other cloud: gcp": lambda one: one.cloud == "gcp",
    }
    for name, holds in better.items():
        one = directions[name]
        if one.option is None:
            assert one.because
        else:
            assert holds(one.option), name
            assert one.usd == pytest.approx(one.option.cost_usd - told.choice.cost_usd)
            assert one.time_s == pytest.approx(one.option.time_s - told.choice.time_s)
    assert directions["other cloud: azure"].because
    assert directions["other purchase: commit_3y"].because == "the goal does not allow it"


def test_of_several_in_a_direction_the_cheapest_is_next(found: tuple[Plan, Explanation]) -> None:
    choice = found[1].choice
    quick = msgspec.structs.replace(choice, key="quick", time_s=0.5 * choice.time_s, cost_usd=9e3)
    cheap = msgspec.structs.replace(choice, key="cheap", time_s=0.7 * choice.time_s, cost_usd=8e3)
    faster = neighbours_of((choice, quick, cheap), (), ("aws",), ("on_demand",))[1]
    assert faster.direction == "faster"
    assert faster.option == cheap


def test_a_cloud_of_which_nothing_is_kept_speaks_through_its_nearest_family(
    found: tuple[Plan, Explanation],
) -> None:
    rejected = (Rejected(name="azure Fs_v2 spot", reason="dearer: 5% more"),)
    told = neighbours_of((found[1].choice,), rejected, ("aws", "azure"), ("on_demand", "spot"))
    azure = next(one for one in told if one.direction == "other cloud: azure")
    assert azure.because == "azure Fs_v2 spot: dearer: 5% more"
    gcp = next(one for one in told if one.direction == "other cloud: gcp")
    assert gcp.because == "the goal does not allow it"


def test_every_number_of_the_choice_has_its_source(found: tuple[Plan, Explanation]) -> None:
    one, told = found
    names = [source.what for source in told.sources]
    for part in one.choice.costs:
        assert f"cost: {part.name}" in names
    assert "latency p99" in names
    assert "quality: average_precision" in names or any(name.startswith("quality: ") for name in names)
    for source in told.sources:
        assert source.origin in ("measured", "predicted", "quoted", "assumed")
        assert source.source
        assert source.as_of


def test_the_parts_of_an_option_add_up_to_its_cost(found: tuple[Plan, Explanation]) -> None:
    one, told = found
    assert told.options[0] == option_of(one.choice, one.goal) == told.choice
    for option in told.options:
        assert sum(part.usd for part in option.parts) == pytest.approx(option.cost_usd)
    assert len({option.key for option in told.options}) == len(told.options)


def test_the_stored_turns_say_that_nobody_was_asked(found: tuple[Plan, Explanation]) -> None:
    told = found[1]
    assert told.basis == "stored"
    assert "not asked again" in told.basis_note
    assert {turn.basis for turn in told.turns} == {"stored"}
    assert {turn.unit for turn in told.turns} >= {"usd/h", "rps", "s", "usd/month"}
