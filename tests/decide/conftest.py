"""Nouns by hand for the deciding rooms: small, and every one with facts that can be checked on paper."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from tradewind.domain.goal import DataAt, Goal, Load, Serve
from tradewind.domain.host import Host
from tradewind.domain.offer import Offer, StoragePrice, TransferPrice
from tradewind.domain.profile import Front, LatencyPoint, OperatorCost, Profile
from tradewind.domain.variant import Golden, Judgement, Runtime, Variant

if TYPE_CHECKING:
    from collections.abc import Sequence

HOST = Host(
    cpu_model="AMD EPYC 7763 64-Core Processor",
    cpu_vendor="AuthenticAMD",
    cpu_architecture="x86_64",
    physical_cores=2,
    logical_cores=4,
    ghz=2.45,
    isa=("avx2",),
    memory_bytes=16 * 2**30,
    memory_bandwidth_bytes_per_s=20e9,
    gemm_flops_per_s_per_core=80e9,
)


def variant(name: str, *, precision: Any = "fp32", quality: float = 0.8, within: bool = True) -> Variant:
    judgement = Judgement(
        metric="accuracy",
        rows=1000,
        data_sha256="0",
        value=quality,
        low=quality - 0.01,
        high=quality + 0.01,
        baseline=0.8,
        delta=quality - 0.8,
        delta_low=quality - 0.803,
        delta_high=quality - 0.797,
        level=0.95,
        method="by hand",
        slices=(),
        within=within,
        reason="" if within else "loses too much",
    )
    return Variant(
        id=f"{name:0<12}"[:12],
        name=name,
        parent_id=None,
        recipe=(),
        format="onnx",
        files=(),
        runtime=Runtime(engine="onnxruntime", engine_version="1", precision=precision),
        inputs=(),
        outputs=(),
        parameters=1,
        golden=Golden(inputs="in", outputs="out", absolute_tolerance=0.0, relative_tolerance=0.0),
        judgement=judgement,
    )


def profile(
    name: str = "original",
    *,
    overhead_s: float = 50e-6,
    row_s: float = 10e-6,
    batches: Sequence[int] = (1, 4, 16),
    threads: Sequence[int] = (1, 2),
    spread: float = 1.05,
    weight_bytes: float = 1e5,
    flops: float = 0.5e6,
    peak_memory_bytes: float = 200e6,
    **of_variant: Any,
) -> Profile:
    """A curve of overhead + row x batch on one thread; more threads divide the rows' part."""
    curve = tuple(
        LatencyPoint(
            batch=batch,
            threads=count,
            low_s=overhead_s + row_s * batch / count,
            median_s=spread * (overhead_s + row_s * batch / count),
            high_s=spread**3 * (overhead_s + row_s * batch / count),
            cpu_s=overhead_s + row_s * batch,
            runs=100,
        )
        for count in threads
        for batch in batches
    )
    operator = OperatorCost(
        name="linear", kind="gemm", calls=1, flops=flops, activation_bytes=1e3, weight_bytes=weight_bytes
    )
    return Profile(
        variant=variant(name, **of_variant),
        host=HOST,
        operators=(operator,),
        curve=curve,
        weight_bytes=weight_bytes,
        peak_memory_bytes=peak_memory_bytes,
        load_s=0.5,
        request_bytes=400.0,
        response_bytes=150.0,
        noise=0.02,
        measured_at="2026-01-01T00:00:00Z",
    )


def front(*profiles: Profile) -> Front:
    chosen = profiles or (
        profile("original"),
        profile("int8", precision="int8", overhead_s=40e-6, row_s=5e-6, quality=0.795),
    )
    return Front(profiles=chosen, pareto=tuple(p.variant.id for p in chosen), lost=(), failed=())


def offer(**fields: Any) -> Offer:
    given: dict[str, Any] = {
        "cloud": "aws",
        "region": "eu-west-1",
        "instance_type": "c6a.xlarge",
        "purchase": "on_demand",
        "price_usd_per_hour": 0.17,
        "vcpus": 4,
        "memory_bytes": 8 * 2.0**30,
        "physical_cores": 2,
        "cpu_architecture": "x86_64",
        "cpu_vendor": "AMD",
        "cpu_model": "7R13",
        "cpu_ghz": 3.6,
        "isa": ("avx2",),
        "memory_mt_per_s": 3200.0,
        "grid_gco2e_per_kwh": 300.0,
        "source": "by hand",
        "as_of": "2026-01-01",
        "confidence": "A",
    }
    return Offer(**{**given, **fields})


def goal(
    *,
    p99_s: float = 0.02,
    load_rps: float = 2000.0,
    budget: float = 1e9,
    data_at: DataAt | None = None,
    **fields: Any,
) -> Goal:
    return Goal(
        name="example",
        model="a:b",
        data="a:c",
        metric="accuracy",
        serve=Serve(load=Load(rate_rps=load_rps), p99_s=p99_s),
        budget_usd_per_month=budget,
        data_at=data_at,
        **fields,
    )


STORAGE = (
    StoragePrice(
        cloud="aws",
        region="eu-west-1",
        service="S3",
        tier="Standard",
        usd_per_gb_month=0.023,
        source="by hand",
        as_of="2026-01-01",
    ),
    StoragePrice(
        cloud="aws",
        region="us-east-1",
        service="S3",
        tier="Standard",
        usd_per_gb_month=0.03,
        source="by hand",
        as_of="2026-01-01",
    ),
)


def transfer(
    cloud: Any, region: str, kind: str, *tiers: tuple[float, float], to: str = "*"
) -> tuple[TransferPrice, ...]:
    return tuple(
        TransferPrice(
            cloud=cloud,
            region=region,
            kind=kind,
            to=to,
            from_gb=start,
            usd_per_gb=price,
            source="by hand",
            as_of="2026-01-01",
        )
        for start, price in tiers
    )


TRANSFER = (
    *transfer("aws", "eu-west-1", "internet", (0.0, 0.0), (100.0, 0.09), (10_000.0, 0.08)),
    *transfer("aws", "*", "internet", (0.0, 0.1)),
    *transfer("gcp", "europe-west1", "internet", (0.0, 0.12)),
    *transfer("aws", "eu-west-1", "inter_region", (0.0, 0.02)),
)


@pytest.fixture(scope="session")
def make() -> SimpleNamespace:
    """Functions that build nouns from what a test says about them."""
    return SimpleNamespace(
        host=HOST,
        variant=variant,
        profile=profile,
        front=front,
        offer=offer,
        goal=goal,
        storage=STORAGE,
        transfer=TRANSFER,
        prices=transfer,
    )
