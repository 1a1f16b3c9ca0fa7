"""The tables of a snapshot: which noun a row is, how they are sorted, and what each column means."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import msgspec

from tradewind.decide.catalog.rows import (
    AcceleratorRow,
    InstanceRow,
    PriceRow,
    QuarantineRow,
    RegionRow,
    SpecRow,
    StorageRow,
    SurchargeRow,
    TransferRow,
)

if TYPE_CHECKING:
    from tradewind.domain.noun import Noun

__all__ = ["TABLES", "Column", "Table"]


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
        return tuple(
            Column(field.encode_name, *_type_and_meaning(msgspec.inspect.type_info(field.type)))
            for field in msgspec.structs.fields(self.row)
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
        Table("offers", PriceRow, "offers.parquet", ("cloud", "region", "instance_type", "purchase")),
        Table("instances", InstanceRow, "instances.parquet", ("cloud", "instance_type")),
        Table("specs", SpecRow, "instance_specs.parquet", ("cloud", "instance_type")),
        Table("accelerators", AcceleratorRow, "accelerators.parquet", ("name",)),
        Table("storage", StorageRow, "storage.parquet", ("cloud", "region")),
        Table("transfer", TransferRow, "transfer.parquet", ("cloud", "region", "kind", "from_gb")),
        Table("regions", RegionRow, "regions.parquet", ("cloud", "region")),
        Table("surcharges", SurchargeRow, "surcharges.parquet", ("cloud", "service", "instance_type")),
        Table(
            "quarantine",
            QuarantineRow,
            "quarantine.parquet",
            ("of_table", "cloud", "region", "item", "purchase", "reason"),
        ),
    )
}
"""Every table by its name in SQL."""
