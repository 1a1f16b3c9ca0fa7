"""Each test changes one thing of an answer that is believed, and fails when that rule is taken away."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradewind.decide.catalog.lists.origin import price
from tradewind.decide.catalog.live import believable
from tradewind.decide.catalog.live.azure import retail_prices
from tradewind.decide.catalog.reading import Read

if TYPE_CHECKING:
    from tradewind.decide.catalog.rows import PriceRow
    from tradewind.domain.noun import Purchase


def row(name: str, usd: float, purchase: Purchase = "on_demand", region: str = "eastus") -> PriceRow:
    return price(retail_prices("2026-11-25"), "azure", region, name, purchase, usd)


YESTERDAY = [row(f"Standard_D{n}", n / 10.0) for n in (2, 4, 8, 16)] + [row("Standard_D2", 0.05, "spot")]


@given(st.floats(min_value=0.11, max_value=9.9))
def test_the_same_list_with_other_prices_is_believed(change: float) -> None:
    fresh = [row(r.instance_type, r.price_usd_per_hour * change, r.purchase) for r in YESTERDAY]
    assert believable(Read(prices=tuple(fresh)), YESTERDAY) is None


def test_a_first_answer_is_believed() -> None:
    assert believable(Read(prices=tuple(YESTERDAY)), []) is None


def test_an_empty_answer_is_not() -> None:
    assert believable(Read(), YESTERDAY) == "no price at all, yesterday 5"


def test_fewer_than_half_of_the_machine_types_are_not() -> None:
    half = [r for r in YESTERDAY if r.instance_type in ("Standard_D2", "Standard_D4")]
    assert believable(Read(prices=tuple(half)), YESTERDAY) is None
    others = [row(f"Standard_E{n}", 0.1) for n in range(100)]
    reason = believable(Read(prices=(*half[:1], half[-1], *others)), YESTERDAY)
    assert reason == "prices for 1 of yesterday's 4 machine types, fewer than half"


def test_an_answer_without_one_of_the_purchase_options_is_not() -> None:
    fresh = [r for r in YESTERDAY if r.purchase == "on_demand"]
    reason = believable(Read(prices=tuple(fresh)), YESTERDAY)
    assert reason == "no price at all of purchase option spot, yesterday 1"


def test_an_answer_without_one_of_the_regions_is_not() -> None:
    yesterday = [*YESTERDAY, row("Standard_D2", 0.2, region="westus")]
    reason = believable(Read(prices=tuple(YESTERDAY)), yesterday)
    assert reason == "no price at all of region westus, yesterday 1"


@pytest.mark.parametrize("change", [10.0, 700.0, 0.1, 0.001])
def test_a_tenfold_price_is_not_and_the_row_is_named(change: float) -> None:
    fresh = [*YESTERDAY[1:], row("Standard_D2", 0.2 * change)]
    reason = believable(Read(prices=tuple(fresh)), YESTERDAY)
    assert reason is not None
    assert reason.startswith(f"azure/eastus/Standard_D2/on_demand: {0.2 * change:g} usd/h, yesterday 0.2")


def test_prices_of_other_regions_and_of_spot_may_differ_by_any_factor() -> None:
    fresh = [*YESTERDAY[:-1], row("Standard_D2", 0.0001, "spot"), row("Standard_D2", 90.0, region="westus")]
    assert believable(Read(prices=tuple(fresh)), YESTERDAY) is None
