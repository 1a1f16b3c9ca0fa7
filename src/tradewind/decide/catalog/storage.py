"""Keeping and touching stored data: every tier of object and block storage, every item, in steps of the volume."""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from tradewind.decide.catalog.dates import read_as_of
from tradewind.decide.catalog.ladders import GB, GIB, caught, unfitting, unreadable
from tradewind.decide.catalog.lists.cyclenerd import PRICES as GCP_LIST
from tradewind.decide.catalog.provenance import grade
from tradewind.decide.catalog.rows import QuarantineRow, StorageRow
from tradewind.decide.catalog.texts import Row, cloud_of, scaled

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = ["STORAGE_COLUMNS", "StorageRead", "read_storage"]

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


@dataclass(frozen=True)
class StorageRead:
    """The table, what broke an invariant, and how many prices of which kind have no place in it."""

    rows: tuple[StorageRow, ...]
    caught: tuple[QuarantineRow, ...]
    left_out: Counter[str]


@dataclass(frozen=True)
class _Step:
    """A row, and up to which monthly volume it holds."""

    row: StorageRow
    upper_gb: float


def read_storage(rows: Iterable[Row], gcp: Mapping[str, Any], today: str) -> StorageRead:
    """The storage prices of the published list and of GCP's own (parsed; may be empty), sorted.

    Where two lists state the same price, the newer one is taken and the older counted in `left_out`. Caught:
    prices that are not above 0, items, units and days that cannot be read, steps of the volume that do not fit
    together or get dearer, and a local disk that is dearer on a spot machine than on demand.
    """
    steps: list[_Step] = []
    broken: list[QuarantineRow] = []
    left_out: Counter[str] = Counter()
    for row in rows:
        if row["service"] in _TRANSFER_SERVICES:
            continue
        if (row["provider"], row["service"]) not in _SERVICES:
            left_out[f"{row['provider']} {row['service']}: another service"] += 1
            continue
        found = _of_list(row)
        problem = unreadable(row, today) or ("" if found else "tier, item or unit is not a known one")
        if problem:
            broken.append(caught(row, "storage", "price_can_be_read", problem))
        steps += [] if problem else found
    listed, refused, unsold = _of_gcp(gcp)
    kept, unfit, superseded = _newest([*listed, *steps])
    return StorageRead(
        rows=tuple(sorted((step.row for step in kept), key=_order)),
        caught=tuple(broken + refused + unfit),
        left_out=left_out + unsold + superseded,
    )


def _order(row: StorageRow) -> tuple[str, str, str, str, str, str, float]:
    return (row.cloud, row.region, row.service, row.tier, row.item, row.detail, row.from_gb)


_TRANSFER_SERVICES: Final = frozenset(
    {"DataTransfer", "InterRegion", "InterZone", "InternetEgress", "NetworkEgress"}
)
"""Services of the same list that move data and do not keep them."""

_SERVICES: Final = {
    ("aws", "S3"): "S3",
    ("aws", "EBS"): "EBS",
    ("azure", "Blob (StorageV2)"): "Blob Storage",
    ("azure", "Blob Storage"): "Blob Storage",
    ("gcp", "GCS"): "Cloud Storage",
    ("gcp", "Cloud Storage"): "Cloud Storage",
    ("gcp", "PersistentDisk"): "Persistent Disk",
}
"""(cloud, service of the list) -> the service by its own name."""

_TIERS: Final = {
    "S3": {
        "Standard": "Standard",
        "S3 Standard": "Standard",
        "Intelligent tiering": "Intelligent-Tiering",
        "Standard - infrequent access": "Standard-IA",
        "S3 Standard-IA": "Standard-IA",
        "One zone - infrequent access": "One Zone-IA",
        "Glacier flexible retrieval": "Glacier Flexible Retrieval",
        "Glacier deep archive": "Glacier Deep Archive",
        "S3 Glacier Deep Archive": "Glacier Deep Archive",
    },
    "EBS": {
        **{tier: tier for tier in ("gp2", "gp3", "io1", "io2", "sc1", "st1")},
        "standard": "magnetic",
        "standard_withUsage": "magnetic",
    },
    "Cloud Storage": {
        "standard": "Standard",
        "nearline": "Nearline",
        "coldline": "Coldline",
        "archive": "Archive",
        "archiv": "Archive",
        "dra": "Durable Reduced Availability",
    },
    "Persistent Disk": {
        "balanced": "pd-balanced",
        "balanced-replicated": "regional pd-balanced",
        "extreme": "pd-extreme",
        "hdd": "pd-standard",
        "hdd-replicated": "regional pd-standard",
        "local": "local-ssd",
        "local-c4": "local-ssd c4",
        "local-c4a": "local-ssd c4a",
        "local-c4d": "local-ssd c4d",
        "snapshot": "snapshot",
        "ssd": "pd-ssd",
        "ssd-replicated": "regional pd-ssd",
    },
    "Hyperdisk": {"hyperdisk-extreme": "hyperdisk-extreme"},
}
"""Service -> tier of a list -> tier in the cloud's own words. Blob Storage: see `_blob_tier`."""

