from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from price_lists import price_lists
from tradewind.decide.catalog import FACT_FILES, normalise, refreshed
from tradewind.decide.catalog.reading import Read
from tradewind.decide.catalog.rows import PriceRow
from tradewind.domain.errors import InputError

TODAY = "2026-11-25"
Make = Callable[..., PriceRow]


@pytest.fixture(scope="module")
def tables() -> dict[str, Any]:
    retired = {
        "cloud": "azure",
        "instance_type": "Standard_A1",
        "retired_on": "2024-08-31",
        "source": "a notice",
    }
    facts = {**{name: [] for name in FACT_FILES}, "retired.csv": [retired]}
    return normalise(price_lists(), facts, {}, TODAY).tables


def prices(found: dict[str, Any]) -> dict[str, float]:
    return {
        f"{p.cloud}/{p.region}/{p.instance_type}/{p.purchase}": p.price_usd_per_hour for p in found["offers"]
    }


def fresh(make_price: Make, machine: str, usd: float, **changes: object) -> PriceRow:
    stated = {"cloud": "azure", "source": "prices of today", "as_of": TODAY, "stated_price_usd": usd}
    return make_price("westeurope", machine, price_usd_per_hour=usd, **{**stated, **changes})


def test_fresh_prices_stand_where_they_cover_and_old_ones_elsewhere(
    tables: dict[str, Any], make_price: Make
) -> None:
    read = Read(
        prices=(fresh(make_price, "Standard_D4s_v5", 0.24), fresh(make_price, "Standard_D8s_v5", 0.48))
    )
    before, after = prices(tables), prices(refreshed(tables, {"azure": read}, TODAY).tables)
    assert after["azure/westeurope/Standard_D4s_v5/on_demand"] == 0.24
    assert "azure/westeurope/Standard_D2s_v9/on_demand" not in after, "the fresh list has it no more"
    assert after["azure/westeurope/Standard_D4s_v5/spot"] == 0.0253, (
        "no fresh spot price, so the old one stays"
    )
    others = {key: price for key, price in before.items() if not key.startswith("azure/westeurope")}
    assert others.items() <= after.items()


def test_fresh_prices_are_judged(tables: dict[str, Any], make_price: Make) -> None:
    read = Read(
        prices=(
            fresh(make_price, "Standard_D4s_v5", 0.24),
            fresh(make_price, "Standard_D8s_v5", 0.95),
            fresh(make_price, "Standard_A1", 0.05),
        )
    )
    found = refreshed(tables, {"azure": read}, TODAY).tables
    rows: list[Any] = list(found["quarantine"])
    caught = {(row.item, row.invariant) for row in rows if row.source == "prices of today"}
    assert caught == {("Standard_D8s_v5", "linear_in_family"), ("Standard_A1", "type_is_active")}
    assert "azure/westeurope/Standard_A1/on_demand" not in prices(found)


def test_a_new_region_and_a_new_machine_are_known_afterwards(
    tables: dict[str, Any], make_price: Make
) -> None:
    new = make_price("mooncentral", "Standard_D4s_v99", cloud="azure", as_of=TODAY, source="prices of today")
    found = refreshed(tables, {"azure": Read(prices=(new,))}, TODAY)
    assert found.as_of == TODAY
    regions: list[Any] = list(found.tables["regions"])
    (region,) = [row for row in regions if row.region == "mooncentral"]
    assert (region.machine_types, region.country, region.source) == (1, None, "prices of today")
    sources: list[Any] = list(found.tables["sources"])
    assert "prices of today" in {row.source for row in sources}


def test_a_cloud_of_which_nothing_can_be_used_is_refused(tables: dict[str, Any], make_price: Make) -> None:
    only_azure = {
        **tables,
        "offers": [p for p in tables["offers"] if p.cloud == "azure" and p.region == "westeurope"],
    }
    read = Read(
        prices=(fresh(make_price, "Standard_D4s_v5", 700.0), fresh(make_price, "Standard_D8s_v5", 0.0))
    )
    with pytest.raises(InputError, match="azure: no price of the fresh list can be used"):
        refreshed(only_azure, {"azure": read}, TODAY)
