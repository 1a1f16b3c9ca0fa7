"""Azure: pages of the Retail Prices interface, version 2023-01-01-preview."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

import msgspec

from tradewind.decide.catalog.lists.origin import Origin, Words, price, quarantined
from tradewind.decide.catalog.live.bounds import bounded, decoded, sifted
from tradewind.decide.catalog.reading import Read, together

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tradewind.decide.catalog.rows import PriceRow, QuarantineRow
    from tradewind.domain.noun import Purchase

__all__ = ["Page", "page", "read", "retail_prices"]

_LIST: Final = "Azure Retail Prices"


def retail_prices(day: str) -> Origin:
    """Who states prices that were read on `day`."""
    return Origin(
        source=f"Azure Retail Prices ({day})",
        publisher=_LIST,
        as_of=day,
        as_of_precision="day",
        licence="the vendor's public price list",
        confidence="A",
        file="https://prices.azure.com/api/retail/prices?api-version=2023-01-01-preview",
        locator="Items -> armRegionName {region}, armSkuName {instance_type}, {key}",
        keys={
            "on_demand": "type Consumption",
            "spot": "type Consumption, meterName with Spot",
            "commit_1y": "type Reservation, reservationTerm 1 Year",
            "commit_3y": "type Reservation, reservationTerm 3 Years",
        },
        read_as="US dollars an hour for Linux; a reservation is its total over the hours of its term",
    )


class _Plan(msgspec.Struct, rename="camel"):
    term: str
    retail_price: float


class _Item(msgspec.Struct, rename="camel"):
    currency_code: str
    tier_minimum_units: float
    retail_price: float
    arm_region_name: str
    meter_name: str
    product_name: str
    sku_name: str
    arm_sku_name: str | None
    unit_of_measure: str
    kind: str = msgspec.field(name="type")
    is_primary_meter_region: bool
    reservation_term: str = ""
    savings_plan: list[_Plan] | None = None


class Page(msgspec.Struct, rename="pascal"):
    """A page of prices, and where the next one is."""

    items: list[_Item]
    next_page_link: str | None


def page(answer: bytes) -> Page:
    """A page. Errors: CodecError."""
    found = decoded(answer, Page, _LIST)
    bounded(len(found.items), _LIST)
    return found


_VIRTUAL_MACHINES: Final = ("Standard_", "Basic_")
_TERMS: Final[dict[str, tuple[Purchase, str]]] = {
    "1 Year": ("commit_1y", "1 year"),
    "3 Years": ("commit_3y", "3 years"),
}
_RESERVED: Final = Words(terms="reservation")
_PLANNED: Final = Words(terms="savings plan")


def read(pages: Iterable[Page], day: str) -> Read:
    """On-demand, spot and committed prices.

    The figure of a reservation is the total of its term, although its unit is said to be an hour. Should it
    come by the hour after all, it is below the on-demand price of the same machine, which no total of a year
    is: the on-demand price decides, and without one the figure is caught. A savings plan is used for a term
    for which no reservation is quoted.
    """
    left_out: Counter[str] = Counter()
    used: list[PriceRow] = []
    reserved: list[_Item] = []
    plans: list[PriceRow] = []
    origin = retail_prices(day)
    for item in (item for found in pages for item in found.items):
        other = _other(item)
        if other is not None:
            left_out[f"{_LIST}: {other}"] += 1
        elif item.kind == "Reservation":
            reserved.append(item)
        else:
            region, name = _machine(item)
            purchase: Purchase = "spot" if _has(item, "Spot") else "on_demand"
            used.append(price(origin, "azure", region, name, purchase, item.retail_price))
            for plan in (item.savings_plan or ()) if purchase == "on_demand" else ():
                if plan.term in _TERMS:
                    term, _ = _TERMS[plan.term]
                    plans.append(
                        price(origin, "azure", region, name, term, plan.retail_price, "hour", _PLANNED)
                    )
    by_use = sifted(used, left_out, _LIST)
    committed = _reservations(reserved, by_use, origin)
    quoted = {(row.region, row.instance_type, row.purchase) for row in committed.prices}
    spare = [plan for plan in plans if (plan.region, plan.instance_type, plan.purchase) not in quoted]
    left_out = Counter({f"{_LIST}: savings plans where a reservation is quoted": len(plans) - len(spare)})
    return together([by_use, committed, sifted(spare, left_out, _LIST)])


def _other(item: _Item) -> str | None:
    """What an item is that is of no interest here; None when it is of interest."""
    product, machine = item.product_name.replace(" ", "").lower(), item.arm_sku_name or ""
    kinds = (
        ("prices in other currencies", item.currency_code != "USD"),
        ("prices for development and test", item.kind not in ("Consumption", "Reservation")),
        ("Windows", "windows" in product),
        ("dedicated hosts", "dedicated" in product),
        ("Cloud Services", "cloudservices" in product),
        ("low priority", _has(item, "Low Priority")),
        ("prices from a volume on", item.tier_minimum_units != 0.0),
        ("meters of other regions", not item.is_primary_meter_region),
        ("prices without a machine type", not machine),
        ("what is no virtual machine", not machine.startswith(_VIRTUAL_MACHINES)),
        ("prices that are not by the hour", item.kind == "Consumption" and item.unit_of_measure != "1 Hour"),
        ("reservations of other terms", item.kind == "Reservation" and item.reservation_term not in _TERMS),
    )
    return next((kind for kind, holds in kinds if holds), None)


def _machine(item: _Item) -> tuple[str, str]:
    """Region and type."""
    return item.arm_region_name, item.arm_sku_name or ""


def _has(item: _Item, word: str) -> bool:
    return word in item.meter_name or word in item.sku_name


def _reservations(reserved: Iterable[_Item], by_use: Read, origin: Origin) -> Read:
    full = {
        (row.region, row.instance_type): row.price_usd_per_hour
        for row in by_use.prices
        if row.purchase == "on_demand"
    }
    rows: list[PriceRow] = []
    caught: list[QuarantineRow] = []
    for item in reserved:
        machine = _machine(item)
        purchase, term = _TERMS[item.reservation_term]
        unit = "hour" if item.retail_price < full.get(machine, 0.0) else term
        row = price(origin, "azure", *machine, purchase, item.retail_price, unit, _RESERVED)
        if machine in full:
            rows.append(row)
        else:
            reason = f"no on-demand price tells whether {item.retail_price:g} is by the hour or for {term}"
            caught.append(quarantined(row, "discount_has_on_demand", reason))
    kept = sifted(rows, Counter(), _LIST)
    return Read(prices=kept.prices, caught=(*caught, *kept.caught), left_out=kept.left_out)
