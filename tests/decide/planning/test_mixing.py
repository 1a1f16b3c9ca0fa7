"""The division of machines by purchase, against brute force; and whole plans for loads that change."""

from __future__ import annotations

import itertools
import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from tradewind.decide.control.sizing import instances_with_spares
from tradewind.decide.planning import plan
from tradewind.decide.planning.loads import cold_start_s, curve_of
from tradewind.decide.planning.mixing import divide
from tradewind.decide.planning.tariffs import Tariffs
from tradewind.decide.prediction import default_calibration
from tradewind.decide.prediction.estimating import Tables, replica_memory_bytes, replica_of
from tradewind.decide.prediction.service import service_on, thread_counts, work_of
from tradewind.domain import codec
from tradewind.domain.goal import Goal, Hour, Load, Serve
from tradewind.domain.offer import Offer, Offers
from tradewind.domain.plan import Plan
from tradewind.domain.profile import Front

CALIBRATION = default_calibration()
ALL: tuple[Any, ...] = ("on_demand", "spot", "commit_1y", "commit_3y")


def least(
    needed: list[int], shares: list[float], committed: list[float], hourly: list[float], spot: list[float]
) -> float:
    """Every number of commitments, and every division of the rest at every rate."""
    totals = []
    for base in range(needed[-1] + 1):
        total = committed[base]
        for machines, share in zip(needed, shares, strict=True):
            rest = max(0, machines - base)
            total += share * min(hourly[rest - some] + spot[some] for some in range(rest + 1))
        totals.append(total)
    return min(totals)


@given(data=st.data(), most=st.integers(1, 9), levels=st.integers(1, 4))
@settings(max_examples=60)
def test_no_division_is_cheaper(data: st.DataObject, most: int, levels: int) -> None:
    needed = sorted(data.draw(st.lists(st.integers(0, most), min_size=levels - 1, max_size=levels - 1)))
    needed = [*needed, most]
    weights = data.draw(st.lists(st.floats(0.05, 1.0), min_size=levels, max_size=levels))
    shares = [weight / sum(weights) for weight in weights]
    steps = st.lists(st.sampled_from([0.0, 0.0, 1.0, 2.5, 4.0, math.inf]), min_size=most, max_size=most)
    committed, hourly, spot = (list(itertools.accumulate(data.draw(steps), initial=0.0)) for _ in range(3))
    found = divide(*(np.array(column) for column in (needed, shares, committed, hourly, spot)))
    expected = least(needed, shares, committed, hourly, spot)
    assert found.usd_per_month == pytest.approx(expected)
    if math.isfinite(expected):
        assert (found.committed + found.on_demand + found.spot >= np.array(needed)).all()
        paid = committed[found.committed] + sum(
            share * (hourly[d] + spot[s])
            for share, d, s in zip(shares, found.on_demand.tolist(), found.spot.tolist(), strict=True)
        )
        assert paid == pytest.approx(expected)


@given(needed=st.lists(st.integers(0, 40), min_size=2, max_size=6).map(sorted), price=st.floats(0.05, 0.95))
def test_without_spares_a_machine_is_committed_when_it_is_needed_more_than_the_ratio_of_the_prices(
    needed: list[int], price: float
) -> None:
    if needed[-1] == 0:
        return
    shares = np.full(len(needed), 1.0 / len(needed))
    number = np.arange(needed[-1] + 1.0)
    found = divide(np.array(needed), shares, price * number, number, np.where(number > 0, np.inf, 0.0))
    share_needed = [sum(machines > k for machines in needed) / len(needed) for k in range(needed[-1])]
    rule = sum(min(price, share) for share in share_needed)
    assert found.usd_per_month == pytest.approx(rule)
    for k, share in enumerate(share_needed):
        if abs(share - price) > 1e-9:
            assert (k < found.committed) == (share > price)


