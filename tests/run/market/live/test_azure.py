from __future__ import annotations

from typing import Any

import pytest

from price_endpoints import Reply, azure_item, price_row
from tradewind.domain.errors import CodecError, ResourceError
from tradewind.run.market.live import AzurePrices, Gathered

NAMES = [f"Standard_D{n}s_v5" for n in (2, 4, 8, 16, 32)]


@pytest.fixture
def europe(azure_endpoint: Any) -> Any:
    """West Europe: five machines on three pages, one of them reserved."""
    for n, name in enumerate(NAMES):
        azure_endpoint.add(azure_item("westeurope", name, 0.1 * 2**n))
    return azure_endpoint.add(
        azure_item("westeurope", NAMES[0], 0.06 * 8760, type="Reservation", reservationTerm="1 Year")
    )


def gather(endpoint: Any, answers: Any, **changes: Any) -> Gathered:
    tables = {"offers": [price_row("azure", region, NAMES[0]) for region in ("westeurope", "eastus")]}
    source = AzurePrices(url=f"{endpoint.url}/api/retail/prices", **{"regions": ("westeurope",), **changes})
    return source.gather(answers(), tables)


def found(gathered: Gathered) -> list[tuple[str, str]]:
    return [(row.instance_type, row.purchase) for row in gathered.read.prices]


def test_all_pages_of_a_region_by_use_and_reserved(europe: Any, answers: Any) -> None:
    gathered = gather(europe, answers)
    assert found(gathered) == [*((name, "on_demand") for name in NAMES), (NAMES[0], "commit_1y")]
    assert len(europe.asked) == 4, "three pages by use, one reserved"
    assert {row.source for row in gathered.read.prices} == {origin.source for origin in gathered.origins}


def test_without_regions_those_of_the_catalogue_are_asked(europe: Any, answers: Any) -> None:
    europe.add(azure_item("eastus", NAMES[0], 0.1))
    gathered = gather(europe, answers, regions=())
    assert {row.region for row in gathered.read.prices} == {"westeurope", "eastus"}


def test_other_regions_are_untold(europe: Any, answers: Any) -> None:
    gathered = gather(europe, answers)
    assert gathered.untold(price_row("azure", "eastus", NAMES[0]))
    assert not gathered.untold(price_row("azure", "westeurope", NAMES[0]))


def test_where_to_ask_is_not_for_an_answer_to_say(europe: Any, answers: Any) -> None:
    europe.link_host = "http://127.0.0.1:9"
    assert len(gather(europe, answers).read.prices) == 6
    assert all(path.startswith("/api/retail/prices?") for path in europe.asked)


def test_a_refresh_that_was_stopped_goes_on_and_asks_nothing_twice(europe: Any, answers: Any) -> None:
    europe.instead = {2: Reply(b"gone", status=404)}
    with pytest.raises(ResourceError, match="404"):
        gather(europe, answers)
    assert len(gather(europe, answers).read.prices) == 6
    assert len(europe.asked) == 5
    assert sorted(set(europe.asked[:2] + europe.asked[3:])) == sorted(europe.asked[:2] + europe.asked[3:])


def test_truncated_json_is_refused_and_asked_again_later(europe: Any, answers: Any) -> None:
    europe.instead = {1: Reply(b'{"Items": [{"currencyCode": "US')}
    with pytest.raises(CodecError, match="not whole JSON"):
        gather(europe, answers)
    assert len(gather(europe, answers).read.prices) == 6
    assert len(europe.asked) == 5


def test_a_changed_field_is_refused_and_the_row_is_named(europe: Any, answers: Any) -> None:
    changed = europe.answer(
        "/api/retail/prices", {"api-version": "2023-01-01-preview", "$filter": FILTER}, {}, ""
    ).body
    europe.instead = {0: Reply(changed.replace(b"retailPrice", b"price"))}
    with pytest.raises(CodecError, match=r"its form has changed: .*`retailPrice` - at `\$.Items\[0\]`"):
        gather(europe, answers)


FILTER = "serviceName eq 'Virtual Machines' and armRegionName eq 'westeurope' and priceType eq 'Consumption'"


@pytest.mark.parametrize("page", [0, 1])
def test_an_empty_page_where_prices_should_be_is_refused_and_not_kept(
    europe: Any, answers: Any, page: int
) -> None:
    link = b'"https://prices.azure.com/api/retail/prices?$skip=4"' if page else b"null"
    europe.instead = {page: Reply(b'{"Items": [], "NextPageLink": ' + link + b"}")}
    with pytest.raises(CodecError, match="an empty page where prices of westeurope should be"):
        gather(europe, answers)
    assert len(gather(europe, answers).read.prices) == 6


def test_an_empty_last_page_is_the_end(europe: Any, answers: Any) -> None:
    europe.instead = {2: Reply(b'{"Items": [], "NextPageLink": null}')}
    assert len(gather(europe, answers).read.prices) == 5


def test_a_region_without_reservations_is_in_order(azure_endpoint: Any, answers: Any) -> None:
    azure_endpoint.add(azure_item("westeurope", NAMES[0], 0.1))
    assert found(gather(azure_endpoint, answers)) == [(NAMES[0], "on_demand")]


def test_rows_that_shifting_pages_bring_twice_count_once(europe: Any, answers: Any) -> None:
    europe.shift = 1
    gathered = gather(europe, answers)
    assert found(gathered) == [*((name, "on_demand") for name in NAMES), (NAMES[0], "commit_1y")]
    assert gathered.read.left_out["Azure Retail Prices: rows that came twice"] == 2


def test_pages_in_a_circle_are_refused_and_asked_anew_later(europe: Any, answers: Any) -> None:
    first = europe.answer(
        "/api/retail/prices", {"api-version": "2023-01-01-preview", "$filter": FILTER}, {}, ""
    ).body
    europe.instead = {1: Reply(first)}
    with pytest.raises(CodecError, match="page 2 leads back to an earlier one"):
        gather(europe, answers)
    assert len(gather(europe, answers).read.prices) == 6
