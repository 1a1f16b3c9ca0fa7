"""Quantities with units: the only place that reads "20 ms", "16 GiB", "2000 rps" or "500 usd/month".

Inside, every quantity is a float in the base unit of its dimension (seconds, bytes, requests per
second, US dollars, US dollars per month or hour). `write` gives the exact text that `read` turns back into the
same float; `show` gives the short text that people like to read.
"""

from __future__ import annotations

import math
import re
from typing import Final, Literal

from tradewind.domain.errors import UnitError, nearest

__all__ = ["DIMENSIONS", "Dimension", "read", "show", "write"]

Dimension = Literal["time", "bytes", "rate", "money", "money_per_month", "money_per_hour"]

HOURS_PER_MONTH: Final = 730.0
"""The clouds' own convention: 365 x 24 / 12."""

DIMENSIONS: Final[dict[Dimension, dict[str, float]]] = {
    "time": {
        "s": 1.0,
        "ns": 1e-9,
        "us": 1e-6,
        "ms": 1e-3,
        "min": 60.0,
        "h": 3600.0,
        "d": 86400.0,
    },
    "bytes": {
        "B": 1.0,
        "kB": 1e3,
        "MB": 1e6,
        "GB": 1e9,
        "TB": 1e12,
        "PB": 1e15,
        "KiB": 2.0**10,
        "MiB": 2.0**20,
        "GiB": 2.0**30,
        "TiB": 2.0**40,
        "PiB": 2.0**50,
    },
    "rate": {"rps": 1.0, "krps": 1e3, "rpm": 1.0 / 60.0, "rph": 1.0 / 3600.0},
    "money": {"usd": 1.0},
    "money_per_month": {
        "usd/month": 1.0,
        "usd/h": HOURS_PER_MONTH,
        "usd/day": HOURS_PER_MONTH / 24.0,
        "usd/year": 1.0 / 12.0,
    },
    "money_per_hour": {"usd/h": 1.0, "usd/month": 1.0 / HOURS_PER_MONTH},
}
"""Per dimension the known units, each with its size in the first, the base unit."""

_EXAMPLES: Final[dict[Dimension, str]] = {
    "time": "20 ms",
    "bytes": "16 GiB",
    "rate": "2000 rps",
    "money": "500 usd",
    "money_per_month": "500 usd/month",
    "money_per_hour": "0.12 usd/h",
}

_QUANTITY = re.compile(r"\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*([A-Za-zµ%$/]*)\s*")


def read(text: object, dimension: Dimension) -> float:
    """The quantity in the base unit of its dimension.

    Errors: UnitError for anything that is not text with a known unit, is negative, or is not finite.

    >>> read("20 ms", "time")
    0.02
    >>> read("16 GiB", "bytes")
    17179869184.0
    """
    example = _EXAMPLES[dimension]
    if not isinstance(text, str):
        raise UnitError(f"{text!r} has no unit; write it like {example}")
    match = _QUANTITY.fullmatch(text)
    if match is None:
        raise UnitError(f"{text!r} is not a quantity; write it like {example}")
    number, unit = match.groups()
    units = DIMENSIONS[dimension]
    if not unit:
        raise UnitError(f"{text!r} has no unit; write it like {example}")
    scale = units.get(unit)
    if scale is None:
        raise UnitError(_unknown_unit(text, unit, dimension))
    # Decimal prefixes are written as powers of ten, so dividing keeps "20 ms" equal to 0.02.
    value = float(number)
    quantity = value / round(1.0 / scale) if scale < 1.0 else value * scale
    if not math.isfinite(quantity):
        raise UnitError(f"{text!r} is too large to be a {dimension.replace('_', ' ')}")
    if quantity < 0.0:
        raise UnitError(f"{text!r} is negative; write a value of at least 0, like {example}")
    return quantity


def write(quantity: float, dimension: Dimension) -> str:
    """The exact text of a quantity in its base unit: `read(write(x, d), d) == x`.

    >>> write(0.02, "time")
    '0.02 s'
    """
    base = next(iter(DIMENSIONS[dimension]))
    return f"{quantity!r} {base}"


def show(quantity: float, dimension: Dimension) -> str:
    """The short text for people: three significant digits in the unit that fits.

    >>> show(0.0213, "time"), show(22_700_000, "bytes"), show(412.5, "money_per_month")
    ('21.3 ms', '21.6 MiB', '412 usd/month')
    """
    if dimension in ("money", "money_per_month", "money_per_hour", "rate"):
        unit = next(iter(DIMENSIONS[dimension]))
        return f"{_digits(quantity)} {unit}"
    shown = ("us", "ms", "s", "min", "h", "d") if dimension == "time" else _BINARY
    units = DIMENSIONS[dimension]
    unit = shown[0]
    for candidate in shown:
        if abs(quantity) >= units[candidate]:
            unit = candidate
    return f"{_digits(quantity / units[unit])} {unit}"


_BINARY: Final = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")


def _digits(value: float) -> str:
    if value == 0.0:
        return "0"
    magnitude = math.floor(math.log10(abs(value)))
    decimals = max(0, 2 - magnitude)
    return f"{value:,.{decimals}f}" if abs(value) >= 1e-9 else f"{value:.3g}"


def _unknown_unit(text: str, unit: str, dimension: Dimension) -> str:
    known = ", ".join(DIMENSIONS[dimension])
    others = [name for name, units in DIMENSIONS.items() if unit in units]
    if others:
        return f"{text!r} is a {others[0]}, not a {dimension}; write it like {_EXAMPLES[dimension]}"
    guess = nearest(unit, list(DIMENSIONS[dimension]))
    hint = f"did you mean {guess}? " if guess else ""
    return f"{text!r} has the unknown unit {unit!r}; {hint}known: {known}"
