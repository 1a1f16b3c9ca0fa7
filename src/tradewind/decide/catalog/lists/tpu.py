"""TPUs: prices by the chip from two collections, and slices that are composed of chips.

A slice is priced by its chips: GCP bills TPU v4 and later per chip-hour, whatever the size of the slice. Slices
of v2 and v3 beyond one host have prices of their own, which no list of ours states, so they are not composed.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from tradewind.decide.catalog.lists.origin import SENTINELS, Origin, price, quarantined
from tradewind.decide.catalog.machines import family_of
from tradewind.decide.catalog.reading import Read
from tradewind.decide.catalog.rows import InstanceRow, PartRow, PriceRow, QuarantineRow
from tradewind.decide.catalog.texts import Row, number

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tradewind.domain.noun import Purchase

__all__ = ["BY_HAND", "SKYPILOT", "read"]

BY_HAND: Final = Origin(
    source="dstackai/gpuhunt tpu_pricing.json (2026-08-19)",
    publisher="gpuhunt",
    as_of="2026-08-19",
    as_of_precision="day",
    licence="MPL-2.0",
    confidence="C",
    file="instances_sample.csv",
    locator="the row of {region} and the generation's smallest machine, column {key}",
    keys={"on_demand": "price_on_demand_usd_h", "spot": "price_spot_usd_h"},
    read_as="kept by hand by the publisher, per chip; times the chips of the slice",
)
SKYPILOT: Final = Origin(
    source="skypilot-org/skypilot-catalog v8 gcp/vms.csv@8427bbf (2026)",
    publisher="skypilot",
    as_of="2026-01-01",
    as_of_precision="year",
    licence="no licence stated with the data",
    confidence="B",
    file="instances_sample.csv",
    locator="the row of {region} and the generation's smallest machine, column {key}",
    keys={"on_demand": "price_on_demand_usd_h", "spot": "price_spot_usd_h"},
    read_as="asked from the vendor's interface by the publisher, per chip; times the chips of the slice",
)

_SLICES: Final[dict[str, dict[str, int]]] = {
    "TPU-v2": {"v2-8": 4},
    "TPU-v3": {"v3-8": 4},
    "TPU-v4": {f"v4-{2 * chips}": chips for chips in (4, 8, 16, 32, 64, 128, 256, 512)},
    "TPU-v5e": {
        "ct5lp-hightpu-1t": 1,
        "ct5lp-hightpu-4t": 4,
        "ct5lp-hightpu-8t": 8,
        **{f"v5litepod-{chips}": chips for chips in (16, 32, 64, 128, 256)},
    },
    "TPU-v5p": {
        "ct5p-hightpu-1t": 1,
        "ct5p-hightpu-2t": 2,
        "ct5p-hightpu-4t": 4,
        **{f"v5p-{2 * chips}": chips for chips in (8, 16, 32, 64, 128, 256, 512)},
    },
    "TPU-v6e": {
        "ct6e-standard-1t": 1,
        "ct6e-standard-4t": 4,
        "ct6e-standard-8t": 8,
        **{f"v6e-{chips}": chips for chips in (16, 32, 64, 128, 256)},
    },
}
"""Generation -> name of the machine or slice -> chips. The names of v4 and v5p count cores, two to a chip."""

_HOSTS: Final = {"TPU-v5e": "ct5lp-hightpu-4t", "TPU-v5p": "ct5p-hightpu-4t", "TPU-v6e": "ct6e-standard-4t"}
"""The machine with four chips of which a slice over several hosts is made."""

_LINK: Final = "inter-chip interconnect"
_COLUMNS: Final[tuple[tuple[Purchase, str], ...]] = (
    ("on_demand", "price_on_demand_usd_h"),
    ("spot", "price_spot_usd_h"),
)


def read(rows: Iterable[Row], types: Mapping[str, InstanceRow]) -> Read:
    """Every machine and slice in every region that has a price by the chip; `types` describes the hosts."""
    prices: list[PriceRow] = []
    parts: list[PartRow] = []
    caught: list[QuarantineRow] = []
    seen: set[tuple[str, str]] = set()
    left_out: Counter[str] = Counter()
    for row in rows:
        generation = row["accelerator"]
        if generation not in _SLICES or (generation, row["region"]) in seen:
            left_out["instances_sample.csv: further rows of the same chips"] += generation in _SLICES
            continue
        seen.add((generation, row["region"]))
        origin = BY_HAND if "gpuhunt" in row["source"] else SKYPILOT
        count = number(row, "accelerator_count") or 1.0
        for purchase, column in _COLUMNS:
            stated = number(row, column)
            if stated is None:
                continue
            chip = round(stated / count, 9)
            for name, chips in _SLICES[generation].items():
                whole = price(origin, "gcp", row["region"], name, purchase, chip * chips, "hour")
                if stated in SENTINELS:
                    # Judged here, since a multiple of the list's word for "unknown" looks like a price.
                    reason = (
                        f"composed of a chip at {stated:g}, this kind of list's word for an unknown price"
                    )
                    caught.append(quarantined(whole, "price_is_no_sentinel", reason))
                    continue
                prices.append(_composed(whole))
                parts.append(_part(whole, generation, chips, chip))
    return Read(
        prices=tuple(prices),
        instances=tuple(
            _shape(generation, name, chips, types)
            for generation, slices in _SLICES.items()
            for name, chips in slices.items()
        ),
        parts=tuple(parts),
        caught=tuple(caught),
        left_out=left_out,
    )


def _composed(row: PriceRow) -> PriceRow:
    fields = {name: getattr(row, name) for name in row.__struct_fields__}
    return PriceRow(**{**fields, "stated_unit": "parts"})


def _part(row: PriceRow, generation: str, chips: int, usd_per_chip_hour: float) -> PartRow:
    return PartRow(
        cloud=row.cloud,
        region=row.region,
        instance_type=row.instance_type,
        purchase=row.purchase,
        part=f"{generation} chip",
        quantity=float(chips),
        unit="accelerator",
        usd_per_unit_hour=usd_per_chip_hour,
        source=row.source,
        as_of=row.as_of,
    )


def _shape(generation: str, name: str, chips: int, types: Mapping[str, InstanceRow]) -> InstanceRow:
    host = types.get(_HOSTS.get(generation, ""))
    own = types.get(name)
    hosts = chips / 4.0
    vcpus = own.vcpus if own else int(host.vcpus * hosts) if host and host.vcpus else None
    memory = own.memory_bytes if own else host.memory_bytes * hosts if host and host.memory_bytes else None
    described = own or host
    return InstanceRow(
        cloud="gcp",
        instance_type=name,
        family=family_of("gcp", name),
        vcpus=vcpus,
        memory_bytes=memory,
        accelerator=generation,
        accelerator_count=float(chips),
        accelerator_link=_LINK if chips > 1 else None,
        network_gbps=None,
        local_disk_bytes=None,
        source=described.source if described else BY_HAND.source,
        as_of=described.as_of if described else BY_HAND.as_of,
    )
