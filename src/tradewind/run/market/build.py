"""A folder of published lists becomes a snapshot of the catalogue."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
import tempfile
import zlib
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import duckdb
import msgspec
import yaml

from tradewind.decide.catalog import FACT_FILES, SOURCE_FILES, Normalised, normalise
from tradewind.decide.catalog.rows import QuarantineRow
from tradewind.domain.errors import InputError
from tradewind.domain.noun import Noun
from tradewind.files import atomic, nouns, package_data
from tradewind.run.market.licences import SPECS_LICENCE, notice
from tradewind.run.market.snapshot import FORMAT, INDEX, KEYS, FileFacts, Snapshot
from tradewind.run.market.tables import TABLES, Table

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["BuildReport", "build", "write"]

MOST_BYTES: Final = 256 * 2**20
"""A list of prices is never larger, packed or unpacked; what is larger is not read."""


class BuildReport(Noun, frozen=True, kw_only=True):
    """What a build made of a folder of published lists."""

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


def build(
    source: Path, destination: Path, listener: Callable[[str], None] = lambda message: None
) -> BuildReport:
    """Reads the published lists in `source` and writes the snapshot to `destination`.

    The same lists give the same files, bit for bit, with the same version of DuckDB. Files are written
    whole, the index last, so that a build that was stopped is noticed when it is loaded.

    Errors: InputError when `source` is not a folder with the files and columns that are needed;
    ResourceError when the disk refuses.
    """
    _complain(source)
    files: dict[str, Any] = {}
    hashes: dict[str, str] = {}
    for name, columns in SOURCE_FILES.items():
        listener(f"reading {name}")
        files[name], hashes[name] = _read(source / name, columns)
    facts_folder = package_data("facts")
    facts = {name: _read(facts_folder / name, columns)[0] for name, columns in FACT_FILES.items()}
    listener("judging every price")
    # Only to refuse days that have not come yet; the clock is read here because a build is a process.
    normalised = normalise(files, facts, hashes, datetime.now(UTC).date().isoformat())
    listener("writing the snapshot")
    return write(normalised, destination)


def write(normalised: Normalised, destination: Path) -> BuildReport:
    """Writes the tables as a snapshot: each file whole, the index last. Errors: ResourceError."""
    snapshot_id = f"{normalised.as_of}-{_digest(normalised)}"
    contents = _parquet(normalised)
    facts = {
        name: FileFacts(sha256=hashlib.sha256(data).hexdigest(), rows=rows, size_bytes=len(data))
        for name, (data, rows) in contents.items()
    }
    for name, (data, _) in contents.items():
        atomic.write_bytes(destination / name, data)
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
        size_bytes=sum(fact.size_bytes for fact in facts.values()),
    )


def _complain(source: Path) -> None:
    """Errors: InputError that says what the folder must hold."""
    names = ", ".join(SOURCE_FILES)
    if not source.is_dir():
        what = "is a file" if source.exists() else "no such folder"
        raise InputError(f"{source}: {what}; name a folder that holds {names}")
    missing = [name for name in SOURCE_FILES if not (source / name).exists()]
    if missing:
        raise InputError(f"{source}: {', '.join(missing)} missing; the folder must hold {names}")


def _read(path: Path, columns: tuple[str, ...] | None) -> tuple[Any, str]:
    """The content of a list, and the SHA-256 of its bytes. A folder is read as one list a file, by region.

    Errors: InputError for what cannot be read as what its name says.
    """
    if path.is_dir():
        parts = {file.name.partition(".")[0]: _read(file, None) for file in sorted(path.iterdir())}
        together = hashlib.sha256("".join(digest for _, digest in parts.values()).encode()).hexdigest()
        return {name: content for name, (content, _) in parts.items()}, together
    packed = _bytes(path)
    digest = hashlib.sha256(packed).hexdigest()
    name = path.name
    try:
        plain = _unpacked(packed) if name.endswith(".gz") else packed
        kind = name.removesuffix(".gz").rpartition(".")[2]
        if kind == "json":
            return json.loads(plain), digest
        if kind == "yml":
            return yaml.load(plain, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)), digest  # noqa: S506
        text = plain.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 text at byte {error.start}; save it as UTF-8") from None
    except (ValueError, yaml.YAMLError, OSError, EOFError, zlib.error, RecursionError) as error:
        raise InputError(f"{path}: {' '.join(str(error).split())}; fetch the file again") from None
    return (_table(path, text, columns) if columns is not None else text), digest


def _bytes(path: Path) -> bytes:
    try:
        if path.stat().st_size > MOST_BYTES:
            raise InputError(f"{path}: {path.stat().st_size} bytes is over the limit of {MOST_BYTES}")
        return path.read_bytes()
    except PermissionError:
        raise InputError(f"{path}: no permission to read; check the owner of the file") from None


def _unpacked(packed: bytes) -> bytes:
    with gzip.GzipFile(fileobj=io.BytesIO(packed)) as file:
        plain = file.read(MOST_BYTES + 1)
    if len(plain) > MOST_BYTES:
        raise ValueError(f"unpacked it is over the limit of {MOST_BYTES} bytes")
    return plain


def _table(path: Path, text: str, columns: tuple[str, ...]) -> list[dict[str, str]]:
    """The rows of a table with commas or semicolons. Errors: InputError for missing columns and ragged rows."""
    first = text.partition("\n")[0]
    reader = csv.DictReader(
        io.StringIO(text, newline=""),
        strict=True,
        delimiter=";" if ";" in first and "," not in first else ",",
    )
    try:
        header = reader.fieldnames or []
        absent = [column for column in columns if column not in header]
        if absent:
            raise InputError(f"{path}: no column {', '.join(absent)}; it must have {', '.join(columns)}")
        rows = []
        for row in reader:
            if None in row or None in row.values():
                raise InputError(f"{path}: line {reader.line_num}: not {len(header)} cells; correct the line")
            rows.append(row)
    except csv.Error as error:
        raise InputError(f"{path}: line {reader.line_num}: {error}; correct the line") from None
    return rows


def _digest(normalised: Normalised) -> str:
    """8 hex digits that name the content of all tables, whatever version of DuckDB writes them."""
    return hashlib.sha256(msgspec.json.encode(normalised.tables, order="sorted")).hexdigest()[:8]


def _sources(normalised: Normalised) -> dict[str, Counter[str]]:
    return {
        table.file: Counter(str(getattr(row, "source", "")) or "(none)" for row in normalised.tables[name])
        for name, table in TABLES.items()
    }


def _parquet(normalised: Normalised) -> dict[str, tuple[bytes, int]]:
    """Each table as the bytes of a Parquet file with its rows: rows sorted, one thread, fixed settings."""
    with tempfile.TemporaryDirectory(prefix="tradewind-catalog-") as name:
        folder = Path(name)
        files: dict[str, int] = {}
        with duckdb.connect(":memory:") as connection:
            connection.execute("SET threads = 1")
            for table in TABLES.values():
                rows = normalised.tables[table.name]
                _insert(connection, table, rows)
                files[table.file] = len(rows)
                if table.name == "offers":
                    files |= _write_keys(connection, folder)
                    joins = " ".join(_key_join(key) for key in KEYS)
                    ids = ", ".join(f"key_{key}.id AS {key}_id" for key in KEYS)
                    _copy(
                        connection,
                        f"SELECT offers.*, {ids} FROM offers {joins}",
                        table.order,
                        folder / table.file,
                    )
                else:
                    _copy(connection, f"SELECT * FROM {table.name}", table.order, folder / table.file)
        return {name: ((folder / name).read_bytes(), rows) for name, rows in files.items()}


def _insert(connection: Any, table: Table, rows: Sequence[Noun]) -> None:
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


def _write_keys(connection: Any, folder: Path) -> dict[str, int]:
    """The words of each key of the offers, numbered; gives the files with their rows."""
    files: dict[str, int] = {}
    for key, words in KEYS.items():
        listed = ", ".join(words)
        connection.execute(
            f"CREATE TABLE key_{key} AS SELECT (row_number() OVER (ORDER BY {listed}) - 1)::INTEGER AS id, "
            f"{listed} FROM (SELECT DISTINCT {listed} FROM offers)"
        )
        _copy(connection, f"SELECT * FROM key_{key}", ("id",), folder / f"key_{key}.parquet")
        files[f"key_{key}.parquet"] = connection.execute(f"SELECT count(*) FROM key_{key}").fetchone()[0]
    return files


def _key_join(key: str) -> str:
    same = " AND ".join(f"offers.{word} IS NOT DISTINCT FROM key_{key}.{word}" for word in KEYS[key])
    return f"JOIN key_{key} ON {same}"


def _copy(connection: Any, query: str, order: Sequence[str], path: Path) -> None:
    columns = ", ".join(f'"{name}"' for name in order)
    quoted = str(path).replace("'", "''")
    connection.execute(
        f"COPY (SELECT * FROM ({query}) ORDER BY {columns}) TO '{quoted}' "
        "(FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 122880)"
    )
