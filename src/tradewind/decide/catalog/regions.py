"""Regions: where each is, under which law, and how clean its electricity is."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final

from tradewind.decide.catalog.dates import read_as_of
from tradewind.decide.catalog.jurisdictions import RegionPlace, read_region_places
from tradewind.decide.catalog.places import place_group
from tradewind.decide.catalog.rows import PriceRow, QuarantineRow, RegionRow
from tradewind.decide.catalog.texts import Row, cloud_of, number, text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tradewind.domain.noun import Cloud

__all__ = ["CARBON_COLUMNS", "read_regions"]

CARBON_COLUMNS: Final = (
    "provider",
    "region",
    "grid_gco2e_per_kwh",
    "carbon_free_share",
    "location",
    "year",
    "source",
)

DIRTIEST_GRID: Final = 1500.0
"""Grams of CO2 equivalent per kWh; lignite burnt in an old plant gives about 1200."""


def read_regions(
    carbon: Iterable[Row], places: Iterable[Row], prices: Iterable[PriceRow]
) -> tuple[list[RegionRow], list[QuarantineRow]]:
    """Every region that has a price, a place or a carbon figure, sorted.

    Caught: impossible figures, a region twice. A region of which no list states the place keeps null there.
    """
    types: defaultdict[tuple[Cloud, str], set[str]] = defaultdict(set)
    newest: dict[tuple[Cloud, str], PriceRow] = {}
    for price in prices:
        key = (price.cloud, price.region)
        types[key].add(price.instance_type)
        if key not in newest or price.as_of > newest[key].as_of:
            newest[key] = price
    stated, caught = read_region_places(places)
    clean: dict[tuple[Cloud, str], Row] = {}
    for row in sorted(carbon, key=lambda row: (row["provider"], row["region"])):
        key = (cloud_of(row), row["region"])
        problem = "a second row for the same region" if key in clean else _carbon_problem(row)
        if problem:
            caught.append(_caught(row, problem))
        else:
            clean[key] = row
    return [
        _region(key, stated.get(key), clean.get(key), newest.get(key), len(types[key]))
        for key in sorted({*types, *stated, *clean})
    ], caught


def _region(
    key: tuple[Cloud, str],
    place: RegionPlace | None,
    carbon: Row | None,
    price: PriceRow | None,
    machine_types: int,
) -> RegionRow:
    measured = read_as_of(carbon["year"]) if carbon else None
    sources = ([place.source] if place else []) + ([carbon["source"]] if carbon else [])
    told = place or price
    return RegionRow(
        cloud=key[0],
        region=key[1],
        place=place.place if place else text(carbon, "location") if carbon else None,
        place_group=place_group(*key),
        country=place.country if place else None,
        jurisdictions=place.jurisdictions if place else (),
        grid_gco2e_per_kwh=number(carbon, "grid_gco2e_per_kwh") if carbon else None,
        carbon_free_share=number(carbon, "carbon_free_share") if carbon else None,
        machine_types=machine_types,
        source="; ".join(sources) or (price.source if price else ""),
        as_of=measured.day if measured else told.as_of if told else "",
        as_of_precision=measured.precision if measured else "day",
    )


def _caught(row: Row, problem: str) -> QuarantineRow:
    return QuarantineRow(
        of_table="regions",
        cloud=row["provider"],
        region=row["region"],
        item="grid_gco2e_per_kwh",
        purchase="",
        price_usd=None,
        invariant="carbon_is_plausible",
        reason=problem,
        source=row["source"],
        as_of=row["year"],
    )


def _carbon_problem(row: Row) -> str:
    grid = number(row, "grid_gco2e_per_kwh")
    share = number(row, "carbon_free_share")
    if grid is None or not 0.0 <= grid <= DIRTIEST_GRID:
        return f"{row['grid_gco2e_per_kwh'] or 'nothing'} g/kWh is outside 0 to {DIRTIEST_GRID:g}"
    if share is not None and not 0.0 <= share <= 1.0:
        return f"a carbon-free share of {row['carbon_free_share']} is outside 0 to 1"
    if read_as_of(row["year"]) is None:
        return f"{row['year']!r} holds no year"
    return ""
