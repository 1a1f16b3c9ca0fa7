"""Moving data out of a region: to the internet, to another region, to another zone; by destination and volume.

What a price is: US dollars for one GB that is moved once, with what both ends are charged for it. AWS charges
both for traffic between zones, so a published 0.01 is 0.02 here.

Three lists state such prices. For each region, kind and destination the steps of one of them are taken: the
newest whose steps fit together. The dump of 2024 is the last resort, and only these parts of it are believed:

| in the dump | is taken as | because |
|---|---|---|
| `internet_egress` of AWS | the region's internet prices | they are those of newer lists where both state them |
| `internet_egress` of Azure | the region's internet prices, where they are not below the cloud-wide ones | the lower ones are those of routing over the public internet, which is not Azure's default |
| `internet_egress` of GCP | nothing | they are those of the Standard network tier, which is not GCP's default |
| `inter_region_data_transfer` of AWS and GCP | traffic between zones | 0.01 in every region of both is what the clouds charge between zones, and far below any price between regions |
| `inter_region_data_transfer` of Azure | nothing | 0 in it means unknown |
"""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from tradewind.decide.catalog.dates import read_as_of
from tradewind.decide.catalog.ladders import GB, GIB, TIB, caught, unfitting, unreadable
from tradewind.decide.catalog.lists.coroot import DUMP
from tradewind.decide.catalog.lists.cyclenerd import PRICES as GCP_LIST
from tradewind.decide.catalog.places import place_group
from tradewind.decide.catalog.provenance import grade
from tradewind.decide.catalog.rows import QuarantineRow, TransferRow
from tradewind.decide.catalog.texts import Row, cloud_of, scaled

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from tradewind.domain.noun import Cloud

__all__ = ["DUMP_READ_AS", "TransferRead", "read_transfer"]

DUMP_READ_AS: Final = (
    "single-precision numbers, so rounded to six decimals; prices between zones under the name of prices between "
    "regions; 0 taken as unknown"
)
"""What was done with the transfer prices of the dump, for table sources."""

ANYWHERE: Final = "*"

_DECIMALS: Final = 6
"""Of the dump's numbers, which are single precision: 0.15399999916553497 is 0.154."""


@dataclass(frozen=True)
class TransferRead:
    """The table, what broke an invariant, and how many prices of which kind have no place in it."""

    rows: tuple[TransferRow, ...]
    caught: tuple[QuarantineRow, ...]
    left_out: Counter[str]


@dataclass(frozen=True)
class _Step:
    """One published step of a ladder: it holds from `lower_gb` to `upper_gb` after the free volume."""

    cloud: Cloud
    region: str
    kind: str
    to: str
    lower_gb: float
    upper_gb: float
    usd_per_gb: float
    price_usd: float
    unit: str
    stated_region: str
    source: str
    as_of: str
    as_of_precision: str
    confidence: str
    free_gb: float = 0.0

    @property
    def ladder(self) -> tuple[Cloud, str, str, str]:
        return self.cloud, self.region, self.kind, self.to


def read_transfer(
    rows: Iterable[Row], gcp: Mapping[str, Any], dump: Mapping[str, Any], today: str
) -> TransferRead:
    """The transfer prices of the published list, of GCP's own and of the dump (parsed; may be empty), sorted.

    AWS's free volume, which only its cloud-wide ladder states, holds for each region's own as well, except in
    the government's regions. Where all regions of a cloud state one price, it is also the cloud-wide one.

    Caught: prices that are not above 0, units and days that cannot be read, ladders that have a gap or are
    open below the top, and steps that are cheaper than a later one: there the later one holds from the start.
    """
    steps: list[_Step] = []
    broken: list[QuarantineRow] = []
    left_out: Counter[str] = Counter()
    for row in rows:
        if row["service"] not in _READERS:
            continue
        step = _of_list(row)
        problem = _problem(row, step, today)
        if problem or step is None:
            broken.append(caught(row, "transfer", "price_can_be_read", problem))
        else:
            steps.append(step)
    steps += _of_gcp(gcp)
    steps += _of_dump(dump, _first_paid(steps), left_out)
    ladders, unfit = _ladders(steps, left_out)
    ladders |= _cloud_wide(ladders)
    free_gb = {key[0]: ladder[0].free_gb for key, ladder in ladders.items() if key[1:3] == ("*", "internet")}
    found = [row for key in sorted(ladders) for row in _rows(ladders[key], free_gb)]
    return TransferRead(tuple(found), tuple(broken + unfit), left_out)


