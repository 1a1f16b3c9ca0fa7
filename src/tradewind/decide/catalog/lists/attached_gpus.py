"""Accelerators that a cloud prices apart from the machine that they are attached to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tradewind.decide.catalog.dates import is_day
from tradewind.decide.catalog.rows import QuarantineRow
from tradewind.decide.catalog.texts import Row, scaled

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["read_gpu_prices"]

_PURCHASES: Final = ("on_demand", "spot", "commit_1y", "commit_3y")


def read_gpu_prices(rows: Iterable[Row]) -> tuple[list[Row], list[QuarantineRow]]:
    """The prices of one GPU an hour that can be used, as they were stated, sorted.

    Caught: no single region, an unknown purchase option, a price that is not above 0, no day, no source, and a
    second price for the same.
    """
    found: dict[tuple[str, str, str], Row] = {}
    caught: list[QuarantineRow] = []
    for row in sorted(
        rows, key=lambda row: (row["accelerator"], row["region"], row["purchase"], row["source"])
    ):
        key = (row["accelerator"], row["region"], row["purchase"])
        problem = _problem(row)
        if not problem and key in found:
            problem = f"a second price for the same; the first is {found[key]['usd_per_hour']}"
        if problem:
            caught.append(_caught(row, problem))
        else:
            found[key] = row
    return list(found.values()), caught


def _problem(row: Row) -> str:
    price = scaled(row, "usd_per_hour", 1.0)
    if not row["accelerator"] or not row["region"] or "*" in row["region"]:
        return "a price holds for one accelerator in one region"
    if row["purchase"] not in _PURCHASES:
        return f"{row['purchase']!r} is not one of {', '.join(_PURCHASES)}"
    if price is None or price <= 0.0:
        return f"the price is {row['usd_per_hour'] or 'not stated'}; a price is above 0"
    if not is_day(row["as_of"]):
        return f"{row['as_of']!r} is no day"
    return "" if row["source"] else "the row names no source"


def _caught(row: Row, problem: str) -> QuarantineRow:
    return QuarantineRow(
        of_table="price_parts",
        cloud="gcp",
        region=row["region"],
        item=row["accelerator"],
        purchase=row["purchase"],
        price_usd=scaled(row, "usd_per_hour", 1.0),
        invariant="price_can_be_read",
        reason=problem,
        source=row["source"],
        as_of=row["as_of"],
    )
