from __future__ import annotations

from collections.abc import Callable

from tradewind.decide.catalog.regions import CARBON_COLUMNS, read_regions
from tradewind.decide.catalog.rows import PriceRow


def carbon(**changes: str) -> dict[str, str]:
    stated = {
        "provider": "aws",
        "region": "eu-west-1",
        "grid_gco2e_per_kwh": "316.0",
        "location": "Ireland",
        "year": "2021-22",
        "source": "a list",
    }
    return {**dict.fromkeys(CARBON_COLUMNS, ""), **stated, **changes}


def place(region: str, country: str, city: str) -> dict[str, str]:
    return {
        "cloud": "aws",
        "region": region,
        "country": country,
        "place": city,
        "source": "a vendor's page",
        "as_of": "2026-11-20",
    }


def test_regions_have_a_place_a_group_a_law_and_the_number_of_types(
    make_price: Callable[..., PriceRow],
) -> None:
    prices = [make_price("eu-west-1"), make_price("eu-west-1", purchase="spot"), make_price("eu-south-2")]
    found, caught = read_regions(
        [carbon(), carbon(region="sa-east-1", carbon_free_share="0.9")],
        [place("eu-west-1", "IE", "Dublin")],
        prices,
    )
    assert caught == []
    assert [(row.region, row.place_group, row.grid_gco2e_per_kwh, row.machine_types) for row in found] == [
        ("eu-south-2", "europe", None, 1),
        ("eu-west-1", "europe", 316.0, 1),
        ("sa-east-1", "southamerica", 316.0, 0),
    ]
    dublin = found[1]
    assert (dublin.place, dublin.country) == ("Dublin", "IE")
    assert {"ie", "eu", "eea", "gdpr"} == set(dublin.jurisdictions)
    assert dublin.source == "a vendor's page; a list"


def test_a_region_of_which_no_list_knows_the_place_has_no_law_and_says_where_it_is_from(
    make_price: Callable[..., PriceRow],
) -> None:
    (found,), _ = read_regions([], [], [make_price("eu-south-2")])
    assert (found.place, found.country, found.jurisdictions) == (None, None, ())
    assert (found.source, found.as_of) == ("a vendor's list", "2026-07-20")


def test_impossible_carbon_is_caught_and_its_region_keeps_its_prices(
    make_price: Callable[..., PriceRow],
) -> None:
    for wrong in (
        carbon(grid_gco2e_per_kwh="-1"),
        carbon(grid_gco2e_per_kwh="90000"),
        carbon(grid_gco2e_per_kwh=""),
        carbon(carbon_free_share="87"),
        carbon(year="?"),
    ):
        (region,), (caught,) = read_regions([wrong], [], [make_price("eu-west-1")])
        assert caught.invariant == "carbon_is_plausible"
        assert region.grid_gco2e_per_kwh is None