_UNIT_BYTES: Final = {"GB": GB, "GiB": GIB}
_FREE_OF_CHARGE: Final = "stated to be free of charge"


def _problem(row: Row, step: _Step | None, today: str) -> str:
    if row["item"] == _FREE_OF_CHARGE:
        # The only way in which a price may be 0: the cloud says so in words.
        free = unreadable({**row, "price_usd": "1"}, today)
        return free or (
            "" if scaled(row, "price_usd", 1.0) == 0.0 else "a price, though it is free of charge"
        )
    unread = unreadable(row, today)
    if unread:
        return unread
    if row["unit"] not in _UNIT_BYTES:
        return f"{row['unit']!r} is not one of the units {', '.join(_UNIT_BYTES)}"
    return "" if step is not None else "where to, or from which volume on, is not said in known words"


Bounds = tuple[str, str, str, float, float, float]
"""Kind, region, destination, lower and upper bound and free volume in GB of a row of the published list."""


def _of_list(row: Row) -> _Step | None:
    bounds = _READERS[row["service"]](row)
    price, as_of = scaled(row, "price_usd", 1.0), read_as_of(row["as_of"])
    if bounds is None or price is None or as_of is None or row["unit"] not in _UNIT_BYTES:
        return None
    kind, region, to, lower_gb, upper_gb, free_gb = bounds
    ends = _ends(cloud_of(row), kind)
    return _Step(
        cloud=cloud_of(row),
        region=region,
        kind=kind,
        to=to,
        lower_gb=lower_gb,
        upper_gb=upper_gb,
        free_gb=free_gb,
        usd_per_gb=price * ends * GB / _UNIT_BYTES[row["unit"]],
        price_usd=price,
        unit=_said(row["unit"], ends),
        stated_region=row["region"],
        source=row["source"],
        as_of=as_of.day,
        as_of_precision=as_of.precision,
        confidence=grade(row["source"]),
    )


def _ends(cloud: Cloud, kind: str) -> int:
    """How many ends of a transfer are charged: AWS bills zones in and out."""
    return 2 if (cloud, kind) == ("aws", "inter_zone") else 1


def _said(unit: str, ends: int) -> str:
    return unit if ends == 1 else f"{unit}, at each end"


_AWS_INTERNET: Final = re.compile(r"Outbound data transfer to Internet \((first|next|over) (\d+)TB\)")
_AWS_STEP_TB: Final = {
    ("first", 10): (0.0, 10.0),
    ("next", 40): (10.0, 50.0),
    ("next", 100): (50.0, 150.0),
    ("over", 150): (150.0, math.inf),
}
_US_EAST: Final = {"us-east-1": "us-east-2", "us-east-2": "us-east-1"}
"""What AWS calls the US East regions, each with the other one."""


def _aws(row: Row) -> Bounds | None:
    region, item = row["region"], row["item"]
    if item == "Outbound data transfer to other regions":
        return "inter_region", region, ANYWHERE, 0.0, math.inf, 0.0
    if item == "Outbound data transfer to US East regions" and region in _US_EAST:
        return "inter_region", region, _US_EAST[region], 0.0, math.inf, 0.0
    if item == "Intra-region data transfer":
        return "inter_zone", region, ANYWHERE, 0.0, math.inf, 0.0
    match = _AWS_INTERNET.fullmatch(item)
    step = _AWS_STEP_TB.get((match[1], int(match[2]))) if match else None
    return ("internet", region, ANYWHERE, step[0] * 1e3, step[1] * 1e3, 0.0) if step else None


