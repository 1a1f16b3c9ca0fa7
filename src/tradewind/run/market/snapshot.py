"""A snapshot on the disk: Parquet files, their hashes, and how a Catalog is read from them."""

from __future__ import annotations

import functools
import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import duckdb
import numpy as np

from tradewind.decide.catalog import Catalog, Columns, Region
from tradewind.decide.catalog.rows import CapabilityRow, SurchargeRow
from tradewind.domain.errors import InputError
from tradewind.domain.noun import Noun
from tradewind.domain.offer import NUMBERS, StoragePrice, TransferPrice
from tradewind.files import atomic, nouns, package_data
from tradewind.run.market.tables import TABLES, VIEWS

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "FORMAT",
    "INDEX",
    "KEYS",
    "SHIPPED",
    "FileFacts",
    "Snapshot",
    "adopt",
    "current",
    "load_catalog",
    "open_tables",
    "read_index",
    "read_tables",
]

FORMAT: Final = 2
"""Changes when the tables change, so that an older snapshot is not misread."""

INDEX: Final = "snapshot.json"

SHIPPED: Final = package_data("catalog")
"""The snapshot that comes with the package."""

KEYS: Final[dict[str, tuple[str, ...]]] = {
    "place": ("cloud", "region", "zone"),
    "machine": ("cloud", "instance_type"),
    "origin": ("purchase", "terms", "interruption", "source", "as_of", "confidence"),
}
"""What an offer's columns depend on. The file of offers holds a number for each beside the words, and the index
file of each key the words for the number, so that a whole catalogue is read without reading words twice."""

_POINTER: Final = "current"


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


def home() -> Path:
    """Where snapshots of this user are kept: $TRADEWIND_CATALOG, else under the user's data folder."""
    own = os.environ.get("TRADEWIND_CATALOG")
    data = os.environ.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
    return Path(own) if own else Path(data) / "tradewind" / "catalog"


def current(folder: Path | None = None) -> Path:
    """The snapshot to use: the one that a refresh made last, else the one that comes with the package."""
    kept = folder or home()
    try:
        name = (kept / _POINTER).read_text().strip()
    except OSError:
        return SHIPPED
    return kept / name if name and (kept / name / INDEX).is_file() else SHIPPED


def adopt(folder: Path, name: str) -> None:
    """From now on the snapshot of this name in a folder is the current one. Readers see the old or the new."""
    atomic.write_text(folder / _POINTER, name + "\n")


def read_index(folder: Path) -> Snapshot:
    """The index of the snapshot in a folder. Errors: InputError when there is none, or one of another format."""
    path = folder / INDEX
    if not path.is_file():
        raise InputError(f"{folder}: no catalogue here; make one with: tradewind catalog build --from DIR")
    snapshot = nouns.read(path, Snapshot)
    if snapshot.format != FORMAT:
        raise InputError(
            f"{path}: format {snapshot.format}, this version reads {FORMAT}; "
            "make the catalogue again with: tradewind catalog build --from DIR, or tradewind catalog refresh"
        )
    return snapshot


def open_tables(folder: Path, names: Iterable[str] = tuple(TABLES)) -> tuple[Any, Snapshot]:
    """A connection to a database in memory that has these tables and views of the snapshot, and its index.

    Tables are read from their files when they are asked. Errors: InputError when a file is missing or is not
    the one that the index describes.
    """
    snapshot = read_index(folder)
    # Small tables: starting threads costs more than it gains.
    connection = duckdb.connect(":memory:", config={"threads": 1})
    for name in _with_what_they_read(names):
        if name in VIEWS:
            connection.execute(f"CREATE VIEW {name} AS {VIEWS[name].query}")
            continue
        table = TABLES[name]
        path = folder / table.file
        _check(path, snapshot.files.get(table.file))
        columns = ", ".join(f'"{column.name}"' for column in table.columns)
        quoted = str(path).replace("'", "''")
        connection.execute(f"CREATE VIEW {table.name} AS SELECT {columns} FROM read_parquet('{quoted}')")
    return connection, snapshot


def _with_what_they_read(names: Iterable[str]) -> list[str]:
    """The tables and views in the order in which they can be made."""
    found: dict[str, None] = {}

    def add(name: str) -> None:
        for other in VIEWS[name].reads if name in VIEWS else ():
            add(other)
        found[name] = None

    for name in names:
        add(name)
    return list(found)


def read_tables(folder: Path) -> dict[str, list[Noun]]:
    """Every row of every table of a snapshot, as the nouns that they were written from, in their order."""
    connection, _ = open_tables(folder)
    with connection:
        return {name: _rows(connection, table.row, name) for name, table in TABLES.items()}


