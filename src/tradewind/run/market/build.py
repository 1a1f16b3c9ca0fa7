"""A folder of published tables becomes a snapshot of the catalogue."""

from __future__ import annotations

import csv
import hashlib
import tempfile
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import msgspec

from tradewind.decide.catalog import SOURCE_FILES, Normalised, normalise
from tradewind.decide.catalog.rows import QuarantineRow
from tradewind.domain.errors import InputError
from tradewind.domain.noun import Noun
from tradewind.files import atomic, nouns
from tradewind.run.market.licences import SPECS_LICENCE, notice
from tradewind.run.market.snapshot import FORMAT, INDEX, FileFacts, Snapshot
from tradewind.run.market.tables import TABLES, Table

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["BuildReport", "build"]


class BuildReport(Noun, frozen=True, kw_only=True):
    """What a build made of a folder of published tables."""

    snapshot: str
    as_of: str
    """The newest day of a price."""
    tables: dict[str, int]
    """Rows per table."""
    caught: dict[str, int]
    """How many rows broke each invariant."""
    quarantine: tuple[QuarantineRow, ...]
    """These rows, each with the reason."""
    left_out: dict[str, int]
    """Rows that are in order, but for which no table has a place, by kind."""
    size_bytes: int
    """All files together."""


def build(source: Path, destination: Path) -> BuildReport:
    """Reads the published tables in `source` and writes the snapshot to `destination`.

    The same tables give the same files, bit for bit, with the same version of DuckDB. Files are written
    whole, the index last, so that a build that was stopped is noticed when it is loaded.

    Errors: InputError when `source` is not a folder with the files and columns that are needed;
    ResourceError when the disk refuses.
    """
    files = {name: _read(source, name, columns) for name, columns in _needed(source).items()}
    # Only to refuse days that have not come yet; the clock is read here because a build is a process.
    normalised = normalise(files, datetime.now(UTC).date().isoformat())
    snapshot_id = f"{normalised.as_of}-{_digest(normalised)}"
    contents = _parquet(normalised)
    size_bytes = 0
    facts: dict[str, FileFacts] = {}
    for name, table in TABLES.items():
        data = contents[name]
        atomic.write_bytes(destination / table.file, data)
        size_bytes += len(data)
        facts[table.file] = FileFacts(
            sha256=hashlib.sha256(data).hexdigest(),
            rows=len(normalised.tables[name]),
            size_bytes=len(data),
        )
    atomic.write_text(destination / "LICENSE.instance_specs", SPECS_LICENCE)
    atomic.write_text(destination / "NOTICE.md", notice(snapshot_id, _sources(normalised)))
    index = Snapshot(format=FORMAT, id=snapshot_id, as_of=normalised.as_of, files=facts)
    nouns.write(destination / INDEX, index)
    quarantine = tuple(row for row in normalised.tables["quarantine"] if isinstance(row, QuarantineRow))
    return BuildReport(
        snapshot=snapshot_id,
        as_of=normalised.as_of,
        tables={name: len(rows) for name, rows in normalised.tables.items()},
        caught=dict(sorted(Counter(row.invariant for row in quarantine).items())),
        quarantine=quarantine,
        left_out=normalised.left_out,
        size_bytes=size_bytes,
    )


def _needed(source: Path) -> dict[str, tuple[str, ...]]:
    """The files to read. Errors: InputError that says what the folder must hold."""
    names = ", ".join(SOURCE_FILES)
    if not source.is_dir():
        what = "is a file" if source.exists() else "no such folder"
        raise InputError(f"{source}: {what}; name a folder that holds {names}")
    missing = [name for name in SOURCE_FILES if not (source / name).is_file()]
    if missing:
        raise InputError(f"{source}: {', '.join(missing)} missing; the folder must hold {names}")
    return SOURCE_FILES


def _read(source: Path, name: str, columns: tuple[str, ...]) -> list[dict[str, str]]:
    """The rows of a CSV file. Errors: InputError for other encodings, missing columns and ragged rows."""
    path = source / name
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            header = reader.fieldnames or []
            absent = [column for column in columns if column not in header]
            if absent:
                raise InputError(f"{path}: no column {', '.join(absent)}; it must have {', '.join(columns)}")
            rows = []
            for row in reader:
                if None in row or None in row.values():
                    raise InputError(
                        f"{path}: line {reader.line_num}: not {len(header)} cells; correct the line"
                    )
                rows.append(row)
            return rows
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 text at byte {error.start}; save it as UTF-8") from None
    except csv.Error as error:
        raise InputError(f"{path}: line {reader.line_num}: {error}; correct the line") from None
    except PermissionError:
        raise InputError(f"{path}: no permission to read; check the owner of the file") from None


def _digest(normalised: Normalised) -> str:
    """8 hex digits that name the content of all tables, whatever version of DuckDB writes them."""
    return hashlib.sha256(msgspec.json.encode(normalised.tables, order="sorted")).hexdigest()[:8]


def _sources(normalised: Normalised) -> dict[str, Counter[str]]:
    return {
        table.file: Counter(str(getattr(row, "source", "")) or "(none)" for row in normalised.tables[name])
        for name, table in TABLES.items()
    }


def _parquet(normalised: Normalised) -> dict[str, bytes]:
    """Each table as the bytes of a Parquet file: rows sorted, one thread, fixed settings."""
    with tempfile.TemporaryDirectory(prefix="tradewind-catalog-") as folder:
        with duckdb.connect(":memory:") as connection:
            connection.execute("SET threads = 1")
            for name, table in TABLES.items():
                _write(connection, table, normalised.tables[name], Path(folder) / table.file)
        return {name: (Path(folder) / table.file).read_bytes() for name, table in TABLES.items()}


def _write(connection: Any, table: Table, rows: Sequence[Noun], path: Path) -> None:
    definitions = ", ".join(f'"{column.name}" {column.sql_type}' for column in table.columns)
    connection.execute(f"CREATE TABLE {table.name} ({definitions})")
    values = [
        [
            list(value) if isinstance(value, tuple) else value
            for value in (getattr(row, column.name) for row in rows)
        ]
        for column in table.columns
    ]
    cells = ", ".join(f"unnest(?::{column.sql_type}[])" for column in table.columns)
    connection.execute(f"INSERT INTO {table.name} SELECT {cells}", values)
    order = ", ".join(f'"{name}"' for name in table.order)
    quoted = str(path).replace("'", "''")
    connection.execute(
        f"COPY (SELECT * FROM {table.name} ORDER BY {order}) TO '{quoted}' "  # noqa: S608 - our names and folder
        "(FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 122880)"
    )