_RANGE_GB: Final = re.compile(r"(\d+)-(\d+|inf) GB")
_FREE_GB: Final = re.compile(r"after (\d+) GB free")


def _cloud_wide_internet(row: Row) -> Bounds | None:
    span, free = _RANGE_GB.fullmatch(row["tier"]), _FREE_GB.fullmatch(row["item"])
    if span is None or free is None:
        return None
    return "internet", "*", ANYWHERE, float(span[1]), float(span[2]), float(free[1])


def _inter_region(row: Row) -> Bounds | None:
    """A representative price is cloud-wide, whatever region it was looked up for; others are the region's own."""
    representative = "representative" in row["item"]
    return "inter_region", "*" if representative else row["region"], ANYWHERE, 0.0, math.inf, 0.0


def _inter_zone(row: Row) -> Bounds | None:
    return "inter_zone", row["region"], ANYWHERE, 0.0, math.inf, 0.0


_TO_INTERNET: Final = re.compile(r"internet to (worldwide|[a-z]+)")
_TIB_STEPS: Final = {"0-1": (0.0, 1.0), "1-10": (1.0, 10.0), "10n": (10.0, math.inf)}
"""Steps of GCP's list in TiB a month."""


def _gcp_internet(row: Row) -> Bounds | None:
    match, step = _TO_INTERNET.fullmatch(row["tier"]), _TIB_STEPS.get(row["item"].removesuffix(" TiB"))
    if match is None or step is None:
        return None
    to = ANYWHERE if match[1] == "worldwide" else match[1]
    return "internet", row["region"], to, step[0] * TIB / GB, step[1] * TIB / GB, 0.0


_READERS: Final = {
    "DataTransfer": _aws,
    "InternetEgress": _cloud_wide_internet,
    "InterRegion": _inter_region,
    "InterZone": _inter_zone,
    "NetworkEgress": _gcp_internet,
}
"""Service of the published list -> how its tier and item are read."""


def _of_gcp(gcp: Mapping[str, Any]) -> list[_Step]:
    """Internet prices of GCP's list for every region: worldwide, and to the parts of the world that have their own."""
    listed = (
        gcp.get("compute", {}).get("network", {}).get("traffic", {}).get("egress", {}).get("internet", {})
    )
    costs = {ANYWHERE: listed.get("cost", {})}
    costs |= {place: found["cost"] for place, found in listed.items() if place != "cost"}
    return [
        _Step(
            cloud="gcp",
            region=region,
            kind="internet",
            to=to,
            lower_gb=_TIB_STEPS[word][0] * TIB / GB,
            upper_gb=_TIB_STEPS[word][1] * TIB / GB,
            usd_per_gb=float(stated["month"]) * GB / GIB,
            price_usd=float(stated["month"]),
            unit="GiB",
            stated_region=region,
            source=GCP_LIST.source,
            as_of=GCP_LIST.as_of,
            as_of_precision=GCP_LIST.as_of_precision,
            confidence=GCP_LIST.confidence,
        )
        for to, by_step in costs.items()
        for word, by_region in by_step.items()
        for region, stated in by_region.items()
        if stated.get("month")
    ]


def _first_paid(steps: Iterable[_Step]) -> dict[Cloud, float]:
    """The price of the first GB that is not free, cloud-wide, of each cloud."""
    return {
        step.cloud: step.usd_per_gb
        for step in steps
        if (step.region, step.kind, step.lower_gb) == ("*", "internet", 0.0)
    }


