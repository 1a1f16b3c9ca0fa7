"""The instance list: one published row becomes a machine type and up to four prices."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from tradewind.decide.catalog.machines import family_of
from tradewind.decide.catalog.provenance import provenance, shape_source
from tradewind.decide.catalog.rows import InstanceRow, PriceRow, QuarantineRow
from tradewind.decide.catalog.texts import Row, cloud_of, number, scaled, text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tradewind.domain.noun import Cloud, Purchase

__all__ = ["INSTANCE_COLUMNS", "PURCHASE_COLUMNS", "quarantined", "read_instances", "read_prices"]

PURCHASE_COLUMNS: Final[dict[Purchase, str]] = {
    "on_demand": "price_on_demand_usd_h",
    "spot": "price_spot_usd_h",
    "commit_1y": "price_1y_usd_h",
    "commit_3y": "price_3y_usd_h",
}

INSTANCE_COLUMNS: Final = (
    "provider",
    "region",
    "instance_type",
    "vcpus",
    "memory_gib",
    "accelerator",
    "accelerator_count",
    "network_gbps",
    "local_ssd_gb",
    *PURCHASE_COLUMNS.values(),
    "as_of",
    "source",
)
"""What the list must have."""

_AWS_SHAPES: Final = "moto 5.2.5 (PyPI, Apache-2.0): recorded EC2 DescribeInstanceTypes"
_OWN_LICENCE: Final = "SpareCores"
"""A row that names this project in its source has its shape from the specifications."""


def read_prices(rows: Iterable[Row]) -> list[PriceRow]:
    """Every price of the list with its own source, day and grade, sorted.

    Nothing is judged here: a price whose row does not say where it is from keeps an empty source, a day
    that cannot be read stays as it was written, and what is no number is NaN. The invariants catch them.
    """
    prices: list[PriceRow] = []
    for row in rows:
        for purchase, column in PURCHASE_COLUMNS.items():
            value = number(row, column)
            if value is None:
                continue
            origin = provenance(row["source"], row["as_of"], purchase)
            stated = origin.as_of if origin is not None else None
            prices.append(
                PriceRow(
                    cloud=cloud_of(row),
                    region=row["region"],
                    instance_type=row["instance_type"],
                    purchase=purchase,
                    price_usd_per_hour=value,
                    source=origin.source if origin is not None else "",
                    as_of=stated.day if stated is not None else row["as_of"],
                    as_of_precision=stated.precision if stated is not None else "",
                    confidence=origin.grade if origin is not None else "C",
                )
            )
    return sorted(prices, key=lambda price: (price.cloud, price.region, price.instance_type, price.purchase))


def quarantined(price: PriceRow, invariant: str, reason: str) -> QuarantineRow:
    """The record of a price that broke an invariant."""
    value = price.price_usd_per_hour
    return QuarantineRow(
        of_table="offers",
        cloud=price.cloud,
        region=price.region,
        item=price.instance_type,
        purchase=price.purchase,
        price_usd=None if math.isnan(value) else value,
        invariant=invariant,
        reason=reason,
        source=price.source,
        as_of=price.as_of,
    )


def read_instances(rows: Iterable[Row]) -> tuple[list[InstanceRow], dict[tuple[Cloud, str], str]]:
    """The machine types of the list, sorted; and those that have two shapes, with the difference.

    Shapes are kept only where a free licence allows it. For Azure none does: its shapes in the list are
    those of the specifications, whose licence forbids mixing, so they are left to be joined from there.
    """
    found: dict[tuple[Cloud, str], InstanceRow] = {}
    shapes: dict[tuple[Cloud, str], tuple[str, Row]] = {}
    conflicts: dict[tuple[Cloud, str], str] = {}
    for row in sorted(rows, key=lambda row: (row["provider"], row["instance_type"], row["region"])):
        key = (cloud_of(row), row["instance_type"])
        shape = (
            f"{row['vcpus']} vCPUs, {row['memory_gib']} GiB, {row['accelerator_count']} {row['accelerator']}"
        )
        if key not in found:
            found[key] = _instance(row)
            shapes[key] = (shape.strip(), row)
        elif shape.strip() != shapes[key][0]:
            first, first_row = shapes[key]
            conflicts[key] = f"{first} in {first_row['region']} but {shape.strip()} in {row['region']}"
    return list(found.values()), conflicts


def _instance(row: Row) -> InstanceRow:
    cloud = cloud_of(row)
    free = cloud != "azure" and _OWN_LICENCE not in row["source"]
    stated = provenance(row["source"], row["as_of"], "on_demand")
    vcpus = scaled(row, "vcpus", 1.0) if free else None
    return InstanceRow(
        cloud=cloud,
        instance_type=row["instance_type"],
        family=family_of(cloud, row["instance_type"]),
        vcpus=None if vcpus is None else int(vcpus),
        memory_bytes=scaled(row, "memory_gib", 2.0**30) if free else None,
        accelerator=text(row, "accelerator"),
        accelerator_count=scaled(row, "accelerator_count", 1.0) or 0.0,
        network_gbps=scaled(row, "network_gbps", 1.0) if free else None,
        local_disk_bytes=scaled(row, "local_ssd_gb", 1e9) if free else None,
        source=_AWS_SHAPES if cloud == "aws" and free else shape_source(row["source"]),
        as_of=stated.as_of.day if stated is not None and stated.as_of is not None else row["as_of"],
    )
