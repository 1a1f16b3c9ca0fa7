"""Where a price comes from, step by step: from what a list states to what is used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tradewind.decide.catalog.dates import age_days
from tradewind.decide.catalog.invariants import REFERENCE_REGION
from tradewind.decide.catalog.lists.origin import HOURS
from tradewind.decide.catalog.provenance import OLD_DAYS, confidence_on
from tradewind.domain.noun import Noun

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tradewind.decide.catalog.rows import PartRow, PriceRow, QuarantineRow, SourceRow

__all__ = ["Explanation", "explain", "explain_quarantined"]

_LETTERS = {
    "A": "copied from the vendor's list",
    "B": "derived from the vendor's list",
    "C": "old, second-hand or unverified",
}


class Explanation(Noun, frozen=True, kw_only=True):
    """A price with the steps that led to it, in order."""

    key: str
    price_usd_per_hour: float | None
    """None when the row is in quarantine."""
    steps: tuple[str, ...]


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
    stated = "no number" if row.price_usd is None else f"{row.price_usd:.6g} usd/h"
    zone = f"@{row.zone}" if row.zone else ""
    return Explanation(
        key=f"{row.cloud}/{row.region}/{row.item}/{row.purchase}{zone}",
        price_usd_per_hour=None,
        steps=(
            f"stated: {stated} by {row.source}, as of {row.as_of}",
            f"not used: {row.reason} (rule {row.invariant})",
        ),
    )


def _stated(price: PriceRow, source: SourceRow | None) -> str:
    if source is None or not source.file:
        return f"stated: by {price.source}"
    digest = f" (SHA-256 {source.sha256[:12]}...)" if source.sha256 else ""
    where = ""
    if source.locator:
        keys = dict(pair.split(": ", 1) for pair in (source.keys or "").split("; ") if ": " in pair)
        place = source.locator.format(
            cloud=price.cloud,
            region=price.region,
            instance_type=price.instance_type,
            key=keys.get(price.purchase, price.purchase),
        )
        where = f" at {place}"
    return f"stated: by {price.source}, in {source.file}{digest}{where}; {source.licence}"


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


def _confidence(price: PriceRow, today: str) -> str:
    letter = confidence_on(price.confidence, price.as_of, today)
    age = age_days(price.as_of, today)
    why = _LETTERS[letter] if letter == price.confidence else f"older than {OLD_DAYS} days"
    return f"confidence {letter}: {why}; as of {price.as_of} ({price.as_of_precision}), {age} days before {today}"