def _of_dump(
    dump: Mapping[str, Any], first_paid: Mapping[Cloud, float], left_out: Counter[str]
) -> list[_Step]:
    """What of the dump is believed, see the top of this file; the rest is counted."""
    steps: list[_Step] = []
    clouds: tuple[Cloud, ...] = ("aws", "azure", "gcp")
    for cloud in clouds:
        listed = dump.get(cloud, {})
        for region, prices in listed.get("internet_egress", {}).items():
            ladder = _dump_ladder(cloud, region, prices)
            reason = _disbelieved(cloud, region, ladder, first_paid)
            if reason:
                left_out[f"{DUMP.publisher}: {cloud} internet prices {reason}"] += 1
            else:
                steps += ladder
        for region, ends in listed.get("inter_region_data_transfer", {}).items():
            price = round(float(ends["egress_per_gb"]), _DECIMALS)
            both = price + round(float(ends["ingress_per_gb"]), _DECIMALS)
            if price <= 0.0:
                left_out[f"{DUMP.publisher}: {cloud} transfer prices of 0, which means unknown"] += 1
            else:
                unit = "GiB" if cloud == "gcp" else "GB"
                words = _said(unit, 2 if both > price else 1)
                usd = both * GB / _UNIT_BYTES[unit]
                steps.append(_dump_step(cloud, region, "inter_zone", (0.0, math.inf), usd, price, words))
    return steps


def _disbelieved(
    cloud: Cloud, region: str, ladder: Sequence[_Step], first_paid: Mapping[Cloud, float]
) -> str:
    if cloud == "gcp":
        return "of the Standard network tier"
    if place_group(cloud, region) is None:
        return "of a place that is no region"
    if cloud == "azure" and ladder and ladder[0].usd_per_gb < first_paid.get(cloud, 0.0):
        return "below the newer cloud-wide ones, which are used"
    return ""


def _dump_ladder(cloud: Cloud, region: str, prices: Mapping[str, float]) -> list[_Step]:
    """The steps of one region: GB a month -> price.

    Azure's begin where its free volume ends, and stand twice: after 5 GB, which was free until 2021, and after
    100 GB, which is free now.
    """
    bounds = sorted(int(word) for word in prices if float(prices[word]) > 0.0)
    free = 0
    if cloud == "azure":
        bounds = [bound for bound in bounds if bound % 1000 != 5] if 100 in bounds else bounds
        free = bounds[0] if bounds else 0
    uppers = [*bounds[1:], math.inf]
    return [
        _dump_step(
            cloud,
            region,
            "internet",
            (float(lower - free), float(upper - free)),
            round(float(prices[str(lower)]), _DECIMALS),
            round(float(prices[str(lower)]), _DECIMALS),
            "GB",
            free_gb=float(free),
        )
        for lower, upper in zip(bounds, uppers, strict=True)
    ]


def _dump_step(
    cloud: Cloud,
    region: str,
    kind: str,
    bounds: tuple[float, float],
    usd_per_gb: float,
    price_usd: float,
    unit: str,
    *,
    free_gb: float = 0.0,
) -> _Step:
    return _Step(
        cloud=cloud,
        region=region,
        kind=kind,
        to=ANYWHERE,
        lower_gb=bounds[0],
        upper_gb=bounds[1],
        usd_per_gb=usd_per_gb,
        price_usd=price_usd,
        unit=unit,
        stated_region=region,
        source=DUMP.source,
        as_of=DUMP.as_of,
        as_of_precision=DUMP.as_of_precision,
        confidence=DUMP.confidence,
        free_gb=free_gb,
    )


Ladders = dict[tuple["Cloud", str, str, str], list[_Step]]


def _ladders(steps: Iterable[_Step], left_out: Counter[str]) -> tuple[Ladders, list[QuarantineRow]]:
    """For each cloud, region, kind and destination the steps of one list: the newest that fit together."""
    published: defaultdict[tuple[Cloud, str, str, str], defaultdict[tuple[str, str], list[_Step]]] = (
        defaultdict(lambda: defaultdict(list))
    )
    for step in steps:
        published[step.ladder][(step.as_of, step.source)].append(step)
    kept: Ladders = {}
    broken: list[QuarantineRow] = []
    for key in sorted(published):
        newest_first = sorted(published[key].items(), key=lambda found: found[0], reverse=True)
        for _, found in newest_first:
            ladder = sorted(found, key=lambda step: step.lower_gb)
            reason = unfitting((step.lower_gb, step.upper_gb) for step in ladder)
            if reason:
                reason += "; an older list or the cloud-wide price is used"
                broken += [_refused(step, "ladder_is_complete", reason) for step in ladder]
            elif key in kept:
                left_out[f"{key[0]} {key[2]}: prices for which a newer list has some"] += len(ladder)
            else:
                kept[key], refused = _falling(ladder)
                broken += refused
    return kept, broken


