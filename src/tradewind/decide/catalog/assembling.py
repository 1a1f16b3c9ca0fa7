"""A snapshot's tables with the prices of some clouds renewed."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

import msgspec

from tradewind.decide.catalog.invariants import Facts
from tradewind.decide.catalog.lists.origin import quarantined
from tradewind.decide.catalog.normalise import Normalised, judged, sorted_quarantine, sources_of
from tradewind.decide.catalog.places import place_group
from tradewind.decide.catalog.published import ORIGINS, one_price_each
from tradewind.decide.catalog.rows import PriceRow, QuarantineRow, RegionRow
from tradewind.domain.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from tradewind.decide.catalog.reading import Read
    from tradewind.domain.noun import Cloud, Noun, Purchase

__all__ = ["refreshed"]


def refreshed(tables: Mapping[str, Sequence[Noun]], fresh: Mapping[Cloud, Read], today: str) -> Normalised:
    """The tables with the prices of each cloud in `fresh` in the place of its old ones, judged again.

    A fresh source replaces what it covers: of a region and purchase option of which it states prices, every old
    price goes; of what it does not state at all (spot without credentials, say) the old price stays. Shapes that
    it brings are added to the known ones. Errors: InputError when nothing is left of a cloud.
    """
    old: dict[str, list[Any]] = {name: list(rows) for name, rows in tables.items()}
    shapes = {(row.cloud, row.instance_type): row for row in old["shapes"]}
    for read in fresh.values():
        for shape in read.instances:
            shapes.setdefault((shape.cloud, shape.instance_type), shape)
    covered = {
        (price.cloud, price.region, price.purchase) for read in fresh.values() for price in read.prices
    }
    stays = [row for row in old["offers"] if (row.cloud, row.region, row.purchase) not in covered]
    new, verdicts = _still_caught(
        [price for cloud in fresh for price in fresh[cloud].prices], old["quarantine"]
    )
    chosen, twice, superseded = one_price_each((*new, *stays))
    ground = Facts(
        prices=(),
        instances=shapes,
        specs={(row.cloud, row.instance_type): row for row in old["specs"]},
        accelerators={row.name: row for row in old["accelerators"]},
        today=today,
    )
    offers, caught = judged(ground, chosen, chosen)
    for cloud in fresh:
        if not any(price.cloud == cloud for price in offers):
            raise InputError(f"{cloud}: no price of the fresh list can be used; the old ones stay")
    kept_quarantine = [
        row
        for row in old["quarantine"]
        if row.of_table != "offers" or (row.cloud, row.region, row.purchase) not in covered
    ]
    renewed: dict[str, Sequence[Noun]] = {
        **old,
        "offers": offers,
        "price_parts": _parts(old["price_parts"], fresh, covered),
        "shapes": [shapes[key] for key in sorted(shapes)],
        "regions": _counted(old["regions"], offers),
        "quarantine": sorted_quarantine(
            kept_quarantine, verdicts, twice, caught, *(read.caught for read in fresh.values())
        ),
    }
    known = {row.source: row for row in old["sources"]}
    renewed["sources"] = [
        msgspec.structs.replace(known[row.source], rows=row.rows) if row.source in known else row
        for row in sources_of(renewed, ORIGINS, {})
    ]
    left_out = superseded + sum((read.left_out for read in fresh.values()), Counter())
    return Normalised(
        tables=renewed, as_of=max(price.as_of for price in offers), left_out=dict(sorted(left_out.items()))
    )


_LASTING: Final = ("type_is_active", "offered_in_region")
"""Rules that need lists which are not at hand when prices are renewed; what they said of a machine stands."""


def _still_caught(
    prices: Iterable[PriceRow], quarantine: Iterable[QuarantineRow]
) -> tuple[list[PriceRow], list[QuarantineRow]]:
    """The prices of machines that are sold where they are priced, and a record of those that are not."""
    said = {
        (row.cloud, row.region, row.instance_type): (row.invariant, row.reason)
        for row in quarantine
        if row.invariant in _LASTING
    }
    kept: list[PriceRow] = []
    caught: list[QuarantineRow] = []
    for price in prices:
        verdict = said.get((price.cloud, price.region, price.instance_type))
        if verdict is None:
            kept.append(price)
        else:
            caught.append(quarantined(price, *verdict))
    return kept, caught


def _parts(
    old: Sequence[Any], fresh: Mapping[Cloud, Read], covered: set[tuple[Cloud, str, Purchase]]
) -> list[Any]:
    stays = [row for row in old if (row.cloud, row.region, row.purchase) not in covered]
    found = [*stays, *(part for read in fresh.values() for part in read.parts)]
    return sorted(found, key=lambda p: (p.cloud, p.region, p.instance_type, p.purchase, p.part))


def _counted(regions: Sequence[Any], offers: Sequence[PriceRow]) -> list[Any]:
    """The regions with how many machine types have a price there now; new ones are named, their place unknown."""
    types: dict[tuple[Cloud, str], set[str]] = {}
    newest: dict[tuple[Cloud, str], PriceRow] = {}
    for price in offers:
        types.setdefault((price.cloud, price.region), set()).add(price.instance_type)
        newest[(price.cloud, price.region)] = price
    known = {(row.cloud, row.region): row for row in regions}
    found = []
    for key in sorted({*known, *types}):
        count = len(types.get(key, ()))
        if key in known:
            found.append(msgspec.structs.replace(known[key], machine_types=count))
            continue
        found.append(
            RegionRow(
                cloud=key[0],
                region=key[1],
                place=None,
                place_group=place_group(*key),
                country=None,
                jurisdictions=(),
                grid_gco2e_per_kwh=None,
                carbon_free_share=None,
                machine_types=count,
                source=newest[key].source,
                as_of=newest[key].as_of,
                as_of_precision=newest[key].as_of_precision,
            )
        )
    return found
