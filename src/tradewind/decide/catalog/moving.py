"""Keeping and moving data: object storage, and transfer out of regions, in steps of the monthly volume.

A published GB is taken as 1e9 bytes and a GiB as 2**30, each as its list writes it; a TB of a step's bound
is 1000 GB. The clouds' invoices are said to count a "GB" of 2**30 bytes as well, in which case the prices
per GB of AWS and Azure are up to 7 % too high here, never too low.
"""

from __future__ import annotations

import itertools
import math
import re
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tradewind.decide.catalog.dates import AsOf, read_as_of
from tradewind.decide.catalog.provenance import grade
from tradewind.decide.catalog.rows import QuarantineRow, StorageRow, TransferRow
from tradewind.decide.catalog.texts import Row, cloud_of, scaled

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tradewind.domain.noun import Cloud

__all__ = ["STORAGE_COLUMNS", "Moving", "read_moving"]

STORAGE_COLUMNS: Final = (
    "provider",
    "region",
    "service",
    "tier",
    "item",
    "unit",
    "price_usd",
    "as_of",
    "source",
)

GB: Final = 1e9
GIB: Final = 2.0**30

_UNIT_BYTES: Final = {"GB": GB, "GB-month": GB, "GiB": GIB, "GiB-month": GIB}

_STANDARD: Final[dict[tuple[str, str, str, str], tuple[str, str]]] = {
    ("aws", "S3", "Standard", "Storage"): ("S3", "Standard"),
    ("aws", "S3", "S3 Standard", "Storage"): ("S3", "Standard"),
    ("azure", "Blob (StorageV2)", "Standard LRS Hot", "Capacity (first 50TB)"): ("Blob Storage", "Hot LRS"),
    ("azure", "Blob Storage", "Blob Hot (LRS)", "Storage"): ("Blob Storage", "Hot LRS"),
    ("gcp", "GCS", "standard", "Storage"): ("Cloud Storage", "Standard"),
    ("gcp", "Cloud Storage", "Standard", "Storage"): ("Cloud Storage", "Standard"),
}
"""(cloud, service, tier, item) of the published list -> service and tier, for the tier that is read often."""


@dataclass(frozen=True)
class Moving:
    """The two tables, what broke an invariant, and how many rows of which kind have no place in them."""

    storage: tuple[StorageRow, ...]
    transfer: tuple[TransferRow, ...]
    caught: tuple[QuarantineRow, ...]
    left_out: dict[str, int]


@dataclass(frozen=True)
class _Step:
    """One published step of a ladder: it holds from `lower_gb` to `upper_gb` after the free volume."""

    row: Row
    as_of: AsOf
    kind: str
    region: str
    lower_gb: float
    upper_gb: float
    free_gb: float
    price_usd: float

    @property
    def usd_per_gb(self) -> float:
        return self.price_usd * GB / _UNIT_BYTES[self.row["unit"]]


def read_moving(rows: Iterable[Row], today: str) -> Moving:
    """The storage and transfer tables from the published list, sorted.

    Caught: prices that are not above 0, units and days that cannot be read, and whole ladders that have a
    gap, are open below the top, or get dearer with volume. Where two lists state the same storage price,
    the newer one is taken. AWS's free volume, which only its cloud-wide ladder states, holds for each region's
    own ladder as well, except in the government's regions.
    """
    storage: dict[tuple[Cloud, str], StorageRow] = {}
    steps: list[_Step] = []
    caught: list[QuarantineRow] = []
    left_out: Counter[str] = Counter()
    for row in rows:
        price = scaled(row, "price_usd", 1.0)
        as_of = read_as_of(row["as_of"])
        named = _STANDARD.get((row["provider"], row["service"], row["tier"], row["item"]))
        bounds = _bounds(row)
        if named is None and bounds is None:
            left_out[_kind(row)] += 1
            continue
        problem = _problem(row, price, as_of, today)
        if problem or price is None or as_of is None:
            caught.append(_caught(row, "storage" if named else "transfer", "price_can_be_read", problem))
        elif named is not None:
            _keep_newest(storage, _storage_row(row, named, price, as_of), left_out)
        elif bounds is not None:
            kind, region, lower_gb, upper_gb, free_gb = bounds
            steps.append(_Step(row, as_of, kind, region, lower_gb, upper_gb, free_gb, price))
    transfer, broken = _ladders(steps)
    return Moving(
        storage=tuple(storage[key] for key in sorted(storage)),
        transfer=tuple(transfer),
        caught=tuple(caught + broken),
        left_out=dict(sorted(left_out.items())),
    )


