"""Prices that change with the monthly volume: units, rows that cannot be read, and whether the steps fit together.

A published GB is taken as 1e9 bytes and a GiB as 2**30, each as its list writes it; a TB of a step's bound is
1000 GB. The clouds' invoices are said to count a "GB" of 2**30 bytes as well, in which case the prices per GB
of AWS and Azure are up to 7 % too high here, never too low.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from tradewind.decide.catalog.dates import read_as_of
from tradewind.decide.catalog.rows import QuarantineRow
from tradewind.decide.catalog.texts import Row, scaled

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["GB", "GIB", "TIB", "caught", "unfitting", "unreadable"]

GB: Final = 1e9
GIB: Final = 2.0**30
TIB: Final = 2.0**40


def unreadable(row: Row, today: str) -> str:
    """Why a price of the published list cannot be used at all; an empty text when it can.

    A price is above 0: these lists write 0 where they know nothing, and a price that is free is never one of
    theirs but a step of its own.
    """
    price = scaled(row, "price_usd", 1.0)
    if price is None or price <= 0.0:
        return f"the price is {row['price_usd'] or 'not stated'}; a price is above 0"
    as_of = read_as_of(row["as_of"])
    if as_of is None:
        return f"{row['as_of']!r} holds no day"
    if as_of.day > today:
        return f"{as_of.day} is after today, {today}"
    return ""


def unfitting(bounds: Iterable[tuple[float, float]]) -> str:
    """What is wrong with a ladder of steps, each with its lower and upper bound in GB; empty when they fit.

    >>> unfitting([(0.0, 50.0), (50.0, math.inf)])
    ''
    >>> unfitting([(0.0, 50.0), (60.0, math.inf)])
    'no single price from 50 GB a month on'
    """
    reached = 0.0
    for lower, upper in bounds:
        if lower != reached:
            return f"no single price from {min(reached, lower):g} GB a month on"
        reached = upper
    return "" if reached == math.inf else f"no price over {reached:g} GB a month"


def caught(row: Row, table: str, invariant: str, reason: str) -> QuarantineRow:
    """The record of a row of the published list that broke an invariant."""
    return QuarantineRow(
        of_table=table,
        cloud=row["provider"],
        region=row["region"],
        item=row["service"],
        purchase=f"{row['tier']} {row['item']}".strip(),
        price_usd=scaled(row, "price_usd", 1.0),
        invariant=invariant,
        reason=reason,
        source=row["source"],
        as_of=row["as_of"],
    )