def _digest_of(path: Path) -> str:
    """The hash of a file; empty when it cannot be read."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""


def _check(path: Path, expected: FileFacts | None) -> None:
    found = _digest_of(path)
    if expected is None or found != expected.sha256:
        what = "is damaged" if found else "is missing"
        raise InputError(
            f"{path}: {what}; install the package again, or run: tradewind catalog build --from DIR"
        )


def load_catalog(folder: Path | None = None) -> Catalog:
    """The catalogue in a folder, by default the current one.

    The specifications, which are a file of their own under their own licence, are joined here.

    Errors: InputError when the folder holds no whole catalogue.

    >>> catalog = load_catalog(SHIPPED)
    >>> sorted({region.cloud for region in catalog.regions})
    ['aws', 'azure', 'gcp']
    """
    where = (folder or current()).resolve()
    return _load(where, _digest_of(where / INDEX))


@functools.lru_cache(maxsize=2)
def _load(where: Path, index_sha256: str) -> Catalog:
    """The catalogue in a folder with this index. A catalogue never changes, so it is read once."""
    connection, snapshot = open_tables(
        where,
        ("instances", "accelerators", "regions", "storage", "transfer", "capabilities", "surcharges"),
    )
    with connection:
        offers = _offers(connection, where, snapshot)
        return Catalog(
            prices=offers["price_usd_per_hour"],
            place=offers["place"],
            machine=offers["machine"],
            origin=offers["origin"],
            places=_keyed(connection, where, snapshot, "place", _PLACES),
            machines=_keyed(connection, where, snapshot, "machine", _MACHINES),
            origins=_keyed(connection, where, snapshot, "origin", "SELECT * FROM key_origin ORDER BY id"),
            regions=tuple(_rows(connection, Region, _REGIONS)),
            storage=tuple(_rows(connection, StoragePrice, _STORAGE)),
            transfer=tuple(_rows(connection, TransferPrice, "transfer")),
            capabilities=tuple(_rows(connection, CapabilityRow, "capabilities")),
            surcharges=tuple(_rows(connection, SurchargeRow, "surcharges")),
            as_of=snapshot.as_of,
            snapshot=snapshot.id,
        )


_PLACES: Final = """
SELECT key_place.id, key_place.cloud, key_place.region, key_place.zone, regions.grid_gco2e_per_kwh
FROM key_place LEFT JOIN regions USING (cloud, region) ORDER BY id
"""

_MACHINES: Final = """
SELECT key_machine.id, key_machine.cloud, key_machine.instance_type,
    vcpus, memory_bytes, physical_cores, cpu_architecture, cpu_vendor, cpu_model, cpu_ghz,
    array_to_string(isa, ' ') AS isa,
    memory_mt_per_s, coalesce(shared_cpu, false) AS shared_cpu, accelerator,
    coalesce(accelerator_count, 0.0) AS accelerator_count, network_gbps, local_disk_bytes
FROM key_machine LEFT JOIN instances USING (cloud, instance_type) ORDER BY id
"""

_REGIONS: Final = """
SELECT cloud, region AS name, place, place_group AS "group", country, jurisdictions, machine_types
FROM regions ORDER BY cloud, region
"""

_STORAGE: Final = """
SELECT cloud, region, service, tier, usd AS usd_per_gb_month, source, as_of
FROM storage
WHERE item = 'storage' AND from_gb = 0 AND tier IN ('Standard', 'Hot LRS')
    AND service IN ('S3', 'Blob Storage', 'Cloud Storage')
ORDER BY cloud, region
"""
"""The tier of each object store that is read often, first step of the volume."""


def _offers(connection: Any, folder: Path, snapshot: Snapshot) -> dict[str, np.ndarray]:
    """The prices, and for each the numbers of its keys."""
    file = TABLES["offers"].file
    _check(folder / file, snapshot.files.get(file))
    found = connection.execute(
        "SELECT price_usd_per_hour, place_id, machine_id, origin_id FROM read_parquet($path)",
        {"path": str(folder / file)},
    ).fetchnumpy()
    arrays = {name.removesuffix("_id"): np.ma.getdata(column) for name, column in found.items()}
    return {name: np.ascontiguousarray(column) for name, column in arrays.items()}


def _keyed(connection: Any, folder: Path, snapshot: Snapshot, key: str, query: str) -> Columns:
    """What a key's columns are, by its number."""
    file = f"key_{key}.parquet"
    _check(folder / file, snapshot.files.get(file))
    quoted = str(folder / file).replace("'", "''")
    connection.execute(f"CREATE VIEW key_{key} AS SELECT * FROM read_parquet('{quoted}')")
    found = connection.execute(query).fetchnumpy()
    numbers: dict[str, np.ndarray] = {}
    words: dict[str, tuple[Any, ...]] = {}
    for name, column in found.items():
        absent, values = np.ma.getmaskarray(column), np.ma.getdata(column)
        if name == "id":
            continue
        if name in NUMBERS:
            numbers[name] = np.where(absent, np.nan, values).astype(np.float64)
        elif name == "isa":
            # A few dozen sets of instructions among thousands of machines: each is split once.
            known = {flags: tuple(flags.split()) for flags in set(values[~absent].tolist())}
            words[name] = tuple(
                None if gone else known[flags]
                for flags, gone in zip(values.tolist(), absent.tolist(), strict=True)
            )
        else:
            words[name] = tuple(
                None if gone else value for value, gone in zip(values.tolist(), absent.tolist(), strict=True)
            )
    return Columns(numbers=numbers, words=words)


def _rows(connection: Any, noun: type[Any], query: str) -> list[Any]:
    """The rows of a query, or of a table in its order, as a noun that has some of its columns."""
    names = noun.__struct_fields__
    wanted = ", ".join(f'"{name}"' for name in names)
    if query in TABLES:
        order = ", ".join(f'"{name}"' for name in TABLES[query].order)
        query = f"SELECT * FROM {query} ORDER BY {order}"
    answer = connection.execute(f"SELECT {wanted} FROM ({query})")
    return [
        noun(**{n: tuple(v) if isinstance(v, list) else v for n, v in zip(names, row, strict=True)})
        for row in answer.fetchall()
    ]
