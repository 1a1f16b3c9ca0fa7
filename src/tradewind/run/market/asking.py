"""How people ask the catalogue: what is for rent, what a machine is and costs, and what is like it elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec

from tradewind.decide.catalog.asked import (
    accelerators_meant,
    machine_meant,
    machines_meant,
    regions_meant,
    some,
    under_law,
)
from tradewind.decide.catalog.dates import age_days
from tradewind.decide.catalog.likeness import Distance, Machine, distance, most_like
from tradewind.decide.catalog.provenance import confidence_on
from tradewind.decide.catalog.rows import (
    AcceleratorRow,
    EfficiencyRow,
    PriceRow,
    QuarantineRow,
    RegionRow,
    StorageRow,
    SurchargeRow,
    TransferRow,
)
from tradewind.domain.goal import CLOUDS
from tradewind.domain.noun import Cloud, Noun, Purchase
from tradewind.run.market.reading import first, known_types, nouns, pairs, records

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = [
    "Alike",
    "Asked",
    "Compared",
    "Found",
    "FoundOffer",
    "Shown",
    "Sort",
    "compare",
    "find",
    "show",
]

Sort = Literal["price", "price-per-accelerator", "price-per-vcpu", "carbon"]
PURCHASES: Final[tuple[Purchase, ...]] = ("on_demand", "spot", "commit_1y", "commit_3y")


class Asked(Noun, frozen=True, kw_only=True):
    """What is looked for; what is left empty allows everything."""

    clouds: tuple[Cloud, ...] = ()
    regions: tuple[str, ...] = ()
    """Patterns, as in a goal."""
    jurisdiction: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    """Patterns of machine types, such as c7g.*."""
    accelerator: tuple[str, ...] = ()
    vcpus: int | None = None
    """The least."""
    memory_bytes: float | None = None
    """The least."""
    purchase: tuple[Purchase, ...] = ()
    sort: Sort = "price"
    limit: int | None = 20


class FoundOffer(Noun, frozen=True, kw_only=True):
    """An offer as a person reads it: the machine, the price, and how sure and old it is."""

    cloud: Cloud
    region: str
    place: str | None
    zone: str | None
    instance_type: str
    vcpus: int | None
    memory_bytes: float | None
    accelerator: str | None
    accelerator_count: float | None
    purchase: Purchase
    price_usd_per_hour: float
    usd_per_accelerator_hour: float | None
    usd_per_vcpu_hour: float | None
    grid_gco2e_per_kwh: float | None
    terms: str | None
    confidence: str
    """On the day of asking: a price older than a year is C."""
    as_of: str
    age_days: int
    source: str


class Found(Noun, frozen=True, kw_only=True):
    """The offers that were looked for, the first `limit` in the order asked, and how many there are."""

    offers: tuple[FoundOffer, ...]
    total: int
    nothing_because: str | None = None
    """When there is none: which word leaves nothing, and what is nearest."""


class Shown(Noun, frozen=True, kw_only=True):
    """All that the catalogue knows of a machine type."""

    machine: Machine
    accelerator: AcceleratorRow | None
    efficiency: tuple[EfficiencyRow, ...]
    """How much of the accelerator's data sheet was reached in measurements."""
    surcharges: tuple[SurchargeRow, ...]
    prices: tuple[PriceRow, ...]
    """By region and purchase option; their confidence counts age on the day of asking."""
    places: dict[str, str]
    """Region -> city, state or country."""
    quarantine: tuple[QuarantineRow, ...]


class Alike(Noun, frozen=True, kw_only=True):
    """A machine beside the one that it is compared with, and what it costs."""

    machine: Machine
    distance: Distance
    prices: dict[Purchase, PriceRow]
    """The cheapest in the regions asked for."""
    transfer: TransferRow | None
    """To the internet, out of the region of the cheapest price on demand: the first step that is not free."""
    storage: StorageRow | None
    """Of data that are read often, in that region; where none is known, in another one of the cloud."""
    others: tuple[Machine, ...]
    """The machines of this cloud that are next alike."""


