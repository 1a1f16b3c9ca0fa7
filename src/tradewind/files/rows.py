"""Tables of text: CSV files, plain or gzipped, whole and within limits."""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from typing import TYPE_CHECKING, Final

from tradewind.domain.errors import InputError
from tradewind.files import atomic

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from typing import TextIO

__all__ = ["read", "write", "write_to"]

MAX_BYTES: Final = 256 * 2**20
"""Of a table, unpacked."""
MAX_ROWS: Final = 1_000_000


def read(path: Path) -> tuple[tuple[str, ...], list[dict[str, str]]]:
    """The columns and the rows of a CSV file, in order; `.gz` is unpacked. A cell that a row lacks is "".

    Errors: InputError for a file that is missing, too large, not text, without a header, with a column twice, or with
    a row that has more cells than the header.
    """
    try:
        raw = path.read_bytes() if path.suffix != ".gz" else _unpacked(path)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; check the path") from None
    except IsADirectoryError:
        raise InputError(f"{path}: is a folder; name a table in it") from None
    except PermissionError:
        raise InputError(f"{path}: no permission to read; check the owner of the file") from None
    if len(raw) > MAX_BYTES:
        raise InputError(f"{path}: {len(raw)} bytes is over the limit of {MAX_BYTES}; split the table")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path}: not UTF-8 text at byte {error.start}; save the table as CSV in UTF-8"
        ) from None
    reader = csv.reader(io.StringIO(text), strict=True)
    try:
        header = tuple(name.strip() for name in next(reader, []))
        if not any(header):
            raise InputError(f"{path}: no header; the first line must name the columns")
        if twice := sorted({name for name in header if header.count(name) > 1}):
            raise InputError(
                f"{path}: column {twice[0]} stands {header.count(twice[0])} times in the header; keep one"
            )
        rows = []
        for cells in reader:
            if not cells:
                continue
            if len(cells) > len(header):
                raise InputError(
                    f"{path}:{reader.line_num}: {len(cells)} cells under {len(header)} columns; quote cells with commas"
                )
            rows.append(dict(zip(header, [*cells, *[""] * (len(header) - len(cells))], strict=True)))
            if len(rows) > MAX_ROWS:
                raise InputError(f"{path}: more than {MAX_ROWS} rows; split the table")
    except csv.Error as error:
        raise InputError(f"{path}:{reader.line_num}: not CSV: {error}") from None
    return header, rows


def _unpacked(path: Path) -> bytes:
    try:
        with gzip.open(path) as file:
            return file.read(MAX_BYTES + 1)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise InputError(f"{path}: not a whole gzip file: {error}") from None


def write(path: Path, header: Sequence[str], rows: Sequence[dict[str, str]]) -> None:
    """A CSV file, whole or not at all."""
    buffer = io.StringIO()
    write_to(buffer, header, rows)
    atomic.write_text(path, buffer.getvalue())


def write_to(stream: TextIO, header: Sequence[str], rows: Sequence[dict[str, str]]) -> None:
    """The same into an open stream."""
    writer = csv.DictWriter(stream, header, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
