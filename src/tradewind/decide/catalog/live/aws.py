"""AWS: the price list of a region as the bulk files have it, and the history of spot prices.

The list knows machines (products, by SKU) and, apart, what they cost on which terms. Of the machines only
those of Linux on shared tenancy are of interest: the same type stands there some twenty times, with other
systems, paid software, dedicated tenancy, and as capacity that is reserved, unused, or sold in blocks.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import datetime
from typing import TYPE_CHECKING, Final

import msgspec

from tradewind.decide.catalog.lists.origin import HOURS, Origin, Words, price
from tradewind.decide.catalog.live.bounds import bounded, decoded, number, sifted
from tradewind.domain.errors import CodecError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tradewind.decide.catalog.reading import Read
    from tradewind.decide.catalog.rows import PriceRow
    from tradewind.domain.noun import Purchase

__all__ = [
    "Regions",
    "SpotPage",
    "price_list",
    "read_region",
    "read_regions",
    "read_spot",
    "spot_history",
    "spot_page",
]

_LIST: Final = "AWS price list"
_SPOT: Final = "EC2 spot price history"


def price_list(day: str) -> Origin:
    """Who states on-demand and reserved prices that were read on `day`."""
    return Origin(
        source=f"AWS price list, bulk files ({day})",
        publisher=_LIST,
        as_of=day,
        as_of_precision="day",
        licence="the vendor's public price list",
        confidence="A",
        file="https://pricing.us-east-1.amazonaws.com/offers/v1.0/aws/AmazonEC2/current/{region}/index.json",
        locator="products -> instanceType {instance_type}, Linux, Shared, Used, NA, OnDemand; terms -> {key}",
        keys={
            "on_demand": "OnDemand",
            "commit_1y": "Reserved, 1yr, standard",
            "commit_3y": "Reserved, 3yr, standard",
        },
        read_as="US dollars an hour; a reservation is its hourly rate, and its fee over the hours of its term",
    )


def spot_history(day: str) -> Origin:
    """Who states spot prices that were read on `day`."""
    return Origin(
        source=f"EC2 DescribeSpotPriceHistory ({day})",
        publisher=_SPOT,
        as_of=day,
        as_of_precision="day",
        licence="the vendor's interface, asked with the user's own account",
        confidence="A",
        file="https://ec2.{region}.amazonaws.com",
        locator="SpotPriceHistory -> InstanceType {instance_type}, {key}",
        keys={"spot": "Linux/UNIX, the newest of each zone"},
        read_as="US dollars an hour in each zone; taken as stated",
    )


class _Region(msgspec.Struct, rename="camel"):
    region_code: str
    current_version_url: str


class Regions(msgspec.Struct):
    """The index of the regions that have a price list."""

    regions: dict[str, _Region]


def read_regions(answer: bytes) -> dict[str, str]:
    """Region -> the path of its price list. Errors: CodecError."""
    index = decoded(answer, Regions, f"{_LIST}, index of regions")
    return {region.region_code: region.current_version_url for region in index.regions.values()}


class _Attributes(msgspec.Struct, rename="camel"):
    """What tells one product from another; products that are no machines lack most of it."""

    instance_type: str | None = None
    region_code: str | None = None
    operating_system: str | None = None
    tenancy: str | None = None
    pre_installed_sw: str | None = None
    capacitystatus: str | None = None
    marketoption: str | None = None


class _Product(msgspec.Struct, rename="camel"):
    attributes: _Attributes
    product_family: str = ""


class _Dimension(msgspec.Struct, rename="camel"):
    unit: str
    price_per_unit: dict[str, str]


class _Lease(msgspec.Struct, rename="pascal"):
    lease_contract_length: str
    offering_class: str
    purchase_option: str


class _Term(msgspec.Struct, rename="camel"):
    price_dimensions: dict[str, _Dimension]


class _Reservation(msgspec.Struct, rename="camel"):
    price_dimensions: dict[str, _Dimension]
    term_attributes: _Lease


class _Terms(msgspec.Struct, rename="pascal"):
    """Left as they were sent, and decoded for the few machines that are of interest: the file has 400 MB."""

    on_demand: dict[str, msgspec.Raw]
    reserved: dict[str, msgspec.Raw] = {}


class _PriceList(msgspec.Struct):
    products: dict[str, _Product]
    terms: _Terms


_MACHINES: Final = ("Compute Instance", "Compute Instance (bare metal)")
_WANTED: Final = (
    ("operating_system", "Linux", "other operating systems"),
    ("tenancy", "Shared", "dedicated tenancy"),
    ("pre_installed_sw", "NA", "machines with paid software"),
    ("capacitystatus", "Used", "capacity that is reserved or unused"),
    ("marketoption", "OnDemand", "capacity blocks"),
)
"""(attribute, the value that is wanted, what every other value is)."""

_LEASES: Final[dict[str, tuple[Purchase, str]]] = {
    "1yr": ("commit_1y", "1 year"),
    "3yr": ("commit_3y", "3 years"),
}
_UPFRONT: Final = {
    "No Upfront": "nothing upfront",
    "Partial Upfront": "partly upfront",
    "All Upfront": "all upfront",
}
"""In the order in which they are taken: nothing upfront where it is offered."""


def read_region(answer: bytes, day: str) -> Read:
    """On-demand and reserved prices of a region. Errors: CodecError.

    A commitment is the standard reservation with nothing paid upfront, or, where that is not offered, with
    the least upfront; `terms` says which.
    """
    listed = decoded(answer, _PriceList, _LIST)
    bounded(len(listed.products), _LIST)
    left_out: Counter[str] = Counter()
    machines = _machines(listed.products, left_out)
    rows: list[PriceRow] = []
    for sku, (region, name) in machines.items():
        if sku not in listed.terms.on_demand:
            left_out[f"{_LIST}: machines without an on-demand price"] += 1
            continue
        rows += [
            price(price_list(day), "aws", region, name, "on_demand", stated)
            for stated in _hourly(listed.terms.on_demand[sku], sku, left_out)
        ]
        if sku in listed.terms.reserved:
            rows += _reserved(listed.terms.reserved[sku], sku, (region, name), day, left_out)
    return sifted(rows, left_out, _LIST)


def _machines(products: Mapping[str, _Product], left_out: Counter[str]) -> dict[str, tuple[str, str]]:
    """SKU -> region and type, of the machines of interest. Errors: CodecError when a field is gone."""
    every = {
        sku: product.attributes for sku, product in products.items() if product.product_family in _MACHINES
    }
    for field in ("instance_type", "region_code", *(name for name, _, _ in _WANTED)):
        if every and all(getattr(attributes, field) is None for attributes in every.values()):
            named = next(f.encode_name for f in msgspec.structs.fields(_Attributes) if f.name == field)
            raise CodecError(
                f"{_LIST}: its form has changed: no machine has the field {named}, such as SKU {next(iter(every))}; "
                "a newer version may read it"
            )
    left_out[f"{_LIST}: what is no machine"] += len(products) - len(every)
    found: dict[str, tuple[str, str]] = {}
    for sku, attributes in every.items():
        other = next((kind for field, wanted, kind in _WANTED if getattr(attributes, field) != wanted), None)
        if other is not None:
            left_out[f"{_LIST}: {other}"] += 1
        elif attributes.instance_type is not None and attributes.region_code is not None:
            found[sku] = attributes.region_code, attributes.instance_type
    return found


def _hourly(terms: msgspec.Raw, sku: str, left_out: Counter[str]) -> list[float]:
    stated: list[float] = []
    for term in decoded(bytes(terms), dict[str, _Term], f"{_LIST}, on-demand terms of SKU {sku}").values():
        for dimension in term.price_dimensions.values():
            if dimension.unit == "Hrs" and "USD" in dimension.price_per_unit:
                stated.append(number(dimension.price_per_unit["USD"]))
            else:
                left_out[f"{_LIST}: prices that are not in US dollars an hour"] += 1
    return stated


def _reserved(
    terms: msgspec.Raw, sku: str, machine: tuple[str, str], day: str, left_out: Counter[str]
) -> list[PriceRow]:
    """One price for each length of a lease."""
    region, name = machine
    offered: defaultdict[str, dict[str, _Reservation]] = defaultdict(dict)
    for term in decoded(
        bytes(terms), dict[str, _Reservation], f"{_LIST}, reserved terms of SKU {sku}"
    ).values():
        lease = term.term_attributes
        if lease.offering_class != "standard":
            left_out[f"{_LIST}: {lease.offering_class} reservations"] += 1
        elif lease.lease_contract_length not in _LEASES or lease.purchase_option not in _UPFRONT:
            left_out[f"{_LIST}: reservations of other lengths or payments"] += 1
        else:
            offered[lease.lease_contract_length][lease.purchase_option] = term
    rows: list[PriceRow] = []
    for length, options in offered.items():
        purchase, unit = _LEASES[length]
        option = next(option for option in _UPFRONT if option in options)
        left_out[f"{_LIST}: reservations with more paid upfront"] += len(options) - 1
        per_hour, upfront = (_dimension(options[option], of) for of in ("Hrs", "Quantity"))
        total = per_hour * HOURS[unit] + upfront
        stated, stated_unit = (per_hour, "hour") if option == "No Upfront" else (total, unit)
        words = Words(terms=f"standard reserved instance, {_UPFRONT[option]}")
        rows.append(price(price_list(day), "aws", region, name, purchase, stated, stated_unit, words))
    return rows


def _dimension(term: _Reservation, unit: str) -> float:
    """What a reservation costs by the hour (`Hrs`) or once (`Quantity`); 0 when it has no such part."""
    return sum(
        number(dimension.price_per_unit.get("USD", ""))
        for dimension in term.price_dimensions.values()
        if dimension.unit == unit
    )


class _Spot(msgspec.Struct, rename="pascal"):
    availability_zone: str
    instance_type: str
    product_description: str
    spot_price: str
    timestamp: datetime


class SpotPage(msgspec.Struct, rename="pascal"):
    """A page of the history of spot prices."""

    spot_price_history: list[_Spot]
    next_token: str = ""


def spot_page(answer: bytes) -> SpotPage:
    """A page. Errors: CodecError."""
    page = decoded(answer, SpotPage, _SPOT)
    bounded(len(page.spot_price_history), _SPOT)
    return page


def read_spot(pages: Iterable[SpotPage], region: str, day: str, zone_ids: Mapping[str, str]) -> Read:
    """The newest price of each machine type in each zone.

    A zone goes by the id that `zone_ids` has for its name, because the same name means different zones in
    different accounts; by its name where it has none.
    """
    left_out: Counter[str] = Counter()
    newest: dict[tuple[str, str], list[_Spot]] = {}
    for item in (item for page in pages for item in page.spot_price_history):
        key = (item.instance_type, item.availability_zone)
        known = newest.get(key, [])
        if item.product_description != "Linux/UNIX":
            left_out[f"{_SPOT}: other operating systems"] += 1
        elif not known or item.timestamp > known[0].timestamp:
            left_out[f"{_SPOT}: older prices"] += len(known)
            newest[key] = [item]
        elif item.timestamp == known[0].timestamp:
            known.append(item)
        else:
            left_out[f"{_SPOT}: older prices"] += 1
    rows = [
        msgspec.structs.replace(
            price(spot_history(day), "aws", region, name, "spot", number(item.spot_price)),
            zone=zone_ids.get(zone, zone),
        )
        for (name, zone), items in newest.items()
        for item in items
    ]
    return sifted(rows, left_out, _SPOT)
