"""A run of the size and shape of a real one, made of constructed nouns: seven variants, about forty plans.

The numbers are chosen, not measured; they only have to be plausible and consistent with each other.
"""

from __future__ import annotations

import hashlib
import math
import random

import msgspec

from tradewind.domain.estimate import Calibration, Comparison, Constant, Estimate, Observation
from tradewind.domain.goal import DataAt, Goal, Load, Quality, Serve
from tradewind.domain.host import Host
from tradewind.domain.layout import Layout
from tradewind.domain.noun import Range, Rejected
from tradewind.domain.offer import Offer
from tradewind.domain.plan import Advice, Candidate, Change, CostPart, Miss, Plan, Rehearsal
from tradewind.domain.profile import Front, LatencyPoint, OperatorCost, Profile
from tradewind.domain.story import Observed, Planned, Replanned
from tradewind.domain.variant import (
    Golden,
    Judgement,
    PayloadFile,
    RecipeStep,
    Runtime,
    SliceJudgement,
    TensorSpec,
    Variant,
)

GOAL = Goal(
    name="fraud",
    model="fraud.model:build",
    data="fraud.data:load",
    metric="average_precision",
    serve=Serve(load=Load(rate_rps=6000.0), p99_s=0.02),
    budget_usd_per_month=500.0,
    quality=Quality(max_drop=0.005, slices=("channel",), slice_max_drop=0.015),
    regions=("europe-*", "eu-*"),
    purchase=("on_demand", "spot", "commit_1y"),
    data_at=DataAt(uri="s3://acme-eu/transactions", region="eu-west-1", size_bytes=4e10),
)

HOST = Host(
    cpu_model="AMD EPYC 7763",
    cpu_vendor="amd",
    cpu_architecture="x86_64",
    physical_cores=2,
    logical_cores=4,
    ghz=2.45,
    isa=("avx2",),
    memory_bytes=8 * 2**30,
    memory_bandwidth_bytes_per_s=2.1e10,
    gemm_flops_per_s_per_core=7.4e10,
    operating_system="Linux 6.8",
)

BASELINE = 0.8262
SLICES = (("channel=in_store", 31_400), ("channel=online", 14_900), ("channel=phone", 3_700))

# name, engine, precision, call at batch 1 (s), each further row (s), loss, spread of the loss, size, memory, recipe
VARIANTS = (
    ("torch-fp32", "torch", "fp32", 86e-6, 7.8e-6, 0.0, 0.0, 2.16e6, 262e6, ()),
    ("torch-bf16", "torch", "bf16", 154e-6, 5.0e-6, 0.0001, 0.0004, 1.09e6, 258e6, ("cast",)),
    ("onnxruntime-fp32", "onnxruntime", "fp32", 58e-6, 5.5e-6, 0.0, 0.0001, 2.15e6, 61e6, ("export-onnx",)),
    (
        "onnxruntime-int8-dynamic",
        "onnxruntime",
        "int8",
        22e-6,
        1.35e-6,
        0.0002,
        0.0009,
        0.55e6,
        54e6,
        ("export-onnx", "quantize-dynamic"),
    ),
    (
        "onnxruntime-int8-static",
        "onnxruntime",
        "int8",
        23e-6,
        1.1e-6,
        0.0038,
        0.0019,
        0.56e6,
        55e6,
        ("export-onnx", "quantize-static"),
    ),
    ("openvino-fp32", "openvino", "fp32", 226e-6, 7.1e-6, 0.0, 0.0001, 2.17e6, 143e6, ("convert-openvino",)),
    (
        "openvino-int8",
        "openvino",
        "int8",
        98e-6,
        2.2e-6,
        0.0375,
        0.0051,
        0.61e6,
        138e6,
        ("convert-openvino", "quantize-nncf"),
    ),
)
VERSIONS = {"torch": "2.13.0", "onnxruntime": "1.32.0", "openvino": "2026.4.1"}
BATCHES = (1, 2, 4, 8, 16, 32, 64, 128)