_BLOB_TIERS: Final = (
    re.compile(r"(?P<kind>Standard|Premium) (?P<redundancy>[A-Z-]+) (?P<access>Hot|Cool|Cold|Archive)"),
    re.compile(r"Blob (?P<access>Hot|Cool|Cold|Archive) \((?P<redundancy>[A-Z-]+)\)(?P<kind>)"),
)


def _tier(service: str, stated: str) -> str | None:
    """The tier by its own name: Azure's is [Premium] access redundancy, such as Hot LRS."""
    if service == "Cloud Storage":
        return _TIERS[service].get(stated.lower())
    if service != "Blob Storage":
        return _TIERS[service].get(stated)
    match = next((found for pattern in _BLOB_TIERS if (found := pattern.fullmatch(stated))), None)
    if match is None:
        return None
    premium = "Premium " if match["kind"] == "Premium" else ""
    return f"{premium}{match['access']} {match['redundancy']}"


_ITEMS: Final[tuple[tuple[re.Pattern[str], tuple[str, ...]], ...]] = (
    # Item of a list -> items of the table; the group is the detail. One line of a list may price several.
    (re.compile(r"Storage \((?:general|provisioned|throughput|cold|magnetic).*\)"), ("storage",)),
    (re.compile(r"Storage(?: \((.+)\))?"), ("storage",)),
    (re.compile(r"Capacity"), ("storage",)),
    (re.compile(r"Capacity \(.+\)"), ("storage",)),
    (re.compile(r"PUT, COPY, POST, LIST requests"), ("write_requests", "list_requests")),
    (re.compile(r"GET, SELECT, and all other requests"), ("read_requests", "other_requests")),
    (re.compile(r"\w+ class-A operations \(.+\)"), ("write_requests", "list_requests")),
    (re.compile(r"\w+ class-B operations \(.+\)"), ("read_requests", "other_requests")),
    (re.compile(r"Write operations"), ("write_requests",)),
    (re.compile(r"Read operations"), ("read_requests",)),
    (re.compile(r"List and create container operations"), ("list_requests",)),
    (re.compile(r"All other operations"), ("other_requests",)),
    (re.compile(r"Lifecycle transition"), ("transition",)),
    (re.compile(r"Retrieval requests \((.+)\)"), ("retrieval_requests",)),
    (re.compile(r"(?:Retrievals|Data retrieval)(?: \((.+)\))?"), ("retrieval",)),
    (re.compile(r"(?:Early delete|Early deletion)(?: \((.+)\))?"), ("early_deletion",)),
    (re.compile(r"Monitoring and automation"), ("monitoring",)),
    (re.compile(r"Provisioned IOPS"), ("iops",)),
    (re.compile(r"Provisioned throughput"), ("throughput",)),
    (re.compile(r"Blob index"), ("index",)),
)

_REQUESTS: Final = {"1k requests": ("1000 requests", 1.0), "10k operations": ("1000 requests", 0.1)}
_VOLUME: Final = {"GB": ("GB", 1.0), "GiB": ("GB", GB / GIB)}
_KEPT: Final = {
    "GB": ("GB-month", 1.0),
    "GB-month": ("GB-month", 1.0),
    "GiB": ("GB-month", GB / GIB),
    "GiB-month": ("GB-month", GB / GIB),
}

_UNITS: Final[dict[str, dict[str, tuple[str, float]]]] = {
    "storage": _KEPT,
    "retrieval": _VOLUME,
    "early_deletion": _VOLUME,
    "write_requests": _REQUESTS,
    "read_requests": _REQUESTS,
    "list_requests": _REQUESTS,
    "other_requests": _REQUESTS,
    "transition": _REQUESTS,
    "retrieval_requests": _REQUESTS,
    "monitoring": {"1k objects": ("1000 objects", 1.0)},
    "iops": {"IOPS": ("IOPS-month", 1.0)},
    # The list writes Mbps where AWS sells MB/s.
    "throughput": {"Mbps": ("MB/s-month", 1.0)},
    "index": {"10k tags": ("1000 tags", 0.1)},
}
"""Item -> unit of a list -> unit of the table, and by what the price is multiplied."""

