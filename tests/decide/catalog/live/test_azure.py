"""Each kind of row that must not count differs in nothing else from one that does."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tradewind.decide.catalog.live.azure import page, read
from tradewind.decide.catalog.reading import Read
from tradewind.domain.errors import CodecError

DAY = "2026-11-25"


def item(usd: float, **changes: Any) -> dict[str, Any]:
    stated = {
        "currencyCode": "USD",
        "tierMinimumUnits": 0.0,
        "retailPrice": usd,
        "unitPrice": usd,
        "armRegionName": "westeurope",
        "location": "EU West",
        "effectiveStartDate": "2026-06-01T00:00:00Z",
        "meterId": "000a794b-bdb0-58be-a0cd-0c3a0f222923",
        "meterName": "D4s v5",
        "productId": "DZH318Z0BQPS",
        "skuId": "DZH318Z0BQPS/00TG",
        "productName": "Virtual Machines Dsv5 Series",
        "skuName": "D4s v5",
        "serviceName": "Virtual Machines",
        "serviceFamily": "Compute",
        "unitOfMeasure": "1 Hour",
        "type": "Consumption",
        "isPrimaryMeterRegion": True,
        "armSkuName": "Standard_D4s_v5",
    }
    return {**stated, **changes}


def reservation(usd: float, term: str = "1 Year", **changes: Any) -> dict[str, Any]:
    return item(usd, type="Reservation", reservationTerm=term, **changes)


def sent(*items: dict[str, Any]) -> bytes:
    page = {"BillingCurrency": "USD", "Items": items, "NextPageLink": None, "Count": len(items)}
    return json.dumps(page).encode()


def read_items(*items: dict[str, Any]) -> Read:
    return read([page(sent(*items))], DAY)


def prices(found: Read) -> dict[str, float]:
    return {row.purchase: row.price_usd_per_hour for row in found.prices}


def test_on_demand_and_spot_prices_with_who_states_them() -> None:
    found = read_items(item(0.23), item(0.05, meterName="D4s v5 Spot", skuName="D4s v5 Spot"))
    assert prices(found) == {"on_demand": 0.23, "spot": 0.05}
    row = found.prices[0]
    assert (row.cloud, row.region, row.instance_type) == ("azure", "westeurope", "Standard_D4s_v5")
    assert (row.source, row.confidence, row.as_of) == ("Azure Retail Prices (2026-11-25)", "A", DAY)


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"productName": "Virtual Machines Dsv5 Series Windows"}, "Windows"),
        ({"productName": "Dsv5 Series Dedicated Host"}, "dedicated hosts"),
        ({"productName": "Dsv5 Series Cloud Services"}, "Cloud Services"),
        ({"productName": "Dsv5 Series CloudServices"}, "Cloud Services"),
        ({"meterName": "D4s v5 Low Priority"}, "low priority"),
        ({"skuName": "D4s v5 Low Priority"}, "low priority"),
        ({"type": "DevTestConsumption"}, "prices for development and test"),
        ({"currencyCode": "EUR"}, "prices in other currencies"),
        ({"tierMinimumUnits": 100.0}, "prices from a volume on"),
        ({"isPrimaryMeterRegion": False}, "meters of other regions"),
        ({"armSkuName": ""}, "prices without a machine type"),
        ({"armSkuName": None}, "prices without a machine type"),
        ({"armSkuName": "Dsv5_Type1"}, "what is no virtual machine"),
        ({"unitOfMeasure": "1/Month"}, "prices that are not by the hour"),
    ],
)
def test_other_rows_of_the_same_machine_are_left_out(changes: dict[str, Any], kind: str) -> None:
    found = read_items(item(0.23), item(0.41, **changes))
    assert prices(found) == {"on_demand": 0.23}
    assert found.left_out[f"Azure Retail Prices: {kind}"] == 1
    assert found.caught == ()


@pytest.mark.parametrize(("term", "hours"), [("1 Year", 8760.0), ("3 Years", 26280.0)])
def test_a_reservation_is_the_total_of_its_term_although_its_unit_is_said_to_be_an_hour(
    term: str, hours: float
) -> None:
    found = read_items(item(0.23), reservation(0.15 * hours, term))
    row = found.prices[1]
    assert row.price_usd_per_hour == pytest.approx(0.15)
    assert (row.stated_price_usd, row.stated_unit) == (0.15 * hours, term.lower())
    assert row.terms == "reservation"


def test_a_reservation_that_comes_by_the_hour_is_taken_by_the_hour() -> None:
    row = read_items(item(0.23), reservation(0.15)).prices[1]
    assert (row.purchase, row.price_usd_per_hour, row.stated_unit) == ("commit_1y", 0.15, "hour")


def test_a_reservation_of_a_machine_without_an_on_demand_price_cannot_be_read_and_is_caught() -> None:
    found = read_items(reservation(1168.0))
    assert found.prices == ()
    assert [row.invariant for row in found.caught] == ["discount_has_on_demand"]


def test_the_price_of_a_windows_machine_does_not_tell_how_a_reservation_is_stated() -> None:
    windows = item(2000.0, productName="Virtual Machines Dsv5 Series Windows")
    assert prices(read_items(windows, item(0.23), reservation(1168.0)))["commit_1y"] == pytest.approx(
        1168.0 / 8760.0
    )


def test_a_savings_plan_counts_only_where_no_reservation_is_quoted_for_its_term() -> None:
    plans = [{"unitPrice": 0.16, "retailPrice": 0.16, "term": term} for term in ("1 Year", "3 Years")]
    found = read_items(item(0.23, savingsPlan=plans), reservation(0.15 * 8760.0))
    by_purchase = {row.purchase: row for row in found.prices}
    assert by_purchase["commit_1y"].terms == "reservation"
    assert (by_purchase["commit_3y"].terms, by_purchase["commit_3y"].price_usd_per_hour) == (
        "savings plan",
        0.16,
    )
    assert found.left_out["Azure Retail Prices: savings plans where a reservation is quoted"] == 1


def test_rows_that_shifting_pages_bring_twice_count_once() -> None:
    first, second = page(sent(item(0.23), item(0.3, armSkuName="Standard_D8s_v5"))), page(sent(item(0.23)))
    found = read([first, second], DAY)
    assert len(found.prices) == 2
    assert found.left_out["Azure Retail Prices: rows that came twice"] == 1


def test_two_prices_for_one_machine_are_caught_both() -> None:
    found = read([page(sent(item(0.23))), page(sent(item(0.24)))], DAY)
    assert found.prices == ()
    assert [row.price_usd for row in found.caught] == [0.23, 0.24]


def test_a_spot_price_above_on_demand_is_left_to_the_invariants() -> None:
    assert prices(read_items(item(0.23), item(0.5, meterName="D4s v5 Spot")))["spot"] == 0.5


@pytest.mark.parametrize(
    "field",
    [
        "Items",
        "NextPageLink",
        "currencyCode",
        "tierMinimumUnits",
        "retailPrice",
        "armRegionName",
        "meterName",
        "productName",
        "skuName",
        "armSkuName",
        "unitOfMeasure",
        "type",
        "isPrimaryMeterRegion",
    ],
)
def test_a_renamed_field_is_a_change_of_form_and_the_row_is_named(field: str) -> None:
    changed = sent(item(0.23), item(0.24)).replace(f'"{field}"'.encode(), b'"renamed"')
    place = "" if field in ("Items", "NextPageLink") else r" - at `\$.Items\[0\]`"
    with pytest.raises(CodecError, match=f"its form has changed: .*`{field}`{place}"):
        page(changed)
