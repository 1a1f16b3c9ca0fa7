from __future__ import annotations

import pytest

from tradewind.decide.catalog.places import GROUPS, matches, place_group


@pytest.mark.parametrize(
    ("group", "regions"),
    [
        ("europe", ["aws/eu-west-1", "aws/eu-south-2", "azure/westeurope", "azure/northeurope"]),
        ("europe", ["azure/francecentral", "azure/germanywestcentral", "azure/uksouth", "gcp/europe-west4"]),
        ("europe", ["azure/swedencentral", "azure/switzerlandnorth", "gcp/europe-north2"]),
        ("us", ["aws/us-east-1", "azure/eastus", "azure/westus3", "gcp/us-central1"]),
        ("northamerica", ["aws/ca-central-1", "azure/canadaeast", "gcp/northamerica-northeast1"]),
        ("southamerica", ["aws/sa-east-1", "azure/brazilsouth", "gcp/southamerica-west1"]),
        ("asia", ["aws/ap-south-1", "aws/ap-southeast-1", "azure/japaneast", "gcp/asia-east1"]),
        ("australia", ["aws/ap-southeast-2", "azure/australiaeast", "gcp/australia-southeast1"]),
        ("africa", ["aws/af-south-1", "azure/southafricanorth", "gcp/africa-south1"]),
        ("me", ["aws/me-south-1", "aws/il-central-1", "azure/uaenorth", "gcp/me-west1"]),
        ("china", ["aws/cn-north-1", "azure/chinaeast2"]),
    ],
)
def test_a_part_of_the_world_is_the_same_in_every_cloud(group: str, regions: list[str]) -> None:
    assert group in GROUPS
    for name in regions:
        cloud, region = name.split("/")
        assert place_group(cloud, region) == group, name
        assert matches(f"{group}-*", region, place_group(cloud, region)), name


def test_an_unknown_region_is_in_no_group_and_matches_only_by_name() -> None:
    assert place_group("azure", "atlantis") is None
    assert not matches("europe-*", "atlantis", None)
    assert matches("atl*", "atlantis", None)


def test_other_patterns_are_matched_against_names_only() -> None:
    assert not matches("eu-*", "westeurope", "europe")
    assert matches("eu-west-?", "eu-west-1", "europe")
    assert not matches("europe-west*", "westeurope", "europe")
    assert matches("*", "westeurope", "europe")
    assert not matches("none-*", "somewhere", None)
