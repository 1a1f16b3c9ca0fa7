"""The tables of a snapshot: which noun a row is, how they are sorted, and what each column means."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import msgspec

from tradewind.decide.catalog import rows

if TYPE_CHECKING:
    from tradewind.domain.noun import Noun

__all__ = ["TABLES", "VIEWS", "Column", "Table", "View"]


@dataclass(frozen=True)
class Column:
    """A column: its name, its SQL type, and what it means (with its unit)."""

    name: str
    sql_type: str
    meaning: str


@dataclass(frozen=True)
class Table:
    """A table: its name in SQL, the noun that is a row of it, its file, and the columns that sort it."""

    name: str
    row: type[Noun]
    file: str
    order: tuple[str, ...]

    @property
    def about(self) -> str:
        """What a row is, in one line."""
        return (self.row.__doc__ or "").splitlines()[0]

    @property
    def columns(self) -> tuple[Column, ...]:
        """The columns in order.

        >>> [column.name for column in TABLES["regions"].columns][:3]
        ['cloud', 'region', 'place']
        """
        return _columns_of(self.row)


@dataclass(frozen=True)
class View:
    """What several tables say together: its name in SQL, what a row is, and the query."""

    name: str
    about: str
    reads: tuple[str, ...]
    query: str


@functools.cache
def _columns_of(row: type[Noun]) -> tuple[Column, ...]:
    return tuple(
        Column(field.encode_name, *_type_and_meaning(msgspec.inspect.type_info(field.type)))
        for field in msgspec.structs.fields(row)
    )


_SQL_TYPES: Final[dict[type, str]] = {
    msgspec.inspect.StrType: "VARCHAR",
    msgspec.inspect.LiteralType: "VARCHAR",
    msgspec.inspect.FloatType: "DOUBLE",
    msgspec.inspect.IntType: "INTEGER",
    msgspec.inspect.BoolType: "BOOLEAN",
    msgspec.inspect.VarTupleType: "VARCHAR[]",
}


def _type_and_meaning(kind: Any) -> tuple[str, str]:
    meaning = ""
    if isinstance(kind, msgspec.inspect.Metadata):
        meaning = (kind.extra_json_schema or {}).get("description", "")
        kind = kind.type
    if isinstance(kind, msgspec.inspect.UnionType):
        kind = next(inner for inner in kind.types if not isinstance(inner, msgspec.inspect.NoneType))
    return _SQL_TYPES[type(kind)], meaning


TABLES: Final[dict[str, Table]] = {
    table.name: table
    for table in (
        Table(
            "offers",
            rows.PriceRow,
            "offers.parquet",
            ("cloud", "region", "instance_type", "purchase", "zone"),
        ),
        Table(
            "price_parts",
            rows.PartRow,
            "price_parts.parquet",
            ("cloud", "region", "instance_type", "purchase", "part"),
        ),
        Table("shapes", rows.InstanceRow, "shapes.parquet", ("cloud", "instance_type")),
        Table("specs", rows.SpecRow, "instance_specs.parquet", ("cloud", "instance_type")),
        Table("accelerators", rows.AcceleratorRow, "accelerators.parquet", ("name",)),
        Table("efficiency", rows.EfficiencyRow, "efficiency.parquet", ("accelerator", "figure", "machine")),
        Table(
            "storage",
            rows.StorageRow,
            "storage.parquet",
            ("cloud", "region", "service", "tier", "item", "detail", "from_gb"),
        ),
        Table("storage_tiers", rows.StorageTierRow, "storage_tiers.parquet", ("cloud", "service", "tier")),
        Table("transfer", rows.TransferRow, "transfer.parquet", ("cloud", "region", "kind", "to", "from_gb")),
        Table("services", rows.ServiceRow, "services.parquet", ("cloud", "service")),
        Table("capabilities", rows.CapabilityRow, "capabilities.parquet", ("cloud", "service", "capability")),
        Table(
            "service_regions",
            rows.ServiceRegionRow,
            "service_regions.parquet",
            ("cloud", "service", "region"),
        ),
        Table("surcharges", rows.SurchargeRow, "surcharges.parquet", ("cloud", "service", "instance_type")),
        Table("regions", rows.RegionRow, "regions.parquet", ("cloud", "region")),
        Table("sources", rows.SourceRow, "sources.parquet", ("source",)),
        Table(
            "quarantine",
            rows.QuarantineRow,
            "quarantine.parquet",
            ("of_table", "cloud", "region", "item", "purchase", "zone", "reason"),
        ),
    )
}
"""Every table by its name in SQL."""

_INSTANCES: Final = """
SELECT
    coalesce(shapes.cloud, specs.cloud) AS cloud,
    coalesce(shapes.instance_type, specs.instance_type) AS instance_type,
    shapes.family,
    coalesce(CASE WHEN shapes.vcpus_from IS NULL THEN shapes.vcpus END, specs.vcpus, shapes.vcpus) AS vcpus,
    specs.physical_cores,
    coalesce(specs.shared_cpu, false) AS shared_cpu,
    specs.cpu_architecture, specs.cpu_vendor, specs.cpu_model, specs.cpu_ghz,
    specs.l2_cache_bytes, specs.l3_cache_bytes, specs.isa,
    coalesce(shapes.memory_bytes, specs.memory_bytes) AS memory_bytes,
    specs.memory_generation, specs.memory_mt_per_s,
    shapes.accelerator,
    coalesce(shapes.accelerator_count, 0.0) AS accelerator_count,
    accelerators.memory_bytes AS accelerator_memory_bytes,
    CASE WHEN shapes.accelerator_count > 1
        THEN coalesce(shapes.accelerator_link, accelerators.interconnect) END AS accelerator_link,
    coalesce(shapes.network_gbps, specs.network_gbps) AS network_gbps,
    shapes.network_peak_gbps,
    shapes.efa,
    coalesce(shapes.local_disk_bytes, specs.local_disk_bytes) AS local_disk_bytes,
    shapes.local_disk_kind,
    specs.active,
    shapes.source AS shape_source,
    specs.source AS spec_source
