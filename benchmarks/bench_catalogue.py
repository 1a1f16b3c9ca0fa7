"""The catalogue: how long it takes to read and filter, to ask from a shell, and whether it states what its lists state.

`python benchmarks/bench_catalogue.py [--lists DIR]`. Without the folder of published lists the last table is left out.
"""

from __future__ import annotations

import argparse
import gzip
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import yaml

from tradewind.decide import catalog
from tradewind.domain.goal import Goal, Load, Serve
from tradewind.run import market
from tradewind.run.market import snapshot

TODAY = "2026-11-25"
RUNS = 15
COMMAND = (sys.executable, "-c", "from tradewind.show.cli import main; main()", "catalog", "find")


def goal(*regions: str) -> Goal:
    return Goal(
        name="x",
        model="m:build",
        data="d:load",
        metric="accuracy",
        serve=Serve(load=Load(rate_rps=100.0), p99_s=0.02),
        budget_usd_per_month=500.0,
        regions=regions,
        purchase=("on_demand", "spot", "commit_1y", "commit_3y"),
    )


def quantile_ms(times_s: list[float], share: float) -> str:
    return f"{sorted(times_s)[int(share * (len(times_s) - 1))] * 1e3:.1f}"


def timed(action: Any) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def speed() -> None:
    def from_disk(*regions: str) -> None:
        snapshot._load.cache_clear()
        catalog.offers(goal(*regions), market.load_catalog(market.SHIPPED), TODAY)

    def again(*regions: str) -> None:
        catalog.offers(goal(*regions), market.load_catalog(market.SHIPPED), TODAY)

    found = len(catalog.offers(goal("*"), market.load_catalog(market.SHIPPED), TODAY))
    print(f"Loading and filtering {found:,} offers to a goal, {RUNS} runs\n")
    print("| what | lowest ms | median ms |\n|---|---:|---:|")
    for name, action, regions in (
        (
            "first time in a process: files read, hashed, joined, filtered to europe-*",
            from_disk,
            ("europe-*",),
        ),
        ("first time in a process, every region", from_disk, ("*",)),
        ("again in the process, europe-*", again, ("europe-*",)),
        ("again in the process, every region", again, ("*",)),
    ):
        times = [timed(lambda action=action, regions=regions: action(*regions)) for _ in range(RUNS)]
        print(f"| {name} | {quantile_ms(times, 0.0)} | {quantile_ms(times, 0.5)} |")
    options = ("--accelerator", "H100", "--region", "europe-*", "--sort", "price")
    times = [
        timed(lambda: subprocess.run([*COMMAND, *options], capture_output=True, check=True)) for _ in range(5)
    ]
    print(
        f"| `tradewind catalog find {' '.join(options)}`, a process of its own | "
        f"{quantile_ms(times, 0.0)} | {quantile_ms(times, 0.5)} |"
    )


def stated(lists: Path) -> dict[tuple[str, str, str], float]:
    """Every on-demand price of three raw lists by cloud, region and machine type."""
    found: dict[tuple[str, str, str], float] = {}
    raw = lists / "raw"
    azure = json.loads((raw / "azure_ondemand_2026-06-18_karpenter-azure.json").read_text())
    for region, machines in azure.items():
        found |= {("azure", region, name): price for name, price in machines.items()}
    aws = json.loads((raw / "aws_us-east-1_ondemand_2026-07-20_karpenter-aws.json").read_text())
    found |= {("aws", "us-east-1", name): price for name, price in aws.items()}
    packed = (raw / "gcp_pricing_2026-07-30_cyclenerd.yml.gz").read_bytes()
    gcp = yaml.load(gzip.decompress(packed), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    for name, machine in gcp["compute"]["instance"].items():
        for region, cost in (machine.get("cost") or {}).items():
            if "hour" in cost:
                found["gcp", region, name] = cost["hour"]
    return found


def faithful(lists: Path) -> None:
    def rows(query: str) -> dict[tuple[str, str, str], list[tuple[float | None, str]]]:
        found: dict[tuple[str, str, str], list[tuple[float | None, str]]] = {}
        for cloud, region, name, price, source in market.sql(query, market.SHIPPED):
            found.setdefault((cloud, region, name), []).append((price, source))
        return found

    used = rows(
        "SELECT cloud, region, instance_type, price_usd_per_hour, source FROM offers WHERE purchase = 'on_demand'"
    )
    caught = rows(
        "SELECT cloud, region, instance_type, price_usd, source FROM quarantine "
        "WHERE of_table = 'offers' AND purchase = 'on_demand' AND reason != ''"
    )
    print("\nOn-demand prices of the raw lists against the snapshot\n")
    print("| cloud | stated | equal | in quarantine | of these another list's price is used | neither |")
    print("|---|---:|---:|---:|---:|---:|")
    prices = stated(lists)
    for cloud in ("azure", "aws", "gcp"):
        mine = {key: price for key, price in prices.items() if key[0] == cloud}
        equal = {key for key, price in mine.items() if any(price == found for found, _ in used.get(key, []))}
        held = {
            key
            for key, price in mine.items()
            if key not in equal and any(price == found for found, _ in caught.get(key, []))
        }
        instead = sum(key in used for key in held)
        neither = len(mine) - len(equal) - len(held)
        print(f"| {cloud} | {len(mine):,} | {len(equal):,} | {len(held):,} | {instead} | {neither} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lists", type=Path)
    lists = parser.parse_args().lists
    speed()
    if lists is not None:
        faithful(lists)


if __name__ == "__main__":
    main()
