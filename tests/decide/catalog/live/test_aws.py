"""Each filter of the price list has a product that differs in nothing else: it fails when that filter is gone."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tradewind.decide.catalog.live.aws import read_region, read_regions, read_spot, spot_page
from tradewind.domain.errors import CodecError

DAY = "2026-11-25"

USED = {
    "instanceType": "p5.48xlarge",
    "regionCode": "us-east-1",
    "operatingSystem": "Linux",
    "tenancy": "Shared",
    "preInstalledSw": "NA",
    "capacitystatus": "Used",
    "marketoption": "OnDemand",
}


def hourly(usd: str, unit: str = "Hrs", currency: str = "USD") -> dict[str, Any]:
    return {
        "priceDimensions": {"x.6YS6EN2CT7": {"unit": unit, "pricePerUnit": {currency: usd}}},
        "termAttributes": {},
    }


def reserved(usd: str, upfront: str, length: str, option: str, kind: str = "standard") -> dict[str, Any]:
    dimensions = {
        "a": {"unit": "Hrs", "pricePerUnit": {"USD": usd}},
        "b": {"unit": "Quantity", "pricePerUnit": {"USD": upfront}},
    }
    if option == "No Upfront":
        del dimensions["b"]
    lease = {"LeaseContractLength": length, "OfferingClass": kind, "PurchaseOption": option}
    return {"priceDimensions": dimensions, "termAttributes": lease}


class List:
    """A price list of a region, as the vendor writes it."""

    def __init__(self) -> None:
        self.products: dict[str, Any] = {}
        self.on_demand: dict[str, Any] = {}
        self.leases: dict[str, Any] = {}

    def add(
        self, usd: str, *leases: dict[str, Any], family: str = "Compute Instance", **attributes: str
    ) -> List:
        sku = f"SKU{len(self.products)}"
        self.products[sku] = {"sku": sku, "productFamily": family, "attributes": {**USED, **attributes}}
        self.on_demand[sku] = {f"{sku}.JRTCKXETXF": hourly(usd)}
        if leases:
            self.leases[sku] = {f"{sku}.{n}": lease for n, lease in enumerate(leases)}
        return self

    def sent(self) -> bytes:
        terms = {"OnDemand": self.on_demand, "Reserved": self.leases}
        return json.dumps({"formatVersion": "v1.0", "products": self.products, "terms": terms}).encode()


def prices(answer: bytes) -> list[tuple[str, str, float]]:
    return [
        (row.instance_type, row.purchase, row.price_usd_per_hour) for row in read_region(answer, DAY).prices
    ]


def test_the_on_demand_price_of_linux_on_shared_tenancy_with_who_states_it() -> None:
    [row] = read_region(List().add("55.0400000000").sent(), DAY).prices
    assert (row.cloud, row.region, row.zone, row.instance_type) == ("aws", "us-east-1", None, "p5.48xlarge")
    assert (row.price_usd_per_hour, row.stated_price_usd, row.stated_unit) == (55.04, 55.04, "hour")
    assert (row.as_of, row.as_of_precision, row.confidence) == (DAY, "day", "A")
    assert row.source == "AWS price list, bulk files (2026-11-25)"


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"tenancy": "Dedicated"}, "dedicated tenancy"),
        ({"tenancy": "Host"}, "dedicated tenancy"),
        ({"operatingSystem": "Windows"}, "other operating systems"),
        ({"operatingSystem": "RHEL"}, "other operating systems"),
        ({"preInstalledSw": "SQL Std"}, "machines with paid software"),
        ({"capacitystatus": "UnusedCapacityReservation"}, "capacity that is reserved or unused"),
        ({"capacitystatus": "AllocatedCapacityReservation"}, "capacity that is reserved or unused"),
        ({"marketoption": "CapacityBlock"}, "capacity blocks"),
        ({"family": "Dedicated Host"}, "what is no machine"),
    ],
)
def test_other_rows_of_the_same_type_are_left_out(changes: dict[str, str], kind: str) -> None:
    read = read_region(List().add("55.04").add("31.464", **changes).sent(), DAY)
    assert [row.price_usd_per_hour for row in read.prices] == [55.04]
    assert read.left_out[f"AWS price list: {kind}"] == 1
    assert read.caught == ()


def test_prices_by_another_unit_or_in_another_currency_are_left_out() -> None:
    listed = List().add("55.04")
    listed.on_demand["SKU0"] |= {"x": hourly("1.0", unit="Quantity"), "y": hourly("400", currency="CNY")}
    read = read_region(listed.sent(), DAY)
    assert [row.price_usd_per_hour for row in read.prices] == [55.04]
    assert read.left_out["AWS price list: prices that are not in US dollars an hour"] == 2


def test_a_machine_at_nothing_is_caught() -> None:
    read = read_region(List().add("0.0000000000", instanceType="p5e.48xlarge").sent(), DAY)
    assert read.prices == ()
    assert [row.item for row in read.caught] == ["p5e.48xlarge"]


def test_a_commitment_is_the_standard_reservation_with_nothing_upfront() -> None:
    listed = List().add(
        "1.0",
        reserved("0.65", "0", "1yr", "No Upfront"),
        reserved("0.30", "2628", "1yr", "Partial Upfront"),
        reserved("0", "5000", "1yr", "All Upfront"),
        reserved("0.75", "0", "1yr", "No Upfront", kind="convertible"),
        reserved("0.45", "0", "3yr", "No Upfront"),
    )
    read = read_region(listed.sent(), DAY)
    by_purchase = {row.purchase: row for row in read.prices}
    assert by_purchase["commit_1y"].price_usd_per_hour == 0.65
    assert by_purchase["commit_1y"].terms == "standard reserved instance, nothing upfront"
    assert by_purchase["commit_3y"].price_usd_per_hour == 0.45
    assert read.left_out["AWS price list: reservations with more paid upfront"] == 2
    assert read.left_out["AWS price list: convertible reservations"] == 1


@pytest.mark.parametrize(
    ("lease", "usd_per_hour", "stated", "terms"),
    [
        (reserved("0.30", "2628", "1yr", "Partial Upfront"), 0.6, 5256.0, "partly upfront"),
        (reserved("0", "5256", "1yr", "All Upfront"), 0.6, 5256.0, "all upfront"),
        (reserved("0.20", "5256", "3yr", "Partial Upfront"), 0.4, 10512.0, "partly upfront"),
    ],
)
def test_what_is_paid_upfront_is_spread_over_the_hours_of_the_term(
    lease: dict[str, Any], usd_per_hour: float, stated: float, terms: str
) -> None:
    row = read_region(List().add("1.0", lease).sent(), DAY).prices[1]
    assert row.price_usd_per_hour == pytest.approx(usd_per_hour)
    assert row.stated_price_usd == pytest.approx(stated)
    assert row.stated_unit == ("1 year" if row.purchase == "commit_1y" else "3 years")
    assert row.terms == f"standard reserved instance, {terms}"


def test_two_prices_for_one_machine_are_caught_both() -> None:
    read = read_region(List().add("55.04").add("60.00").sent(), DAY)
    assert read.prices == ()
    assert [row.invariant for row in read.caught] == ["offered_once", "offered_once"]


@pytest.mark.parametrize("field", USED)
def test_a_renamed_attribute_is_a_change_of_form(field: str) -> None:
    with pytest.raises(CodecError, match=f"no machine has the field {field}, such as SKU SKU0"):
        read_region(List().add("55.04").sent().replace(f'"{field}"'.encode(), b'"renamed"'), DAY)


@pytest.mark.parametrize(
    "field",
    [
        "products",
        "terms",
        "OnDemand",
        "priceDimensions",
        "pricePerUnit",
        "unit",
        "OfferingClass",
        "PurchaseOption",
    ],
)
def test_a_renamed_field_is_a_change_of_form(field: str) -> None:
    sent = List().add("1.0", reserved("0.65", "0", "1yr", "No Upfront")).sent()
    with pytest.raises(CodecError, match=f"its form has changed: .*`{field}`"):
        read_region(sent.replace(f'"{field}":'.encode(), b'"renamed":'), DAY)


def test_the_index_of_regions() -> None:
    sent = b'{"regions": {"eu-west-1": {"regionCode": "eu-west-1", "currentVersionUrl": "/offers/x.json"}}}'
    assert read_regions(sent) == {"eu-west-1": "/offers/x.json"}


def spot(zone: str, usd: str, at: str = "2026-11-25T09:00:00Z", **changes: str) -> dict[str, str]:
    stated = {
        "AvailabilityZone": zone,
        "InstanceType": "p5.48xlarge",
        "ProductDescription": "Linux/UNIX",
        "SpotPrice": usd,
        "Timestamp": at,
    }
    return {**stated, **changes}


def history(*items: dict[str, str]) -> bytes:
    return json.dumps({"SpotPriceHistory": items}).encode()


def test_spot_prices_stay_by_zone() -> None:
    pages = [
        spot_page(history(spot("us-east-1a", "17.6289"))),
        spot_page(history(spot("us-east-1b", "55.04"))),
    ]
    read = read_spot(pages, "us-east-1", DAY, {"us-east-1a": "use1-az4"})
    assert [(row.zone, row.purchase, row.price_usd_per_hour) for row in read.prices] == [
        ("use1-az4", "spot", 17.6289),
        ("us-east-1b", "spot", 55.04),
    ]


@pytest.mark.parametrize("order", [1, -1])
def test_the_newest_spot_price_of_a_zone_counts_in_whatever_order_they_come(order: int) -> None:
    items = [spot("us-east-1a", "18.0", "2026-11-25T08:59:59+00:00"), spot("us-east-1a", "19.0")][::order]
    read = read_spot([spot_page(history(*items))], "us-east-1", DAY, {})
    assert [row.price_usd_per_hour for row in read.prices] == [19.0]
    assert read.left_out["EC2 spot price history: older prices"] == 1


def test_spot_prices_of_other_systems_are_left_out() -> None:
    items = [
        spot("us-east-1a", "18.0", ProductDescription=system)
        for system in ("Windows", "Linux/UNIX (Amazon VPC)")
    ]
    read = read_spot([spot_page(history(*items))], "us-east-1", DAY, {})
    assert read.prices == ()
    assert read.left_out["EC2 spot price history: other operating systems"] == 2


def test_a_spot_price_above_on_demand_is_left_to_the_invariants() -> None:
    read = read_spot([spot_page(history(spot("us-east-1a", "99.0")))], "us-east-1", DAY, {})
    assert [row.price_usd_per_hour for row in read.prices] == [99.0]


def test_a_spot_price_that_is_no_number_is_caught() -> None:
    read = read_spot([spot_page(history(spot("us-east-1a", "n/a")))], "us-east-1", DAY, {})
    assert read.prices == ()
    assert [row.zone for row in read.caught] == ["us-east-1a"]
