"""What is told of a training plan, and the timeline of its step."""

from __future__ import annotations

from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradewind.decide.planning.explaining_training import explain_training, layout_words, step_timeline
from tradewind.domain.device import Device
from tradewind.domain.layout import TrainingLayout
from tradewind.domain.noun import Range, Rejected
from tradewind.domain.offer import Offer
from tradewind.domain.training import Train, TrainGoal, TrainingCandidate, TrainingCost, TrainingPlan

DEVICE = Device(
    name="H100-SXM",
    vendor="NVIDIA",
    kind="gpu",
    generation="hopper",
    year=2022,
    memory_bytes=80e9,
    memory_bandwidth_bytes_per_s=3.35e12,
    peak_flops_per_s={"bf16": 989e12},
    source="data sheet",
    as_of="2024-01-01",
    confidence="A",
)


def candidate(
    *, region: str, usd: float, days: float, cloud: str = "aws", purchase: str = "spot"
) -> TrainingCandidate:
    offer = Offer(
        cloud=cloud,
        region=region,
        instance_type="p5.48xlarge",
        purchase=purchase,
        price_usd_per_hour=usd / (2.0 * 24.0 * days),
        vcpus=192,
        memory_bytes=2e12,
        accelerator="H100-SXM",
        accelerator_count=8.0,
        source="a list",
        as_of="2026-01-01",
        confidence="A",
    )
    return TrainingCandidate(
        offer=offer,
        machines=2,
        device="H100-SXM",
        layout=TrainingLayout(tensor=4, pipeline=4, accumulation=16, micro_batch=2, zero_stage=1),
        step_s=Range(low=8.0, likely=10.0, high=14.0),
        memory_bytes=Range(low=60e9, likely=70e9, high=78e9),
        duration_s=Range(low=0.8 * days * 86400.0, likely=days * 86400.0, high=1.3 * days * 86400.0),
        cost_usd=Range(low=0.8 * usd, likely=usd + 5.0, high=1.3 * usd),
        costs=(
            TrainingCost(name="compute", usd=usd, because="2 x", source="a list", as_of="2026-01-01"),
            TrainingCost(name="storage", usd=5.0, because="checkpoints", source="a list", as_of="2026-01-01"),
        ),
        energy_kwh=100.0,
        carbon_kgco2e=None,
        confidence=0.95,
        checkpoint_every_s=1800.0,
        interruptions=2.0,
        flops_share=0.4,
        runtime="torch",
        because=("60% products",),
    )


CHOICE = candidate(region="us-east-1", usd=9000.0, days=10.0)
FASTER = candidate(region="us-west-2", usd=12_000.0, days=6.0)
PLAN = TrainingPlan(
    goal=TrainGoal(
        name="small",
        model="Llama 3 8B",
        train=Train(tokens=1e9, sequence=4096, global_batch=32, deadline_s=20 * 86400.0),
        budget_usd=20_000.0,
        clouds=("aws", "gcp"),
    ),
    choice=CHOICE,
    meets_goal=True,
    misses=(),
    pareto=(CHOICE, FASTER),
    nearest=(),
    rejected=(Rejected(name="A100", reason="costs at least 11,000 usd: by its fastest layout", count=40),),
    considered=1000,
    excluded=900,
    priced=50,
    runtime="torch",
    because=("it is the cheapest",),
    snapshot="by hand",
    today="2026-02-03",
)
TOLD = explain_training(PLAN, [DEVICE])


def test_the_runner_ups_break_even_price_equals_the_closed_form() -> None:
    turns = {turn.name: turn for turn in TOLD.turns}
    now = FASTER.offer.price_usd_per_hour
    assert turns["runner-up's price, down"].at == pytest.approx(now * 9000.0 / 12_000.0, rel=1e-6)
    own = CHOICE.offer.price_usd_per_hour
    assert turns["its price, upwards"].at == pytest.approx(own * 12_000.0 / 9000.0, rel=1e-6)


def test_limits_are_held_against_the_upper_ends() -> None:
    bounds = {bound.name: bound for bound in TOLD.bounds}
    assert bounds["deadline"].room == pytest.approx(1.0 - 13.0 / 20.0)
    assert bounds["budget"].room == pytest.approx(1.0 - 1.3 * 9000.0 / 20_000.0)
    assert bounds["memory of a device"].room == pytest.approx(1.0 - 78.0 / 80.0)
    assert bounds["memory of a device"].tight
    assert not bounds["global batch"].tight, "it was asked, so it leaves no choice"


