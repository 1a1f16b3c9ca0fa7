"""A snapshot on the disk: Parquet files, their hashes, and how a Catalog is read from them."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Final

import duckdb
import numpy as np

from tradewind.decide.catalog import Catalog, Region
from tradewind.domain.errors import InputError
from tradewind.domain.noun import Noun
from tradewind.domain.offer import NUMBERS, Offer, Offers, StoragePrice, TransferPrice
from tradewind.files import nouns, package_data
from tradewind.run.market.tables import TABLES

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

__all__ = ["FORMAT", "INDEX", "SHIPPED", "FileFacts", "Snapshot", "load_catalog", "open_tables"]

FORMAT: Final = 1
"""Changes when the tables change, so that an older snapshot is not misread."""

INDEX: Final = "snapshot.json"

SHIPPED: Final = package_data("catalog")
"""The snapshot that comes with the package."""


class FileFacts(Noun, frozen=True, kw_only=True):
    """A file of the snapshot as it was written."""

    sha256: str
    rows: int
    size_bytes: int


class Snapshot(Noun, frozen=True, kw_only=True):
    """The index of a snapshot: its name, its newest day, and its files."""

    format: int
    id: str
    """The newest day, and 8 hex digits of the hash of every row of every table."""
    as_of: str
    files: dict[str, FileFacts]


def read_index(folder: Path) -> Snapshot:
    """The index of the snapshot in a folder. Errors: InputError when there is none, or one of another format."""
    path = folder / INDEX
    if not path.is_file():
        raise InputError(f"{folder}: no catalogue here; make one with: tradewind catalog build --from DIR")
    snapshot = nouns.read(path, Snapshot)
    if snapshot.format != FORMAT:
        raise InputError(
            f"{path}: format {snapshot.format}, this version reads {FORMAT}; "
            "make the catalogue again with: tradewind catalog build --from DIR"
        )
    return snapshot


def open_tables(folder: Path, names: Iterable[str] = tuple(TABLES)) -> tuple[Any, Snapshot]:
    """A connection to a database in memory that has these tables of the snapshot, and its index.

    What is done to these tables is never written back. Errors: InputError when a file is missing or is not
    the one that the index describes.
    """
    snapshot = read_index(folder)
    connection = duckdb.connect(":memory:")
    # Small tables: starting threads and drawing progress costs more than it gains.
    connection.execute("SET threads = 1")
    for name in names:
        table = TABLES[name]
        path = folder / table.file
        _check(path, snapshot.files.get(table.file))
        columns = ", ".join(f'"{column.name}"' for column in table.columns)
        connection.execute(
            f"CREATE TABLE {table.name} AS SELECT {columns} FROM read_parquet($path)",  # noqa: S608 - our names
            {"path": str(path)},
        )
    return connection, snapshot


def _check(path: Path, expected: FileFacts | None) -> None:
    try:
        found = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        found = ""
    if expected is None or found != expected.sha256:
        what = "is damaged" if found else "is missing"
        raise InputError(
            f"{path}: {what}; install the package again, or run: tradewind catalog build --from DIR"
        )


_OFFERS: Final = """
SELECT
    offers.cloud, offers.region, offers.instance_type, offers.purchase, offers.price_usd_per_hour,
    coalesce(instances.vcpus, specs.vcpus) AS vcpus,
    coalesce(instances.memory_bytes, specs.memory_bytes) AS memory_bytes,
    specs.physical_cores, specs.cpu_architecture, specs.cpu_vendor, specs.cpu_model, specs.cpu_ghz,
    specs.isa, specs.memory_mt_per_s,
    coalesce(specs.shared_cpu, false) AS shared_cpu,
    instances.accelerator, instances.accelerator_count,
    coalesce(instances.network_gbps, specs.network_gbps) AS network_gbps,
    coalesce(instances.local_disk_bytes, specs.local_disk_bytes) AS local_disk_bytes,
    CAST(NULL AS DOUBLE) AS interruptions_per_hour,
    regions.grid_gco2e_per_kwh,
    offers.source, offers.as_of, offers.confidence
FROM offers
JOIN instances USING (cloud, instance_type)
LEFT JOIN specs USING (cloud, instance_type)
LEFT JOIN regions USING (cloud, region)
ORDER BY offers.cloud, offers.region, offers.instance_type, offers.purchase
"""
"""No published list of the snapshot states interruption rates, so they are unknown."""


def load_catalog(folder: Path = SHIPPED) -> Catalog:
    """The catalogue in a folder, by default the one that ships with the package.

    The specifications, which are a file of their own under their own licence, are joined here.

    Errors: InputError when the folder holds no whole catalogue.

    >>> catalog = load_catalog()
    >>> sorted(set(catalog.everything["cloud"]))
    ['aws', 'azure', 'gcp']
    """
    connection, snapshot = open_tables(
        folder, ("offers", "instances", "specs", "regions", "storage", "transfer")
    )
    with connection:
        everything = Offers(
            _columns(connection.execute(_OFFERS).fetchnumpy()),
            storage=tuple(_nouns(connection, StoragePrice, "storage")),
            transfer=tuple(_nouns(connection, TransferPrice, "transfer")),
            snapshot=snapshot.id,
        )
        regions = connection.execute(
            "SELECT cloud, region, place, place_group, machine_types FROM regions ORDER BY cloud, region"
        ).fetchall()
    return Catalog(
        everything=everything,
        regions=tuple(
            Region(cloud=cloud, name=name, place=place, group=group, machine_types=machine_types)
            for cloud, name, place, group, machine_types in regions
        ),
        as_of=snapshot.as_of,
    )


def _columns(found: dict[str, Any]) -> dict[str, np.ndarray]:
    """DuckDB's arrays, masked where null, as the columns of Offers."""
    columns: dict[str, np.ndarray] = {}
    for name in Offer.__struct_fields__:
        column = found[name]
        absent = np.ma.getmaskarray(column)
        values = np.ma.getdata(column)
        if name in NUMBERS:
            columns[name] = np.where(absent, np.nan, values).astype(np.float64)
        elif name == "isa":
            columns[name] = _objects(
                [None if gone else tuple(words) for words, gone in zip(values, absent, strict=True)]
            )
        else:
            columns[name] = _objects(
                [None if gone else value for value, gone in zip(values.tolist(), absent, strict=True)]
            )
    return columns


def _objects(values: list[Any]) -> np.ndarray:
    column = np.empty(len(values), dtype=object)
    column[:] = values
    return column


def _nouns(connection: Any, noun: type[Any], table: str) -> list[Any]:
    """The rows of a table as a noun that has some of its columns."""
    names = noun.__struct_fields__
    order = ", ".join(TABLES[table].order)
    rows = connection.execute(f"SELECT {', '.join(names)} FROM {table} ORDER BY {order}").fetchall()  # noqa: S608 - our names
    return [noun(**dict(zip(names, row, strict=True))) for row in rows]
