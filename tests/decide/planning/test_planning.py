"""Laws of the plan, and brute force over small catalogues."""

from __future__ import annotations

import math
from statistics import NormalDist
from types import SimpleNamespace
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tradewind.decide.planning import plan
from tradewind.decide.planning.tariffs import Tariffs
from tradewind.decide.prediction import default_calibration
from tradewind.decide.prediction.estimating import Tables, replica_memory_bytes, replica_of
from tradewind.decide.prediction.service import service_on, thread_counts, work_of
from tradewind.domain import codec
from tradewind.domain.errors import InputError
from tradewind.domain.goal import DataAt, Footprint, Goal
from tradewind.domain.noun import Range
from tradewind.domain.offer import Offer, Offers
from tradewind.domain.plan import Plan
from tradewind.domain.profile import Front

CALIBRATION = default_calibration()

MACHINES: tuple[dict[str, Any], ...] = (
    {"instance_type": "c6a.xlarge"},
    {"instance_type": "c6a.4xlarge", "vcpus": 16, "physical_cores": 8, "memory_bytes": 32 * 2.0**30},
    {
        "instance_type": "c7i.2xlarge",
        "vcpus": 8,
        "physical_cores": 4,
        "memory_bytes": 16 * 2.0**30,
        "cpu_vendor": "Intel",
        "cpu_model": "8488C",
        "cpu_ghz": 3.2,
        "isa": ("amx_bf16", "amx_int8", "avx2", "avx512", "avx512_bf16", "avx512_vnni"),
    },
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
    {
        "instance_type": "n2-standard-4",
        "cloud": "gcp",
        "region": "europe-west1",
        "cpu_vendor": None,
        "cpu_model": None,
        "cpu_ghz": None,
        "isa": None,
        "physical_cores": None,
        "memory_mt_per_s": None,
        "grid_gco2e_per_kwh": None,
    },
    {"instance_type": "t3.large", "vcpus": 2, "physical_cores": 1, "shared_cpu": True},
    {"instance_type": "c6a.nano", "vcpus": 2, "physical_cores": 1, "memory_bytes": 0.7e9},
    {"instance_type": "g5.xlarge", "accelerator": "A10G", "accelerator_count": 1.0},
)
"""Kinds of machines: small, large, wide, other architecture, unknown, shared, too small, accelerated."""

offers_of = st.lists(
    st.tuples(
        st.integers(0, len(MACHINES) - 1),
        st.sampled_from(["on_demand", "spot"]),
        st.one_of(st.floats(0.005, 2.0), st.sampled_from([0.05, 0.2])),
        st.sampled_from(["eu-west-1", "us-east-1", "eu-north-1", "eu-south-1"]),
    ),
    min_size=1,
    max_size=8,
    unique_by=lambda offer: (offer[0], offer[1], offer[3]),
)


def built(make: SimpleNamespace, rows: list[tuple[int, str, float, str]]) -> list[Offer]:
    """The offers that a strategy drew; the first is always one that can serve."""
    return [
        make.offer(price_usd_per_hour=0.9),
        *(
            make.offer(
                **{"region": region, **MACHINES[kind], "purchase": purchase, "price_usd_per_hour": usd}
            )
            for kind, purchase, usd, region in rows
        ),
    ]


def planned(
    make: SimpleNamespace, goal: Goal, offers: list[Offer], front: Front | None = None, **options: Any
) -> Plan:
    market = Offers.of(offers, storage=make.storage, transfer=make.transfer, snapshot="by hand")
    return plan(
        goal,
        front or make.front(),
        market,
        options.get("calibration", CALIBRATION),
        host=make.host,
        today="2026-02-03",
        seed=7,
    )


def few_ways(make: SimpleNamespace) -> Front:
    """Two variants with one thread and two batches: laws are about offers and goals."""
    shape: dict[str, Any] = {"threads": (1,), "batches": (1, 8)}
    return make.front(
        make.profile("original", **shape),
        make.profile("int8", precision="int8", overhead_s=40e-6, row_s=5e-6, quality=0.795, **shape),
    )


def cost(found: Plan) -> float:
    return found.choice.cost_usd_per_month


