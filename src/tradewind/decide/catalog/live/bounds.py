"""What is accepted from outside: whole answers of the known form, numbers in range, one price an offer."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Final, TypeVar

import msgspec

from tradewind.decide.catalog.lists.origin import quarantined
from tradewind.decide.catalog.reading import Read
from tradewind.domain.errors import CodecError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tradewind.decide.catalog.rows import PriceRow, QuarantineRow

__all__ = ["MOST_ROWS", "MOST_USD_PER_HOUR", "bounded", "decoded", "number", "sifted"]

T = TypeVar("T")

MOST_ROWS: Final = 1_000_000
"""Of one answer. The largest known one, us-east-1 of AWS, has a third as many."""

MOST_USD_PER_HOUR: Final = 5_000.0
"""For one machine. The dearest that any of the three clouds lists cost 400 to 800."""


def decoded(answer: bytes, form: type[T], what: str) -> T:
    """The answer as `form`. Errors: CodecError, which tells what is cut off from a form that has changed."""
    try:
        return msgspec.json.decode(answer, type=form)
    except msgspec.ValidationError as error:
        raise CodecError(f"{what}: its form has changed: {error}; a newer version may read it") from None
    except (msgspec.DecodeError, RecursionError) as error:
        raise CodecError(f"{what}: not whole JSON, {len(answer)} bytes: {error}; ask again") from None


def bounded(rows: int, what: str) -> None:
    """Nothing, if an answer may have so many rows. Errors: CodecError."""
    if rows > MOST_ROWS:
        raise CodecError(f"{what}: {rows} rows, over the limit of {MOST_ROWS}; this is no price list")


def number(text: str) -> float:
    """The number in a text, NaN when it is none.

    >>> number("17.6289"), number("nan"), number("1e999"), number("one")
    (17.6289, nan, nan, nan)
    """
    try:
        value = float(text)
    except ValueError:
        return math.nan
    return value if math.isfinite(value) else math.nan


def sifted(rows: Sequence[PriceRow], left_out: Counter[str], publisher: str) -> Read:
    """The rows that state one price in range for an offer, in their order.

    A row that comes twice is dropped: pages that shift while they are read bring it. Two prices for one offer
    are caught both: which is the true one, and which a dedicated host's, say, cannot be told.
    """
    caught: list[QuarantineRow] = []
    stated: defaultdict[tuple[object, ...], list[PriceRow]] = defaultdict(list)
    for row in rows:
        if 0.0 < row.price_usd_per_hour <= MOST_USD_PER_HOUR:
            same = stated[(row.region, row.zone, row.instance_type, row.purchase)]
            if row in same:
                left_out[f"{publisher}: rows that came twice"] += 1
            else:
                same.append(row)
        else:
            value = "no number" if math.isnan(row.price_usd_per_hour) else f"{row.price_usd_per_hour:g}"
            reason = f"the price is {value}; a price is above 0 and at most {MOST_USD_PER_HOUR:g} usd/h"
            caught.append(quarantined(row, "price_in_range", reason))
    for same in stated.values():
        if len(same) > 1:
            prices = " and ".join(f"{row.price_usd_per_hour:g}" for row in same)
            caught += [
                quarantined(row, "offered_once", f"several prices for one offer: {prices}") for row in same
            ]
    kept = tuple(same[0] for same in stated.values() if len(same) == 1)
    return Read(prices=kept, caught=tuple(caught), left_out=left_out)
