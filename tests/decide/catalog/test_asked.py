from __future__ import annotations

import pytest

from tradewind.decide.catalog.asked import (
    accelerators_meant,
    alike,
    machine_meant,
    machines_meant,
    regions_meant,
    some,
    under_law,
)
from tradewind.decide.catalog.rows import RegionRow
from tradewind.domain.errors import InputError


def region(cloud: str, name: str, group: str | None, laws: tuple[str, ...], types: int = 9) -> RegionRow:
    return RegionRow(
        cloud=cloud,
        region=name,
        place=None,
        place_group=group,
        country=None,
        jurisdictions=laws,
        grid_gco2e_per_kwh=None,
        carbon_free_share=None,
        machine_types=types,
        source="a list",
        as_of="2026-07-20",
        as_of_precision="day",
    )


REGIONS = [
    region("aws", "eu-west-1", "europe", ("ie", "eu", "eea", "gdpr")),
    region("aws", "us-gov-east-1", "us", ("us", "us_gov")),
    region("azure", "uksouth", "europe", ("gb", "gdpr")),
    region("azure", "westeurope", "europe", ("nl", "eu", "eea", "gdpr"), types=0),
    region("gcp", "us-central1", "us", ("us",)),
]
TYPES = [("aws", "c7g.large"), ("aws", "c7g.xlarge"), ("azure", "Standard_NC4as_T4_v3"), ("gcp", "c7g.large")]


def names(found: list[RegionRow]) -> list[str]:
    return [one.region for one in found]


def test_patterns_mean_what_they_mean_in_a_goal() -> None:
    assert names(regions_meant(["europe-*"], REGIONS)) == ["eu-west-1", "uksouth"]
    assert names(regions_meant(["EU-west-1"], REGIONS)) == ["eu-west-1"]
    assert names(regions_meant(["us-*", "uk*"], REGIONS)) == ["uksouth", "us-central1"]


def test_regions_for_a_government_are_found_by_who_names_them() -> None:
    assert "us-gov-east-1" not in names(regions_meant([], REGIONS))
    assert names(regions_meant(["us-gov-*"], REGIONS)) == ["us-gov-east-1"]


def test_a_pattern_without_a_region_is_an_error_with_the_nearest() -> None:
    with pytest.raises(
        InputError, match="'euroe-\\*' matches no region of any cloud; the nearest are europe-\\*"
    ):
        regions_meant(["euroe-*"], REGIONS)


def test_the_law_is_that_of_the_place() -> None:
    assert names(under_law(["eu"], REGIONS)) == ["eu-west-1", "westeurope"]
    assert names(under_law(["GB", "us_gov"], REGIONS)) == ["us-gov-east-1", "uksouth"]
    assert under_law([], REGIONS) == REGIONS
    with pytest.raises(InputError, match="the nearest is 'gdpr'"):
        under_law(["gdprr"], REGIONS)


def test_an_accelerator_is_meant_by_its_name_or_its_beginning() -> None:
    known = ["A10", "A100-40GB", "A100-80GB", "H100-SXM", "TPU-v5e"]
    assert accelerators_meant(["a100", "v5e"], known) == ["A100-40GB", "A100-80GB", "TPU-v5e"]
    assert accelerators_meant(["A10"], known) == ["A10"]
    with pytest.raises(InputError, match="'H10' is in no machine of the catalogue; the nearest"):
        accelerators_meant(["H10"], known)


def test_a_type_is_meant_whatever_the_case_and_without_azures_standard() -> None:
    assert machines_meant(["C7G.*"], TYPES) == [TYPES[0], TYPES[1], TYPES[3]]
    assert machine_meant("nc4as_t4_v3", TYPES) == [TYPES[2]]
    assert machine_meant("c7g.large", TYPES) == [TYPES[0], TYPES[3]]


@pytest.mark.parametrize("name", ["c7g.xlareg", "C7G.XLAREG"])
def test_an_unknown_type_is_an_error_with_the_nearest(name: str) -> None:
    with pytest.raises(InputError, match="the nearest are c7g\\.xlarge"):
        machine_meant(name, TYPES)
    with pytest.raises(InputError, match="matches no machine type of the catalogue"):
        machines_meant(["zz*"], TYPES)


def test_words_that_look_like_nothing_known_get_some_that_are() -> None:
    assert alike("zzzz", ["a", "b"]) == "known are a, b"
    assert alike("zzzz", [f"word{n}" for n in range(9)]).endswith("word7, ...")
    assert some(["b", "a"]) == "a, b"
