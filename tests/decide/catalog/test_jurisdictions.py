from __future__ import annotations

import csv
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tradewind.files
from tradewind.decide.catalog.jurisdictions import (
    EEA,
    EU,
    GDPR,
    JURISDICTIONS,
    PLACE_COLUMNS,
    RegionPlace,
    jurisdictions_of,
    read_region_places,
    stands_in,
)
from tradewind.decide.catalog.places import GROUPS, place_group
from tradewind.domain.errors import InputError

FACTS = Path(tradewind.files.__file__).parent / "data" / "facts"

COUNTRIES = {
    "us": {"US"},
    "northamerica": {"CA", "MX"},
    "southamerica": {"BR", "CL"},
    "asia": {"HK", "ID", "IN", "JP", "KR", "MY", "SG", "TH", "TW"},
    "australia": {"AU", "NZ"},
    "africa": {"ZA"},
    "me": {"AE", "BH", "IL", "QA", "SA"},
    "china": {"CN"},
    "europe": GDPR,
}
"""Part of the world -> countries with a region."""


def shipped(name: str) -> list[dict[str, str]]:
    with (FACTS / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, strict=True))


@pytest.fixture
def places() -> dict[tuple[str, str], RegionPlace]:
    found, caught = read_region_places(shipped("region_places.csv"))
    assert caught == []
    return {(place.cloud, place.region): place for place in found.values()}


def row(**changes: str) -> dict[str, str]:
    stated = {"cloud": "azure", "region": "westeurope", "country": "NL", "place": "Netherlands"}
    return {**stated, "source": "a page", "as_of": "2026-11-25", **changes}


# Laws


@given(st.text(alphabet="ABCDEFGHIJKLMNOPQRSTUVWXYZ", min_size=2, max_size=2))
def test_the_union_is_within_the_economic_area_and_the_country_comes_first(country: str) -> None:
    words = jurisdictions_of(country)
    assert words[0] == country.lower()
    assert ("eu" in words[1:]) <= ("eea" in words[1:]) <= ("gdpr" in words[1:])
    assert len(set(words)) == len(words)
    assert set(words[1:]) <= set(JURISDICTIONS)


def test_the_union_has_27_members_and_the_economic_area_3_more() -> None:
    assert len(EU) == 27
    assert {"IS", "LI", "NO"} == EEA - EU
    assert {"CH", "GB"} == GDPR - EEA


@pytest.mark.parametrize(
    ("region", "words"),
    [
        (("aws", "eu-west-1"), ("ie", "eu", "eea", "gdpr")),
        (("aws", "eu-west-2"), ("gb", "gdpr")),
        (("azure", "uksouth"), ("gb", "gdpr")),
        (("gcp", "europe-west2"), ("gb", "gdpr")),
        (("aws", "eu-central-2"), ("ch", "gdpr")),
        (("gcp", "europe-west6"), ("ch", "gdpr")),
        (("azure", "switzerlandnorth"), ("ch", "gdpr")),
        (("azure", "norwayeast"), ("no", "eea", "gdpr")),
        (("aws", "us-east-1"), ("us",)),
        (("aws", "us-gov-east-1"), ("us", "us_gov")),
        (("azure", "usgovvirginia"), ("us", "us_gov")),
        (("azure", "usdodeast"), ("us", "us_gov")),
        (("azure", "eastasia"), ("hk",)),
        (("aws", "us-west-2-lax-1"), ("us",)),
    ],
)
def test_each_region_stands_under_the_law_of_its_country(
    places: dict[tuple[str, str], RegionPlace], region: tuple[str, str], words: tuple[str, ...]
) -> None:
    assert places[region].jurisdictions == words


@pytest.mark.parametrize(
    ("region", "in_area"),
    [
        (("gcp", "europe-west2"), False),
        (("gcp", "europe-west6"), False),
        (("azure", "norwayeast"), True),
    ],
    ids=["London", "Zurich", "Oslo"],
)
def test_law_is_not_geography(
    places: dict[tuple[str, str], RegionPlace], region: tuple[str, str], in_area: bool
) -> None:
    assert place_group(*region) == "europe"
    assert "eu" not in places[region].jurisdictions
    assert ("eea" in places[region].jurisdictions) == in_area


@given(
    st.lists(st.sampled_from(["eu", "eea", "gdpr", "de", "us"])), st.sampled_from(["DE", "NO", "US", "JP"])
)
def test_a_region_stands_in_any_of_what_is_asked(asked: list[str], country: str) -> None:
    words = jurisdictions_of(country)
    known = {"de", "no", "us", "jp", "eu", "eea", "gdpr"}
    assert stands_in(asked, words, known) == (not asked or bool(set(asked) & set(words)))


def test_a_region_of_unknown_law_stands_in_nothing_that_is_asked() -> None:
    assert not stands_in(["eu"], (), {"de"})
    assert stands_in([], (), {"de"})


def test_a_word_that_is_no_jurisdiction_is_an_error_that_says_what_to_write() -> None:
    with pytest.raises(InputError, match=r"jurisdiction: .*'EU'; the nearest is 'eu'"):
        stands_in(["EU"], ("de",), {"de"})
    with pytest.raises(InputError, match=r"write eu, eea, gdpr, us_gov or a country like de"):
        stands_in(["mars"], ("de",), {"de"})


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"country": "nl"}, "two capitals"),
        ({"country": "NLD"}, "two capitals"),
        ({"country": ""}, "two capitals"),
        ({"place": ""}, "no place"),
        ({"region": ""}, "no region"),
        ({"source": ""}, "no source"),
        ({"as_of": "2026"}, "as_of"),
        ({"cloud": "ibm"}, "write aws, azure, gcp"),
    ],
)
def test_a_place_without_country_source_or_day_does_not_enter(changes: dict[str, str], reason: str) -> None:
    found, caught = read_region_places([row(**changes)])
    assert not found
    assert reason in caught[0].reason


def test_a_second_row_for_a_region_is_caught() -> None:
    found, caught = read_region_places([row(), row(country="DE")])
    assert len(found) == 1
    assert "second row" in caught[0].reason


# What is shipped


def test_the_shipped_places_are_sorted_and_have_their_columns() -> None:
    rows = shipped("region_places.csv")
    assert tuple(rows[0]) == PLACE_COLUMNS
    keys = [(row["cloud"], row["region"]) for row in rows]
    assert keys == sorted(set(keys)), "keep the rows sorted, so that a change is one line"


def test_the_country_of_a_region_is_in_its_part_of_the_world(
    places: dict[tuple[str, str], RegionPlace],
) -> None:
    assert set(COUNTRIES) == set(GROUPS)
    for place in places.values():
        group = place_group(place.cloud, place.region)
        assert group is not None, f"{place.cloud}/{place.region} is in no part of the world"
        assert place.country in COUNTRIES[group], f"{place.cloud}/{place.region} is not in {group}"


def test_every_region_of_a_managed_service_has_a_place(places: dict[tuple[str, str], RegionPlace]) -> None:
    served = {(row["cloud"], row["region"]) for row in shipped("service_regions.csv")}
    assert served <= set(places)