FROM shapes
FULL JOIN specs
    ON shapes.cloud = specs.cloud AND split_part(shapes.instance_type, '+', 1) = specs.instance_type
LEFT JOIN accelerators ON accelerators.name = shapes.accelerator
"""

_FAMILIES: Final = """
SELECT offers.cloud, offers.region, shapes.family, count(DISTINCT offers.instance_type) AS machine_types,
    min(offers.price_usd_per_hour) FILTER (purchase = 'on_demand') AS least_on_demand_usd_per_hour
FROM offers JOIN shapes USING (cloud, instance_type)
GROUP BY ALL
"""

_UNPRICED: Final = """
SELECT instances.cloud, instances.instance_type, instances.vcpus, instances.accelerator,
    coalesce(any_value(quarantine.reason), 'no list states a price') AS why
FROM instances
ANTI JOIN offers ON offers.cloud = instances.cloud AND offers.instance_type = instances.instance_type
LEFT JOIN quarantine ON quarantine.cloud = instances.cloud AND quarantine.instance_type = instances.instance_type
WHERE instances.active IS NOT FALSE
GROUP BY ALL
"""

VIEWS: Final[dict[str, View]] = {
    view.name: view
    for view in (
        View(
            "instances",
            "What a machine type has: processor, memory, accelerators, network, disk; null is unknown.",
            ("shapes", "specs", "accelerators"),
            _INSTANCES,
        ),
        View(
            "families",
            "Which instance families exist in a region, with how many sizes.",
            ("offers", "shapes"),
            _FAMILIES,
        ),
        View(
            "unpriced",
            "Machine types that are on sale, but of which no price can be used, with the reason.",
            ("instances", "offers", "quarantine"),
            _UNPRICED,
        ),
    )
}
"""Every view by its name in SQL, in the order in which they can be made."""
