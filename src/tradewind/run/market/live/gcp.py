"""Google's Cloud Billing Catalog, which needs an API key: SKUs of Compute Engine and of TPUs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tradewind.decide.catalog.live import gcp
from tradewind.decide.catalog.rows import InstanceRow, SpecRow
from tradewind.domain.errors import CodecError, InputError
from tradewind.run.market.live.source import Gathered, prices_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tradewind.domain.noun import Noun
    from tradewind.run.market.live.answers import Answers

__all__ = ["GcpPrices"]

_SERVICES: Final = ("6F81-5844-456A", "E000-3F24-B8AA")
"""Compute Engine, and Cloud TPU for the older generations."""
_PAGE_SIZE: Final = "5000"


@dataclass(frozen=True)
class GcpPrices:
    """The prices of Google Cloud: of the machines that the catalogue has, composed of what their parts cost.

    `api_key` is one of any project with the Cloud Billing API; `regions`: only these; without any, all that
    the catalogue has.
    """

    url: str = "https://cloudbilling.googleapis.com"
    api_key: str = ""
    regions: tuple[str, ...] = ()

    def gather(self, answers: Answers, tables: Mapping[str, Sequence[Noun]]) -> Gathered:
        """On-demand, spot and committed prices. Errors: InputError (no key), ResourceError, CodecError."""
        if not self.api_key:
            raise InputError(
                "Cloud Billing Catalog: no API key; make one in any project with the Cloud Billing API and "
                "put it into GOOGLE_API_KEY"
            )
        pages = [page for service in _SERVICES for page in self._pages(answers, service)]
        parts = gcp.read_parts(pages, answers.day)
        rows = [row for table in tables.values() for row in table]
        shaped = gcp.shapes(
            (row for row in rows if isinstance(row, InstanceRow)),
            (row for row in rows if isinstance(row, SpecRow)),
        )
        known = prices_of("gcp", tables)
        offered = {
            (row.region, row.instance_type) for row in known if not self.regions or row.region in self.regions
        }
        return Gathered(
            read=gcp.compose(parts, shaped, offered, answers.day),
            origins=(gcp.billing_catalog(answers.day),),
            untold=lambda row: (
                (row.region, row.instance_type) not in offered or gcp.untold(parts, shaped, row)
            ),
        )

    def _pages(self, answers: Answers, service: str) -> list[gcp.Page]:
        def form(answer: bytes) -> gcp.Page:
            page = gcp.page(answer)
            if not page.skus:
                raise CodecError(f"Cloud Billing Catalog: an empty page where SKUs of {service} should be")
            return page

        def ask(token: str) -> tuple[gcp.Page, str]:
            params = {"pageSize": _PAGE_SIZE, "currencyCode": "USD"} | ({"pageToken": token} if token else {})
            address = f"{self.url}/v1/services/{service}/skus"
            page = answers.get(address, form, params=params, headers={"X-Goog-Api-Key": self.api_key})
            return page, page.next_page_token

        return answers.follow(ask, f"Cloud Billing Catalog, service {service}")