def by_brute_force(make: SimpleNamespace, goal: Goal, offers: list[Offer], front: Front) -> float:
    """The least cost over every eligible variant, offer, thread count and batch, computed one by one."""
    odds = NormalDist().inv_cdf(goal.confidence)
    level = float(goal.serve.percentile[1:]) / 100.0
    tables = Tables()
    market = Offers.of(offers, storage=make.storage, transfer=make.transfer)
    tariffs = Tariffs(goal, front.profiles, market, CALIBRATION, "2026-02-03")
    load = goal.serve.load.rate_rps
    least = math.inf
    for profile in front.profiles:
        if not profile.variant.judgement.within:
            continue
        for threads in thread_counts(profile):
            work = work_of(profile, threads, CALIBRATION)
            for offer in offers:
                service = service_on(profile, work, offer, CALIBRATION)
                if offer.shared_cpu or isinstance(service, str):
                    continue
                room = offer.memory_bytes - CALIBRATION["operating_system_memory_bytes"].value
                cores = offer.physical_cores or (
                    offer.vcpus if offer.cpu_architecture == "arm64" else offer.vcpus // 2
                )
                fits = min(cores // threads, int(room // replica_memory_bytes(profile, CALIBRATION)))
                if fits < 1:
                    continue
                for batch in sorted({point.batch for point in profile.curve}):
                    replica = replica_of(service, batch, CALIBRATION, tables)
                    capacity = replica.capacity_rps(goal.serve.latency_s, level, odds)
                    if capacity <= 0.0:
                        continue
                    needed = max(1, math.ceil(load / (capacity * fits) * (1.0 - 1e-12)))
                    rented = needed + spares(offer, needed)
                    if offer.most_machines is not None and rented > offer.most_machines:
                        continue
                    paid = max(0.0, rented - offer.prepaid_machines) * offer.price_usd_per_hour
                    paid = max(0.0, paid - offer.prepaid_usd_per_hour)
                    usd = paid * (offer.managed_ratio or 1.0) * 730.0
                    usd += sum(p.usd_per_month for p in tariffs.parts(offer.cloud, offer.region, load))
                    least = min(least, usd)
    return least


def spares(offer: Offer, needed: int) -> int:
    if offer.purchase != "spot":
        return 0
    kind = (
        "spot_interruptions_per_hour"
        if offer.accelerator is None
        else "spot_accelerator_interruptions_per_hour"
    )
    rate = CALIBRATION[kind].value if offer.interruptions_per_hour is None else offer.interruptions_per_hour
    away = rate * CALIBRATION["spot_replacement_s"].value / 3600.0
    away /= 1.0 + away
    extra = 0
    while True:
        total = needed + extra
        up = sum(
            math.comb(total, gone) * away**gone * (1.0 - away) ** (total - gone) for gone in range(extra + 1)
        )
        if up >= CALIBRATION["spot_availability_ratio"].value:
            return extra
        extra += 1


@given(
    rows=offers_of,
    load=st.sampled_from([1.0, 3000.0, 40_000.0]),
    p99_s=st.sampled_from([0.004, 0.02, 0.2]),
    confidence=st.sampled_from([0.6, 0.9]),
)
@settings(derandomize=True, deadline=None, max_examples=10)
def test_no_way_is_cheaper(
    make: SimpleNamespace,
    rows: list[tuple[int, str, float, str]],
    load: float,
    p99_s: float,
    confidence: float,
) -> None:
    offers, front = built(make, rows), few_ways(make)
    goal = make.goal(load_rps=load, p99_s=p99_s, confidence=confidence)
    found = planned(make, goal, offers, front)
    least = by_brute_force(make, goal, offers, front)
    if math.isfinite(least):
        assert cost(found) == pytest.approx(least, rel=1e-9)
        assert found.meets_goal
    else:
        assert not found.meets_goal


def test_no_way_is_cheaper_with_all_threads_and_batches(make: SimpleNamespace) -> None:
    offers = every(make)[:8]
    goal = make.goal(load_rps=50_000.0, p99_s=0.005)
    found = planned(make, goal, offers)
    assert found.meets_goal
    assert cost(found) == pytest.approx(by_brute_force(make, goal, offers, make.front()), rel=1e-9)


own_world = st.lists(
    st.fixed_dictionaries(
        {
            "most_machines": st.sampled_from([None, None, 0.0, 2.0, 30.0]),
            "prepaid_machines": st.sampled_from([0.0, 0.0, 1.0, 5.0]),
            "prepaid_usd_per_hour": st.sampled_from([0.0, 0.0, 0.3, 4.0]),
            "managed_ratio": st.sampled_from([None, 1.0, 1.25]),
        }
    ),
    min_size=8,
    max_size=8,
)
"""What an overlay and a managed service say of offers."""


def in_own_world(offers: list[Offer], world: list[dict[str, Any]], *names: str) -> list[Offer]:
    """Some columns of an overlay on all offers but the first, which can always serve."""
    first, *others = offers
    changed = [
        msgspec.structs.replace(offer, **{name: says[name] for name in names})
        for offer, says in zip(others, world, strict=False)
    ]
    return [first, *changed]


@given(rows=offers_of, world=own_world, load=st.sampled_from([100.0, 20_000.0]))
@settings(derandomize=True, deadline=None, max_examples=10)
def test_no_way_is_cheaper_with_quotas_commitments_and_services(
    make: SimpleNamespace, rows: list[Any], world: list[dict[str, Any]], load: float
) -> None:
    front, goal = few_ways(make), make.goal(load_rps=load)
    offers = in_own_world(built(make, rows), world, *world[0])
    found = planned(make, goal, offers, front)
    assert cost(found) == pytest.approx(by_brute_force(make, goal, offers, front), rel=1e-9)
    assert planned(make, goal, offers[::-1], front).choice.offer == found.choice.offer


@given(
    rows=offers_of,
    world=own_world,
    load=st.sampled_from([100.0, 20_000.0]),
    what=st.sampled_from(["prepaid_machines", "prepaid_usd_per_hour"]),
)
@settings(derandomize=True, deadline=None, max_examples=12)
def test_a_commitment_never_makes_it_dearer_and_is_worth_no_more_than_its_amount(
    make: SimpleNamespace, rows: list[Any], world: list[dict[str, Any]], load: float, what: str
) -> None:
    goal, front = make.goal(load_rps=load), few_ways(make)
    before = planned(make, goal, in_own_world(built(make, rows), world, "managed_ratio"), front)
    after = planned(make, goal, in_own_world(built(make, rows), world, "managed_ratio", what), front)
    assert cost(after) <= cost(before) * (1.0 + 1e-12)
    offer = after.choice.offer
    amount = offer.prepaid_usd_per_hour + offer.prepaid_machines * offer.price_usd_per_hour
    worth = amount * 730.0 * (offer.managed_ratio or 1.0)
    assert cost(before) - cost(after) <= worth * (1.0 + 1e-9) + 1e-9


@given(rows=offers_of, world=own_world, load=st.sampled_from([100.0, 20_000.0]))
@settings(derandomize=True, deadline=None, max_examples=10)
def test_a_quota_never_makes_it_cheaper(
    make: SimpleNamespace, rows: list[Any], world: list[dict[str, Any]], load: float
) -> None:
    goal, front = make.goal(load_rps=load), few_ways(make)
    before = planned(make, goal, built(make, rows), front)
    after = planned(make, goal, in_own_world(built(make, rows), world, "most_machines"), front)
    assert cost(after) >= cost(before) * (1.0 - 1e-12)
    most = after.choice.offer.most_machines
    assert most is None or after.choice.layout.instances <= most


@given(rows=offers_of, world=own_world)
@settings(derandomize=True, deadline=None, max_examples=8)
def test_what_is_forbidden_is_as_if_its_quota_were_zero(
    make: SimpleNamespace, rows: list[Any], world: list[dict[str, Any]]
) -> None:
    goal, front = make.goal(load_rps=20_000.0), few_ways(make)
    offers = built(make, rows)
    forbidden = [False, *(says["most_machines"] == 0.0 for says in world)][: len(offers)]
    left = [offer for offer, gone in zip(offers, forbidden, strict=True) if not gone]
    none = [
        msgspec.structs.replace(offer, most_machines=0.0) if gone else offer
        for offer, gone in zip(offers, forbidden, strict=True)
    ]
    subset, without = planned(make, goal, left, front), planned(make, goal, none, front)
    assert subset.choice == without.choice
    assert cost(subset) >= cost(planned(make, goal, offers, front)) * (1.0 - 1e-12)


@given(
    usd=st.sampled_from([0.05, 0.17]),
    order=st.permutations(range(18)),
    load=st.sampled_from([100.0, 20_000.0]),
    prepaid=st.sampled_from([0.0, 100.0]),
)
@settings(derandomize=True, deadline=None, max_examples=8)
def test_a_family_that_costs_the_same_in_many_regions_gives_one_choice(
    make: SimpleNamespace, usd: float, order: list[int], load: float, prepaid: float
) -> None:
    sizes = (
        {"instance_type": "c6a.xlarge", "price_usd_per_hour": usd},
        {
            "instance_type": "c6a.2xlarge",
            "vcpus": 8,
            "physical_cores": 4,
            "memory_bytes": 16 * 2.0**30,
            "price_usd_per_hour": 2.0 * usd,
        },
    )
    # Regions without prices of their own, so that nothing but the name and the grid tells them apart.
    offers = [
        make.offer(region=f"eu-test-{region}", grid_gco2e_per_kwh=grid, prepaid_machines=prepaid, **fields)
        for region, grid in enumerate((400.0, 300.0, 300.0, None, 20.0, 20.0, 500.0, 20.0, None))
        for fields in sizes
    ]
    goal, front = make.goal(load_rps=load), few_ways(make)
    found = planned(make, goal, offers, front)
    assert found.choice.offer.region == "eu-test-4"
    assert cost(found) == pytest.approx(by_brute_force(make, goal, offers, front), rel=1e-9)
    shuffled = planned(make, goal, [offers[place] for place in order], front)
    assert shuffled.choice == found.choice


@given(
    rows=offers_of, load=st.sampled_from([100.0, 20_000.0]), ratios=st.lists(st.floats(1.0, 1.4), min_size=40)
)
@settings(derandomize=True, deadline=None, max_examples=6)
def test_dearer_copies_in_many_other_regions_change_nothing_about_the_choice(
    make: SimpleNamespace, rows: list[Any], load: float, ratios: list[float]
) -> None:
    goal, front = make.goal(load_rps=load), few_ways(make)
    offers = built(make, rows)
    copies = [
        msgspec.structs.replace(
            offer, region=f"far-{number}", price_usd_per_hour=1.01 * ratio * offer.price_usd_per_hour
        )
        for number, ratio in enumerate(ratios)
        for offer in offers
        if offer.cloud == "aws"
    ]
    # Where no region has its own price of transfer, all regions pay the same.
    market = [price for price in make.transfer if price.region == "*" or price.cloud == "gcp"]
    few, many = (
        plan(
            goal,
            front,
            Offers.of(some, storage=make.storage, transfer=tuple(market), snapshot="by hand"),
            CALIBRATION,
            host=make.host,
            today="2026-02-03",
            seed=7,
        )
        for some in (offers, [*copies, *offers])
    )
    assert many.choice == few.choice
    assert many.considered > few.considered


@given(rows=offers_of, extra=offers_of, load=st.sampled_from([100.0, 20_000.0]))
@settings(derandomize=True, deadline=None, max_examples=10)
def test_another_offer_never_makes_the_plan_dearer(
    make: SimpleNamespace, rows: list[Any], extra: list[Any], load: float
) -> None:
    goal = make.goal(load_rps=load)
    few = built(make, rows)
    known = {offer.key for offer in few}
    more = [*few, *(offer for offer in built(make, extra) if offer.key not in known)]
    front = few_ways(make)
    assert cost(planned(make, goal, more, front)) <= cost(planned(make, goal, few, front)) * (1.0 + 1e-12)


@given(rows=offers_of, bounds=st.tuples(st.floats(0.005, 0.5), st.floats(0.005, 0.5)))
@settings(derandomize=True, deadline=None, max_examples=10)
def test_a_looser_bound_never_makes_it_dearer(
    make: SimpleNamespace, rows: list[Any], bounds: tuple[float, float]
) -> None:
    offers = built(make, rows)
    tight, loose = (
        planned(make, make.goal(p99_s=bound, load_rps=30_000.0), offers, few_ways(make))
        for bound in sorted(bounds)
    )
    assert not tight.meets_goal or cost(loose) <= cost(tight) * (1.0 + 1e-12)


@given(rows=offers_of, loads=st.tuples(st.floats(1.0, 1e5), st.floats(1.0, 1e5)))
@settings(derandomize=True, deadline=None, max_examples=10)
def test_a_higher_load_never_makes_it_cheaper(
    make: SimpleNamespace, rows: list[Any], loads: tuple[float, float]
) -> None:
    offers = built(make, rows)
    low, high = (planned(make, make.goal(load_rps=load), offers, few_ways(make)) for load in sorted(loads))
    assert cost(low) <= cost(high) * (1.0 + 1e-12)


@given(rows=offers_of, odds=st.tuples(st.floats(0.55, 0.98), st.floats(0.55, 0.98)))
@settings(derandomize=True, deadline=None, max_examples=8)
def test_more_confidence_never_makes_it_cheaper(
    make: SimpleNamespace, rows: list[Any], odds: tuple[float, float]
) -> None:
    offers = built(make, rows)
    bold, careful = (
        planned(make, make.goal(load_rps=20_000.0, confidence=share), offers, few_ways(make))
        for share in sorted(odds)
    )
    assert cost(bold) <= cost(careful) * (1.0 + 1e-12)
    for found, share in ((bold, min(odds)), (careful, max(odds))):
        assert not found.meets_goal or found.choice.confidence >= share - 1e-4


def every(make: SimpleNamespace) -> list[Offer]:
    return [
        make.offer(**{**kind, "purchase": purchase, "price_usd_per_hour": usd})
        for kind, on_demand in zip(MACHINES, (0.15, 0.6, 0.36, 0.07, 0.19, 0.08, 0.01, 1.0), strict=True)
        for purchase, usd in (("on_demand", on_demand), ("spot", 0.4 * on_demand))
    ]


@pytest.fixture(scope="module")
def example(make: SimpleNamespace) -> Plan:
    data = DataAt(uri="s3://b", region="eu-west-1", size_bytes=1e12, read_per_month_bytes=1e11)
    unfit = make.profile("pruned", overhead_s=1e-6, row_s=1e-6, quality=0.7, within=False)
    goal = make.goal(load_rps=20_000.0, budget=3000.0, data_at=data)
    return planned(make, goal, every(make), make.front(*make.front().profiles, unfit))


def test_the_cost_is_the_sum_of_its_parts(example: Plan) -> None:
    for candidate in (example.choice, *example.pareto):
        parts = {part.name: part.usd_per_month for part in candidate.costs}
        assert list(parts) == ["compute", "storage", "egress_internet", "egress_inter_region"]
        assert candidate.cost_usd_per_month == pytest.approx(sum(parts.values()))
        assert candidate.estimate.cost_usd_per_month.likely == candidate.cost_usd_per_month
        assert parts["compute"] == pytest.approx(
            candidate.layout.instances * candidate.offer.price_usd_per_hour * 730.0
        )


def test_the_choice_meets_the_goal_and_is_the_cheapest_on_the_front(example: Plan) -> None:
    assert example.meets_goal
    assert example.misses == ()
    assert example.nearest == ()
    assert example.choice.confidence >= 0.9 - 1e-4
    assert example.choice.estimate.latency_s["p99"].high <= 0.02 * 1.05
    assert example.pareto[0] == example.choice
    assert all(one.cost_usd_per_month <= 3000.0 for one in example.pareto)


def test_nothing_on_the_front_beats_another(example: Plan) -> None:
    def figures(candidate: Any) -> list[float]:
        carbon = candidate.estimate.carbon_kgco2e_per_month
        return [
            candidate.cost_usd_per_month,
            candidate.estimate.latency_s["p99"].likely,
            carbon.likely if carbon else math.inf,
            1.0 - candidate.confidence,
        ]

    rows = np.array([figures(candidate) for candidate in example.pareto])
    assert len(rows) > 1
    for one in rows:
        for other in rows:
            assert not ((one <= other).all() and (one < other).any())
    assert list(rows[:, 0]) == sorted(rows[:, 0])


def test_a_variant_outside_the_quality_budget_is_never_chosen(example: Plan) -> None:
    assert all(candidate.variant_name != "pruned" for candidate in (example.choice, *example.pareto))
    assert ("variant pruned", "quality: loses too much") in [(r.name, r.reason) for r in example.rejected]


def test_every_other_family_is_rejected_with_a_reason(example: Plan) -> None:
    reasons = {line.name: line.reason for line in example.rejected}
    assert "shares its CPU" in reasons["aws t3 on_demand"]
    assert "stay unused" in reasons["aws g5 on_demand"]
    for name in ("aws c7i on_demand", "aws c7g on_demand", "gcp n2-standard spot"):
        assert "dearer" in reasons[name] or "chosen family" in reasons[name], reasons[name]
    offers = sum(line.count for line in example.rejected if not line.name.startswith("variant"))
    assert offers == len(MACHINES) * 2 - 1


def test_the_same_arguments_give_the_same_plan_and_it_survives_a_file(
    make: SimpleNamespace, example: Plan
) -> None:
    goal = make.goal(load_rps=20_000.0)
    assert planned(make, goal, every(make)) == planned(make, goal, every(make))
    assert codec.decode(codec.encode(example), Plan, source="test") == example


def test_the_order_of_the_offers_does_not_change_the_cost(make: SimpleNamespace) -> None:
    goal = make.goal(load_rps=20_000.0)
    forwards, backwards = (planned(make, goal, offers) for offers in (every(make), every(make)[::-1]))
    assert cost(forwards) == cost(backwards)
    assert forwards.choice.offer == backwards.choice.offer


def test_an_answer_with_fewer_digits_does_not_win(make: SimpleNamespace) -> None:
    slow = msgspec.structs.replace(make.profile("slow", overhead_s=200e-6), response_bytes=140.0)
    found = planned(make, make.goal(load_rps=100.0), [make.offer()], make.front(slow, make.profile("quick")))
    assert found.choice.variant_name == "quick"


def test_a_commitment_is_free_up_to_its_amount_and_the_part_says_so(make: SimpleNamespace) -> None:
    goal = make.goal(load_rps=100_000.0)
    bare = planned(make, goal, [make.offer()])
    number = bare.choice.layout.instances
    assert number > 2
    partly = planned(make, goal, [make.offer(prepaid_machines=2.0)]).choice
    assert partly.costs[0].usd_per_month == pytest.approx((number - 2) * 0.17 * 730.0)
    assert partly.costs[0].because == f"{number} x 0.17 usd/h x 730 h, 2 of them paid for already"
    whole = planned(make, goal, [make.offer(prepaid_machines=1000.0)]).choice
    assert whole.costs[0].usd_per_month == 0.0
    assert whole.costs[0].because.endswith("730 h, paid for already")
    spend = planned(make, goal, [make.offer(prepaid_usd_per_hour=0.25)]).choice
    assert spend.costs[0].usd_per_month == pytest.approx((number * 0.17 - 0.25) * 730.0)
    assert spend.costs[0].because.endswith("less 0.25 usd/h that are paid for already")


def test_a_managed_service_asks_its_ratio_for_what_is_not_paid_for(make: SimpleNamespace) -> None:
    goal = make.goal(load_rps=40_000.0)
    managed = {"managed_service": "SageMaker", "managed_ratio": 1.25}
    quoted = planned(make, goal, [make.offer(**managed, managed_source="a list", prepaid_machines=1.0)])
    compute, surcharge = quoted.choice.costs[:2]
    assert surcharge.name == "managed_service"
    assert compute.usd_per_month > 0.0
    assert surcharge.usd_per_month == pytest.approx(0.25 * compute.usd_per_month)
    assert surcharge.because == "SageMaker asks 1.25 x the bare machine"
    assert (surcharge.origin, surcharge.source) == ("quoted", "a list")
    bare = planned(make, goal, [make.offer(prepaid_machines=1.0)])
    assert compute.usd_per_month == bare.choice.costs[0].usd_per_month
    assert quoted.choice.estimate.cost_usd_per_month == Range.exactly(cost(quoted))


def test_what_nobody_states_of_a_service_widens_the_cost(make: SimpleNamespace) -> None:
    offer = make.offer(
        managed_service="Vertex AI", managed_ratio=1.2, managed_ratio_low=1.0, managed_ratio_high=1.4
    )
    choice = planned(make, make.goal(load_rps=40_000.0), [offer]).choice
    compute, surcharge = choice.costs[:2]
    assert surcharge.origin == "assumed"
    assert "between 1 and 1.4: no source states it" in surcharge.because
    total = choice.estimate.cost_usd_per_month
    assert total.likely == choice.cost_usd_per_month
    assert total.low == pytest.approx(total.likely - 0.2 * compute.usd_per_month)
    assert total.high == pytest.approx(total.likely + 0.2 * compute.usd_per_month)


def test_being_away_from_home_is_a_part_of_the_cost_only_when_the_goal_says_where_that_is(
    make: SimpleNamespace,
) -> None:
    away = Footprint(cloud="gcp", switching_cost_usd=1200.0)
    choice = planned(make, make.goal(footprint=away), [make.offer()]).choice
    assert [part.name for part in choice.costs][-1] == "footprint"
    assert choice.costs[-1].usd_per_month == pytest.approx(100.0)
    home = planned(make, make.goal(footprint=Footprint(cloud="aws")), [make.offer()]).choice
    assert home.costs[-1].usd_per_month == 0.0
    none = planned(make, make.goal(), [make.offer()]).choice
    assert none.costs == home.costs[:-1]


def test_lock_in_keeps_the_plan_at_home_until_another_cloud_saves_more(make: SimpleNamespace) -> None:
    home, away = make.offer(price_usd_per_hour=0.5), make.offer(cloud="azure", price_usd_per_hour=0.01)
    loose, tight = (
        make.goal(load_rps=10.0, footprint=Footprint(cloud="aws", switching_cost_usd=usd))
        for usd in (100.0, 1e5)
    )
    assert planned(make, loose, [home, away]).choice.offer == away
    assert planned(make, tight, [home, away]).choice.offer == home


def test_a_quota_that_is_too_small_gives_the_load_that_it_allows(make: SimpleNamespace) -> None:
    goal = make.goal(load_rps=100_000.0)
    found = planned(make, goal, [make.offer(most_machines=2.0), make.offer(region="x", most_machines=1.0)])
    assert not found.meets_goal
    assert [miss.constraint for miss in found.misses] == ["load"]
    miss = found.misses[0]
    assert (miss.asked, miss.unit) == (100_000.0, "rps")
    assert found.choice.estimate.load_rps == miss.got < 100_000.0
    assert found.choice.layout.instances == 2
    assert "raise a quota" in miss.advice
    # What it advises is enough, and not much less than what the quota allows.
    assert planned(make, make.goal(load_rps=miss.got), [make.offer(most_machines=2.0)]).meets_goal
    assert not planned(make, make.goal(load_rps=1.1 * miss.got), [make.offer(most_machines=2.0)]).meets_goal


def test_a_quota_of_nothing_is_an_error_that_says_so(make: SimpleNamespace) -> None:
    with pytest.raises(InputError, match="needs at least 1, and its quota is 0; raise a quota"):
        planned(make, make.goal(), [make.offer(most_machines=0.0)])


def test_more_machines_for_the_front_stay_within_the_quota(make: SimpleNamespace) -> None:
    found = planned(make, make.goal(), [make.offer(most_machines=2.0), make.offer(region="x")])
    for one in found.pareto:
        assert one.offer.most_machines is None or one.layout.instances <= one.offer.most_machines


def test_spot_rents_spares_and_says_why(make: SimpleNamespace) -> None:
    spot = make.offer(purchase="spot", price_usd_per_hour=0.05)
    found = planned(make, make.goal(), [spot])
    assert found.choice.layout.spare_instances == 1
    assert any("interruptions an hour (assumed)" in line for line in found.choice.estimate.because)
    calm = make.offer(purchase="spot", price_usd_per_hour=0.05, interruptions_per_hour=0.0)
    assert planned(make, make.goal(), [calm]).choice.layout.spare_instances == 0


def test_a_small_network_under_modest_load_needs_one_small_machine(make: SimpleNamespace) -> None:
    found = planned(make, make.goal(load_rps=2000.0), [make.offer()])
    assert found.choice.layout.instances == 1
    assert found.choice.estimate.utilization.likely < 0.5
    assert found.choice.layout.max_batch > 1


def test_the_largest_memory_need_bounds_the_replicas(make: SimpleNamespace) -> None:
    front = make.front(make.profile(peak_memory_bytes=3e9))
    wide = make.offer(vcpus=16, physical_cores=8, memory_bytes=8 * 2.0**30)
    assert planned(make, make.goal(), [wide], front).choice.layout.replicas_per_instance <= 2


def test_the_rehearsal_is_as_busy_as_the_plan(make: SimpleNamespace, example: Plan) -> None:
    rehearsal = example.rehearsal
    assert rehearsal.layout.threads == 1
    assert rehearsal.layout.instances == rehearsal.layout.replicas_per_instance == 1
    assert rehearsal.layout.max_batch == example.choice.layout.max_batch
    assert rehearsal.estimate.load_rps == rehearsal.load_rps > 0.0
    if example.choice.layout.threads == 1:
        here, there = rehearsal.estimate.utilization, example.choice.estimate.utilization
        assert here.likely == pytest.approx(there.likely, rel=0.25)


def test_a_latency_below_all_offers_gives_the_nearest(make: SimpleNamespace) -> None:
    found = planned(make, make.goal(p99_s=0.0002, budget=5000.0), every(make))
    assert not found.meets_goal
    miss = found.misses[0]
    assert (miss.constraint, miss.asked, miss.unit) == ("p99", 0.0002, "s")
    assert miss.got > 0.0002
    assert "allow" in miss.advice
    assert found.nearest[0] == found.choice
    # What it advises is enough.
    again = planned(make, make.goal(p99_s=miss.got * 1.02, budget=5000.0), every(make))
    assert again.meets_goal


def test_a_budget_of_zero_gives_the_cheapest_and_what_it_misses(make: SimpleNamespace) -> None:
    found = planned(make, make.goal(budget=0.0), every(make))
    rich = planned(make, make.goal(), every(make))
    assert not found.meets_goal
    assert [miss.constraint for miss in found.misses] == ["budget"]
    assert found.misses[0].got == cost(found) == cost(rich)
    assert found.rejected


def test_half_the_budget_gives_answers_that_keep_it(make: SimpleNamespace) -> None:
    goal = make.goal(load_rps=40_000.0)
    half = 0.5 * cost(planned(make, goal, every(make)))
    found = planned(make, msgspec.structs.replace(goal, budget_usd_per_month=half), every(make))
    others = found.nearest[1:]
    assert others
    assert all(other.cost_usd_per_month <= half for other in others)
    assert any(other.estimate.load_rps < 40_000.0 for other in others)
    assert "serve" in found.misses[0].advice


def test_when_no_variant_keeps_the_quality_the_best_is_the_nearest(make: SimpleNamespace) -> None:
    front = make.front(
        make.profile("good", quality=0.79, within=False),
        make.profile("quick", overhead_s=1e-6, row_s=1e-6, quality=0.6, within=False),
    )
    found = planned(make, make.goal(), [make.offer()], front)
    assert not found.meets_goal
    assert found.choice.variant_name == "good"
    assert found.misses[0].constraint == "quality"
    assert found.misses[0].unit == "accuracy"


def test_without_offers_the_error_says_what_was_asked(make: SimpleNamespace) -> None:
    with pytest.raises(InputError, match="regions europe-\\*"):
        planned(make, make.goal(regions=("europe-*",)), [])


def test_offers_that_can_run_nothing_are_an_error_that_says_why(make: SimpleNamespace) -> None:
    with pytest.raises(InputError, match="share their CPU"):
        planned(make, make.goal(), [make.offer(shared_cpu=True)])


def test_16_bit_variants_go_where_they_are_native(make: SimpleNamespace) -> None:
    front = make.front(make.profile("half", precision="bf16"))
    native = make.offer(**MACHINES[2], price_usd_per_hour=5.0)
    found = planned(make, make.goal(), [make.offer(), native], front)
    assert found.choice.offer == native
    assert any("no variant can run there: bf16 needs" in line.reason for line in found.rejected)
