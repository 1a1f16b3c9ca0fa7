"""A training plan over more and more offers and accelerators, and SkyPilot's optimizer beside it.

The job is Llama 3 70B on 1e12 tokens in 30 days, over every region and purchase option of the shipped catalogue. Offers
are sampled down, or filled up with the same machines in regions that do not exist. Times are the least of several runs
in one process with one thread, by the clock and by the processor (a busy machine stretches the first).

SkyPilot (PyPI `skypilot`) is asked on the same prices: a catalogue of its own format is written for AWS and Azure, and
its `Optimizer.optimize` gets a task with an accelerator, their number in a machine, and the number of machines. Make an
environment for it and pass its interpreter:

    python -m venv sky && sky/bin/pip install skypilot
    python benchmarks/bench_train_plan.py --skypilot sky/bin/python
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

TODAY = "2026-11-25"
OFFERS = (1_000, 10_000, 50_000, 146_400, 292_800, 585_600)
ACCELERATORS = (64, 128, 256, 512, 1024, 2048, 4096)
NAMES = {
    "H100-SXM": "H100",
    "H200-SXM": "H200",
    "A100-40GB": "A100",
    "A100-80GB": "A100-80GB",
    "MI300X": "MI300X",
    "B200": "B200",
}
"""Accelerators that SkyPilot is asked for, under its names."""


HEADER = "InstanceType,AcceleratorName,AcceleratorCount,vCPUs,MemoryGiB,GpuInfo,Price,SpotPrice,Region,Arch"
"""Of SkyPilot's tables of machines."""


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--skypilot", help="the interpreter of an environment that has skypilot")
    parser.add_argument("--as-peer", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.as_peer:
        _as_peer(Path(options.as_peer))
        return
    _growth(options.rounds)
    if options.skypilot:
        _beside(options.skypilot)


def _goal(accelerators: int = 1024, **given: Any) -> Any:
    from tradewind.domain.training import Train, TrainGoal

    train = Train(tokens=1e12, sequence=8192, global_batch=(512, 1024), deadline_s=30 * 86400.0)
    fields: dict[str, Any] = {
        "name": "llama",
        "model": "Llama 3 70B",
        "train": train,
        "budget_usd": 1e8,
        "purchase": ("on_demand", "spot", "commit_1y", "commit_3y"),
        "accelerators_at_most": accelerators,
    }
    return TrainGoal(**(fields | given))


def _plan(goal: Any, offers: Any) -> tuple[Any, float, float]:
    from tradewind.decide.planning.training import plan_training
    from tradewind.decide.prediction import default_calibration
    from tradewind.files.sheets import architectures, devices

    begun, busy = time.perf_counter(), time.process_time()
    found = plan_training(
        goal, offers, default_calibration(), devices=devices(), architectures=architectures(), today=TODAY
    )
    return found, time.perf_counter() - begun, time.process_time() - busy


def _growth(rounds: int) -> None:
    from tradewind.decide import catalog
    from tradewind.run import market

    everything = market.load_catalog()
    offers = catalog.offers(_goal(), everything, TODAY)
    print(f"catalogue {offers.snapshot}: {len(offers):,} offers in all\n")
    print(
        "| offers | with accelerators | accelerators at most | layouts | computed | clock | processor | choice | usd | days |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|")
    cases = [(count, 1024) for count in OFFERS] + [
        (len(offers), most) for most in ACCELERATORS if most != 1024
    ]
    for count, most in cases:
        some = _resized(offers, count)
        runs = [_plan(_goal(most), some) for _ in range(rounds)]
        found = runs[0][0]
        choice = found.choice
        kept = "" if found.meets_goal else " (nearest)"
        print(
            f"| {len(some):,} | {found.priced:,} | {most:,} | {found.considered:,} "
            f"| {found.considered - found.excluded:,} | {min(run[1] for run in runs):.2f} s "
            f"| {min(run[2] for run in runs):.2f} s | {choice.machines} x {choice.offer.key}{kept} "
            f"| {choice.cost_usd.likely:,.0f} | {choice.duration_s.likely / 86400.0:.1f} |",
            flush=True,
        )


def _resized(offers: Any, count: int) -> Any:
    """A sample of the offers in their order; or all of them, and the same machines in regions that do not exist."""
    import numpy as np

    chance = np.random.default_rng(0)
    if count <= len(offers):
        return offers.take(np.sort(chance.choice(len(offers), size=count, replace=False)))
    copies = -(-count // len(offers))
    rows = np.tile(np.arange(len(offers)), copies)[:count]
    copy = np.repeat(np.arange(copies), len(offers))[:count]
    found = offers.take(rows)
    codes, names = found.coded("region")
    regions = tuple(f"{name}-{number}" if number else name for number in range(copies) for name in names)
    prices = found["price_usd_per_hour"] * (1.0 + 0.01 * copy)
    return found.replace({"price_usd_per_hour": prices}, {"region": (codes + copy * len(names), regions)})


# ---- SkyPilot


def _beside(interpreter: str) -> None:
    from tradewind.decide import catalog
    from tradewind.run import market

    goal = _goal(clouds=("aws", "azure"), accelerator=tuple(NAMES), purchase=("on_demand", "spot"))
    offers = catalog.offers(goal, market.load_catalog(), TODAY)
    found, clock_s, busy_s = _plan(goal, offers)
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        rows = _write_catalogues(home / ".sky" / "catalogs" / "v8", offers)
        wanted = [[name, 8] for name in NAMES.values()]
        (home / "wanted.json").write_text(json.dumps({"wanted": wanted, "nodes": found.choice.machines}))
        answer = subprocess.run(
            [interpreter, __file__, "--as-peer", str(home)],
            env={**os.environ, "HOME": str(home)},
            capture_output=True,
            text=True,
            check=False,
        )
    lines = [json.loads(line) for line in answer.stdout.splitlines() if line.startswith("{")]
    if not lines:
        print(f"\nSkyPilot gave no answer: {answer.stderr.strip().splitlines()[-1:]}")
        return
    print(
        f"\nSkyPilot {lines[0]['version']} on the same {rows:,} prices of AWS and Azure, imported in {lines[0]['import_s']:.2f} s\n"
    )
    print("| asked of SkyPilot | clock | its answer | usd/h of all machines |")
    print("|---|---|---|---|")
    for line in lines[1:]:
        print(f"| {line['asked']} | {line['seconds']:.3f} s | {line['answer']} | {line['usd']:,.2f} |")
    print(
        "\nSkyPilot chooses the cloud, the region and the machine type with the least price of an hour, for an accelerator"
        " and numbers of\ndevices and machines that the user gives. How fast they train it knows only from a function that the"
        " user writes; layouts,\nmemory, deadline, budget, interruptions and commitments are not part of its question. It"
        " also handles chains of tasks with\negress between them, which is not asked here.\n"
    )
    choice = found.choice
    print(
        f"\nTradewind on these offers: {clock_s:.2f} s ({busy_s:.2f} s of processor) for {found.considered:,} layouts:"
        f" {choice.machines} x {choice.offer.key}, {choice.cost_usd.likely:,.0f} usd, {choice.duration_s.likely / 86400.0:.1f} d,"
        f" {choice.runtime}.\n\nWhat the job costs on each accelerator, on demand, at its best layout and number; where the deadline is missed, the nearest plan:\n"
    )
    print("| accelerator | usd/h of 8 | usd of the job | days | share of the peak |")
    print("|---|---|---|---|---|")
    for name in NAMES:
        only = _goal(clouds=("aws", "azure"), accelerator=(name,), purchase=("on_demand",), train=goal.train)
        try:
            mine, _, _ = _plan(only, catalog.offers(only, market.load_catalog(), TODAY))
        except Exception as error:
            print(f"| {name} | | {error} | | |")
            continue
        one = mine.choice
        told = "" if mine.meets_goal else f" (misses the {mine.misses[0].constraint})"
        eight = one.offer.price_usd_per_hour * 8.0 / (one.offer.accelerator_count or 1.0)
        print(
            f"| {name} | {eight:.2f} | {one.cost_usd.likely:,.0f}{told} | {one.duration_s.likely / 86400.0:.1f} "
            f"| {one.flops_share:.0%} |"
        )


def _write_catalogues(folder: Path, offers: Any) -> int:
    """The prices in SkyPilot's own format; how many there are."""
    import numpy as np

    machines: dict[tuple[str, str, str], dict[str, Any]] = {}
    for row in np.nonzero(offers["accelerator_count"] >= 1.0)[0].tolist():
        offer = offers.offer(row)
        one = machines.setdefault((offer.cloud, offer.instance_type, offer.region), {"offer": offer})
        one[offer.purchase] = min(one.get(offer.purchase, np.inf), offer.price_usd_per_hour)
    for cloud in ("aws", "azure"):
        (folder / cloud).mkdir(parents=True)
        # Azure's table has no zones: with an empty column of them SkyPilot finds no region.
        last = "AvailabilityZone" if cloud == "aws" else "Generation"
        with (folder / cloud / "vms.csv").open("w", newline="") as lines:
            table = csv.writer(lines)
            table.writerow([*HEADER.split(","), last])
            for (where, instance, region), one in machines.items():
                if where == cloud:
                    offer = one["offer"]
                    name = NAMES.get(offer.accelerator, offer.accelerator)
                    gib = offer.memory_bytes / 2**30
                    prices = one.get("on_demand", ""), one.get("spot", "")
                    zone = f"{region}-az1" if cloud == "aws" else "V2"
                    count = offer.accelerator_count
                    table.writerow(
                        [instance, name, count, offer.vcpus, gib, "", *prices, region, "x86_64", zone]
                    )
        (folder / cloud / "images.csv").write_text("Tag,Region,OS,OSVersion,ImageId,CreationDate\n")
    (folder / "aws" / "instance_quota_mapping.csv").write_text(
        "InstanceType,SpotInstanceCode,OnDemandInstanceCode\n"
    )
    (folder / "common").mkdir()
    names = sorted(
        {NAMES.get(one["offer"].accelerator, one["offer"].accelerator) for one in machines.values()}
    )
    listed = "".join(f"{name},\"['AWS', 'Azure']\"\n" for name in names)
    (folder / "common" / "accelerators.csv").write_text(f"AcceleratorName,Clouds\n{listed}")
    (folder / "common" / "metadata.csv").write_text("GPU,MemoryGB,Manufacturer\n")
    return sum(len(one) - 1 for one in machines.values())


def _as_peer(home: Path) -> None:
    """Runs in SkyPilot's environment: asks its optimizer, one line of JSON for each answer."""
    begun = time.perf_counter()
    import sky
    from sky import check, clouds, optimizer
    from sky.catalog import aws_catalog

    print(json.dumps({"version": sky.__version__, "import_s": time.perf_counter() - begun}))
    # No account is at hand: both clouds count as enabled, and zones keep the names of the catalogue.
    aws_catalog._fetch_and_apply_az_mapping = lambda table: table._load_df()
    check.get_cached_enabled_clouds_or_refresh = lambda *_, **__: [clouds.AWS(), clouds.Azure()]
    spec = json.loads((home / "wanted.json").read_text())
    asked = [({name: count}, spot) for name, count in spec["wanted"] for spot in (False, True)]
    every = {f"{name}:{count}" for name, count in spec["wanted"]}
    for accelerators, spot in [*asked, (every, False), (every, True)]:
        with sky.Dag() as dag:
            task = sky.Task(run="train", num_nodes=spec["nodes"])
            one = (
                sky.Resources(use_spot=spot, accelerators=accelerators)
                if isinstance(accelerators, dict)
                else None
            )
            task.set_resources(
                one or {sky.Resources(use_spot=spot, accelerators=name) for name in accelerators}
            )
        begun = time.perf_counter()
        try:
            optimizer.Optimizer.optimize(dag, quiet=True)
            best = task.best_resources
            answer, usd = (
                f"{best.cloud}/{best.region}/{best.instance_type}",
                best.get_cost(3600.0) * spec["nodes"],
            )
        except Exception as error:
            answer, usd = f"{type(error).__name__}: {str(error).splitlines()[0][:80]}", float("nan")
        words = (
            "any of these"
            if one is None
            else " ".join(f"{name}:{count}" for name, count in accelerators.items())
        )
        line = {
            "asked": f"{spec['nodes']} x {words}, {'spot' if spot else 'on demand'}",
            "seconds": time.perf_counter() - begun,
            "answer": answer,
            "usd": usd,
        }
        print(json.dumps(line))


if __name__ == "__main__":
    sys.exit(main())
