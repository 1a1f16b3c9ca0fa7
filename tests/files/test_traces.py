"""Traces in the forms in which people have them."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from tradewind.domain.errors import InputError
from tradewind.files.traces import read_trace


def written(folder: Path, text: str) -> tuple[list[float], float]:
    path = folder / "trace.csv"
    path.write_text(text)
    counts, start_s = read_trace(path)
    return counts.tolist(), start_s


@pytest.mark.parametrize(
    ("text", "counts", "start_s"),
    [
        ("count\n1\n0\n3\n", [1, 0, 3], 0.0),
        ("1\n0\n3\n", [1, 0, 3], 0.0),
        ("1 0 3 2", [1, 0, 3, 2], 0.0),
        ("Timestamp\n100.2\n100.9\n103\n", [2, 0, 0, 1], 100.0),
        ("0.5\n0.7\n2.1\n", [2, 0, 1], 0.0),
        (
            "TIMESTAMP,ContextTokens\n2023-11-16 18:17:03.9799600,4808\n2023-11-16 18:17:04.03,1\n",
            [1, 1],
            18 * 3600 + 17 * 60 + 3.0,
        ),
        ("time,requests\n2026-01-01T00:01:00Z,4\n2026-01-01T00:01:02Z,6\n", [2, 2, 3, 3], 60.0),
    ],
)
def test_counts_and_times_are_told_apart(
    tmp_path: Path, text: str, counts: list[float], start_s: float
) -> None:
    assert written(tmp_path, text) == (counts, start_s)


def test_nothing_that_arrived_is_lost(tmp_path: Path) -> None:
    times = np.sort(np.random.default_rng(0).uniform(0.0, 5000.0, 3000))
    counts, _ = written(tmp_path, "arrival\n" + "\n".join(f"{time:.6f}" for time in times))
    assert sum(counts) == 3000


def test_a_trace_may_be_gzipped(tmp_path: Path) -> None:
    path = tmp_path / "trace.csv.gz"
    path.write_bytes(gzip.compress(b"count\n5\n6\n"))
    assert read_trace(path)[0].tolist() == [5.0, 6.0]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is empty"),
        ("size\n4\n", "name one timestamp"),
        ("count\n-1\n", "negative"),
        ("timestamp\nyesterday\n", "neither numbers nor dates"),
        ("timestamp\n0\n1e12\n", "write times in seconds"),
    ],
)
def test_what_is_no_trace_says_why(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        written(tmp_path, text)
    with pytest.raises(InputError, match="cannot be read"):
        read_trace(tmp_path / "none.csv")