_STEP: Final = re.compile(r"Capacity \((first|next|over) (\d+)TB\)")
_STEPS_GB: Final = {
    ("first", 50): (0.0, 50e3),
    ("next", 450): (50e3, 500e3),
    ("over", 500): (500e3, math.inf),
}

_PLACES: Final = {
    "asia-multi": "asia",
    "eu(multi)": "eu",
    "europe-multi": "eu",
    "us-multi": "us",
}
"""Multi-regions as the lists call them -> as the cloud does."""


def _of_list(row: Row) -> list[_Step]:
    """What a row of the published list prices; nothing when a word of it is unknown."""
    service = _SERVICES[(row["provider"], row["service"])]
    tier = _tier(service, row["tier"])
    matched = ((found, items) for pattern, items in _ITEMS if (found := pattern.fullmatch(row["item"])))
    match, items = next(matched, (None, ()))
    price, as_of = scaled(row, "price_usd", 1.0), read_as_of(row["as_of"])
    step = _STEP.fullmatch(row["item"])
    bounds = _STEPS_GB.get((step[1], int(step[2]))) if step else (0.0, math.inf)
    if tier is None or match is None or price is None or as_of is None or bounds is None:
        return []
    if any(row["unit"] not in _UNITS[item] for item in items):
        return []
    return [
        _Step(
            StorageRow(
                cloud=cloud_of(row),
                region=_PLACES.get(row["region"], row["region"]),
                service=service,
                tier=tier,
                item=item,
                detail=(match[1] or "") if match.re.groups else "",
                from_gb=bounds[0],
                usd=price * _UNITS[item][row["unit"]][1],
                unit=_UNITS[item][row["unit"]][0],
                stated_price_usd=price,
                stated_unit=row["unit"],
                source=row["source"],
                as_of=as_of.day,
                as_of_precision=as_of.precision,
                confidence=grade(row["source"]),
            ),
            bounds[1],
        )
        for item in items
    ]


_BUCKET: Final = re.compile(r"(?P<tier>[a-z]+)(?:-dual|-multi)?")
_OPTIONS: Final = {"month": "", "month_spot": "spot", "month_1y": "commit_1y", "month_3y": "commit_3y"}
"""The list's word for how a disk is bought -> the detail that tells the prices apart."""


def _of_gcp(gcp: Mapping[str, Any]) -> tuple[list[_Step], list[QuarantineRow], Counter[str]]:
    """Buckets, retrieval and disks of GCP's list: all tiers in all regions, dual and multi-regions.

    The list states every price by the GiB under the word month, also that of retrieval, which is by volume.
    """
    steps: list[_Step] = []
    refused: list[QuarantineRow] = []
    unsold: Counter[str] = Counter()
    for service, item, unit, tier, region, costs in _gcp_costs(gcp):
        if not costs:
            unsold[f"gcp {service} {tier}: not sold in a region"] += 1
        for word, detail in _OPTIONS.items():
            if word in costs:
                step = _gcp_step(service, item, unit, tier, region, detail, costs[word])
                problem = _gcp_problem(costs, word)
                if problem is None:
                    steps.append(step)
                else:
                    refused.append(_gcp_caught(step.row, *problem))
    return steps, refused, unsold


def _gcp_costs(
    gcp: Mapping[str, Any],
) -> Iterable[tuple[str, str, str, str, str, Mapping[str, Any]]]:
    """Service, item, unit, tier, region and prices of each cell of the list."""
    kept = gcp.get("storage", {})
    for group, item, unit in (("bucket", "storage", "GiB-month"), ("retrieval", "retrieval", "GiB")):
        for name, sold in kept.get(group, {}).items():
            match = _BUCKET.fullmatch(name)
            tier = _TIERS["Cloud Storage"].get(match["tier"]) if match else None
            for region, costs in sold["cost"].items():
                yield "Cloud Storage", item, unit, tier or name, _PLACES.get(region, region), costs
    for name, sold in gcp.get("compute", {}).get("storage", {}).items():
        service = "Hyperdisk" if name in _TIERS["Hyperdisk"] else "Persistent Disk"
        tier = _TIERS[service].get(name, name)
        for region, costs in sold["cost"].items():
            yield service, "storage", "GiB-month", tier, _PLACES.get(region, region), costs


