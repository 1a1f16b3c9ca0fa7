"""Whether a fresh answer can be true at all, held against yesterday's prices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tradewind.decide.catalog.reading import Read
    from tradewind.decide.catalog.rows import PriceRow

__all__ = ["believable"]

LEAST_SHARE: Final = 0.5
"""Of yesterday's machine types: a cloud retires a family now and then, never half of all in a day."""

MOST_CHANGE: Final = 10.0
"""Times yesterday's on-demand price, up or down. The largest true change in two years is a cut to 0.56."""


def believable(fresh: Read, yesterday: Sequence[PriceRow]) -> str | None:
    """Why the fresh answer as a whole is not to be believed, in one line; None when it is.

    `yesterday` are the prices that the answer should state anew. Not believed are an answer without prices,
    one with fewer than half of yesterday's machine types, one in which a region or a purchase option is gone
    altogether (its field has changed, most likely), and one with an on-demand price that is ten times
    yesterday's or a tenth.
    """
    if not fresh.prices:
        return f"no price at all, yesterday {len(yesterday)}"
    types, known = ({row.instance_type for row in rows} for rows in (fresh.prices, yesterday))
    if len(types & known) < LEAST_SHARE * len(known):
        return f"prices for {len(types & known)} of yesterday's {len(known)} machine types, fewer than half"
    for what, of in _WHOLES.items():
        for gone in sorted({of(row) for row in yesterday} - {of(row) for row in fresh.prices}):
            return f"no price at all of {what} {gone}, yesterday {sum(of(row) == gone for row in yesterday)}"
    full = {_offer(row): row.price_usd_per_hour for row in yesterday if row.purchase == "on_demand"}
    for row in fresh.prices:
        before_usd = full.get(_offer(row))
        if row.purchase != "on_demand" or before_usd is None:
            continue
        change = row.price_usd_per_hour / before_usd
        if max(change, 1.0 / change) > MOST_CHANGE * (1.0 - 1e-9):
            return (
                f"{row.cloud}/{row.region}/{row.instance_type}/{row.purchase}: {row.price_usd_per_hour:g} usd/h, "
                f"yesterday {before_usd:g}; no price changes {MOST_CHANGE:g} times in a day"
            )
    return None


_WHOLES: Final[dict[str, Callable[[PriceRow], str]]] = {
    "purchase option": lambda row: row.purchase,
    "region": lambda row: row.region,
}


def _offer(row: PriceRow) -> tuple[str, str, str]:
    return row.cloud, row.region, row.instance_type
