"""`plan` over more and more offers: does a decision over a whole catalogue still take about as long as a look at it?

The shipped catalogue, sampled to fewer offers or filled up with the same machines in further regions, and a front of
seven variants as the fraud example measures it. Goals: the example's, a hard one for which many queues must be solved,
and the example's load as a day that repeats, for which machines are bought in several ways. A candidate is an offer
with a variant, a batch and a thread count; of every one all numbers of machines are judged at once, by the least that
may serve. For most a bound of the cost is proof enough; for the pairs of a machine and a way that are left the queue is
solved, and the choice is simulated. Times are medians of several runs in one process, in seconds of a processor core, so
that what else runs on the machine does not count; memory is the most that the process had until then.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import time
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from tradewind.decide import catalog
from tradewind.decide.planning import plan
from tradewind.decide.prediction import default_calibration
from tradewind.domain.goal import DataAt, Goal, Hour, Load, Serve
from tradewind.domain.host import Host
from tradewind.domain.profile import Front, LatencyPoint, OperatorCost, Profile
from tradewind.domain.variant import Golden, Judgement, Runtime, Variant
from tradewind.run import market

if TYPE_CHECKING:
    from tradewind.domain.offer import Offers

TODAY = "2026-11-25"
COUNTS = (3_000, 30_000, 60_000, 200_000)

HOST = Host(
    cpu_model="AMD EPYC 7763 64-Core Processor",
    cpu_vendor="AuthenticAMD",
    cpu_architecture="x86_64",
    physical_cores=2,
    logical_cores=4,
    ghz=2.45,
    isa=("avx2",),
    memory_bytes=8 * 2**30,
    memory_bandwidth_bytes_per_s=2e10,
    gemm_flops_per_s_per_core=8e10,
)

# name, precision, time of a call, time of each row in it, parameters in bytes
VARIANTS = (
    ("torch-fp32", "fp32", 86e-6, 7.8e-6, 2.16e6),
    ("torch-bf16", "bf16", 154e-6, 5.0e-6, 1.08e6),
    ("onnxruntime-fp32", "fp32", 58e-6, 5.5e-6, 2.16e6),
    ("onnxruntime-int8", "int8", 22e-6, 1.4e-6, 0.54e6),
    ("onnxruntime-int8-static", "int8", 25e-6, 1.6e-6, 0.54e6),
    ("openvino-fp32", "fp32", 40e-6, 4.0e-6, 2.16e6),
    ("openvino-int8", "int8", 30e-6, 1.5e-6, 0.54e6),
)


def main() -> None:
    """Prints one table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--counts", type=int, nargs="*", default=list(COUNTS), help="offers")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    profiles = tuple(_profile(*variant) for variant in VARIANTS)
    front = Front(profiles=profiles, pareto=tuple(p.variant.id for p in profiles), lost=(), failed=())
    goals = {
        "p99 20 ms, 2,000 rps": _goal(0.02, 2000.0, 500.0),
        "p99 5 ms, 200,000 rps": _goal(0.005, 200_000.0, 50_000.0),
        "p99 20 ms, 5,000 to 60,000 rps over the day": _by_day(_goal(0.02, 60_000.0, 50_000.0)),
    }
    begun = time.perf_counter()
    everything = market.load_catalog()
    loaded_s = time.perf_counter() - begun
    offered = catalog.offers(goals["p99 20 ms, 2,000 rps"], everything, TODAY)
    print(f"{len(profiles)} variants; catalogue {offered.snapshot}: {len(offered):,} offers for the goal,")
    print(f"loaded in {loaded_s:.2f} s; medians of {options.rounds} runs\n")
    print(
        "| offers | goal | considered | a second | pairs solved | plan | cost in usd/month | on the front | rejected"
        " | most memory |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|")
    for count in options.counts:
        offers = _resized(offered, count)
        for name, goal in goals.items():
            taken_s = []
            for _ in range(options.rounds):
                begun = time.process_time()
                found = plan(goal, front, offers, default_calibration(), host=HOST, today=TODAY, seed=0)
                taken_s.append(time.process_time() - begun)
            memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0
            print(
                f"| {len(offers):,} | {name} | {found.considered:,} "
                f"| {found.considered / statistics.median(taken_s) / 1e6:.1f} M | {found.solved} "
                f"| {statistics.median(taken_s):.2f} s "
                f"| {found.choice.cost_usd_per_month:,.2f} | {len(found.pareto)} | {len(found.rejected):,} "
                f"| {memory:.0f} MiB |",
                flush=True,
            )


