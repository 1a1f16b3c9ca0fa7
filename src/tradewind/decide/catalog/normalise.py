"""Published lists in, the catalogue's tables out: the whole of `catalog build` but for reading and writing."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from tradewind.decide.catalog import efficiency, jurisdictions, regions, services, sheets, storage, transfer
from tradewind.decide.catalog.dates import is_day
from tradewind.decide.catalog.invariants import Facts, hold, remark_on_cheap_regions
from tradewind.decide.catalog.lists import coroot, cyclenerd, n1
from tradewind.decide.catalog.published import (
    FACTS_DAY,
    LISTS,
    ORIGINS,
    one_price_each,
    read_published,
    retired_types,
)
from tradewind.decide.catalog.publishers import publisher_of
from tradewind.decide.catalog.rows import PartRow, PriceRow, QuarantineRow, SourceRow
from tradewind.domain.errors import InputError
from tradewind.domain.goal import CLOUDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from tradewind.decide.catalog.lists.origin import Origin
    from tradewind.decide.catalog.texts import Row
    from tradewind.domain.noun import Noun

__all__ = [
    "FACT_FILES",
    "SOURCE_FILES",
    "Normalised",
    "judged",
    "normalise",
    "sorted_quarantine",
    "sources_of",
]

SOURCE_FILES: Final[dict[str, tuple[str, ...] | None]] = {
    **LISTS,
    "instance_specs.csv": sheets.SPEC_COLUMNS,
    "accelerators.csv": sheets.ACCELERATOR_COLUMNS,
    "storage_prices.csv": storage.STORAGE_COLUMNS,
    "region_carbon.csv": regions.CARBON_COLUMNS,
    "managed_surcharge.csv": sheets.SURCHARGE_COLUMNS,
}
"""The files of a folder of published lists, each with the columns that it must have if it is a table."""

FACT_FILES: Final[dict[str, tuple[str, ...]]] = {
    "accelerated_types.csv": ("cloud", "instance_type", "accelerator", "count", "source"),
    "accelerators_more.csv": sheets.ACCELERATOR_COLUMNS,
    "capabilities.csv": services.CAPABILITY_COLUMNS,
    "efficiency.csv": efficiency.EFFICIENCY_COLUMNS,
    "gcp_gpu_limits.csv": n1.LIMIT_COLUMNS,
    "gcp_gpu_prices.csv": n1.PRICE_COLUMNS,
    "region_places.csv": jurisdictions.PLACE_COLUMNS,
    "retired.csv": ("cloud", "instance_type", "retired_on", "source"),
    "service_regions.csv": services.SERVICE_REGION_COLUMNS,
    "services.csv": services.SERVICE_COLUMNS,
    "storage_tiers.csv": services.STORAGE_TIER_COLUMNS,
    "transfer_more.csv": storage.STORAGE_COLUMNS,
}
"""The hand-kept tables that come with the package: what no list states as data, each row with its source."""


@dataclass(frozen=True)
class Normalised:
    """The tables by name, each sorted; the newest day of a price; and rows that no table has a place for."""

    tables: dict[str, Sequence[Noun]]
    as_of: str
    left_out: dict[str, int]


def normalise(
    files: Mapping[str, Any], facts: Mapping[str, Sequence[Row]], hashes: Mapping[str, str], today: str
) -> Normalised:
    """The catalogue's tables from the content of `SOURCE_FILES` and `FACT_FILES`, as known on `today`.

    `hashes` holds the SHA-256 of each file that was read. Errors: InputError when no price is left, which
    happens when the clock is wrong.
    """
    known, left_out = _of_known_clouds(files)
    specs, caught_specs = sheets.read_specs(known["instance_specs.csv"])
    accelerators, caught_accelerators = sheets.read_accelerators(
        [*known["accelerators.csv"], *facts["accelerators_more.csv"]], FACTS_DAY
    )
    published = read_published(known, facts)
    chosen, twice, superseded = one_price_each(published.read.prices)
    names = {(price.cloud, price.instance_type) for price in chosen}
    ground = Facts(
        prices=(),
        instances=published.shapes,
        specs={(spec.cloud, spec.instance_type): spec for spec in specs},
        accelerators={accelerator.name: accelerator for accelerator in accelerators},
        today=today,
        offered=published.offered,
        retired=retired_types(facts["retired.csv"], names, today),
    )
    offers, caught_prices = judged(ground, chosen, published.read.prices)
    if not offers:
        first = (
            Counter(row.reason for row in caught_prices).most_common(1)[0][0]
            if caught_prices
            else "none is stated"
        )
        raise InputError(
            f"no price of {len(chosen)} can be used: {first}; check the lists, and this machine's clock"
        )
    lists = known[cyclenerd.PRICES.file]
    moving = [*known["storage_prices.csv"], *facts["transfer_more.csv"]]
    stored = storage.read_storage(moving, lists, today)
    moved = transfer.read_transfer(moving, lists, known[coroot.DUMP.file], today)
    places, caught_regions = regions.read_regions(
        known["region_carbon.csv"], facts["region_places.csv"], offers
    )
    surcharges, caught_surcharges = sheets.read_surcharges(known["managed_surcharge.csv"])
    measured, caught_measured = efficiency.read_efficiency(facts["efficiency.csv"], ground.accelerators)
    tiers, caught_tiers = services.read_storage_tiers(facts["storage_tiers.csv"])
    managed, caught_services = services.read_services(facts["services.csv"], surcharges)
    capabilities, caught_capabilities = services.read_capabilities(facts["capabilities.csv"])
    exist, caught_exist = services.read_service_regions(facts["service_regions.csv"])
    tables: dict[str, Sequence[Noun]] = {
        "offers": offers,
        "price_parts": _parts_of(offers, published.read.parts),
        "shapes": [published.shapes[key] for key in sorted(published.shapes)],
        "specs": specs,
        "accelerators": accelerators,
        "efficiency": measured,
        "storage": stored.rows,
        "storage_tiers": tiers,
        "transfer": moved.rows,
        "services": managed,
        "capabilities": capabilities,
        "service_regions": exist,
        "surcharges": surcharges,
        "regions": places,
        "quarantine": sorted_quarantine(
            published.read.caught,
            twice,
            caught_prices,
            caught_specs,
            caught_accelerators,
            stored.caught,
            moved.caught,
            caught_regions,
            caught_surcharges,
            caught_measured,
            caught_tiers,
            caught_services,
            caught_capabilities,
            caught_exist,
        ),
    }
    tables["sources"] = sources_of(tables, ORIGINS, hashes)
    counted = Counter(left_out) + published.read.left_out + superseded
    counted += Counter(stored.left_out) + Counter(moved.left_out)
    return Normalised(
        tables=tables, as_of=max(price.as_of for price in offers), left_out=dict(sorted(counted.items()))
    )


def judged(
    ground: Facts, chosen: Sequence[PriceRow], every: Iterable[PriceRow]
) -> tuple[tuple[PriceRow, ...], list[QuarantineRow]]:
    """The prices that keep all invariants, sorted, and a record of every other one.

    Where the price that counts is caught, the next one for the same offer is judged among those that were kept:
    a dedicated-tenancy price in a newer list gives way to the true one in an older.
    """
    kept, caught = hold(replace(ground, prices=tuple(chosen)))
    standing = {_key(price) for price in kept.prices}
    first = {_key(price): price.source for price in chosen}
    second: dict[object, PriceRow] = {}
    for price in every:
        key = _key(price)
        if key not in standing and key in first and price.source != first[key]:
            second.setdefault(key, price)
    again, more = hold(replace(ground, prices=(*kept.prices, *second.values())))
    held = {id(price) for price in again.prices}
    fallback = [price for price in second.values() if id(price) in held]
    instead = {_key(price) for price in fallback}
    tried = {(_key(price), price.source) for price in second.values()}
    caught += [row for row in more if (_key(row), row.source) in tried and _key(row) not in instead]
    final = replace(ground, prices=(*kept.prices, *fallback))
    offers = sorted(
        remark_on_cheap_regions(final),
        key=lambda p: (p.cloud, p.region, p.instance_type, p.purchase, p.zone or ""),
    )
    return tuple(offers), caught


def _key(row: PriceRow | QuarantineRow) -> tuple[str, str, str | None, str | None, str]:
    return row.cloud, row.region, row.zone, row.instance_type, row.purchase


def _parts_of(offers: Iterable[PriceRow], parts: Iterable[PartRow]) -> list[PartRow]:
    """The parts of the prices that are used, sorted."""
    used = {_key(price)[:2] + _key(price)[3:] for price in offers if price.stated_unit == "parts"}
    found = [p for p in parts if (p.cloud, p.region, p.instance_type, p.purchase) in used]
    return sorted(found, key=lambda p: (p.cloud, p.region, p.instance_type, p.purchase, p.part))


def sorted_quarantine(*caught: Iterable[QuarantineRow]) -> list[QuarantineRow]:
    """The rows of several quarantines in the order of the table."""
    rows = [row for some in caught for row in some]
    return sorted(
        rows,
        key=lambda row: (
            row.of_table,
            row.cloud,
            row.region,
            row.item,
            row.purchase,
            row.zone or "",
            row.reason,
        ),
    )


def sources_of(
    tables: Mapping[str, Sequence[Noun]], origins: Iterable[Origin], hashes: Mapping[str, str]
) -> list[SourceRow]:
    """One row for each source that a row of some table names, sorted; those of the lists with where prices stand."""
    count: Counter[str] = Counter()
    day: dict[str, str] = {}
    for rows in tables.values():
        for row in rows:
            name = getattr(row, "source", None)
            if name:
                count[name] += 1
                day[name] = max(day.get(name, ""), getattr(row, "as_of", None) or "")
    by_name = {origin.source: origin for origin in origins}
    return [_source(name, by_name.get(name), count[name], day[name], hashes) for name in sorted(count)]


def _source(name: str, origin: Origin | None, rows: int, day: str, hashes: Mapping[str, str]) -> SourceRow:
    publisher, licence = publisher_of(name)
    if origin is None:
        return SourceRow(
            source=name,
            publisher=publisher,
            file="",
            sha256=None,
            as_of=day if is_day(day) else FACTS_DAY,
            licence=licence,
            locator=None,
            keys=None,
            read_as="stated in a row of its own, as the source words it",
            rows=rows,
        )
    return SourceRow(
        source=name,
        publisher=origin.publisher,
        file=origin.file,
        sha256=hashes.get(origin.file),
        as_of=origin.as_of,
        licence=origin.licence,
        locator=origin.locator,
        keys="; ".join(f"{purchase}: {key}" for purchase, key in origin.keys.items()) or None,
        read_as=origin.read_as,
        rows=rows,
    )


def _of_known_clouds(files: Mapping[str, Any]) -> tuple[dict[str, Any], Counter[str]]:
    """The files, of tables only the rows of AWS, Azure and GCP; other clouds have no place."""
    known: dict[str, Any] = {}
    left_out: Counter[str] = Counter()
    for name, content in files.items():
        if SOURCE_FILES.get(name) is None or "provider" not in (SOURCE_FILES[name] or ()):
            known[name] = content
            continue
        known[name] = [row for row in content if row["provider"] in CLOUDS]
        others = len(content) - len(known[name])
        if others:
            left_out[f"{name}: a cloud other than {', '.join(CLOUDS)}"] += others
    return known, left_out
