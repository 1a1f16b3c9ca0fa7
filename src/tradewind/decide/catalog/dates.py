"""The day that a list's own words give a fact."""

from __future__ import annotations

import re
from datetime import date
from typing import Final

from tradewind.domain.noun import Noun

__all__ = ["AsOf", "age_days", "is_day", "read_as_of"]


class AsOf(Noun, frozen=True, kw_only=True):
    """A day, and how exact it is: "day", "year", "repository" or "before" (see rows.py)."""

    day: str
    precision: str


_MONTHS: Final = (
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
)
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_BEFORE = re.compile(r"\bpre ([A-Za-z]+)-(\d{4})")
_YEAR = re.compile(r"^(\d{4})\b")


def read_as_of(text: str) -> AsOf | None:
    """The day in a list's words, or None when they hold none.

    >>> read_as_of("2026-08-19 (file hand-kept)").day
    '2026-08-19'
    >>> read_as_of("2026 (v8 snapshot; exact day not exposed)")
    AsOf(day='2026-01-01', precision='year')
    >>> read_as_of("undated (pre June-2025 price cuts)")
    AsOf(day='2025-06-01', precision='before')
    >>> read_as_of("2026-02-31") is None
    True
    """
    found = _DAY.search(text)
    if found is not None:
        if not is_day(found.group()):
            return None
        return AsOf(day=found.group(), precision="repository" if "(repo " in text else "day")
    before = _BEFORE.search(text)
    if before is not None and before.group(1).lower() in _MONTHS:
        month = _MONTHS.index(before.group(1).lower()) + 1
        return AsOf(day=f"{before.group(2)}-{month:02d}-01", precision="before")
    year = _YEAR.match(text.strip())
    if year is not None:
        # The oldest day that the words allow, so that age is never understated.
        return AsOf(day=f"{year.group(1)}-01-01", precision="year")
    return None


def is_day(text: str) -> bool:
    """Whether the text is a day of the calendar, such as 2026-11-23."""
    if _DAY.fullmatch(text) is None:
        return False
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def age_days(as_of: str, today: str) -> int:
    """Days from `as_of` to `today`, both ISO days; 0 when `as_of` is the later one.

    >>> age_days("2025-11-23", "2026-11-23")
    365
    """
    return max(0, (date.fromisoformat(today) - date.fromisoformat(as_of)).days)
