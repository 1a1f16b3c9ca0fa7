"""AWS: one machine type with every term in every region, in the form of the Vantage instance list."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from tradewind.decide.catalog.lists.origin import Origin, Words, price
from tradewind.decide.catalog.reading import Read

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tradewind.decide.catalog.rows import PriceRow
    from tradewind.domain.noun import Purchase

__all__ = ["LIST", "read"]

LIST: Final = Origin(
    source="vantage-sh/ec2instances.info: one instance",
    publisher="ec2instances.info",
    as_of="2026-07-20",
    as_of_precision="compiled",
    licence="MIT",
    confidence="B",
    file="raw/vantage_ec2_single_instance_shape.json.gz",
    locator="pricing -> {region} -> linux -> {key}",
    keys={
        "on_demand": "ondemand",
        "spot": "spot_avg",
        "commit_1y": "reserved -> yrTerm1Standard.noUpfront",
        "commit_3y": "reserved -> yrTerm3Standard.noUpfront",
    },
    read_as="US dollars an hour for Linux; reservations are the hourly rate with nothing paid upfront",
)

_TERMS: Final[tuple[tuple[Purchase, str], ...]] = (
    ("commit_1y", "yrTerm1Standard.noUpfront"),
    ("commit_3y", "yrTerm3Standard.noUpfront"),
)
_RESERVED: Final = Words(terms="standard reserved instance, nothing upfront")


def read(found: Mapping[str, Any]) -> Read:
    """On-demand, spot and reserved prices of the type by region, with its class of interruptions."""
    name = found["instance_type"]
    prices: list[PriceRow] = []
    left_out: Counter[str] = Counter()
    for region in sorted(found["pricing"]):
        listed = found["pricing"][region]
        left_out[f"{LIST.publisher}: other operating systems and tenancies"] += len(listed) - (
            "linux" in listed
        )
        linux = listed.get("linux")
        if linux is None:
            continue
        prices.append(price(LIST, "aws", region, name, "on_demand", _number(linux.get("ondemand"))))
        spot = _number(linux.get("spot_avg"))
        if spot is not None:
            words = Words(interruption=linux.get("pct_interrupt"))
            prices.append(price(LIST, "aws", region, name, "spot", spot, "hour", words))
        for purchase, key in _TERMS:
            stated = _number(linux.get("reserved", {}).get(key))
            if stated is not None:
                prices.append(price(LIST, "aws", region, name, purchase, stated, "hour", _RESERVED))
    return Read(prices=tuple(prices), left_out=left_out)


def _number(text: object) -> float | None:
    """The number in a cell of this list; None for what is no number ("N/A", empty)."""
    try:
        return float(str(text))
    except ValueError:
        return None
