from __future__ import annotations

import math

import pytest

from tradewind.decide.catalog.texts import number, scaled, text


@pytest.mark.parametrize("cell", ["inf", "nan", "1,5", "-", "n/a"])
def test_what_is_no_finite_number_is_nan_and_never_scaled(cell: str) -> None:
    value = number({"a": cell}, "a")
    assert value is not None
    assert math.isnan(value)
    assert scaled({"a": cell}, "a", 2.0) is None


def test_an_empty_cell_is_unknown() -> None:
    row = {"a": "  "}
    assert number(row, "a") is None
    assert scaled(row, "a", 2.0) is None
    assert text(row, "a") is None


def test_units_scale() -> None:
    assert scaled({"a": "000077"}, "a", 1.0) == 77.0
    assert scaled({"a": "1.5"}, "a", 2.0**30) == 1.5 * 2**30
