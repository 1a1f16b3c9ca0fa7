"""The map: regions where they are, near towns told apart, and what has no known place in a strip."""

from __future__ import annotations

import re

import msgspec
import pytest

from tradewind.decide.catalog.places import place_group
from tradewind.decide.planning.explaining import explain
from tradewind.domain.explanation import Explanation, Place
from tradewind.show.report.map import regions_map, spots

WORLD = {
    "europe": (35.0, 70.0, -25.0, 35.0),
    "us": (24.0, 49.0, -125.0, -66.0),
    "northamerica": (14.0, 60.0, -130.0, -55.0),
    "southamerica": (-56.0, 13.0, -82.0, -34.0),
    "asia": (-11.0, 55.0, 60.0, 150.0),
    "australia": (-48.0, -10.0, 110.0, 180.0),
    "africa": (-35.0, 37.0, -18.0, 52.0),
    "me": (12.0, 42.0, 25.0, 63.0),
    "china": (18.0, 54.0, 73.0, 135.0),
}
"""South, north, west and east of each part of the world."""


@pytest.fixture(scope="module")
def found(story) -> Explanation:
    return explain(story.PLAN)


def test_every_region_lies_in_its_part_of_the_world():
    for (cloud, region), spot in spots().items():
        group = place_group(cloud, region)
        if group is None:
            continue
        south, north, west, east = WORLD[group]
        assert south <= spot.latitude <= north, (region, spot)
        assert west <= spot.longitude <= east, (region, spot)


def test_the_three_clouds_have_places():
    assert {cloud for cloud, _ in spots()} == {"aws", "azure", "gcp"}
    assert len(spots()) > 100


def place(cloud: str, region: str, usd: float, chosen: bool = False) -> Place:
    return Place(cloud=cloud, region=region, usd=usd, what="1 x m5.large, spot", chosen=chosen)


def test_every_region_is_a_dot_that_tells_its_cost(found):
    places = (
        place("aws", "eu-west-1", 100.0, chosen=True),
        place("azure", "northeurope", 109.0),
        place("gcp", "us-east4", 140.0),
        place("aws", "ap-southeast-2", 300.0),
    )
    drawn = regions_map(msgspec.structs.replace(found, places=places))
    assert drawn.count("<circle") == 4
    for kind in ("dot-chosen", "dot-near", "dot-mid", "dot-far"):
        assert re.search(rf'<circle[^>]*class="{kind}"', drawn)
    assert "Sydney" in drawn
    places_drawn = [float(x) for x in re.findall(r'<circle cx="([-\d.]+)%', drawn)]
    assert all(0.0 <= x <= 100.0 for x in places_drawn)


def test_west_is_left_and_north_is_up(found):
    places = (
        place("gcp", "us-west1", 1.0),
        place("gcp", "europe-north1", 1.0),
        place("aws", "sa-east-1", 1.0),
    )
    drawn = regions_map(msgspec.structs.replace(found, places=places))
    at = {}
    for x, y, tip in re.findall(r'<circle cx="([-\d.]+)%" cy="([-\d.]+)%"[^>]*data-tip="([^"]*)"', drawn):
        at[next(one.region for one in places if one.region in tip)] = (float(x), float(y))
    assert at["us-west1"][0] < at["sa-east-1"][0] < at["europe-north1"][0]
    assert at["europe-north1"][1] < at["us-west1"][1] < at["sa-east-1"][1]


def test_a_region_without_a_known_place_stands_in_the_strip(found):
    places = (place("aws", "eu-nowhere-9", 10.0), place("aws", "eu-west-1", 9.0, chosen=True))
    drawn = regions_map(msgspec.structs.replace(found, places=places))
    assert "eu-nowhere-9" in drawn
    assert drawn.count("<circle") == 1
    only = regions_map(msgspec.structs.replace(found, places=places[:1]))
    assert "<svg" not in only
    assert regions_map(msgspec.structs.replace(found, places=())) == ""
