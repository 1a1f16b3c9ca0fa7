"""Where fresh prices come from: one adapter a cloud, which asks its price interface.

In: the tables of the current catalogue (which regions and machines there are) and `Answers`, through which
all asking goes. Out: what was gathered, as a `Read`, and which of yesterday's prices it says nothing about. A
further cloud is a file with a `PriceSource` and a line in `SOURCES`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tradewind.run.market.live.aws import AwsPrices
from tradewind.run.market.live.azure import AzurePrices
from tradewind.run.market.live.gcp import GcpPrices
from tradewind.run.market.live.source import Gathered, PriceSource

if TYPE_CHECKING:
    from tradewind.domain.noun import Cloud

__all__ = ["SOURCES", "AwsPrices", "AzurePrices", "Gathered", "GcpPrices", "PriceSource"]

SOURCES: Final[dict[Cloud, PriceSource]] = {
    "aws": AwsPrices(),
    "azure": AzurePrices(),
    "gcp": GcpPrices(),
}
