"""What is told of the plan of a language model that answers."""

from __future__ import annotations

import msgspec
import pytest

from tradewind.decide.planning.explaining_generation import explain_generation, option_of_generation
from tradewind.domain.device import Device
from tradewind.domain.generating import (
    Generate,
    GenerateGoal,
    GenerationCandidate,
    GenerationLayout,
    GenerationPlan,
)
from tradewind.domain.goal import Load
from tradewind.domain.noun import Range, Rejected
from tradewind.domain.offer import Offer
from tradewind.domain.plan import CostPart, LoadCurve, Rented

DEVICE = Device(
    name="L4",
    vendor="NVIDIA",
    kind="gpu",
    generation="ada",
    year=2023,
    memory_bytes=24e9,
    memory_bandwidth_bytes_per_s=300e9,
    peak_flops_per_s={"bf16": 121e12},
    source="data sheet",
    as_of="2024-01-01",
    confidence="A",
)


def times(seconds: float) -> dict[str, Range]:
    return {
        name: Range(low=0.8 * factor * seconds, likely=factor * seconds, high=1.4 * factor * seconds)
        for name, factor in (("p50", 0.5), ("p99", 1.0))
    }


def candidate(*, region: str, usd_per_hour: float, first_s: float, machines: int = 2) -> GenerationCandidate:
    offer = Offer(
        cloud="gcp",
        region=region,
        instance_type="g2-standard-8",
        purchase="on_demand",
        price_usd_per_hour=usd_per_hour,
        vcpus=8,
        memory_bytes=32e9,
        accelerator="L4",
        accelerator_count=1.0,
        source="a list",
        as_of="2026-01-01",
        confidence="A",
    )
    usd = machines * usd_per_hour * 730.0
    return GenerationCandidate(
        offer=offer,
        machines=machines,
        spare_machines=0,
        device="L4",
        layout=GenerationLayout(replicas=machines, max_batch=32, weights="fp8"),
        first_token_s=times(first_s),
        token_s=times(0.03),
        running=10.0,
        tokens_per_s=400.0,
        load_share=0.8,
        memory_bytes=Range(low=18e9, likely=20e9, high=23.5e9),
        costs=(
            CostPart(name="compute", usd_per_month=usd, because="2 x", source="a list", as_of="2026-01-01"),
        ),
        fleet=(
            Rented(
                offer=offer, machines=machines, machine_hours_per_month=730.0 * machines, usd_per_month=usd
            ),
        ),
        usd_per_million_tokens=1.2,
        energy_kwh_per_month=100.0,
        carbon_kgco2e_per_month=20.0,
        confidence=0.93,
        runtime="vllm serve",
        because=("70% weights",),
    )


CHOICE = candidate(region="us-east1", usd_per_hour=0.7, first_s=0.4)
FASTER = candidate(region="europe-west4", usd_per_hour=0.9, first_s=0.2)
PLAN = GenerationPlan(
    goal=GenerateGoal(
        name="chat",
        model="Llama 3 8B",
        generate=Generate(
            load=Load(rate_rps=2.0), prompt=500, output=200, first_token_p99_s=1.0, token_p99_s=0.05
        ),
        budget_usd_per_month=3000.0,
        clouds=("aws", "gcp"),
    ),
    choice=CHOICE,
    meets_goal=True,
    misses=(),
    pareto=(CHOICE, FASTER),
    nearest=(),
    rejected=(Rejected(name="A10", reason="costs 5,000 usd/month at least: 3 x", count=12),),
    considered=1000,
    evaluated=100,
    excluded=900,
    priced=50,
    load=LoadCurve.flat(2.0),
    runtime="vllm serve",
    because=("the least of what keeps the bounds",),
    snapshot="by hand",
    today="2026-02-03",
)
TOLD = explain_generation(PLAN, [DEVICE])


def test_every_bound_that_was_asked_is_held_against_its_upper_end() -> None:
    bounds = {bound.name: bound for bound in TOLD.bounds}
    assert bounds["first token p99"].room == pytest.approx(1.0 - 1.4 * 0.4)
    assert bounds["token p99"].room == pytest.approx(1.0 - 1.4 * 0.03 / 0.05)
    assert "token p50" not in bounds
    assert bounds["memory of a device"].tight
    assert bounds["load"].got == pytest.approx(0.8)


def test_the_break_even_prices_equal_the_closed_form() -> None:
    turns = {turn.name: turn for turn in TOLD.turns}
    assert turns["its price, upwards"].at == pytest.approx(0.9, rel=1e-6)
    assert turns["runner-up's price, down"].at == pytest.approx(0.7, rel=1e-6)
    assert turns["load, upwards"].at == pytest.approx(2.0 / 0.8)


def test_candidates_are_compared_by_the_tail_of_what_was_asked() -> None:
    assert TOLD.time_name == "first token p99"
    assert TOLD.choice.time_s == pytest.approx(0.4)
    only = msgspec.structs.replace(PLAN.goal.generate, first_token_p99_s=None)
    goal = msgspec.structs.replace(PLAN.goal, generate=only)
    assert option_of_generation(CHOICE, goal).time_s == pytest.approx(0.03)


def test_the_faster_one_is_dearer() -> None:
    one = next(one for one in TOLD.neighbours if one.direction == "faster")
    assert one.option is not None
    assert one.usd == pytest.approx(2 * 0.2 * 730.0)
    assert one.time_s == pytest.approx(-0.2)


def test_numbers_and_families_are_all_there() -> None:
    assert [name for group in TOLD.fallen for name in group.families] == ["A10"]
    assert all(source.source and source.as_of for source in TOLD.sources)
    assert {"first token p99", "token p50", "a million tokens"} <= {source.what for source in TOLD.sources}
