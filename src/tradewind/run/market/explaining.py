"""Where prices come from, step by step: the rows of a snapshot that stand behind a key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tradewind.decide.catalog.asked import alike, machine_meant, some
from tradewind.decide.catalog.behind import price_key
from tradewind.decide.catalog.explaining import (
    Explanation,
    explain_quarantined,
    explain_storage,
    explain_surcharge,
    explain_transfer,
)
from tradewind.decide.catalog.explaining import explain as explain_price
from tradewind.decide.catalog.invariants import REFERENCE_REGION
from tradewind.decide.catalog.rows import (
    PartRow,
    PriceRow,
    QuarantineRow,
    SourceRow,
    StorageRow,
    SurchargeRow,
    TransferRow,
)
from tradewind.domain.errors import InputError
from tradewind.domain.goal import CLOUDS
from tradewind.run.market.reading import known_types, nouns, pairs

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tradewind.domain.offer import Offer, StoragePrice, TransferPrice
    from tradewind.domain.plan import Plan

__all__ = ["explain", "explanations"]


def explain(keys: Sequence[str], today: str, folder: Path | None = None) -> tuple[Explanation, ...]:
    """Where prices come from, step by step: of every price that a key names, used or in quarantine.

    A key is cloud/region/machine type/purchase option[@zone] (without the option: every one),
    storage/cloud/region/service/class[/item], transfer/cloud/region/kind[/to], or
    surcharge/cloud/service/machine type.

    Errors: InputError for a key that names no price, with what is nearest.
    """
    found = _explained(keys, today, folder, quarantined=True)
    for key in keys:
        if not found[key]:
            raise InputError(_unknown(key, folder))
    return tuple(explanation for key in keys for explanation in found[key])


def explanations(
    plan: Plan,
    storage: Sequence[StoragePrice],
    transfer: Sequence[TransferPrice],
    folder: Path | None = None,
) -> dict[str, tuple[str, ...]]:
    """Where the prices of a plan come from, step by step.

    By the key of an offer for the machines of every candidate, and by the name of the part for the other parts of
    the choice's cost that have a price in the catalogue.
    """
    offers = {one.offer.key: one.offer for one in (plan.choice, *plan.nearest, *plan.pareto)}
    parts = {
        part.name: key
        for part in plan.choice.costs
        if part.name != "compute"
        and (key := price_key(part, plan.goal, plan.choice.offer, storage, transfer)) is not None
    }
    found = _explained([*offers, *parts.values()], plan.today, folder, quarantined=False)
    told: dict[str, tuple[str, ...]] = {}
    for key, offer in offers.items():
        if found[key]:
            told[key] = _with_overlay(found[key][0], offer)
    for name, key in parts.items():
        if found[key]:
            told[name] = (f"price: {key}", *found[key][0].steps)
    return told


def _with_overlay(explanation: Explanation, offer: Offer) -> tuple[str, ...]:
    listed = explanation.price_usd_per_hour
    if listed is None or abs(offer.price_usd_per_hour - listed) <= 1e-9 * listed:
        return explanation.steps
    return (
        *explanation.steps,
        f"yours: your overlay makes it {offer.price_usd_per_hour:.6g} usd/h instead of {listed:.6g}",
    )


_OTHER_TABLES: Final = ("storage", "transfer", "surcharge")


def _explained(
    keys: Sequence[str], today: str, folder: Path | None, *, quarantined: bool
) -> dict[str, list[Explanation]]:
    """For each key the explanations that it names, none for an unknown one; asked in a few queries for all."""
    sources = {row.source: row for row in nouns(SourceRow, "SELECT * FROM sources", folder)}
    machine_keys = [key for key in keys if key.partition("/")[0] not in _OTHER_TABLES]
    found = _explained_prices(machine_keys, sources, today, folder, quarantined=quarantined)
    for key in keys:
        table, _, rest = key.partition("/")
        if table == "storage":
            found[key] = _explained_storage(rest, sources, today, folder, quarantined=quarantined)
        elif table == "transfer":
            found[key] = _explained_transfer(rest, sources, today, folder, quarantined=quarantined)
        elif table == "surcharge":
            found[key] = _explained_surcharge(rest, sources, today, folder)
    return found


_OFFERS_BESIDE: Final = """
SELECT * FROM offers
WHERE cloud || '/' || region || '/' || instance_type IN (SELECT unnest($machines::VARCHAR[]))
    OR (purchase = 'on_demand' AND region IN (SELECT unnest($references::VARCHAR[]))
        AND instance_type IN (SELECT unnest($types::VARCHAR[])))
ORDER BY cloud, region, instance_type, purchase, zone
"""
_PARTS: Final = """
SELECT * FROM price_parts
WHERE cloud || '/' || region || '/' || instance_type IN (SELECT unnest($machines::VARCHAR[]))
ORDER BY cloud, region, instance_type, purchase, part
"""
_CAUGHT_HERE: Final = """
SELECT * FROM quarantine
WHERE of_table = 'offers'
    AND cloud || '/' || region || '/' || coalesce(instance_type, item) IN (SELECT unnest($machines::VARCHAR[]))