def test_an_unknown_device_has_no_memory_limit() -> None:
    assert "memory of a device" not in {bound.name for bound in explain_training(PLAN, []).bounds}


def test_the_faster_one_costs_more() -> None:
    one = next(one for one in TOLD.neighbours if one.direction == "faster")
    assert one.option is not None
    assert one.option.region == "us-west-2"
    assert one.usd == pytest.approx(3000.0)
    assert one.time_s == pytest.approx(-4.0 * 86400.0)
    azure = next(one for one in TOLD.neighbours if one.direction == "other cloud: azure")
    assert azure.because == "the goal does not allow it"


def test_numbers_families_and_parts_are_all_there() -> None:
    assert [name for group in TOLD.fallen for name in group.families] == ["A100"]
    assert {source.origin for source in TOLD.sources} == {"quoted", "predicted"}
    assert all(source.source and source.as_of for source in TOLD.sources)
    assert TOLD.subject == "training"
    assert sum(part.usd for part in TOLD.choice.parts) == pytest.approx(TOLD.choice.cost_usd)


def test_an_endless_interval_of_checkpoints_is_no_number_of_the_page() -> None:
    endless = msgspec.structs.replace(CHOICE, checkpoint_every_s=float("inf"))
    told = explain_training(msgspec.structs.replace(PLAN, choice=endless), [DEVICE])
    assert all(source.value < float("inf") for source in told.sources)


layouts = st.builds(
    TrainingLayout,
    pipeline=st.sampled_from([1, 2, 4, 8]),
    accumulation=st.sampled_from([1, 8, 16, 64, 1024]),
    checkpointing=st.sampled_from(["none", "full"]),
    schedule=st.sampled_from(["gpipe", "1f1b", "interleaved", "zero_bubble"]),
    virtual_stages=st.sampled_from([1, 2]),
)


@given(layout=layouts, step_s=st.floats(0.1, 60.0))
def test_a_timeline_fills_the_step_without_two_works_at_once(layout: TrainingLayout, step_s: float) -> None:
    bars, _ = step_timeline(layout, step_s)
    end = max(bar.end_s for bar in bars)
    assert min(bar.start_s for bar in bars) == 0.0
    if layout.schedule != "zero_bubble":
        assert end <= step_s * (1.0 + 1e-9)
        if layout.accumulation <= 8:
            assert end == pytest.approx(step_s)
    assert len(bars) <= 2000
    by_stage: dict[int, list[tuple[float, float]]] = {}
    for bar in bars:
        by_stage.setdefault(bar.stage, []).append((bar.start_s, bar.end_s))
    assert set(by_stage) == set(range(layout.pipeline))
    for works in by_stage.values():
        works.sort()
        assert all(one[1] <= two[0] + 1e-9 * step_s for one, two in pairwise(works))


def test_the_bubble_of_1f1b_is_the_published_one() -> None:
    # (p - 1) / m of the work (Narayanan et al. 2021).
    _, note = step_timeline(TrainingLayout(pipeline=4, accumulation=12), 1.0)
    assert "waits for 25.0% of its work" in note
    _, note = step_timeline(TrainingLayout(pipeline=4, accumulation=1200), 1.0)
    assert "waits for 0.2% of its work" in note
    assert "micro-batches are drawn" in note


def test_uneven_stages_take_as_long_as_their_layers() -> None:
    bars, _ = step_timeline(TrainingLayout(pipeline=2, accumulation=2, stages=(3, 1)), 8.0)
    lengths = {stage: next(b.end_s - b.start_s for b in bars if b.stage == stage) for stage in (0, 1)}
    assert lengths[0] == pytest.approx(3.0 * lengths[1])


def test_a_layout_in_short_leaves_out_degrees_of_one() -> None:
    assert (
        layout_words(TrainingLayout(data=8, zero_stage=3, micro_batch=4))
        == "data 8, ZeRO 3, 1 micro-batch of 4"
    )


def test_the_parts_of_a_step_add_up_to_it() -> None:
    assert [(one.name, one.share) for one in TOLD.shares] == [
        ("products", 0.6),
        ("other", pytest.approx(0.4)),
    ]
