"""Published tables in, the catalogue's tables out: the whole of `catalog build` but for reading and writing."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tradewind.decide.catalog.dates import is_day
from tradewind.decide.catalog.invariants import Facts, hold, remark_on_cheap_regions
from tradewind.decide.catalog.moving import STORAGE_COLUMNS, read_moving
from tradewind.decide.catalog.prices import INSTANCE_COLUMNS, read_instances, read_prices
from tradewind.decide.catalog.sheets import (
    ACCELERATOR_COLUMNS,
    CARBON_COLUMNS,
    SPEC_COLUMNS,
    SPECS_DAY,
    SURCHARGE_COLUMNS,
    read_accelerators,
    read_regions,
    read_specs,
    read_surcharges,
)
from tradewind.domain.errors import InputError
from tradewind.domain.goal import CLOUDS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tradewind.decide.catalog.rows import QuarantineRow
    from tradewind.decide.catalog.texts import Row
    from tradewind.domain.noun import Noun

__all__ = ["SOURCE_FILES", "Normalised", "normalise"]

SOURCE_FILES: Final[dict[str, tuple[str, ...]]] = {
    "instances_sample.csv": INSTANCE_COLUMNS,
    "instance_specs.csv": SPEC_COLUMNS,
    "accelerators.csv": ACCELERATOR_COLUMNS,
    "storage_prices.csv": STORAGE_COLUMNS,
    "region_carbon.csv": CARBON_COLUMNS,
    "managed_surcharge.csv": SURCHARGE_COLUMNS,
}
"""The files of a source folder, each with the columns that it must have."""


@dataclass(frozen=True)
class Normalised:
    """The tables by name, each sorted; the newest day in them; and rows that no table has a place for."""

    tables: dict[str, Sequence[Noun]]
    as_of: str
    left_out: dict[str, int]


def normalise(files: Mapping[str, Sequence[Row]], today: str) -> Normalised:
    """The catalogue's tables from the rows of the source files (`SOURCE_FILES`), as known on `today`.

    Errors: InputError when no price is left, which happens when the clock is wrong.
    """
    known, left_out = _of_known_clouds(files)
    specs, caught_specs = read_specs(known["instance_specs.csv"])
    instances, conflicts = read_instances(known["instances_sample.csv"])
    prices = read_prices(known["instances_sample.csv"])
    compiled = max((p.as_of for p in prices if is_day(p.as_of) and p.as_of <= today), default=SPECS_DAY)
    accelerators, caught_accelerators = read_accelerators(known["accelerators.csv"], compiled)
    facts, caught_prices = hold(
        Facts(
            prices=tuple(prices),
            instances={(instance.cloud, instance.instance_type): instance for instance in instances},
            specs={(spec.cloud, spec.instance_type): spec for spec in specs},
            accelerators={accelerator.name: accelerator for accelerator in accelerators},
            shape_conflicts=conflicts,
            today=today,
        )
    )
    if not facts.prices:
        first = caught_prices[0].reason if caught_prices else "the list of instances is empty"
        raise InputError(
            f"no price of {len(prices)} can be used: {first}; check the list, and this machine's clock"
        )
    offers = remark_on_cheap_regions(facts)
    moving = read_moving(known["storage_prices.csv"], today)
    regions, caught_regions = read_regions(known["region_carbon.csv"], offers)
    surcharges, caught_surcharges = read_surcharges(known["managed_surcharge.csv"])
    priced = {(price.cloud, price.instance_type) for price in offers}
    quarantine: list[QuarantineRow] = [
        *caught_prices,
        *caught_specs,
        *caught_accelerators,
        *moving.caught,
        *caught_regions,
        *caught_surcharges,
    ]
    quarantine.sort(key=lambda row: (row.of_table, row.cloud, row.region, row.item, row.purchase, row.reason))
    return Normalised(
        tables={
            "offers": offers,
            "instances": [i for i in instances if (i.cloud, i.instance_type) in priced],
            "specs": specs,
            "accelerators": accelerators,
            "storage": moving.storage,
            "transfer": moving.transfer,
            "regions": regions,
            "surcharges": surcharges,
            "quarantine": quarantine,
        },
        as_of=max(price.as_of for price in offers),
        left_out=left_out | moving.left_out,
    )


def _of_known_clouds(
    files: Mapping[str, Sequence[Row]],
) -> tuple[dict[str, list[Row]], dict[str, int]]:
    """The rows of AWS, Azure and GCP; those of other clouds have no table."""
    known: dict[str, list[Row]] = {}
    left_out: Counter[str] = Counter()
    for name, rows in files.items():
        known[name] = [row for row in rows if row.get("provider", CLOUDS[0]) in CLOUDS]
        for row in rows:
            if row.get("provider", CLOUDS[0]) not in CLOUDS:
                left_out[f"{name}: a cloud other than {', '.join(CLOUDS)}"] += 1
    return known, dict(left_out)