MACHINES: tuple[dict[str, Any], ...] = (
    {"instance_type": "c6a.xlarge"},
    {"instance_type": "c6a.4xlarge", "vcpus": 16, "physical_cores": 8, "memory_bytes": 32 * 2.0**30},
    {
        "instance_type": "c7g.large",
        "vcpus": 2,
        "physical_cores": 2,
        "memory_bytes": 4 * 2.0**30,
        "cpu_vendor": "AWS",
        "cpu_architecture": "arm64",
        "cpu_model": "Neoverse-V1",
        "cpu_ghz": 2.6,
        "isa": ("i8mm", "neon", "sve"),
    },
)


def day(*rates: float) -> Load:
    """Rates that hold for equally long parts of the day."""
    hours = [24.0 * place / len(rates) for place in range(len(rates))]
    return Load(profile=tuple(Hour(rate_rps=r, from_hour=h) for h, r in zip(hours, rates, strict=True)))


def few_ways(make: SimpleNamespace) -> Front:
    shape: dict[str, Any] = {"threads": (1,), "batches": (1, 8)}
    return make.front(
        make.profile("original", **shape),
        make.profile("int8", precision="int8", overhead_s=40e-6, row_s=5e-6, quality=0.795, **shape),
    )


def planned(make: SimpleNamespace, goal: Goal, offers: list[Offer], front: Front | None = None) -> Plan:
    market = Offers.of(offers, storage=make.storage, transfer=make.transfer, snapshot="by hand")
    front = front or few_ways(make)
    return plan(goal, front, market, CALIBRATION, host=make.host, today="2026-02-03", seed=7)


def goal_of(make: SimpleNamespace, load: Load, **fields: Any) -> Goal:
    import msgspec

    goal = make.goal(**{"purchase": ALL, **fields})
    return msgspec.structs.replace(goal, serve=Serve(load=load, p99_s=goal.serve.p99_s))


def by_brute_force(make: SimpleNamespace, goal: Goal, offers: list[Offer], front: Front) -> float:
    """Every variant, machine, thread count, batch, and division by purchase, one by one."""
    odds, tables = 1.2815515655446004, Tables()
    curve = curve_of(goal.serve, cold_start_s(front.profiles, CALIBRATION))
    market = Offers.of(offers, storage=make.storage, transfer=make.transfer)
    tariffs = Tariffs(goal, front.profiles, market, CALIBRATION, "2026-02-03")
    groups: dict[tuple[str, str, str], list[Offer]] = {}
    for offer in offers:
        groups.setdefault((offer.cloud, offer.region, offer.instance_type), []).append(offer)
    found = math.inf
    for (cloud, region, _), among in groups.items():
        beside = sum(part.usd_per_month for part in tariffs.parts(cloud, region, curve.mean_rps))
        offer = among[0]
        room = offer.memory_bytes - CALIBRATION["operating_system_memory_bytes"].value
        for profile in front.profiles:
            for threads in thread_counts(profile):
                service = service_on(profile, work_of(profile, threads, CALIBRATION), offer, CALIBRATION)
                assert not isinstance(service, str)
                fits = min(
                    offer.physical_cores // threads, int(room // replica_memory_bytes(profile, CALIBRATION))
                )
                for batch in sorted({point.batch for point in profile.curve}):
                    replica = replica_of(service, batch, CALIBRATION, tables)
                    carried = fits * replica.capacity_rps(goal.serve.latency_s, 0.99, odds)
                    if carried <= 0.0:
                        continue
                    needed = [math.ceil(rate / carried * (1.0 - 1e-12)) for rate in curve.rates_rps]
                    found = min(found, beside + cheapest(among, needed, list(curve.shares)))
    return found