class Compared(Noun, frozen=True, kw_only=True):
    """A machine, and for each cloud the machine that is most like it."""

    like: Alike
    clouds: tuple[Alike, ...]


def find(asked: Asked, today: str, folder: Path | None = None) -> Found:
    """The offers that keep every word of the question, in its order.

    Region patterns, jurisdictions and accelerators mean what they mean in a goal. Errors: InputError for a word that
    means nothing in the catalogue, with the nearest one. Words that leave nothing together are no error.
    """
    clouds = asked.clouds or CLOUDS
    every = nouns(RegionRow, "SELECT * FROM regions ORDER BY cloud, region", folder)
    named = regions_meant(asked.regions, every)
    lawful = under_law(asked.jurisdiction, every)
    here = [region for region in named if region.cloud in clouds]
    kept = {(region.cloud, region.region) for region in lawful}
    places = [region for region in here if (region.cloud, region.region) in kept]
    words: dict[str, Any] = {
        "places": [_place(region) for region in places],
        "types": [f"{cloud}/{name}" for cloud, name in machines_meant(asked.types, known_types(folder))]
        if asked.types
        else None,
        "kinds": accelerators_meant(asked.accelerator, _accelerators(folder)) if asked.accelerator else None,
        "vcpus": asked.vcpus,
        "memory_bytes": asked.memory_bytes,
        "purchases": list(asked.purchase) or None,
    }
    if not here:
        others = sorted({region.cloud for region in named})
        return _nothing(
            f"region: {', '.join(asked.regions)} is in {' and '.join(others)}, and only {', '.join(clouds)} is asked for"
        )
    if not places:
        stand = sorted({word for region in here for word in region.jurisdictions})
        return _nothing(
            f"jurisdiction: none of the regions asked for stands in {', '.join(asked.jurisdiction)}; "
            f"they stand in {some(stand)}"
        )
    limit = asked.limit if asked.limit is not None else 2**31
    rows = records(_JUDGED + _FOUND, folder, sort=asked.sort, limit=limit, **words)
    total = rows[0].pop("total") if rows else 0
    if not rows:
        return _nothing(_why_nothing(words, folder))
    offers = []
    for row in rows:
        row.pop("total", None)
        row["age_days"] = age_days(row["as_of"], today)
        row["confidence"] = confidence_on(row["confidence"], row["as_of"], today)
        offers.append(FoundOffer(**row))
    return Found(offers=tuple(offers), total=total)


def show(name: str, clouds: Sequence[Cloud], today: str, folder: Path | None = None) -> tuple[Shown, ...]:
    """All that is known of the machine type of this name; of several, when clouds share the name.

    Errors: InputError when no cloud of those asked has it, with the nearest names.
    """
    known = [one for one in known_types(folder) if one[0] in (clouds or CLOUDS)]
    return tuple(
        _shown(cloud, instance_type, today, folder) for cloud, instance_type in machine_meant(name, known)
    )


