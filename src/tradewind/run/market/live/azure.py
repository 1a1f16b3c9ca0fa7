"""Azure's Retail Prices, which need no credentials: page after page for each region, by use and reserved."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl, urlsplit

from tradewind.decide.catalog.live import azure
from tradewind.domain.errors import CodecError
from tradewind.run.market.live.source import Gathered, prices_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tradewind.domain.noun import Noun
    from tradewind.run.market.live.answers import Answers

__all__ = ["AzurePrices"]

_VERSION: Final = "2023-01-01-preview"
"""The version that has savings plans; values in its filters are case-sensitive."""


@dataclass(frozen=True)
class AzurePrices:
    """The prices of Azure. `regions`: only these; without any, all that the catalogue has."""

    url: str = "https://prices.azure.com/api/retail/prices"
    regions: tuple[str, ...] = ()

    def gather(self, answers: Answers, tables: Mapping[str, Sequence[Noun]]) -> Gathered:
        """On-demand, spot and committed prices. Errors: ResourceError, CodecError."""
        regions = self.regions or tuple(sorted({row.region for row in prices_of("azure", tables)}))
        pages: list[azure.Page] = []
        for region in regions:
            pages += self._pages(answers, region, "Consumption") + self._pages(answers, region, "Reservation")
        return Gathered(
            read=azure.read(pages, answers.day),
            origins=(azure.retail_prices(answers.day),),
            untold=lambda row: row.region not in regions,
        )

    def _pages(self, answers: Answers, region: str, kind: str) -> list[azure.Page]:
        # Region by region: a list of the whole world is so long that it shifts while it is read.
        wanted = (
            f"serviceName eq 'Virtual Machines' and armRegionName eq '{region}' and priceType eq '{kind}'"
        )
        first = {"api-version": _VERSION, "$filter": wanted}

        def ask(link: str) -> tuple[azure.Page, str]:
            def form(answer: bytes) -> azure.Page:
                page = azure.page(answer)
                if not page.items and (page.next_page_link or (kind == "Consumption" and not link)):
                    raise CodecError(f"Azure Retail Prices: an empty page where prices of {region} should be")
                return page

            # Of a link to the next page only the question is used: where to ask is not for an answer to say.
            params = dict(parse_qsl(urlsplit(link).query)) if link else first
            page = answers.get(self.url, form, params=params)
            return page, page.next_page_link or ""

        return answers.follow(ask, f"Azure Retail Prices, {region}")