def cheapest(among: list[Offer], needed: list[int], shares: list[float]) -> float:
    most = needed[-1]
    never = [0.0] + [math.inf] * most
    per = {offer.purchase: offer.price_usd_per_hour * 730.0 for offer in among}
    commitments = [usd for purchase, usd in per.items() if purchase.startswith("commit")]
    committed = [n * min(commitments) for n in range(most + 1)] if commitments else never
    hourly = [n * per["on_demand"] for n in range(most + 1)] if "on_demand" in per else never
    spot = never
    if "spot" in per:
        spot = [
            per["spot"]
            * instances_with_spares(
                n,
                interruptions_per_hour=CALIBRATION["spot_interruptions_per_hour"].value,
                replacement_s=CALIBRATION["spot_replacement_s"].value,
                availability=CALIBRATION["spot_availability_ratio"].value,
            )
            for n in range(most + 1)
        ]
    return least(needed, shares, committed, hourly, spot)


WAYS_TO_BUY: tuple[dict[str, float], ...] = (
    {"on_demand": 1.0, "commit_1y": 0.7},
    {"on_demand": 1.0, "commit_1y": 0.6, "commit_3y": 0.4},
    {"on_demand": 1.0, "spot": 0.4, "commit_1y": 0.5},
    {"on_demand": 1.0, "spot": 0.7, "commit_3y": 0.45},
    {"on_demand": 1.0, "spot": 0.8},
    {"spot": 0.5, "commit_1y": 0.6},
    {"on_demand": 1.0},
    {"commit_3y": 0.5},
)

offers_of = st.lists(
    st.tuples(
        st.integers(0, len(MACHINES) - 1),
        st.sampled_from(["eu-west-1", "us-east-1"]),
        st.sampled_from([0.05, 0.2, 0.45]),
        st.sampled_from(WAYS_TO_BUY),
    ),
    min_size=1,
    max_size=5,
    unique_by=lambda machine: machine[:2],
)


def built(make: SimpleNamespace, machines: list[Any]) -> list[Offer]:
    return [
        make.offer(region=region, purchase=purchase, price_usd_per_hour=usd * share, **MACHINES[kind])
        for kind, region, usd, shares in machines
        for purchase, share in shares.items()
    ]


@given(
    machines=offers_of,
    rates=st.lists(st.sampled_from([0.0, 100.0, 7000.0, 30_000.0, 90_000.0]), min_size=2, max_size=4),
)
@settings(deadline=None, max_examples=12)
def test_no_fleet_is_cheaper(make: SimpleNamespace, machines: list[Any], rates: list[float]) -> None:
    if not any(rates):
        return
    offers, front, goal = built(make, machines), few_ways(make), goal_of(make, day(*rates))
    found = planned(make, goal, offers, front)
    event(f"bought in {len(found.choice.fleet)} ways")
    assert found.choice.cost_usd_per_month == pytest.approx(
        by_brute_force(make, goal, offers, front), rel=1e-9
    )
    assert planned(make, goal, offers[::-1], front).choice.cost_usd_per_month == pytest.approx(
        found.choice.cost_usd_per_month
    )


@pytest.fixture(scope="module")
def example(make: SimpleNamespace) -> Plan:
    offers = [
        make.offer(purchase=purchase, price_usd_per_hour=0.17 * share)
        for purchase, share in (("on_demand", 1.0), ("commit_1y", 0.6))
    ]
    return planned(make, goal_of(make, day(20_000.0, 90_000.0, 40_000.0, 40_000.0)), offers)


def test_the_base_load_is_committed_and_the_rest_by_the_hour(example: Plan) -> None:
    fleet = {rented.offer.purchase: rented for rented in example.choice.fleet}
    assert set(fleet) == {"commit_1y", "on_demand"}
    assert fleet["commit_1y"].machine_hours_per_month == pytest.approx(fleet["commit_1y"].machines * 730.0)
    assert 0.0 < fleet["on_demand"].machine_hours_per_month < 0.4 * fleet["on_demand"].machines * 730.0
    assert sum(rented.machines for rented in fleet.values()) == example.choice.layout.instances
    assert example.choice.offer == fleet["commit_1y"].offer


