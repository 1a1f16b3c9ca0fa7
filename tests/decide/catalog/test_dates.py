from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradewind.decide.catalog.dates import age_days, is_day, read_as_of


@given(st.dates(min_value=date(1000, 1, 1)))
def test_a_day_reads_as_itself(day: date) -> None:
    found = read_as_of(day.isoformat())
    assert found is not None
    assert (found.day, found.precision) == (day.isoformat(), "day")


@given(st.text(max_size=40))
def test_what_is_read_is_always_a_day_of_the_calendar(text: str) -> None:
    found = read_as_of(text)
    assert found is None or is_day(found.day)


@pytest.mark.parametrize(
    ("text", "day", "precision"),
    [
        ("2026-08-19 (file hand-kept)", "2026-08-19", "day"),
        ("2026 (v8 snapshot; exact day not exposed)", "2026-01-01", "year"),
        ("2024", "2024-01-01", "year"),
        ("2021-22", "2021-01-01", "year"),
        ("infracost golden (repo 2026-08-21)", "2026-08-21", "repository"),
        ("undated (pre June-2025 price cuts)", "2025-06-01", "before"),
    ],
)
def test_the_words_of_lists(text: str, day: str, precision: str) -> None:
    found = read_as_of(text)
    assert found is not None
    assert (found.day, found.precision) == (day, precision)


@pytest.mark.parametrize("text", ["", "soon", "2026-13-01", "2026-02-30", "pre Brumaire-2025"])
def test_words_without_a_day(text: str) -> None:
    assert read_as_of(text) is None


def test_age_is_never_negative() -> None:
    assert age_days("2026-11-24", "2026-11-23") == 0
    assert age_days("2026-11-22", "2026-11-23") == 1
