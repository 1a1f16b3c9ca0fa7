"""Where a price comes from, step by step: from what a list states to what is used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tradewind.decide.catalog.dates import age_days
from tradewind.decide.catalog.invariants import REFERENCE_REGION
from tradewind.decide.catalog.lists.origin import HOURS
from tradewind.decide.catalog.provenance import OLD_DAYS, confidence_on
from tradewind.domain.noun import Noun

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from tradewind.decide.catalog.rows import (
        PartRow,
        PriceRow,
        QuarantineRow,
        SourceRow,
        StorageRow,
        SurchargeRow,
        TransferRow,
    )

__all__ = [
    "Explanation",
    "explain",
    "explain_quarantined",
    "explain_storage",
    "explain_surcharge",
    "explain_transfer",
]

_LETTERS = {
    "A": "copied from the vendor's list",
    "B": "derived from the vendor's list",
    "C": "old, second-hand or unverified",
}


class Explanation(Noun, frozen=True, kw_only=True):
    """A price with the steps that led to it, in order."""

    key: str
    price_usd_per_hour: float | None
    """None when the row is in quarantine, or the price is not one of a machine."""
    steps: tuple[str, ...]
    usd: float | None = None
    """A price that is not one of a machine: the first one above zero, per `unit`."""
    unit: str | None = None


def explain(
    price: PriceRow,
    source: SourceRow | None,
    parts: Sequence[PartRow],
    beside: Iterable[PriceRow],
    today: str,
) -> Explanation:
    """The steps from the raw row to the price that is used.

    `parts` are those of this price, `beside` other prices of the same machine type, against which it was held.
    """
    steps = [_stated(price, source), *_converted(price, source, parts), *_held(price, list(beside))]
    if price.remark:
        steps.append(f"remarked: {price.remark}")
    steps.append(_confidence(price, today))
    zone = f"@{price.zone}" if price.zone else ""
    return Explanation(
        key=f"{price.cloud}/{price.region}/{price.instance_type}/{price.purchase}{zone}",
        price_usd_per_hour=price.price_usd_per_hour,
        steps=tuple(steps),
    )


def explain_quarantined(row: QuarantineRow) -> Explanation:
    """Why a price is not used."""
    unit = " usd/h" if row.of_table == "offers" else " usd"
    stated = "no number" if row.price_usd is None else f"{row.price_usd:.6g}{unit}"
    zone = f"@{row.zone}" if row.zone else ""
    table = "" if row.of_table == "offers" else f"{row.of_table}/"
    return Explanation(
        key=f"{table}{row.cloud}/{row.region}/{row.item}/{row.purchase}{zone}",
        price_usd_per_hour=None,
        steps=(
            f"stated: {stated} by {row.source}, as of {row.as_of}",
            f"not used: {row.reason} (rule {row.invariant})",
        ),
    )


def explain_storage(rows: Sequence[StorageRow], sources: Mapping[str, SourceRow], today: str) -> Explanation:
    """What one storage class of a region asks, item by item and step by step of the volume.

    `rows` are all rows of the class, at least one, in the order of the table.
    """
    first = next((row for row in rows if row.item == "storage" and not row.detail), rows[0])
    steps = [
        f"{_item(row)}: {row.usd:.6g} usd/{row.unit}{_from(row.from_gb)}; "
        f"{_as_stated(row.stated_price_usd, row.stated_unit, row.usd)}"
        for row in rows
    ]
    return Explanation(
        key=f"storage/{first.cloud}/{first.region}/{first.service}/{first.tier}",
        price_usd_per_hour=None,
        steps=(*steps, *_origins(rows, sources, today)),
        usd=first.usd,
        unit=first.unit,
    )


def explain_transfer(
    region: str, rows: Sequence[TransferRow], sources: Mapping[str, SourceRow], today: str
) -> Explanation:
    """What moving data out of a region asks, destination by destination and step by step of the volume.

    `rows` are all of one kind, at least one, in the order of the table; they may be those of the whole cloud (*),
    where the region has none of its own.
    """
    first = rows[0]
    steps = []
    if first.region != region:
        steps.append(f"price of: all regions of {first.cloud}; none is known of {region} itself")
    destinations = dict.fromkeys(row.to for row in rows)
    for row in rows:
        to = "" if list(destinations) == ["*"] else f"to {'anywhere else' if row.to == '*' else row.to}, "
        price = "free" if row.usd_per_gb == 0.0 else f"{row.usd_per_gb:.6g} usd/GB"
        converted = _as_stated(row.stated_price_usd, row.stated_unit, row.usd_per_gb)
        steps.append(f"{to}from {row.from_gb:,.6g} GB a month: {price}; {converted} for {row.stated_region}")
    paid = next((row.usd_per_gb for row in rows if row.usd_per_gb > 0.0), 0.0)
    to = f"/{first.to}" if len(destinations) == 1 and first.to != "*" else ""
    return Explanation(
        key=f"transfer/{first.cloud}/{region}/{first.kind}{to}",
        price_usd_per_hour=None,
        steps=(*steps, *_origins(rows, sources, today)),
        usd=paid,
        unit="GB",
    )


def explain_surcharge(row: SurchargeRow, sources: Mapping[str, SourceRow], today: str) -> Explanation:
    """What a managed service asks for a machine over the bare one."""
    return Explanation(
        key=f"surcharge/{row.cloud}/{row.service}/{row.instance_type}",
        price_usd_per_hour=None,
        steps=(
            f"managed: {row.service} asks {row.managed_usd_per_hour:.6g} usd/h for this machine, whose bare price "
            f"was {row.bare_usd_per_hour:.6g} usd/h at that time",
            f"ratio: {row.managed_usd_per_hour:.6g} / {row.bare_usd_per_hour:.6g} = {row.ratio:.4g}",
            *_origins((row,), sources, today),
        ),
    )


def _item(row: StorageRow) -> str:
    name = "keeping data" if row.item == "storage" else row.item.replace("_", " ")
    return f"{name} ({row.detail})" if row.detail else name


def _from(gigabytes: float) -> str:
    return f" from {gigabytes:,.6g} GB a month" if gigabytes else ""


def _as_stated(price: float, unit: str, usd: float) -> str:
    """What the source states, and by what it was multiplied to get the price."""
    stated = f"stated {price:.6g} usd per {unit}"
    if price == 0.0 or abs(usd / price - 1.0) < 1e-9:
        return stated
    factor = usd / price
    if factor < 1.0:
        return f"{stated}, / {1.0 / factor:.10g} = {usd:.6g}"
    return f"{stated}, x {factor:.10g} = {usd:.6g}"


def _origins(
    rows: Sequence[StorageRow | TransferRow | SurchargeRow], sources: Mapping[str, SourceRow], today: str
) -> list[str]:
    """Source by source: who states the rows, where, how sure that is and how old."""
    steps = []
    for row in {(row.source, row.as_of): row for row in rows}.values():
        steps.append(_published(row.source, sources.get(row.source)))
        steps.append(_confidence(row, today))
    return steps


def _published(name: str, source: SourceRow | None, place: str = "") -> str:
    """Who states it, in which file, and where in it."""
    if source is None or not source.file:
        return f"stated: by {name}"
    digest = f" (SHA-256 {source.sha256[:12]}...)" if source.sha256 else ""
    where = f" at {place}" if place else ""
    return f"stated: by {name}, in {source.file}{digest}{where}; {source.licence}"


def _stated(price: PriceRow, source: SourceRow | None) -> str:
    if source is None or not source.locator:
        return _published(price.source, source)
    keys = dict(pair.split(": ", 1) for pair in (source.keys or "").split("; ") if ": " in pair)
    place = source.locator.format(
        cloud=price.cloud,
        region=price.region,
        instance_type=price.instance_type,
        key=keys.get(price.purchase, price.purchase),
    )
    return _published(price.source, source, place)


def _converted(price: PriceRow, source: SourceRow | None, parts: Sequence[PartRow]) -> list[str]:
    steps = [f"read as: {source.read_as}"] if source is not None and source.read_as else []
    if price.stated_unit == "parts":
        steps += [
            f"part: {part.quantity:g} x {part.part} ({part.unit}) at {part.usd_per_unit_hour:.6g} usd/h, by "
            f"{part.source}, as of {part.as_of}"
            for part in parts
        ]
        total = sum(part.quantity * part.usd_per_unit_hour for part in parts)
        steps.append(f"sum of the parts: {total:.6g} usd/h")
    elif price.stated_unit == "hour":
        steps.append(f"price: {price.stated_price_usd:.10g} usd an hour, as stated")
    else:
        hours = HOURS.get(price.stated_unit, 1.0)
        steps.append(
            f"price: {price.stated_price_usd:.10g} usd for {price.stated_unit} / {hours:g} h = "
            f"{price.price_usd_per_hour:.6g} usd/h"
        )
    if price.terms:
        steps.append(f"terms: {price.terms}")
    if price.interruption:
        steps.append(
            f"interruptions: {price.interruption} of such machines a month, by the cloud's own class"
        )
    return steps


def _held(price: PriceRow, beside: Sequence[PriceRow]) -> list[str]:
    """What it was compared with."""
    steps = []
    if price.purchase != "on_demand":
        full = [
            other
            for other in beside
            if other.purchase == "on_demand" and other.region == price.region and other.zone is None
        ]
        for other in full[:1]:
            saved = 1.0 - price.price_usd_per_hour / other.price_usd_per_hour
            steps.append(
                f"held against: on demand costs {other.price_usd_per_hour:.6g} usd/h there; this is {saved:.0%} below"
            )
        return steps
    reference = REFERENCE_REGION[price.cloud]
    for other in beside:
        if other.purchase == "on_demand" and other.region == reference and price.region != reference:
            ratio = price.price_usd_per_hour / other.price_usd_per_hour
            steps.append(
                f"held against: {other.price_usd_per_hour:.6g} usd/h in {reference}; this is {ratio:.2f} x that"
            )
    return steps


def _confidence(price: PriceRow | StorageRow | TransferRow | SurchargeRow, today: str) -> str:
    letter = confidence_on(price.confidence, price.as_of, today)
    age = age_days(price.as_of, today)
    why = _LETTERS[letter] if letter == price.confidence else f"older than {OLD_DAYS} days"
    return f"confidence {letter}: {why}; as of {price.as_of} ({price.as_of_precision}), {age} days before {today}"