def test_the_parts_and_the_hours_of_the_day_say_the_same(example: Plan) -> None:
    choice = example.choice
    compute = choice.costs[0]
    assert compute.name == "compute"
    assert compute.usd_per_month == pytest.approx(sum(rented.usd_per_month for rented in choice.fleet))
    assert compute.usd_per_month == pytest.approx(
        sum(rented.machine_hours_per_month * rented.offer.price_usd_per_hour for rented in choice.fleet)
    )
    assert "machine-hours" in compute.because
    assert [hour.hour for hour in choice.schedule] == list(range(24))
    assert max(hour.committed + hour.on_demand for hour in choice.schedule) == choice.layout.instances
    # Machines start before the load rises, so the hour before has some of them already.
    assert choice.schedule[5].on_demand == choice.schedule[6].on_demand > choice.schedule[0].on_demand
    assert codec.decode(codec.encode(example), Plan, source="test") == example


def test_energy_and_egress_are_those_of_the_mean(make: SimpleNamespace, example: Plan) -> None:
    flat = planned(make, goal_of(make, Load(rate_rps=90_000.0)), [example.choice.fleet[1].offer]).choice
    assert example.choice.cost_usd_per_month < flat.cost_usd_per_month
    assert example.choice.estimate.energy_kwh_per_month.likely < flat.estimate.energy_kwh_per_month.likely
    egress = {part.name: part.usd_per_month for part in example.choice.costs}["egress_internet"]
    assert egress < {part.name: part.usd_per_month for part in flat.costs}["egress_internet"]


def test_nights_without_load_cost_nothing(make: SimpleNamespace) -> None:
    always, by_day = (
        planned(make, goal_of(make, load), [make.offer()]).choice
        for load in (Load(rate_rps=2000.0), day(0.0, 2000.0))
    )
    hours = by_day.fleet[0].machine_hours_per_month
    assert hours == pytest.approx(730.0 * (0.5 + 300.5 / 86_400.0))
    assert by_day.costs[0].usd_per_month == pytest.approx(always.costs[0].usd_per_month * hours / 730.0)
    assert [hour.on_demand for hour in by_day.schedule] == [0] * 11 + [1] * 13


@given(
    machines=offers_of,
    rates=st.lists(st.sampled_from([100.0, 7000.0, 30_000.0]), min_size=2, max_size=3),
    more=st.floats(1.0, 3.0),
)
@settings(deadline=None, max_examples=5)
def test_more_load_at_any_hour_is_never_cheaper_and_a_constant_one_is_dearest(
    make: SimpleNamespace, machines: list[Any], rates: list[float], more: float
) -> None:
    offers = built(make, machines)
    higher = [rates[0] * more, *rates[1:]]
    low, high, flat = (
        planned(make, goal_of(make, load), offers).choice.cost_usd_per_month
        for load in (day(*rates), day(*higher), Load(rate_rps=max(higher)))
    )
    assert low <= high * (1.0 + 1e-9)
    assert high <= flat * (1.0 + 1e-9)


@given(machines=offers_of, rates=st.lists(st.sampled_from([0.0, 7000.0, 30_000.0]), min_size=2, max_size=3))
@settings(deadline=None, max_examples=5)
def test_quotas_and_commitments_of_the_user_hold_in_a_mix(
    make: SimpleNamespace, machines: list[Any], rates: list[float]
) -> None:
    import msgspec

    if not any(rates):
        return
    offers = built(make, machines)
    goal = goal_of(make, day(*rates))
    before = planned(make, goal, offers).choice.cost_usd_per_month
    paid = [msgspec.structs.replace(offer, prepaid_machines=2.0) for offer in offers]
    assert planned(make, goal, paid).choice.cost_usd_per_month <= before * (1.0 + 1e-9)
    few = [
        make.offer(price_usd_per_hour=9.0, instance_type="last"),
        *(msgspec.structs.replace(offer, most_machines=1.0) for offer in offers),
    ]
    for rented in planned(make, goal, few).choice.fleet:
        assert rented.offer.most_machines is None or rented.machines <= rented.offer.most_machines
