import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradewind.domain import units
from tradewind.domain.errors import UnitError

QUANTITIES = st.floats(min_value=0.0, max_value=1e18, allow_nan=False)
DIMENSIONS = st.sampled_from(list(units.DIMENSIONS))


@given(QUANTITIES, DIMENSIONS)
def test_what_is_written_is_read_back_exactly(quantity, dimension):
    assert units.read(units.write(quantity, dimension), dimension) == quantity


@given(st.floats(min_value=1e-3, max_value=1e6), DIMENSIONS, st.data())
def test_every_unit_scales_from_the_base_unit(number, dimension, data):
    unit = data.draw(st.sampled_from(list(units.DIMENSIONS[dimension])))
    read = units.read(f"{number!r} {unit}", dimension)
    assert math.isclose(read, number * units.DIMENSIONS[dimension][unit], rel_tol=1e-12)


@given(st.floats(min_value=1e-6, max_value=1e15), DIMENSIONS)
def test_shown_text_is_within_a_percent_where_it_can_be_read(quantity, dimension):
    shown = units.show(quantity, dimension).replace(",", "")
    assert math.isclose(units.read(shown, dimension), quantity, rel_tol=0.01, abs_tol=1e-8)


@pytest.mark.parametrize(
    ("text", "dimension", "value"),
    [
        ("20 ms", "time", 0.02),
        ("20ms", "time", 0.02),
        ("1.5 h", "time", 5400.0),
        ("16 GiB", "bytes", 17179869184.0),
        ("16 GB", "bytes", 16e9),
        ("2000 rps", "rate", 2000.0),
        ("2e3 rps", "rate", 2000.0),
        ("60 rpm", "rate", 1.0),
        ("500 usd/month", "money_per_month", 500.0),
        ("1 usd/h", "money_per_month", 730.0),
    ],
)
def test_readings(text, dimension, value):
    assert units.read(text, dimension) == value


@pytest.mark.parametrize(
    ("text", "dimension", "says"),
    [
        (20, "time", "has no unit; write it like 20 ms"),
        ("20", "time", "has no unit"),
        ("20 GiB", "time", "not a time"),
        ("20 rpss", "rate", "did you mean rps"),
        ("-5 ms", "time", "negative"),
        ("1e400 s", "time", "too large"),
        ("nan ms", "time", "not a quantity"),
        ("", "bytes", "not a quantity"),
        (None, "bytes", "has no unit"),
        (True, "rate", "has no unit"),
    ],
)
def test_refusals_say_what_to_write(text, dimension, says):
    with pytest.raises(UnitError, match=says) as refusal:
        units.read(text, dimension)
    assert "\n" not in str(refusal.value)