def _problem(row: Row, price: float | None, as_of: AsOf | None, today: str) -> str:
    if price is None or price <= 0.0:
        return f"the price is {row['price_usd'] or 'not stated'}; a price is above 0"
    if row["unit"] not in _UNIT_BYTES:
        return f"{row['unit']!r} is not one of the units {', '.join(_UNIT_BYTES)}"
    if as_of is None:
        return f"{row['as_of']!r} holds no day"
    if as_of.day > today:
        return f"{as_of.day} is after today, {today}"
    return ""


def _storage_row(row: Row, named: tuple[str, str], price: float, as_of: AsOf) -> StorageRow:
    return StorageRow(
        cloud=cloud_of(row),
        region=row["region"],
        service=named[0],
        tier=named[1],
        usd_per_gb_month=price * GB / _UNIT_BYTES[row["unit"]],
        stated_price_usd=price,
        stated_unit=row["unit"],
        source=row["source"],
        as_of=as_of.day,
        as_of_precision=as_of.precision,
        confidence=grade(row["source"]),
    )


def _keep_newest(
    storage: dict[tuple[Cloud, str], StorageRow], row: StorageRow, left_out: Counter[str]
) -> None:
    key = (row.cloud, row.region)
    if key in storage:
        left_out[
            f"{row.cloud} {row.service} {row.tier}: an older price for a region that has a newer one"
        ] += 1
    if key not in storage or (row.as_of, row.source) > (storage[key].as_of, storage[key].source):
        storage[key] = row


_AWS_INTERNET = re.compile(r"Outbound data transfer to Internet \((first|next|over) (\d+)TB\)")
_AWS_STEP_TB: Final = {
    ("first", 10): (0.0, 10.0),
    ("next", 40): (10.0, 50.0),
    ("next", 100): (50.0, 150.0),
    ("over", 150): (150.0, math.inf),
}
_RANGE_GB = re.compile(r"(\d+)-(\d+|inf) GB")
_FREE_GB = re.compile(r"after (\d+) GB free")
_RANGE_TIB: Final = {"0-1 TiB": (0.0, 1.0), "1-10 TiB": (1.0, 10.0), "10n TiB": (10.0, math.inf)}


def _bounds(row: Row) -> tuple[str, str, float, float, float] | None:
    """Kind, region, lower and upper bound and free volume in GB of a transfer row; None for any other row."""
    service, item = row["service"], row["item"]
    if service == "DataTransfer":
        if item == "Outbound data transfer to other regions":
            return "inter_region", row["region"], 0.0, math.inf, 0.0
        if item == "Intra-region data transfer":
            return "inter_zone", row["region"], 0.0, math.inf, 0.0
        match = _AWS_INTERNET.fullmatch(item)
        step = _AWS_STEP_TB.get((match.group(1), int(match.group(2)))) if match else None
        return ("internet", row["region"], step[0] * 1e3, step[1] * 1e3, 0.0) if step else None
    if service == "InterRegion":
        return "inter_region", "*", 0.0, math.inf, 0.0
    if service == "InternetEgress":
        span, free = _RANGE_GB.fullmatch(row["tier"]), _FREE_GB.fullmatch(item)
        if span is None or free is None:
            return None
        return "internet", "*", float(span.group(1)), float(span.group(2)), float(free.group(1))
    if service == "NetworkEgress" and row["tier"] == "internet to worldwide" and item in _RANGE_TIB:
        lower, upper = _RANGE_TIB[item]
        return "internet", row["region"], lower * 2.0**40 / GB, upper * 2.0**40 / GB, 0.0
    return None


