"""All published lists together: which files there are, what each gives, and which of two prices counts."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Final

import msgspec

from tradewind.decide.catalog.dates import is_day
from tradewind.decide.catalog.lists import (
    azure_sizes,
    coroot,
    cyclenerd,
    karpenter,
    leanercloud,
    moto,
    n1,
    skypilot,
    tpu,
    vantage,
)
from tradewind.decide.catalog.lists.attached_gpus import read_gpu_prices
from tradewind.decide.catalog.lists.origin import Origin, quarantined
from tradewind.decide.catalog.machines import family_of
from tradewind.decide.catalog.reading import Read, together
from tradewind.decide.catalog.rows import InstanceRow
from tradewind.decide.catalog.texts import cloud_named

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from tradewind.decide.catalog.rows import PriceRow, QuarantineRow
    from tradewind.decide.catalog.texts import Row
    from tradewind.domain.noun import Cloud

__all__ = ["LISTS", "ORIGINS", "Published", "one_price_each", "read_published", "retired_types"]

LISTS: Final[dict[str, tuple[str, ...] | None]] = {
    "instances_sample.csv": skypilot.COLUMNS,
    karpenter.AZURE.file: None,
    karpenter.AWS.file: None,
    cyclenerd.PRICES.file: None,
    cyclenerd.TYPES.file: cyclenerd.OFFERED_COLUMNS,
    "raw/machinetyperegion.csv": cyclenerd.OFFERED_COLUMNS,
    "raw/acceleratortyperegion.csv": n1.OFFERED_COLUMNS,
    coroot.DUMP.file: None,
    moto.TYPES.file: None,
    "raw/aws_region_offerings_moto": None,
    leanercloud.LIST.file: None,
    vantage.LIST.file: None,
}
"""The lists of prices and shapes in a folder of facts; the columns of those that are tables."""

FACTS_DAY: Final = "2026-11-25"
"""The day on which the hand-kept tables were last gone through."""

ORIGINS: Final[tuple[Origin, ...]] = (
    karpenter.AWS,
    karpenter.AZURE,
    cyclenerd.PRICES,
    cyclenerd.TYPES,
    n1.COMPOSED,
    tpu.BY_HAND,
    tpu.SKYPILOT,
    skypilot.LIST,
    vantage.LIST,
    leanercloud.LIST,
    coroot.DUMP,
    moto.TYPES,
)


@dataclass(frozen=True)
class Published:
    """What the lists give together. Shapes are in the order in which they are believed."""

    read: Read
    shapes: dict[tuple[Cloud, str], InstanceRow]
    offered: dict[Cloud, frozenset[tuple[str, str]]]


def read_published(files: Mapping[str, Any], facts: Mapping[str, Sequence[Row]]) -> Published:
    """Every list, read. `files` holds the content of each of `LISTS` by name, `facts` the hand-kept tables."""
    aws_offered = moto.read_offered(files["raw/aws_region_offerings_moto"])
    gcp_offered = cyclenerd.read_offered(files["raw/machinetyperegion.csv"])
    azure = karpenter.read_azure(files[karpenter.AZURE.file])
    aws = karpenter.read_aws(files[karpenter.AWS.file])
    gcp = cyclenerd.read_prices(files[cyclenerd.PRICES.file])
    collected = [row for row in files["instances_sample.csv"] if row["provider"] in ("aws", "gcp")]
    types = {shape.instance_type: shape for shape in cyclenerd.read_types(files[cyclenerd.TYPES.file])}
    shapes = {shape.instance_type: cyclenerd.described(shape, types) for shape in gcp.instances}
    dump = files[coroot.DUMP.file]
    gpus, caught_gpus = read_gpu_prices(facts["gcp_gpu_prices.csv"])
    read = together(
        (
            # In the order in which they are believed: of two prices for one offer the first counts.
            aws,
            azure,
            gcp,
            n1.read(
                gcp.prices,
                shapes,
                gpus,
                facts["gcp_gpu_limits.csv"],
                files["raw/acceleratortyperegion.csv"],
            ),
            tpu.read((row for row in collected if row["accelerator"].startswith("TPU")), types),
            skypilot.read(row for row in collected if not row["accelerator"].startswith("TPU")),
            vantage.read(files[vantage.LIST.file]),
            leanercloud.read(files[leanercloud.LIST.file]),
            coroot.read_aws(dump["aws"]["compute"], _by_type(aws.prices), aws_offered),
            coroot.read_azure(dump["azure"]["compute"], _by_region(azure.prices)),
            Read(caught=tuple(caught_gpus)),
        )
    )
    described = [
        *moto.read_types(files[moto.TYPES.file]),
        *shapes.values(),
        *read.instances,
        *types.values(),
        *azure_sizes.read({price.instance_type for price in azure.prices}, karpenter.AZURE.as_of),
    ]
    first: dict[tuple[Cloud, str], InstanceRow] = {}
    for shape in described:
        first.setdefault((shape.cloud, shape.instance_type), shape)
    _accelerate(first, facts["accelerated_types.csv"])
    return Published(read, first, {"aws": aws_offered, "gcp": gcp_offered})


def _accelerate(shapes: dict[tuple[Cloud, str], InstanceRow], rows: Iterable[Row]) -> None:
    """Puts accelerators into the shapes of types for which the lists state none."""
    for row in rows:
        cloud: Cloud = cloud_named(row["cloud"])
        key, count = (cloud, row["instance_type"]), float(row["count"])
        shape = shapes.get(key)
        if shape is None:
            shapes[key] = InstanceRow(
                cloud=cloud,
                instance_type=row["instance_type"],
                family=family_of(cloud, row["instance_type"]),
                vcpus=None,
                memory_bytes=None,
                accelerator=row["accelerator"],
                accelerator_count=count,
                network_gbps=None,
                local_disk_bytes=None,
                source=row["source"],
                as_of=FACTS_DAY,
            )
        elif shape.accelerator is None:
            shapes[key] = msgspec.structs.replace(
                shape, accelerator=row["accelerator"], accelerator_count=count
            )


def _by_type(prices: Iterable[PriceRow]) -> dict[str, float]:
    return {
        price.instance_type: price.price_usd_per_hour for price in prices if price.price_usd_per_hour > 0.0
    }


def _by_region(prices: Iterable[PriceRow]) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = {}
    for price in prices:
        found.setdefault(price.region, {})[price.instance_type] = price.price_usd_per_hour
    return found


def one_price_each(
    prices: Iterable[PriceRow],
) -> tuple[list[PriceRow], list[QuarantineRow], Counter[str]]:
    """One price for each offer: the first. A second one of another source is counted, since a better is there.

    Caught: a second, different price of the same source, for then the list contradicts itself.
    """
    kept: dict[tuple[str, str, str | None, str, str], PriceRow] = {}
    caught: list[QuarantineRow] = []
    superseded: Counter[str] = Counter()
    for price in prices:
        key = (price.cloud, price.region, price.zone, price.instance_type, price.purchase)
        first = kept.setdefault(key, price)
        if first is price:
            continue
        if first.source != price.source:
            superseded[f"{price.source}: a price for which a newer or better list has one"] += 1
        elif first.price_usd_per_hour == price.price_usd_per_hour:
            superseded[f"{price.source}: the same price twice"] += 1
        else:
            reason = f"a second price for the same offer; the first is {first.price_usd_per_hour:g}"
            caught.append(quarantined(price, "offered_once", reason))
    return list(kept.values()), caught, superseded


def retired_types(
    rows: Iterable[Row], names: Iterable[tuple[Cloud, str]], today: str
) -> dict[tuple[Cloud, str], str]:
    """The types that a row of the table of retirements means, each with the words for it."""
    due = [row for row in rows if is_day(row["retired_on"]) and row["retired_on"] <= today]
    return {
        (cloud, name): f"retired on {row['retired_on']} ({row['source']})"
        for cloud, name in names
        for row in due
        if row["cloud"] == cloud and fnmatchcase(name, row["instance_type"])
    }