def compare(
    clouds: Sequence[Cloud], like: str, regions: Sequence[str], folder: Path | None = None
) -> Compared:
    """For each cloud the machine that is most like `like` and for sale in the regions asked for.

    Errors: InputError for an unknown machine type or region pattern.
    """
    cloud, name = machine_meant(like, known_types(folder))[0]
    asked = clouds or CLOUDS
    every = nouns(RegionRow, "SELECT * FROM regions ORDER BY cloud, region", folder)
    places = [_place(region) for region in regions_meant(regions, every)]
    priced = _machines(_PRICED_MACHINES, folder, places=places)
    subject = _machine(cloud, name, folder)
    chosen = {
        one: [subject, *(other for other in near if other.instance_type != name)][:_NEXT]
        if one == cloud
        else near
        for one in asked
        if (near := most_like(subject, [m for m in priced if m.cloud == one], _NEXT)) or one == cloud
    }
    names = [_name(machine) for machine in (subject, *(machines[0] for machines in chosen.values()))]
    prices: dict[str, dict[Purchase, PriceRow]] = {}
    for price in nouns(PriceRow, _CHEAPEST, folder, places=places, machines=names):
        prices.setdefault(_name(price), {})[price.purchase] = price

    def beside(machine: Machine, others: Sequence[Machine]) -> Alike:
        own = prices.get(_name(machine), {})
        region = own["on_demand"].region if "on_demand" in own else None
        return Alike(
            machine=machine,
            distance=distance(subject, machine),
            prices={purchase: own[purchase] for purchase in PURCHASES if purchase in own},
            transfer=first(TransferRow, _TRANSFER_OUT, folder, cloud=machine.cloud, region=region),
            storage=first(StorageRow, _STORAGE_NEAR, folder, cloud=machine.cloud, region=region),
            others=tuple(others),
        )

    columns = tuple(beside(machines[0], machines[1:]) for machines in chosen.values())
    own = next((column for column in columns if _name(column.machine) == _name(subject)), None)
    return Compared(like=own or beside(subject, ()), clouds=columns)


_JUDGED: Final = """
WITH place AS (
    SELECT cloud, region, place, grid_gco2e_per_kwh,
        cloud || '/' || region IN (SELECT unnest($places::VARCHAR[])) AS place_fits
    FROM regions
), machine AS (
    SELECT cloud, instance_type, vcpus, memory_bytes, accelerator, accelerator_count,
        $types IS NULL OR list_contains($types::VARCHAR[], cloud || '/' || instance_type) AS type_fits,
        $kinds IS NULL OR coalesce(list_contains($kinds::VARCHAR[], accelerator), false) AS kind_fits,
        $vcpus IS NULL OR coalesce(vcpus >= $vcpus, false) AS vcpus_fit,
        $memory_bytes IS NULL OR coalesce(memory_bytes >= $memory_bytes, false) AS memory_fits
    FROM instances
), judged AS (
    SELECT offers.cloud, offers.region, place, zone, offers.instance_type, vcpus, memory_bytes, accelerator,
        accelerator_count, purchase, price_usd_per_hour,
        price_usd_per_hour / nullif(accelerator_count, 0) AS usd_per_accelerator_hour,
        price_usd_per_hour / vcpus AS usd_per_vcpu_hour,
        grid_gco2e_per_kwh, terms, confidence, as_of, source,
        coalesce(place_fits, false) AS place_fits,
        coalesce(type_fits, $types IS NULL) AS type_fits,
        coalesce(kind_fits, $kinds IS NULL) AS kind_fits,
        coalesce(vcpus_fit, $vcpus IS NULL) AS vcpus_fit,
        coalesce(memory_fits, $memory_bytes IS NULL) AS memory_fits,
        $purchases IS NULL OR list_contains($purchases::VARCHAR[], purchase) AS purchase_fits
    FROM offers
    LEFT JOIN machine ON machine.cloud = offers.cloud AND machine.instance_type = offers.instance_type
    LEFT JOIN place ON place.cloud = offers.cloud AND place.region = offers.region
)
"""

_FOUND: Final = """
SELECT * EXCLUDE (place_fits, type_fits, kind_fits, vcpus_fit, memory_fits, purchase_fits),
    count(*) OVER () AS total
FROM judged
WHERE place_fits AND type_fits AND kind_fits AND vcpus_fit AND memory_fits AND purchase_fits
ORDER BY
    CASE $sort
        WHEN 'price-per-accelerator' THEN usd_per_accelerator_hour
        WHEN 'price-per-vcpu' THEN usd_per_vcpu_hour
        WHEN 'carbon' THEN grid_gco2e_per_kwh
    END NULLS LAST,
    price_usd_per_hour, cloud, region, instance_type, purchase, zone
LIMIT $limit
"""