def identifier(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()[:12]


def judgement(loss: float, spread: float) -> Judgement:
    slices = tuple(
        SliceJudgement(
            slice=name,
            rows=rows,
            value=BASELINE - loss * weight,
            delta=-loss * weight,
            delta_low=-loss * weight - spread * wide,
            delta_high=-loss * weight + spread * wide,
        )
        for (name, rows), weight, wide in zip(SLICES, (0.8, 1.2, 1.9), (1.2, 1.6, 3.1), strict=True)
    )
    within = loss + spread <= 0.005
    return Judgement(
        metric="average_precision",
        rows=50_000,
        data_sha256=hashlib.sha256(b"fraud").hexdigest(),
        value=BASELINE - loss,
        low=BASELINE - loss - 0.0121,
        high=BASELINE - loss + 0.0117,
        baseline=BASELINE,
        delta=-loss,
        delta_low=-loss - spread,
        delta_high=-loss + spread,
        level=0.95,
        method="paired bootstrap, 1000 resamples",
        slices=slices,
        within=within,
        reason="" if within else f"loses up to {loss + spread:.4f}, allowed 0.005",
    )


def profile(row: tuple) -> Profile:
    name, engine, precision, call_s, row_s, loss, spread, size, memory, recipe = row
    chance = random.Random(name)
    curve = []
    for threads in (1, 2):
        for batch in BATCHES:
            work = row_s * (batch - 1) / (1.0 if threads == 1 or batch < 8 else 1.75)
            low = (call_s * (1.0 if threads == 1 else 1.18) + work) * chance.uniform(0.98, 1.02)
            curve.append(
                LatencyPoint(
                    batch=batch,
                    threads=threads,
                    low_s=low,
                    median_s=low * chance.uniform(1.03, 1.1),
                    high_s=low * chance.uniform(1.15, 1.6),
                    cpu_s=low * threads * 0.97,
                    runs=chance.randrange(180, 2000),
                )
            )
    variant = Variant(
        id=identifier(name),
        name=name,
        parent_id=identifier("torch-fp32") if recipe else None,
        recipe=tuple(
            RecipeStep(
                name=step,
                version=f"{engine} {VERSIONS[engine]}",
                parameters={"per_channel": True, "rows": 300} if "quantize" in step else {},
            )
            for step in recipe
        ),
        format={"torch": "pt2", "onnxruntime": "onnx", "openvino": "openvino"}[engine],
        files=(
            PayloadFile(path="model", sha256=hashlib.sha256(name.encode()).hexdigest(), size_bytes=int(size)),
        ),
        runtime=Runtime(engine=engine, engine_version=VERSIONS[engine], precision=precision),
        inputs=(TensorSpec(name="features", dtype="float32", shape=(None, 19)),),
        outputs=(TensorSpec(name="logit", dtype="float32", shape=(None, 1)),),
        parameters=536_065,
        golden=Golden(
            inputs="golden_inputs.npz",
            outputs="golden_outputs.npz",
            absolute_tolerance=1e-5,
            relative_tolerance=1e-4,
        ),
        judgement=judgement(loss, spread),
        build_s=4.2,
    )
    return Profile(
        variant=variant,
        host=HOST,
        operators=(
            OperatorCost(
                name="linear",
                kind="gemm",
                calls=4,
                flops=1.07e6,
                activation_bytes=12_000.0,
                weight_bytes=2.1e6,
            ),
        ),
        curve=tuple(curve),
        weight_bytes=size,
        peak_memory_bytes=memory,
        load_s=0.31,
        request_bytes=612.0,
        response_bytes=141.0,
        noise=0.031,
        measured_at="2026-08-21T14:03:55Z",
    )


FRONT = Front(
    profiles=tuple(profile(row) for row in VARIANTS),
    pareto=tuple(
        identifier(name)
        for name in ("onnxruntime-fp32", "onnxruntime-int8-dynamic", "onnxruntime-int8-static")
    ),
    lost=(
        Rejected(name="torch-fp32", reason="onnxruntime-fp32 is at least as good in everything"),
        Rejected(
            name="torch-bf16", reason="slower than torch-fp32 on this CPU, which has no bf16 instructions"
        ),
        Rejected(name="openvino-fp32", reason="onnxruntime-fp32 is at least as good in everything"),
        Rejected(name="openvino-int8", reason="loses up to 0.0426 of average_precision, allowed 0.005"),
    ),
    failed=(
        Rejected(name="openvino-bf16", reason="bf16 is not supported by this CPU"),
        Rejected(
            name="torch-int8-dynamic", reason="golden outputs differ by 0.31, allowed 0.0001: quantized twice"
        ),
    ),
)

# instance type, cloud, cores, vcpus, GiB, CPU, architecture, usd/h, speed against the host
MACHINES = (
    ("c7g.large", "aws", 2, 2, 4, "Graviton3", "arm64", 0.0776, 0.92),
    ("c7a.large", "aws", 2, 2, 4, "EPYC 9R14", "x86_64", 0.1093, 1.42),
    ("c6i.xlarge", "aws", 2, 4, 8, "Xeon 8375C", "x86_64", 0.182, 1.16),
    ("c7i.xlarge", "aws", 2, 4, 8, "Xeon 8488C", "x86_64", 0.1911, 1.38),
    ("F2als_v6", "azure", 2, 2, 4, "EPYC 9004", "x86_64", 0.0965, 1.36),
    ("D2as_v5", "azure", 1, 2, 8, "EPYC 7763", "x86_64", 0.101, 1.0),
    ("c3d-highcpu-4", "gcp", 2, 4, 8, "EPYC Genoa", "x86_64", 0.1664, 1.37),
    ("c4a-highcpu-2", "gcp", 2, 2, 4, "Axion", "arm64", 0.0843, 1.21),
)
REGIONS = {
    "aws": (("eu-west-1", 1.0, 279.0), ("eu-central-1", 1.06, 344.0), ("eu-north-1", 0.94, 12.0)),
    "azure": (("westeurope", 1.1, 268.0), ("swedencentral", 0.98, 12.0)),
    "gcp": (("europe-west4", 1.05, 209.0), ("europe-north1", 0.99, 39.0)),
}
SOURCES = {
    "aws": ("AWS price list, karpenter-provider-aws 1.9", "2026-07-20", "A"),
    "azure": ("Azure retail prices, karpenter-provider-azure 1.6", "2026-06-18", "A"),
    "gcp": ("Cyclenerd gcp-cost 2.0", "2026-07-30", "B"),
}


def estimate(p99_s: float, load_rps: float, cost: float, carbon: float, cpu_s: float) -> Estimate:
    def around(value: float, down: float, up: float) -> Range:
        return Range(low=value * down, likely=value, high=value * up)

    return Estimate(
        load_rps=load_rps,
        latency_s={
            "p50": around(p99_s * 0.21, 0.78, 1.3),
            "p90": around(p99_s * 0.52, 0.75, 1.32),
            "p95": around(p99_s * 0.68, 0.72, 1.35),
            "p99": around(p99_s, 0.71, 1.36),
        },
        throughput_rps=around(load_rps, 0.99, 1.01),
        capacity_rps=around(load_rps * 2.1, 0.8, 1.18),
        utilization=around(0.46, 0.8, 1.25),
        memory_bytes=around(86e6, 0.9, 1.15),
        cpu_s_per_request=around(cpu_s, 0.82, 1.24),
        cost_usd_per_month=Range.exactly(cost),
        energy_kwh_per_month=around(carbon * 4.0, 0.6, 1.5),
        carbon_kgco2e_per_month=around(carbon, 0.6, 1.5),
        level=0.9,
        because=(
            "server work of 0.21 ms a request on one core of the host, scaled by the clock and the kind of the core",
            "waiting: 4 processes at 46 % utilization, arrivals at random",
            "network: 1.35 us a row at batch 16, scaled by the int8 speed of the core",
        ),
    )


def costs(offer: Offer, instances: int) -> tuple[CostPart, ...]:
    compute = instances * offer.price_usd_per_hour * 730.0
    away = offer.cloud != "aws" or offer.region != "eu-west-1"
    parts = [
        CostPart(
            name="compute",
            usd_per_month=compute,
            because=f"{instances} × {offer.price_usd_per_hour:.4f} usd/h × 730 h",
            source=offer.source,
            as_of=offer.as_of,
        ),
        CostPart(
            name="egress_internet",
            usd_per_month=22.01,
            because="6,000 rps × 141 B × 2.628e6 s × 11 % outside the region = 245 GB × 0.09 usd/GB",
            source="AWS EC2 data transfer page",
            as_of="2026-06-02",
            origin="assumed",
        ),
        CostPart(
            name="storage",
            usd_per_month=0.92,
            because="40.0 GB × 0.0230 usd a GB-month",
            source="infracost price data, S3 Standard",
            as_of="2024-05-29",
        ),
    ]
    if away:
        parts.append(
            CostPart(
                name="egress_inter_region",
                usd_per_month=3.6,
                because="40.0 GB × 1 copy a month × 0.09 usd/GB",
                source="AWS EC2 data transfer page",
                as_of="2026-06-02",
            )
        )
    return tuple(parts)


def candidates(spare_capacity: int) -> list[Candidate]:
    chance = random.Random(7)
    found = []
    quality = {row[0]: BASELINE - row[5] for row in VARIANTS}
    for machine, cloud, cores, vcpus, memory, cpu, architecture, price, speed in MACHINES:
        for region, factor, grid in REGIONS[cloud]:
            for purchase, discount in (("on_demand", 1.0), ("spot", 0.38), ("commit_1y", 0.63)):
                for variant in ("onnxruntime-int8-dynamic", "onnxruntime-fp32"):
                    if chance.random() > 0.42:
                        continue
                    source, as_of, trust = SOURCES[cloud]
                    offer = Offer(
                        cloud=cloud,
                        region=region,
                        instance_type=machine,
                        purchase=purchase,
                        price_usd_per_hour=price * factor * discount * chance.uniform(0.9, 1.1),
                        vcpus=vcpus,
                        memory_bytes=memory * 2.0**30,
                        physical_cores=cores,
                        cpu_architecture=architecture,
                        cpu_model=cpu,
                        interruptions_per_hour=0.002 if purchase == "spot" else None,
                        grid_gco2e_per_kwh=grid,
                        source=source,
                        as_of=as_of,
                        confidence=trust,
                    )
                    spare = 1 if purchase == "spot" else 0
                    instances = (
                        max(2, math.ceil(4.4 / (cores * speed)))
                        + spare
                        + spare_capacity
                        + (variant == "onnxruntime-fp32")
                    )
                    layout = Layout(
                        instances=instances,
                        replicas_per_instance=cores,
                        threads=1,
                        max_batch=16,
                        spare_instances=spare,
                    )
                    parts = costs(offer, instances)
                    p99_s = 0.0128 / speed * chance.uniform(0.85, 1.25)
                    cost = sum(part.usd_per_month for part in parts)
                    found.append(
                        Candidate(
                            variant_id=identifier(variant),
                            variant_name=variant,
                            offer=offer,
                            layout=layout,
                            estimate=estimate(p99_s, 6000.0, cost, instances * 0.03 * grid, 0.00021 / speed),
                            costs=parts,
                            quality=quality[variant],
                            confidence=min(0.998, max(0.9, 0.99 - 3.0 * (p99_s - 0.008))),
                        )
                    )
    return sorted(found, key=lambda candidate: candidate.cost_usd_per_month)


CANDIDATES = candidates(0)
CHOICE = CANDIDATES[0]

CALIBRATION = Calibration(
    constants={
        "server_s_per_request": Constant(
            value=0.00021,
            standard_error=0.00003,
            fitted_on="measured 2026-08-20: 6 loads of this server on the host",
            residuals=(0.00001, -0.00002, 0.000004, 0.00002, -0.00001, 0.0),
        ),
        "core_speed_ratio": Constant(
            value=1.0,
            standard_error=0.14,
            fitted_on="published int8 results of 31 CPUs against their clock and ISA",
        ),
        "memory_bandwidth_ratio": Constant(
            value=0.78,
            standard_error=0.11,
            fitted_on="STREAM triad of 12 instance types against their data sheets",
        ),
        "interruption_overhead_ratio": Constant(
            value=1.08, standard_error=0.05, fitted_on="assumed: 2 minutes of notice, start in 90 s"
        ),
        "watts_per_vcpu": Constant(
            value=4.2, standard_error=1.1, fitted_on="Cloud Carbon Footprint coefficients, 2024"
        ),
    }
)

REJECTED = (
    Rejected(name="aws t3, t4g", reason="burstable: cannot be relied on for a sustained load", count=312),
    Rejected(
        name="gcp e2 shared-core", reason="burstable: cannot be relied on for a sustained load", count=54
    ),
    Rejected(name="azure B-series", reason="burstable: cannot be relied on for a sustained load", count=208),
    Rejected(
        name="machines with accelerators",
        reason="dearer than any CPU machine that meets p99 20 ms",
        count=1904,
    ),
    Rejected(
        name="1 vCPU machines", reason="p99 31 ms is over 20 ms at any number up to the budget", count=418
    ),
    Rejected(name="torch-fp32", reason="beaten by onnxruntime-fp32 in everything", count=9120),
    Rejected(
        name="openvino-int8", reason="loses up to 0.0426 of average_precision, allowed 0.005", count=9120
    ),
    Rejected(
        name="over 500 usd/month", reason="the cheapest layout costs more than the budget", count=22_871
    ),
    Rejected(name="aws c5, m5 (2017)", reason="beaten by c7a in cost and latency", count=1210),
    Rejected(name="azure Dpsv5", reason="price unknown in the allowed regions", count=44),
    Rejected(name="outside eu-*, europe-*", reason="the goal names other regions", count=81_402),
    Rejected(
        name="spot without a known interruption rate", reason="confidence 0.84 is under 0.9", count=3120
    ),
)

REHEARSAL = Rehearsal(
    load_rps=1180.0,
    layout=Layout(instances=1, replicas_per_instance=1, threads=1, max_batch=16),
    estimate=estimate(0.0121, 1180.0, 0.0, 0.0, 0.00021),
    because="one of 4 processes, at the load that keeps it as busy (46 %) on this slower core.",
)

PLAN = Plan(
    goal=GOAL,
    variant=FRONT.profile(CHOICE.variant_id).variant,
    choice=CHOICE,
    meets_goal=True,
    misses=(),
    pareto=tuple(CANDIDATES),
    nearest=(),
    rejected=REJECTED,
    rehearsal=REHEARSAL,
    calibration=CALIBRATION,
    considered=148_302,
    snapshot="2026-08-01",
    today="2026-08-21",
    seed=0,
)

PLANNED = Planned(front=FRONT, plan=PLAN)

MISSES = (
    Miss(
        constraint="p99",
        asked=0.002,
        got=CHOICE.estimate.latency_s["p99"].high,
        unit="s",
        advice="No offer answers faster; ask for p99 = 13 ms, or allow europe-west4 with c4a-highcpu-2.",
    ),
    Miss(
        constraint="budget",
        asked=60.0,
        got=CHOICE.cost_usd_per_month,
        unit="usd/month",
        advice="Spot machines of the cheapest region are already taken; raise the budget.",
    ),
)
UNMET = Planned(
    front=FRONT,
    plan=msgspec.structs.replace(
        PLAN,
        goal=msgspec.structs.replace(
            GOAL, serve=Serve(load=Load(rate_rps=6000.0), p99_s=0.002), budget_usd_per_month=60.0
        ),
        meets_goal=False,
        misses=MISSES,
        nearest=tuple(CANDIDATES[:5]),
    ),
)

OBSERVATION = Observation(
    load_rps=1180.0,
    latency_s={
        "p50": Range.exactly(0.0027),
        "p90": Range.exactly(0.0074),
        "p95": Range.exactly(0.0099),
        "p99": Range.exactly(0.0148),
    },
    throughput_rps=Range.exactly(1177.0),
    utilization=Range.exactly(0.61),
    memory_bytes=Range.exactly(91e6),
    cpu_s_per_request=Range.exactly(0.00029),
    started_at="2026-08-21T14:11:20Z",
    window_s=10.0,
    sent=11_812,
    answered=11_806,
    refused=6,
    failed=0,
    late=31,
)


def compared(figure: str, predicted: Range | None, measured: float) -> Comparison:
    assert predicted is not None
    return Comparison(figure=figure, predicted=predicted, measured=measured, within=predicted.holds(measured))


_EXPECTED = REHEARSAL.estimate
COMPARISONS = (
    *(
        compared(f"latency_{name}_s", _EXPECTED.latency_s[name], OBSERVATION.latency_s[name].likely)
        for name in ("p50", "p90", "p95", "p99")
    ),
    compared("throughput_rps", _EXPECTED.throughput_rps, 1177.0),
    compared("utilization", _EXPECTED.utilization, 0.61),
    compared("memory_bytes", _EXPECTED.memory_bytes, 91e6),
    compared("cpu_s_per_request", _EXPECTED.cpu_s_per_request, 0.00029),
)

ADVICE = (
    Advice(
        cause="A request costs more CPU time in the server than the model of costs says",
        evidence=(COMPARISONS[7], COMPARISONS[5]),
        action="Set server_s_per_request to 0.29 ms, and plan with one more machine",
        gain="latency_p99_s",
        predicted_gain=Range(low=0.0011, likely=0.0026, high=0.0041),
        verdict="applied",
    ),
)

OBSERVED = Observed(front=FRONT, plan=PLAN, observation=OBSERVATION, comparisons=COMPARISONS, advice=ADVICE)

CORRECTED_CANDIDATES = candidates(1)
CORRECTED_CHOICE = CORRECTED_CANDIDATES[0]
CORRECTED = msgspec.structs.replace(
    PLAN,
    variant=FRONT.profile(CORRECTED_CHOICE.variant_id).variant,
    choice=CORRECTED_CHOICE,
    pareto=tuple(CORRECTED_CANDIDATES),
    calibration=Calibration(
        constants={
            **CALIBRATION.constants,
            "server_s_per_request": Constant(
                value=0.00029,
                standard_error=0.00002,
                fitted_on="measured 2026-08-21: the run on the host, and 6 loads before it",
                residuals=(0.00001, -0.00002, 0.000004, 0.00002, -0.00001, 0.0, 0.00001),
            ),
        }
    ),
    changes=(
        Change(
            what="server_s_per_request",
            before="0.21 ms ± 0.03",
            after="0.29 ms ± 0.02",
            why="measured 38 % above the likely value, outside its interval",
        ),
        Change(
            what="machines",
            before=str(CHOICE.layout.instances),
            after=str(CORRECTED_CHOICE.layout.instances),
            why="at 0.29 ms a request, p99 would be 22.4 ms on the machines planned before, over 20 ms",
        ),
        Change(
            what="cost",
            before=f"{CHOICE.cost_usd_per_month:.1f} usd/month",
            after=f"{CORRECTED_CHOICE.cost_usd_per_month:.1f} usd/month",
            why="one more machine",
        ),
    ),
)
REPLANNED = Replanned(
    front=FRONT,
    plan=PLAN,
    observation=OBSERVATION,
    comparisons=COMPARISONS,
    advice=ADVICE,
    replanned=CORRECTED,
)
