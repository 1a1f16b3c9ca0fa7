from __future__ import annotations

import json
from collections import Counter

import pytest

from tradewind.decide.catalog.lists.origin import Origin, price
from tradewind.decide.catalog.live.azure import page, retail_prices
from tradewind.decide.catalog.live.bounds import MOST_ROWS, MOST_USD_PER_HOUR, bounded, decoded, sifted
from tradewind.domain.errors import CodecError

LIST: Origin = retail_prices("2026-11-25")
PAGE = json.dumps({"Items": [], "NextPageLink": None}).encode()


@pytest.mark.parametrize("cut", range(1, len(PAGE)))
def test_an_answer_that_is_cut_off_anywhere_is_refused_as_such(cut: int) -> None:
    with pytest.raises(CodecError, match=r"not whole JSON, .* bytes: .*; ask again"):
        page(PAGE[:cut])


def test_depth_is_no_crash() -> None:
    with pytest.raises(CodecError):
        decoded(b"[" * 100_000, list[object], "an answer")


def test_an_answer_of_another_form_is_refused_with_the_place() -> None:
    with pytest.raises(CodecError, match=r"its form has changed: .*`NextPageLink`"):
        page(b'{"Items": [], "nextLink": null}')


def test_an_answer_with_too_many_rows_is_refused() -> None:
    bounded(MOST_ROWS, "a list")
    with pytest.raises(CodecError, match="1000001 rows, over the limit of 1000000"):
        bounded(MOST_ROWS + 1, "a list")


@pytest.mark.parametrize("stated", [0.0, -1.0, 1e9, float("nan"), float("inf"), MOST_USD_PER_HOUR * 1.01])
def test_a_price_out_of_range_is_caught(stated: float) -> None:
    read = sifted([price(LIST, "azure", "eastus", "Standard_D2", "on_demand", stated)], Counter(), "a list")
    assert read.prices == ()
    assert [row.invariant for row in read.caught] == ["price_in_range"]


def test_a_row_that_comes_twice_counts_once_and_two_prices_for_one_offer_count_not_at_all() -> None:
    def row(region: str, usd: float) -> object:
        return price(LIST, "azure", region, "Standard_D2", "on_demand", usd)

    rows = [row("eastus", 0.1), row("westus", 0.2), row("eastus", 0.1), row("westus", 0.3)]
    read = sifted(rows, Counter(), "a list")
    assert [(p.region, p.price_usd_per_hour) for p in read.prices] == [("eastus", 0.1)]
    assert read.left_out == {"a list: rows that came twice": 1}
    assert [(row.region, row.price_usd, row.invariant) for row in read.caught] == [
        ("westus", 0.2, "offered_once"),
        ("westus", 0.3, "offered_once"),
    ]
    assert "0.2 and 0.3" in read.caught[0].reason
