"""Google Cloud: prices that Cyclenerd's calculator sums from the vendor's SKUs, and where types are offered."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

import msgspec

from tradewind.decide.catalog.lists.origin import Origin, Words, price
from tradewind.decide.catalog.machines import family_of
from tradewind.decide.catalog.reading import Read
from tradewind.decide.catalog.rows import InstanceRow

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tradewind.decide.catalog.rows import PriceRow
    from tradewind.decide.catalog.texts import Row

__all__ = ["OFFERED_COLUMNS", "PRICES", "TYPES", "described", "read_offered", "read_prices", "read_types"]

PRICES: Final = Origin(
    source="Cyclenerd/google-cloud-pricing-cost-calculator pricing.yml@fd66b26 (2026-07-30)",
    publisher="Cyclenerd",
    as_of="2026-07-30",
    as_of_precision="day",
    licence="Apache-2.0",
    confidence="B",
    file="raw/gcp_pricing_2026-07-30_cyclenerd.yml.gz",
    locator="compute -> instance -> {instance_type} -> cost -> {region} -> {key}",
    keys={"on_demand": "hour", "spot": "hour_spot", "commit_1y": "month_1y", "commit_3y": "month_3y"},
    read_as="summed by the publisher from the vendor's SKUs; an hour as stated, a committed month over 730 h",
)

TYPES: Final = Origin(
    source="Cyclenerd/google-cloud-pricing-cost-calculator machinetypes.csv@fd66b26 (2026-07-30)",
    publisher="Cyclenerd",
    as_of="2026-07-30",
    as_of_precision="day",
    licence="Apache-2.0",
    confidence="A",
    file="raw/machinetypes.csv",
    locator=None,
    read_as="the vendor's list of machine types with vCPUs and memory",
)

OFFERED_COLUMNS: Final = ("NAME", "CPUS", "SHARED_CPU", "MEMORY_GB", "DEPRECATED", "ZONE")

_COMMITTED: Final = Words(terms="committed use of resources, paid by the month")
_OTHER: Final = Words()

_ACCELERATORS: Final = {
    "a100": "A100-40GB",
    "a100-80gb": "A100-80GB",
    "h100-80gb": "H100-SXM",
    "h100-80gb-mega": "H100-SXM",
    "l4": "L4",
    "rtx6000": "RTX-PRO-6000-BSE",
}
"""The list's word -> name in the table of accelerators."""


def read_prices(found: Mapping[str, Any]) -> Read:
    """Prices of every type in every region, and the shapes that the list states beside them."""
    prices: list[PriceRow] = []
    instances: list[InstanceRow] = []
    left_out: Counter[str] = Counter()
    machines = found["compute"]["instance"]
    for name in sorted(machines):
        machine = machines[name]
        instances.append(_shape(name, machine))
        costs = machine.get("cost") or {}
        if not costs:
            left_out[f"{PRICES.publisher}: a machine type without a price"] += 1
        for region in sorted(costs):
            for purchase, key in PRICES.keys.items():
                stated = costs[region].get(key)
                if stated is not None:
                    unit, words = ("month", _COMMITTED) if key.startswith("month") else ("hour", _OTHER)
                    prices.append(price(PRICES, "gcp", region, name, purchase, stated, unit, words))
    return Read(prices=tuple(prices), instances=tuple(instances), left_out=left_out)


def _shape(name: str, machine: Mapping[str, Any]) -> InstanceRow:
    accelerator, count = next(
        ((_ACCELERATORS[word], float(machine[word])) for word in _ACCELERATORS if word in machine),
        (None, 0.0),
    )
    disk_gb = machine.get("local-ssd")
    return InstanceRow(
        cloud="gcp",
        instance_type=name,
        family=family_of("gcp", name),
        vcpus=int(machine["cpu"]) if "cpu" in machine else None,
        memory_bytes=float(machine["ram"]) * 2.0**30 if "ram" in machine else None,
        accelerator=accelerator,
        accelerator_count=count,
        network_gbps=None,
        # The vendor counts a local disk of 375 GiB as 375 GB.
        local_disk_bytes=0.0 if disk_gb is None else float(disk_gb) * 2.0**30,
        local_disk_kind=None if disk_gb is None else "nvme",
        source=PRICES.source,
        as_of=PRICES.as_of,
    )


def described(shape: InstanceRow, types: Mapping[str, InstanceRow]) -> InstanceRow:
    """The shape with vCPUs and memory by the vendor's list: for shared cores the price list counts a part of one."""
    listed = types.get(shape.instance_type)
    if listed is None:
        return shape
    return msgspec.structs.replace(shape, vcpus=listed.vcpus, memory_bytes=listed.memory_bytes)


def read_types(rows: Iterable[Row]) -> tuple[InstanceRow, ...]:
    """Shapes by the vendor's list of machine types, for those that the price list does not describe."""
    return tuple(
        InstanceRow(
            cloud="gcp",
            instance_type=row["NAME"],
            family=family_of("gcp", row["NAME"]),
            vcpus=int(row["CPUS"]),
            memory_bytes=float(row["MEMORY_GB"]) * 2.0**30,
            accelerator=None,
            accelerator_count=0.0,
            network_gbps=None,
            local_disk_bytes=None,
            source=TYPES.source,
            as_of=TYPES.as_of,
        )
        for row in rows
    )


def read_offered(rows: Iterable[Row]) -> frozenset[tuple[str, str]]:
    """The pairs of machine type and region in which the vendor offers the type."""
    return frozenset((row["NAME"], row["ZONE"]) for row in rows)