def _falling(ladder: Sequence[_Step]) -> tuple[list[_Step], list[QuarantineRow]]:
    """The ladder in which no step is cheaper than a later one: the later, dearer one begins where it began.

    Lists that are put together from a vendor's single prices have some in the wrong place: Tokyo's first TiB at
    the price of what is beyond ten. Which one is wrong is not known, but the dearer is never too low.
    """
    kept: list[_Step] = []
    refused: list[QuarantineRow] = []
    for step in reversed(ladder):
        if kept and step.usd_per_gb < kept[-1].usd_per_gb:
            dearer = kept[-1]
            refused.append(
                _refused(
                    step,
                    "price_falls_with_volume",
                    f"{step.price_usd:g} below {dearer.lower_gb:.0f} GB a month, {dearer.price_usd:g} over it: "
                    "the dearer one is used from the start",
                )
            )
            kept[-1] = replace(dearer, lower_gb=step.lower_gb, confidence="C")
        else:
            kept.append(step)
    return kept[::-1], refused


def _refused(step: _Step, invariant: str, reason: str) -> QuarantineRow:
    return QuarantineRow(
        of_table="transfer",
        cloud=step.cloud,
        region=step.region,
        item=step.kind,
        purchase=f"to {step.to} over {step.lower_gb:.0f} GB",
        price_usd=step.usd_per_gb,
        invariant=invariant,
        reason=reason,
        source=step.source,
        as_of=step.as_of,
    )


def _cloud_wide(ladders: Ladders) -> Ladders:
    """Cloud-wide ladders for the kinds that have none, where every region states the same price."""
    by_kind: defaultdict[tuple[Cloud, str], list[list[_Step]]] = defaultdict(list)
    for (cloud, region, kind, to), ladder in ladders.items():
        if to == ANYWHERE and region != "*":
            by_kind[(cloud, kind)].append(ladder)
    found: Ladders = {}
    for (cloud, kind), regional in by_kind.items():
        prices = {tuple((step.lower_gb, step.usd_per_gb) for step in ladder) for ladder in regional}
        if (cloud, "*", kind, ANYWHERE) not in ladders and len(prices) == 1 and len(regional) > 1:
            newest = max(regional, key=lambda ladder: (ladder[0].as_of, ladder[0].region))
            found[(cloud, "*", kind, ANYWHERE)] = [
                replace(step, region="*", stated_region=f"each of {len(regional)} regions") for step in newest
            ]
    return found


def _rows(ladder: Sequence[_Step], free_gb: Mapping[Cloud, float]) -> Iterable[TransferRow]:
    """The rows of one ladder, with the free volume first."""
    first = ladder[0]
    free = first.free_gb
    if first.kind == "internet" and not first.region.startswith(("us-gov-", "usgov")):
        free = free or free_gb.get(first.cloud, 0.0)
    if free:
        yield _row(first, 0.0, 0.0)
    for step in ladder:
        yield _row(step, free + step.lower_gb, step.usd_per_gb)


def _row(step: _Step, from_gb: float, usd_per_gb: float) -> TransferRow:
    return TransferRow(
        cloud=step.cloud,
        region=step.region,
        kind=step.kind,
        to=step.to,
        from_gb=from_gb,
        usd_per_gb=usd_per_gb,
        stated_price_usd=step.price_usd if usd_per_gb else 0.0,
        stated_unit=step.unit,
        stated_region=step.stated_region,
        source=step.source,
        as_of=step.as_of,
        as_of_precision=step.as_of_precision,
        confidence=step.confidence,
    )
