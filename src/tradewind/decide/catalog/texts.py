"""Cells of a published table: text that is a number, or is not."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, cast

from tradewind.domain.goal import CLOUDS

if TYPE_CHECKING:
    from tradewind.domain.noun import Cloud

__all__ = ["Row", "cloud_named", "cloud_of", "number", "scaled", "text"]

Row = Mapping[str, str]
"""A row as it was published: column -> text, "" where nothing is stated."""


def cloud_of(row: Row) -> Cloud:
    """The cloud that a row is of; `normalise` has refused rows of any other."""
    return cast("Cloud", row["provider"])


def cloud_named(name: str) -> Cloud:
    """The cloud of this name. Errors: ValueError for a name that is none, a mistake in our own tables."""
    if name not in CLOUDS:
        raise ValueError(f"{name!r} is none of {', '.join(CLOUDS)}")
    return name


def number(row: Row, column: str) -> float | None:
    """The number in a cell; None when the cell is empty, NaN when it holds something else.

    >>> number({"a": "1.5"}, "a"), number({"a": ""}, "a"), number({"a": "?"}, "a")
    (1.5, None, nan)
    """
    cell = row[column].strip()
    if not cell:
        return None
    try:
        value = float(cell)
    except ValueError:
        return math.nan
    return value if math.isfinite(value) else math.nan


def scaled(row: Row, column: str, unit: float) -> float | None:
    """The number in a cell times the size of its unit; None when it is empty or no number."""
    value = number(row, column)
    return None if value is None or math.isnan(value) else value * unit


def text(row: Row, column: str) -> str | None:
    """The text in a cell, or None when it is empty."""
    return row[column].strip() or None