_LEFT: Final = """
SELECT
    count(*) FILTER (place_fits AND type_fits) AS types,
    list(DISTINCT region) FILTER (type_fits) AS regions_of_type,
    count(*) FILTER (place_fits AND type_fits AND kind_fits) AS kinds,
    list(DISTINCT accelerator) FILTER (place_fits AND type_fits) AS kinds_there,
    list(DISTINCT region) FILTER (type_fits AND kind_fits) AS regions_of_kind,
    count(*) FILTER (place_fits AND type_fits AND kind_fits AND vcpus_fit) AS vcpus,
    max(vcpus) FILTER (place_fits AND type_fits AND kind_fits) AS most_vcpus,
    count(*) FILTER (place_fits AND type_fits AND kind_fits AND vcpus_fit AND memory_fits) AS memories,
    max(memory_bytes) FILTER (place_fits AND type_fits AND kind_fits AND vcpus_fit) AS most_memory_bytes,
    list(DISTINCT purchase) FILTER (place_fits AND type_fits AND kind_fits AND vcpus_fit AND memory_fits)
        AS purchases_there
FROM judged
"""


def _why_nothing(words: dict[str, Any], folder: Path | None) -> str:
    """The first word that leaves nothing of what the ones before it left, and what is nearest."""
    left = records(_JUDGED + _LEFT, folder, **words)[0]
    if not left["types"]:
        return f"type: none of these is priced in the regions asked for; it is in {some(left['regions_of_type'])}"
    if not left["kinds"]:
        kinds = ", ".join(words["kinds"])
        where = f"; {kinds} is in {some(left['regions_of_kind'])}" if left["regions_of_kind"] else ""
        there = some(kind for kind in left["kinds_there"] if kind)
        return f"accelerator: no {kinds} there; there is {there or 'no accelerator'}{where}"
    if not left["vcpus"]:
        return f"vcpus: none there has {words['vcpus']}; the largest has {left['most_vcpus'] or 'an unknown number'}"
    if not left["memories"]:
        most = left["most_memory_bytes"]
        size = "an unknown size" if most is None else f"{most / 2**30:,.0f} GiB"
        return f"memory: none there has {words['memory_bytes'] / 2**30:,.6g} GiB; the largest has {size}"
    asked = ", ".join(words["purchases"])
    return f"purchase: no {asked} price there; there is {', '.join(sorted(left['purchases_there']))}"


def _nothing(because: str) -> Found:
    return Found(offers=(), total=0, nothing_because=because)


def _accelerators(folder: Path | None) -> list[str]:
    """Every accelerator that some machine has."""
    return [name for name, _ in pairs(_EVERY_ACCELERATOR, folder)]


_EVERY_ACCELERATOR: Final = (
    "SELECT DISTINCT accelerator, 1 FROM shapes WHERE accelerator IS NOT NULL ORDER BY accelerator"
)


def _shown(cloud: Cloud, name: str, today: str, folder: Path | None) -> Shown:
    machine = _machine(cloud, name, folder)
    prices = nouns(PriceRow, _PRICES, folder, cloud=cloud, name=name)
    return Shown(
        machine=machine,
        accelerator=first(
            AcceleratorRow, "SELECT * FROM accelerators WHERE name = $kind", folder, kind=machine.accelerator
        ),
        efficiency=tuple(
            nouns(
                EfficiencyRow,
                "SELECT * FROM efficiency WHERE accelerator = $kind ORDER BY figure, machine",
                folder,
                kind=machine.accelerator,
            )
        ),
        surcharges=tuple(nouns(SurchargeRow, _SURCHARGES, folder, cloud=cloud, name=name)),
        prices=tuple(_aged(price, today) for price in prices),
        places=dict(pairs(_REGION_PLACES, folder, cloud=cloud)),
        quarantine=tuple(nouns(QuarantineRow, _CAUGHT, folder, cloud=cloud, name=name)),
    )


def _aged(price: PriceRow, today: str) -> PriceRow:
    """The price with the confidence that it has on this day."""
    return msgspec.structs.replace(price, confidence=confidence_on(price.confidence, price.as_of, today))


