"""AWS us-east-1: prices and one-year reservations from LeanerCloud's list, a text of labelled fields."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Final

from tradewind.decide.catalog.lists.origin import Origin, Words, price
from tradewind.decide.catalog.reading import Read

if TYPE_CHECKING:
    from tradewind.decide.catalog.rows import PriceRow

__all__ = ["LIST", "read"]

LIST: Final = Origin(
    source="LeanerCloud/ec2-instances-info (2025-05-28)",
    publisher="LeanerCloud",
    as_of="2025-05-28",
    as_of_precision="day",
    licence="MIT",
    confidence="B",
    file="raw/aws_us-east-1_leanercloud_2025-05-28.txt",
    locator="the line of {instance_type}, field {key}",
    keys={
        "on_demand": "Linux OD cost in us-east-1",
        "spot": "Linux Spot cost in us-east-1",
        "commit_1y": "Linux Standard RI 1y AllUpfront cost in us-east-1",
    },
    read_as="taken as stated; reservations are the hourly share of all that is paid upfront",
)

_LINE: Final = re.compile(
    r"Instance type: (?P<name>[^,]+),.*Linux OD cost in us-east-1: (?P<full>[0-9.eE+-]+),"
    r".*Linux Spot cost in us-east-1: (?P<spot>[0-9.eE+-]+),"
    r".*Linux Standard RI 1y AllUpfront cost in us-east-1: (?P<year>[0-9.eE+-]+)"
)
_RESERVED: Final = Words(terms="standard reserved instance, all upfront")


def read(text: str) -> Read:
    """On-demand, spot and one-year prices. Left out: spot prices that only repeat the on-demand price, and zeros."""
    prices: list[PriceRow] = []
    left_out: Counter[str] = Counter()
    for line in text.splitlines():
        found = _LINE.search(line)
        if found is None:
            left_out[f"{LIST.publisher}: a line without the fields"] += bool(line.strip())
            continue
        full, spot, year = (float(found[key]) for key in ("full", "spot", "year"))
        if full > 0.0:
            prices.append(price(LIST, "aws", "us-east-1", found["name"], "on_demand", full))
        if spot <= 0.0 or spot == full:
            left_out[f"{LIST.publisher}: no spot price, or one that repeats the on-demand price"] += 1
        else:
            prices.append(price(LIST, "aws", "us-east-1", found["name"], "spot", spot))
        if year <= 0.0:
            left_out[f"{LIST.publisher}: no reservation"] += 1
        else:
            prices.append(
                price(LIST, "aws", "us-east-1", found["name"], "commit_1y", year, "hour", _RESERVED)
            )
    return Read(prices=tuple(prices), left_out=left_out)
