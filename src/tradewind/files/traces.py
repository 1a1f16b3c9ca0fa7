"""What arrived once, from a CSV file: requests in each second."""

from __future__ import annotations

import csv
import gzip
import io
from typing import TYPE_CHECKING, Final

import numpy as np

from tradewind.domain.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["read_trace"]

MOST_SECONDS: Final = 40_000_000
"""More than a year in seconds: what is longer has mixed units."""
TIMES: Final = ("timestamp", "time", "datetime", "date", "arrival", "arrived_at", "ts")
COUNTS: Final = ("count", "counts", "requests", "rps", "rate", "invocations")


def read_trace(path: Path) -> tuple[np.ndarray, float]:
    """Requests in each second, and the second of the day at which the first of them begins.

    The file has a column of times, one row a request (ISO dates and times, or seconds since 1970 or since the
    start); or a column of counts, one row a second; or both, one row an interval. Columns are known by their names
    (`timestamp`, `count` and the like); a file without names holds times when its numbers rise all the time, else
    counts. It may be gzipped. Errors: InputError with the path when it is none of these.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    try:
        text = (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode("utf-8-sig")
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: no text: {error}") from None
    lines = text.splitlines()
    heading = lines[0] if lines else ""
    first = next(csv.reader([heading])) if "," in heading else heading.split(maxsplit=1)[:1]
    if not first:
        raise InputError(f"{path}: is empty; write a column of times or of counts")
    named = not _is_value(first[0])
    if not named:
        column = _numbers_or_times(path, _column(lines, 0) if "," in heading else text.split())
        rises = len(column) > 1 and bool((np.diff(column) >= 0.0).all()) and column[-1] > column[0]
        return _per_second(path, column) if rises else (_counts(path, column), 0.0)
    names = [name.strip().lower() for name in first]
    time = next((place for place, name in enumerate(names) if name in TIMES), None)
    count = next((place for place, name in enumerate(names) if name in COUNTS), None)
    if time is None and count is None:
        raise InputError(
            f"{path}: no column of {', '.join(names)} is known; name one timestamp (one row a request)"
            " or count (one row a second)"
        )
    counts = None if count is None else _numbers_or_times(path, _column(lines[1:], count))
    if time is None:
        assert counts is not None
        return _counts(path, counts), 0.0
    return _per_second(path, _numbers_or_times(path, _column(lines[1:], time)), counts)


def _is_value(word: str) -> bool:
    return word.strip()[:1].isdigit() or word.strip()[:1] in "-.+"


def _column(lines: list[str], place: int) -> list[str]:
    return [row[place] for row in csv.reader(io.StringIO("\n".join(lines))) if len(row) > place]


def _numbers_or_times(path: Path, words: list[str]) -> np.ndarray:
    """Numbers, or times as seconds since 1970."""
    try:
        return np.array(words, dtype=np.float64)
    except ValueError:
        pass
    try:
        times = np.array([word.strip().removesuffix("Z") for word in words], dtype="datetime64[ns]")
    except ValueError as error:
        raise InputError(f"{path}: neither numbers nor dates with times: {error}") from None
    return np.asarray(times.astype(np.int64) / 1e9)


def _counts(path: Path, counts: np.ndarray) -> np.ndarray:
    if not np.isfinite(counts).all() or (counts < 0.0).any():
        raise InputError(f"{path}: a count is negative or no number")
    return counts


def _per_second(
    path: Path, times_s: np.ndarray, counts: np.ndarray | None = None
) -> tuple[np.ndarray, float]:
    """Requests in each second of those at some times; counts of longer intervals are spread over them."""
    if not len(times_s) or not np.isfinite(times_s).all():
        raise InputError(f"{path}: holds no times, or one that is no number")
    start_s = np.floor(times_s.min())
    seconds = np.floor(times_s - start_s).astype(np.int64)
    length = int(seconds.max()) + 1
    if length > MOST_SECONDS:
        raise InputError(f"{path}: {length} seconds are over {MOST_SECONDS}; write times in seconds")
    if counts is None:
        return np.bincount(seconds, minlength=length).astype(np.float64), float(start_s % 86_400.0)
    counts, order = _counts(path, counts), np.argsort(seconds, kind="stable")
    seconds, counts = seconds[order], counts[order]
    steps = np.diff(seconds)
    step = max(1, int(np.median(steps[steps > 0]))) if (steps > 0).any() else 1
    found = np.zeros(length + step - 1)
    for offset in range(step):
        np.add.at(found, seconds + offset, counts / step)
    return found, float(start_s % 86_400.0)