_PRICES: Final = """
SELECT * FROM offers WHERE cloud = $cloud AND instance_type = $name ORDER BY region, purchase, zone
"""
_SURCHARGES: Final = (
    "SELECT * FROM surcharges WHERE cloud = $cloud AND instance_type = $name ORDER BY service"
)
_REGION_PLACES: Final = "SELECT region, place FROM regions WHERE cloud = $cloud AND place IS NOT NULL"
_CAUGHT: Final = """
SELECT * FROM quarantine WHERE cloud = $cloud AND instance_type = $name AND of_table = 'offers'
ORDER BY region, purchase, zone, reason
"""

_MACHINE: Final = """
SELECT instances.*,
    coalesce(accelerators.bf16_flops_per_s, accelerators.fp16_flops_per_s) AS accelerator_flops_per_s,
    accelerators.memory_bandwidth_bytes_per_s AS accelerator_bandwidth_bytes_per_s,
    accelerators.vendor AS accelerator_vendor
FROM instances LEFT JOIN accelerators ON accelerators.name = instances.accelerator
WHERE instances.cloud = $cloud AND instance_type = $name
"""


def _machine(cloud: Cloud, name: str, folder: Path | None) -> Machine:
    found = _machines(_MACHINE, folder, cloud=cloud, name=name)
    # A type that only lists of prices know has a name and no more.
    return found[0] if found else Machine(cloud=cloud, instance_type=name)


def _machines(query: str, folder: Path | None, **words: Any) -> list[Machine]:
    return nouns(Machine, query, folder, **words)


_NEXT: Final = 4
"""Machines of each cloud: the one that is most alike, and three more."""

_PRICED_MACHINES: Final = """
WITH least AS (
    SELECT cloud, instance_type, min(price_usd_per_hour) AS usd
    FROM offers
    WHERE purchase = 'on_demand' AND cloud || '/' || region IN (SELECT unnest($places::VARCHAR[]))
    GROUP BY ALL
)
SELECT instances.*,
    coalesce(accelerators.bf16_flops_per_s, accelerators.fp16_flops_per_s) AS accelerator_flops_per_s,
    accelerators.memory_bandwidth_bytes_per_s AS accelerator_bandwidth_bytes_per_s,
    accelerators.vendor AS accelerator_vendor
FROM instances
JOIN least ON least.cloud = instances.cloud AND least.instance_type = instances.instance_type
LEFT JOIN accelerators ON accelerators.name = instances.accelerator
WHERE active IS NOT FALSE
ORDER BY usd, instances.cloud, instances.instance_type
"""
"""The cheapest first: of machines that are equally alike, the cheaper one is taken."""

_CHEAPEST: Final = """
SELECT * FROM offers
WHERE cloud || '/' || region IN (SELECT unnest($places::VARCHAR[]))
    AND cloud || '/' || instance_type IN (SELECT unnest($machines::VARCHAR[]))
QUALIFY row_number() OVER (
    PARTITION BY cloud, instance_type, purchase ORDER BY price_usd_per_hour, region, zone) = 1
ORDER BY cloud, instance_type, purchase
"""

_TRANSFER_OUT: Final = """
SELECT * FROM transfer
WHERE cloud = $cloud AND kind = 'internet' AND "to" = '*' AND usd_per_gb > 0 AND region IN ($region, '*')
ORDER BY region = '*', from_gb
"""

_STORAGE_NEAR: Final = """
SELECT * FROM storage
WHERE cloud = $cloud AND item = 'storage' AND from_gb = 0 AND tier IN ('Standard', 'Hot LRS')
    AND service IN ('S3', 'Blob Storage', 'Cloud Storage')
ORDER BY region IS DISTINCT FROM $region, usd DESC, region
"""


def _place(region: RegionRow) -> str:
    return f"{region.cloud}/{region.region}"


def _name(of: Machine | PriceRow) -> str:
    return f"{of.cloud}/{of.instance_type}"
