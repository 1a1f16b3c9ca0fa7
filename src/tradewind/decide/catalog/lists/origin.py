"""Who states a fact, in which file, on which day; and how a stated price becomes one an hour."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import msgspec

from tradewind.decide.catalog.rows import PriceRow, QuarantineRow
from tradewind.domain.noun import Noun, Purchase

if TYPE_CHECKING:
    from tradewind.domain.noun import Cloud

__all__ = ["HOURS", "SENTINELS", "Origin", "Words", "price", "quarantined"]

HOURS: Final = {"hour": 1.0, "month": 730.0, "1 year": 8760.0, "3 years": 26280.0}
"""Hours in the unit of a stated price: the clouds' own 730 hours a month, and years of 365 days."""


SENTINELS: Final = (700.0,)
"""Prices that stand for "unknown" in published catalogues (SkyPilot's TPU v6e)."""


class Origin(Noun, frozen=True, kw_only=True):
    """A published list. `source` is the name by which rows call it."""

    source: str
    publisher: str
    as_of: str
    as_of_precision: str
    licence: str
    confidence: str
    """A: copied from the vendor's list; B: derived from it; C: old, second-hand or unverified."""
    file: str
    """Where it stands in the folder of lists."""
    locator: str | None
    """Where in the file a price stands; {cloud}, {region}, {instance_type} and {key} are filled in."""
    keys: dict[Purchase, str] = msgspec.field(default_factory=dict)
    """What {key} is for each purchase option."""
    read_as: str
    """What was done with what it states, in one sentence."""


class Words(Noun, frozen=True, kw_only=True):
    """What else there is to say about a price: the terms of a commitment, the class of interruptions."""

    terms: str | None = None
    interruption: str | None = None
    remark: str | None = None


_NO_WORDS: Final = Words()


def price(
    origin: Origin,
    cloud: Cloud,
    region: str,
    instance_type: str,
    purchase: Purchase,
    stated: object,
    unit: str = "hour",
    words: Words = _NO_WORDS,
) -> PriceRow:
    """A price as a list states it; NaN when that is no number, which an invariant catches later."""
    number = float(stated) if isinstance(stated, int | float) and not isinstance(stated, bool) else math.nan
    if not math.isfinite(number):
        number = math.nan
    return PriceRow(
        cloud=cloud,
        region=region,
        instance_type=instance_type,
        purchase=purchase,
        price_usd_per_hour=number / HOURS[unit],
        stated_price_usd=number,
        stated_unit=unit,
        terms=words.terms,
        interruption=words.interruption,
        source=origin.source,
        as_of=origin.as_of,
        as_of_precision=origin.as_of_precision,
        confidence=origin.confidence,
        remark=words.remark,
    )


def quarantined(row: PriceRow, invariant: str, reason: str) -> QuarantineRow:
    """The record of a price that broke an invariant."""
    value = row.price_usd_per_hour
    return QuarantineRow(
        of_table="offers",
        cloud=row.cloud,
        region=row.region,
        zone=row.zone,
        instance_type=row.instance_type,
        item=row.instance_type,
        purchase=row.purchase,
        price_usd=None if math.isnan(value) else value,
        invariant=invariant,
        reason=reason,
        source=row.source,
        as_of=row.as_of,
    )