ORDER BY cloud, region, item, purchase, zone, reason
"""


def _explained_prices(
    keys: Sequence[str],
    sources: dict[str, SourceRow],
    today: str,
    folder: Path | None,
    *,
    quarantined: bool,
) -> dict[str, list[Explanation]]:
    found: dict[str, list[Explanation]] = {key: [] for key in keys}
    pieces = {key: _pieces(key) for key in keys}
    machines = sorted({"/".join(piece[:3]) for piece in pieces.values() if piece})
    if not machines:
        return found
    prices = nouns(
        PriceRow,
        _OFFERS_BESIDE,
        folder,
        machines=machines,
        types=sorted({machine.split("/", 2)[2] for machine in machines}),
        references=list(REFERENCE_REGION.values()),
    )
    of_type: dict[str, list[PriceRow]] = {}
    for price in prices:
        of_type.setdefault(f"{price.cloud}/{price.instance_type}", []).append(price)
    parts: dict[tuple[str, ...], list[PartRow]] = {}
    for part in nouns(PartRow, _PARTS, folder, machines=machines):
        parts.setdefault((part.cloud, part.region, part.instance_type, part.purchase), []).append(part)
    caught = nouns(QuarantineRow, _CAUGHT_HERE, folder, machines=machines) if quarantined else []
    for key, piece in pieces.items():
        if piece is None:
            continue
        cloud, region, name, purchase, zone = piece
        beside = of_type.get(f"{cloud}/{name}", [])
        found[key] = [
            explain_price(
                price,
                sources.get(price.source),
                parts.get((price.cloud, price.region, price.instance_type, price.purchase), []),
                beside,
                today,
            )
            for price in beside
            if price.region == region and purchase in (None, price.purchase) and zone in (None, price.zone)
        ]
        found[key] += [
            explain_quarantined(row)
            for row in caught
            if (row.cloud, row.region, row.instance_type or row.item) == (cloud, region, name)
            and purchase in (None, row.purchase)
            and zone in (None, row.zone)
        ]
    return found


def _pieces(key: str) -> tuple[str, str, str, str | None, str | None] | None:
    """Cloud, region, machine type, purchase option and zone of a key; None when it has not the shape of one.

    >>> _pieces("aws/us-east-1/c7g.large/spot@use1-az1"), _pieces("aws/us-east-1/c7g.large"), _pieces("aws")
    (('aws', 'us-east-1', 'c7g.large', 'spot', 'use1-az1'), ('aws', 'us-east-1', 'c7g.large', None, None), None)
    """
    words = key.strip().split("/")
    if len(words) not in (3, 4) or not all(words):
        return None
    purchase, _, zone = words[3].partition("@") if len(words) == 4 else ("", "", "")
    return words[0], words[1], words[2], purchase or None, zone or None


_STORED: Final = """
SELECT * FROM storage
WHERE cloud = $cloud AND region = $region AND ($service IS NULL OR lower(service) = lower($service))
    AND ($tier IS NULL OR lower(tier) = lower($tier)) AND ($item IS NULL OR item = $item)
ORDER BY service, tier, item <> 'storage', detail <> '', item, detail, from_gb
"""
_MOVED: Final = """
SELECT * FROM transfer
WHERE cloud = $cloud AND region = $region AND kind = $kind AND ($to IS NULL OR "to" = $to)
ORDER BY "to", from_gb
"""
_SURCHARGE: Final = """
SELECT * FROM surcharges
WHERE cloud = $cloud AND lower(service) = lower($service) AND instance_type = $name
"""
_CAUGHT_BESIDE: Final = """
SELECT * FROM quarantine
WHERE of_table = $of_table AND cloud = $cloud AND region = $region AND lower(item) = lower($item)
    AND ($begins IS NULL OR starts_with(lower(purchase), lower($begins)))
