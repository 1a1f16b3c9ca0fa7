from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from tradewind.domain.host import Host
from tradewind.domain.noun import Rejected
from tradewind.domain.profile import LatencyPoint, Profile
from tradewind.domain.variant import Golden, Judgement, PayloadFile, Runtime, Variant
from tradewind.lab.optimization.front import front_of

HOST = Host(
    cpu_model="test",
    cpu_vendor="test",
    cpu_architecture="x86_64",
    physical_cores=2,
    logical_cores=2,
    ghz=None,
    isa=(),
    memory_bytes=1,
    memory_bandwidth_bytes_per_s=1.0,
    gemm_flops_per_s_per_core=1.0,
)


def profile(
    name,
    *,
    value=0.9,
    half=0.0,
    within=True,
    reason="",
    latency_s=1e-3,
    row_s=1e-4,
    memory=100,
    size=50,
    noise=0.03,
):
    """A variant of which only what the front looks at is chosen; its largest batch has 10 rows."""
    judgement = Judgement(
        metric="accuracy",
        rows=100,
        data_sha256="0",
        value=value,
        low=value - half,
        high=value + half,
        baseline=0.9,
        delta=value - 0.9,
        delta_low=value - 0.9 - half,
        delta_high=value - 0.9 + half,
        level=0.95,
        method="test",
        slices=(),
        within=within,
        reason=reason,
    )
    variant = Variant(
        id=name,
        name=name,
        parent_id=None,
        recipe=(),
        format="onnx",
        files=(PayloadFile(path="model.onnx", sha256="0", size_bytes=size),),
        runtime=Runtime(engine="onnxruntime", engine_version="1", precision="fp32"),
        inputs=(),
        outputs=(),
        parameters=1,
        golden=Golden(inputs="i", outputs="o", absolute_tolerance=0.0, relative_tolerance=0.0),
        judgement=judgement,
    )
    points = [
        LatencyPoint(batch=batch, threads=1, low_s=low, median_s=low, high_s=low, cpu_s=low, runs=9)
        for batch, low in ((1, latency_s), (10, 10 * row_s))
    ]
    return Profile(
        variant=variant,
        host=HOST,
        operators=(),
        curve=tuple(points),
        weight_bytes=1.0,
        peak_memory_bytes=float(memory),
        load_s=1.0,
        request_bytes=1.0,
        response_bytes=1.0,
        noise=noise,
        measured_at="2020-01-01T00:00:00+00:00",
    )


@st.composite
def measured(draw):
    steps = st.integers(1, 6)
    found = []
    for number in range(draw(st.integers(1, 7))):
        within = draw(st.booleans())
        found.append(
            profile(
                f"variant-{number}",
                value=draw(st.sampled_from([0.7, 0.8, 0.9])),
                half=draw(st.sampled_from([0.0, 0.15])),
                within=within,
                reason="" if within else "loses too much",
                # Steps of 6 % under ties of 10 % make "beats" go round in circles.
                latency_s=1e-3 * 1.06 ** draw(steps),
                row_s=1e-4 * 1.06 ** draw(steps),
                memory=100 * 1.06 ** draw(steps),
                size=50 * draw(steps),
                noise=0.1,
            )
        )
    return found


@given(profiles=measured())
def test_every_variant_is_on_the_front_or_lost_with_a_reason(profiles):
    front = front_of(profiles, ())
    assert front.profiles == tuple(profiles)
    names = {one.variant.name for one in profiles}
    lost = {one.name for one in front.lost}
    assert set(front.pareto) | lost == names
    assert not set(front.pareto) & lost
    assert front.pareto, "somebody always stays"
    assert all(one.reason for one in front.lost)
    within = {one.variant.id for one in profiles if one.variant.judgement.within}
    assert set(front.pareto) <= (within or names)


@given(profiles=measured())
def test_who_is_best_in_something_beyond_the_ties_is_on_the_front(profiles):
    front = front_of(profiles, ())
    competing = [one for one in profiles if one.variant.judgement.within] or profiles
    for one in competing:
        others = [other for other in competing if other is not one]
        if all(other.variant.size_bytes > 1.02 * one.variant.size_bytes for other in others):
            assert one.variant.id in front.pareto, "no other is as small"


def test_the_reason_names_a_winner_and_by_how_much():
    front = front_of(
        [
            profile("original"),
            profile("fast", latency_s=2e-4, row_s=5e-5, size=10),
            profile(
                "wrong", value=0.5, within=False, reason="loses 0.4 of accuracy", row_s=2e-4, latency_s=2e-3
            ),
        ],
        [Rejected(name="bf16", reason="bf16 is not supported by this CPU")],
    )
    assert front.pareto == ("fast",)
    assert [(one.name, one.reason) for one in front.lost] == [
        ("original", "beaten by fast in latency (5.0x), throughput (2.0x) and size (5.0x) at equal quality"),
        (
            "wrong",
            "loses 0.4 of accuracy; slower here: 0.50x of the original at batch 1, 0.50x in throughput",
        ),
    ]
    assert front.failed == (Rejected(name="bf16", reason="bf16 is not supported by this CPU"),)


def test_differences_below_the_noise_are_no_reason_to_prefer():
    alike = [profile("original"), profile("other", latency_s=1.02e-3, memory=103)]
    assert len(front_of(alike, ()).pareto) == 2
    noisy = [profile("original", noise=0.5), profile("other", latency_s=1.4e-3, noise=0.5)]
    assert len(front_of(noisy, ()).pareto) == 2
    quiet = [profile("original"), profile("other", latency_s=1.4e-3)]
    assert front_of(quiet, ()).pareto == ("original",)


def test_quality_decides_only_where_the_rows_can_tell():
    sure = [profile("original", value=0.9), profile("other", value=0.88, latency_s=0.5e-3)]
    assert front_of(sure, ()).pareto == ("original", "other")
    unsure = [profile("original", value=0.9), profile("other", value=0.88, half=0.03, latency_s=0.5e-3)]
    assert front_of(unsure, ()).pareto == ("other",)


def test_a_slower_variant_is_said_to_be_slower():
    front = front_of([profile("original"), profile("slow", latency_s=4e-3)], ())
    (lost,) = front.lost
    assert lost.reason.endswith("; slower here at batch 1: 0.25x of the original")
    assert lost.reason.startswith("beaten by original in latency (4.0x) at equal quality")


def test_when_nobody_is_within_the_nearest_come_back():
    worse = [
        profile("original", within=False, reason="accuracy is 0.9, the minimum is 0.99"),
        profile("small", within=False, reason="accuracy is 0.9, the minimum is 0.99", size=10),
    ]
    front = front_of(worse, ())
    assert front.pareto == ("small",)
    assert msgspec.json.encode(front)
