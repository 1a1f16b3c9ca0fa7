"""AWS: machines with flagship GPUs, from SkyPilot's catalogue as collected (spot is a median over zones)."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from tradewind.decide.catalog.lists.origin import Origin, Words, price
from tradewind.decide.catalog.reading import Read
from tradewind.decide.catalog.texts import Row, number

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tradewind.decide.catalog.rows import PriceRow
    from tradewind.domain.noun import Purchase

__all__ = ["COLUMNS", "LIST", "read"]

LIST: Final = Origin(
    source="skypilot-org/skypilot-catalog v8 aws/vms.csv@00148f2 (2026)",
    publisher="skypilot",
    as_of="2026-01-01",
    as_of_precision="year",
    licence="no licence stated with the data",
    confidence="B",
    file="instances_sample.csv",
    locator="the row of {region} and {instance_type}, column {key}",
    keys={"on_demand": "price_on_demand_usd_h", "spot": "price_spot_usd_h"},
    read_as="on demand as stated; spot is the median over the zones of the region",
)

COLUMNS: Final = (
    "provider",
    "region",
    "instance_type",
    "accelerator",
    "accelerator_count",
    "price_on_demand_usd_h",
    "price_spot_usd_h",
    "price_1y_usd_h",
    "price_3y_usd_h",
    "as_of",
    "source",
)
_MEDIAN: Final = Words(remark="median over the zones of the region, which may differ by a factor of three")
_TERMS: Final[tuple[tuple[Purchase, Words], ...]] = (("on_demand", Words()), ("spot", _MEDIAN))


def read(rows: Iterable[Row]) -> Read:
    """The rows of the collection that stem from SkyPilot's list of AWS; the others are in lists of their own."""
    prices: list[PriceRow] = []
    left_out: Counter[str] = Counter()
    for row in rows:
        if "skypilot-catalog catalogs/v8/aws" not in row["source"]:
            left_out["instances_sample.csv: rows that a list of their own states"] += 1
            continue
        for purchase, words in _TERMS:
            stated = number(row, LIST.keys[purchase])
            if stated is not None:
                prices.append(
                    price(LIST, "aws", row["region"], row["instance_type"], purchase, stated, "hour", words)
                )
    return Read(prices=tuple(prices), left_out=left_out)