def _ladders(steps: Sequence[_Step]) -> tuple[list[TransferRow], list[QuarantineRow]]:
    ladders: dict[tuple[Cloud, str, str], list[_Step]] = defaultdict(list)
    for step in steps:
        ladders[(cloud_of(step.row), step.region, step.kind)].append(step)
    free_gb = {
        cloud: max(step.free_gb for step in ladder)
        for (cloud, region, kind), ladder in ladders.items()
        if region == "*" and kind == "internet"
    }
    rows: list[TransferRow] = []
    caught: list[QuarantineRow] = []
    for key in sorted(ladders):
        cloud, region, kind = key
        ladder = sorted(ladders[key], key=lambda step: step.lower_gb)
        invariant, problem = _broken(ladder)
        if problem:
            caught += [_caught(step.row, "transfer", invariant, problem) for step in ladder]
            continue
        free = free_gb.get(cloud, 0.0) if kind == "internet" and not region.startswith("us-gov-") else 0.0
        if free:
            rows.append(_transfer_row(ladder[0], region, kind, 0.0, 0.0))
        rows += [_transfer_row(step, region, kind, free + step.lower_gb, step.usd_per_gb) for step in ladder]
    return rows, caught


def _broken(ladder: Sequence[_Step]) -> tuple[str, str]:
    """The invariant that a ladder breaks and how, or two empty texts."""
    reached = 0.0
    for step in ladder:
        if step.lower_gb != reached:
            return "ladder_is_complete", (
                f"no single price from {min(reached, step.lower_gb):g} GB a month on; the cloud-wide ladder is used"
            )
        reached = step.upper_gb
    if reached != math.inf:
        return "ladder_is_complete", f"no price over {reached:g} GB a month; the cloud-wide ladder is used"
    for before, after in itertools.pairwise(ladder):
        if after.usd_per_gb > before.usd_per_gb:
            return "price_falls_with_volume", (
                f"{after.price_usd:g} over {after.lower_gb:.0f} GB a month, {before.price_usd:g} below; "
                "the cloud-wide ladder is used"
            )
    return "", ""


def _transfer_row(step: _Step, region: str, kind: str, from_gb: float, usd_per_gb: float) -> TransferRow:
    return TransferRow(
        cloud=cloud_of(step.row),
        region=region,
        kind=kind,
        from_gb=from_gb,
        usd_per_gb=usd_per_gb,
        stated_price_usd=step.price_usd if usd_per_gb else 0.0,
        stated_unit=step.row["unit"],
        stated_region=step.row["region"],
        source=step.row["source"],
        as_of=step.as_of.day,
        as_of_precision=step.as_of.precision,
        confidence=grade(step.row["source"]),
    )


def _caught(row: Row, table: str, invariant: str, problem: str) -> QuarantineRow:
    return QuarantineRow(
        of_table=table,
        cloud=row["provider"],
        region=row["region"],
        item=row["service"],
        purchase=f"{row['tier']} {row['item']}".strip(),
        price_usd=scaled(row, "price_usd", 1.0),
        invariant=invariant,
        reason=problem,
        source=row["source"],
        as_of=row["as_of"],
    )


def _kind(row: Row) -> str:
    """What is left out, for the report: other services and tiers, prices for single destinations."""
    if row["service"] in ("DataTransfer", "NetworkEgress"):
        return f"{row['provider']} {row['service']}: a price for one destination only"
    if row["service"] in {service for _, service, _, _ in _STANDARD}:
        return f"{row['provider']} {row['service']}: requests, retrieval and other tiers"
    return f"{row['provider']} {row['service']}: another service"