def _gcp_step(
    service: str, item: str, unit: str, tier: str, region: str, detail: str, stated: object
) -> _Step:
    price = float(stated) if isinstance(stated, int | float) and not isinstance(stated, bool) else math.nan
    normal, factor = _UNITS[item][unit]
    return _Step(
        StorageRow(
            cloud="gcp",
            region=region,
            service=service,
            tier=tier,
            item=item,
            detail=detail,
            usd=price * factor,
            unit=normal,
            stated_price_usd=price,
            stated_unit=unit,
            source=GCP_LIST.source,
            as_of=GCP_LIST.as_of,
            as_of_precision=GCP_LIST.as_of_precision,
            confidence=GCP_LIST.confidence,
        ),
        math.inf,
    )


def _gcp_problem(costs: Mapping[str, Any], word: str) -> tuple[str, str] | None:
    """The invariant that a price breaks, and how."""
    price, full = costs[word], costs.get("month")
    if not isinstance(price, int | float) or isinstance(price, bool) or not 0.0 < price < math.inf:
        return "price_can_be_read", f"the price is {price!r}; a price is above 0"
    if word == "month_spot" and isinstance(full, int | float) and price > full:
        return "spot_is_at_most_on_demand", f"{price:g} on a spot machine, {full:g} on demand"
    return None


def _gcp_caught(row: StorageRow, invariant: str, reason: str) -> QuarantineRow:
    return QuarantineRow(
        of_table="storage",
        cloud=row.cloud,
        region=row.region,
        item=row.service,
        purchase=" ".join(word for word in (row.tier, row.item, row.detail) if word),
        price_usd=None if math.isnan(row.usd) else row.usd,
        invariant=invariant,
        reason=reason,
        source=row.source,
        as_of=row.as_of,
    )


def _newest(steps: Sequence[_Step]) -> tuple[list[_Step], list[QuarantineRow], Counter[str]]:
    """For each price the steps of one list: of those that fit together the newest."""
    ladders: defaultdict[tuple[str, ...], defaultdict[tuple[str, str], list[_Step]]] = defaultdict(
        lambda: defaultdict(list)
    )
    for step in steps:
        row = step.row
        named = (row.cloud, row.region, row.service, row.tier, row.item, row.detail)
        ladders[named][(row.source, row.as_of)].append(step)
    kept: list[_Step] = []
    broken: list[QuarantineRow] = []
    superseded: Counter[str] = Counter()
    for key, published in sorted(ladders.items(), key=lambda found: found[0]):
        fitting: list[list[_Step]] = []
        for _, found in sorted(published.items(), key=lambda named: named[0]):
            ladder, twice = _without_doubles(sorted(found, key=lambda step: (step.row.from_gb, step.row.usd)))
            if twice:
                superseded[f"{key[0]} {key[2]}: the same price twice"] += twice
            invariant, reason = _misfit(ladder)
            if reason:
                broken += [_gcp_caught(step.row, invariant, reason) for step in ladder]
            else:
                fitting.append(ladder)
        if fitting:
            best = max(fitting, key=lambda ladder: (ladder[0].row.as_of, ladder[0].row.source))
            kept += best
            older = sum(len(ladder) for ladder in fitting) - len(best)
            if older:
                superseded[f"{key[0]} {key[2]}: a price for which a newer list has one"] += older
    return kept, broken, superseded


def _without_doubles(ladder: Sequence[_Step]) -> tuple[list[_Step], int]:
    """The steps without those that repeat the one before, and how many these are."""
    kept: list[_Step] = []
    for step in ladder:
        if not kept or (step.row.from_gb, step.row.usd) != (kept[-1].row.from_gb, kept[-1].row.usd):
            kept.append(step)
    return kept, len(ladder) - len(kept)


def _misfit(ladder: Sequence[_Step]) -> tuple[str, str]:
    reason = unfitting((step.row.from_gb, step.upper_gb) for step in ladder)
    if reason:
        return "ladder_is_complete", reason
    for before, after in pairwise(ladder):
        if after.row.usd > before.row.usd:
            return "price_falls_with_volume", (
                f"{after.row.usd:g} over {after.row.from_gb:g} GB a month, {before.row.usd:g} below"
            )
    return "", ""