ORDER BY item, purchase, reason
"""


def _explained_storage(
    rest: str, sources: dict[str, SourceRow], today: str, folder: Path | None, *, quarantined: bool
) -> list[Explanation]:
    cloud, region, service, tier, item = _words(rest, 5)
    asked = {"cloud": cloud, "region": region, "service": service, "tier": tier, "item": item}
    rows = nouns(StorageRow, _STORED, folder, **asked)
    classes: dict[tuple[str, str], list[StorageRow]] = {}
    for row in rows:
        classes.setdefault((row.service, row.tier), []).append(row)
    found = [explain_storage(of_class, sources, today) for of_class in classes.values()]
    if quarantined:
        caught = {"of_table": "storage", "cloud": cloud, "region": region, "item": service, "begins": tier}
        found += [explain_quarantined(row) for row in nouns(QuarantineRow, _CAUGHT_BESIDE, folder, **caught)]
    return found


def _explained_transfer(
    rest: str, sources: dict[str, SourceRow], today: str, folder: Path | None, *, quarantined: bool
) -> list[Explanation]:
    cloud, region, kind, to = _words(rest, 4)
    asked = {"cloud": cloud, "kind": kind}
    rows: list[TransferRow] = []
    for place in (region, "*"):
        for goal in dict.fromkeys((to, "*" if to else to)):
            rows = rows or nouns(TransferRow, _MOVED, folder, region=place, to=goal, **asked)
    # Prices to everywhere else come first, those to single places after them.
    rows.sort(key=lambda row: (row.to != "*", row.to, row.from_gb))
    found = [explain_transfer(region or "*", rows, sources, today)] if rows else []
    if quarantined:
        caught = {"of_table": "transfer", "cloud": cloud, "region": region, "item": kind, "begins": None}
        found += [explain_quarantined(row) for row in nouns(QuarantineRow, _CAUGHT_BESIDE, folder, **caught)]
    return found


def _explained_surcharge(
    rest: str, sources: dict[str, SourceRow], today: str, folder: Path | None
) -> list[Explanation]:
    cloud, service, name = _words(rest, 3)
    rows = nouns(SurchargeRow, _SURCHARGE, folder, cloud=cloud, service=service, name=name)
    return [explain_surcharge(row, sources, today) for row in rows]


def _words(rest: str, number: int) -> list[str | None]:
    """The parts of a key after its table; what is not written is None."""
    words: list[str | None] = [word or None for word in rest.split("/", number - 1)]
    return words + [None] * (number - len(words))


_KINDS: Final = ("internet", "inter_region", "inter_zone")
_SHAPES: Final = (
    "write cloud/region/machine type/purchase option, storage/cloud/region/service/class, "
    "transfer/cloud/region/kind or surcharge/cloud/service/machine type"
)


def _unknown(key: str, folder: Path | None) -> str:
    """Which part of a key is unknown, and what is nearest."""
    table, _, rest = key.partition("/")
    words = _words(rest, 4) if table in _OTHER_TABLES else [table, *_words(rest, 3)]
    cloud, second, third, fourth = words
    if cloud not in CLOUDS:
        return f"{key!r}: {_SHAPES}; the cloud is one of {', '.join(CLOUDS)}"
    if table == "surcharge":
        services = [name for name, _ in pairs(_SURCHARGED, folder, cloud=cloud)]
        return f"{key!r}: no such surcharge; {alike(second or '', services) if services else 'none is known there'}"
    regions = [
        name for name, _ in pairs("SELECT region, 1 FROM regions WHERE cloud = $cloud", folder, cloud=cloud)
    ]
    if second not in regions:
        return f"{key!r}: no region {second or ''} of {cloud}; {alike(second or '', sorted(regions))}"
    if table == "transfer":
        return f"{key!r}: no price of such a transfer; kinds are {', '.join(_KINDS)}"
    if table == "storage":
        there = [f"{service}/{tier}" for service, tier in pairs(_CLASSES, folder, cloud=cloud, region=second)]
        if not there:
            where = [region for region, _ in pairs(_STORED_REGIONS, folder, cloud=cloud)]
            return f"{key!r}: no price of storage is known in {second}; it is in {some(where)}"
        return f"{key!r}: no such class there; {alike(f'{third}/{fourth}', there)}"
    if third is None:
        return f"{key!r}: {_SHAPES}"
    known = [one for one in known_types(folder) if one[0] == cloud]
    if (cloud, third) not in known:
        try:
            name = machine_meant(third, known)[0][1]
            return f"{key!r}: write the name as {name}"
        except InputError as error:
            return f"{key!r}: {error}"
    options = [(region, purchase) for region, purchase in pairs(_OPTIONS, folder, cloud=cloud, name=third)]
    here = sorted({purchase for region, purchase in options if region == second})
    if here:
        return f"{key!r}: no such price of {third} in {second}; there is {', '.join(here)}"
    where = sorted({region for region, _ in options})
    return f"{key!r}: no price of {third} is known in {second}" + (
        f"; it is in {some(where)}" if where else ""
    )


_SURCHARGED: Final = (
    "SELECT DISTINCT service || '/' || instance_type, 1 FROM surcharges WHERE cloud = $cloud ORDER BY 1"
)
_CLASSES: Final = (
    "SELECT DISTINCT service, tier FROM storage WHERE cloud = $cloud AND region = $region ORDER BY ALL"
)
_STORED_REGIONS: Final = "SELECT DISTINCT region, 1 FROM storage WHERE cloud = $cloud ORDER BY ALL"
_OPTIONS: Final = "SELECT region, purchase FROM offers WHERE cloud = $cloud AND instance_type = $name"