def _goal(p99_s: float, load_rps: float, budget: float) -> Goal:
    return Goal(
        name="fraud",
        model="fraud.model:build",
        data="fraud.data:load",
        metric="average_precision",
        serve=Serve(load=Load(rate_rps=load_rps), p99_s=p99_s),
        budget_usd_per_month=budget,
        purchase=("on_demand", "spot", "commit_1y", "commit_3y"),
        data_at=DataAt(
            uri="s3://acme-eu/transactions", region="eu-west-1", size_bytes=2e11, read_per_month_bytes=5e10
        ),
    )


def _by_day(goal: Goal) -> Goal:
    """The same goal under a load that rises from its lowest at 4 o'clock to its highest at 16 o'clock."""
    highest = goal.serve.load.rate_rps
    share = [0.5 - 0.5 * np.cos((hour - 4) / 24.0 * 2.0 * np.pi) for hour in range(24)]
    hours = tuple(Hour(rate_rps=round(highest * (1.0 / 12.0 + 11.0 / 12.0 * part))) for part in share)
    serve = Serve(load=Load(profile=hours), p99_s=goal.serve.p99_s)
    return msgspec.structs.replace(goal, serve=serve)


def _resized(offers: Offers, count: int) -> Offers:
    """A sample of the offers in their order; or all of them, and the same machines in regions that do not exist."""
    chance = np.random.default_rng(0)
    if count <= len(offers):
        return offers.take(np.sort(chance.choice(len(offers), size=count, replace=False)))
    copies = -(-count // len(offers))
    rows = np.tile(np.arange(len(offers)), copies)[:count]
    copy = np.repeat(np.arange(copies), len(offers))[:count]
    found = offers.take(rows)
    codes, names = found.coded("region")
    regions = tuple(
        name if number == 0 else f"{name}-copy{number}" for number in range(copies) for name in names
    )
    dearer = np.where(copy == 0, 1.0, np.round(1.0 + 0.3 * chance.random(len(names))[codes], 2))
    return found.replace(
        {"price_usd_per_hour": found["price_usd_per_hour"] * dearer},
        {"region": (codes + copy * len(names), regions)},
    )


def _profile(name: str, precision: str, call_s: float, row_s: float, weight_bytes: float) -> Profile:
    curve = tuple(
        LatencyPoint(
            batch=batch,
            threads=threads,
            low_s=call_s + row_s * batch / threads,
            median_s=1.05 * (call_s + row_s * batch / threads),
            high_s=1.16 * (call_s + row_s * batch / threads),
            cpu_s=call_s + row_s * batch,
            runs=100,
        )
        for threads in (1, 2)
        for batch in (1, 2, 4, 8, 16, 32, 64)
    )
    operator = OperatorCost(
        name="linear", kind="gemm", calls=4, flops=1.1e6, activation_bytes=8e3, weight_bytes=weight_bytes
    )
    return Profile(
        variant=_variant(name, precision),
        host=HOST,
        operators=(operator,),
        curve=curve,
        weight_bytes=weight_bytes,
        peak_memory_bytes=1e8,
        load_s=0.5,
        request_bytes=400.0,
        response_bytes=150.0,
        noise=0.02,
        measured_at="2026-11-25T00:00:00Z",
    )


def _variant(name: str, precision: str) -> Variant:
    judged = Judgement(
        metric="average_precision",
        rows=50_000,
        data_sha256="0",
        value=0.826,
        low=0.82,
        high=0.832,
        baseline=0.826,
        delta=0.0,
        delta_low=-0.001,
        delta_high=0.001,
        level=0.95,
        method="constructed",
        slices=(),
        within=True,
        reason="",
    )
    return Variant(
        id=f"{name:0<12}",
        name=name,
        parent_id=None,
        recipe=(),
        format="onnx",
        files=(),
        runtime=Runtime(engine="onnxruntime", engine_version="1", precision=precision),
        inputs=(),
        outputs=(),
        parameters=540_000,
        golden=Golden(inputs="in", outputs="out", absolute_tolerance=0.0, relative_tolerance=0.0),
        judgement=judged,
    )


if __name__ == "__main__":
    main()
