"""Storage and egress: tier by tier, and never silently free."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tradewind.decide.planning.tariffs import Tariffs
from tradewind.decide.prediction import default_calibration
from tradewind.domain.goal import DataAt, Footprint
from tradewind.domain.offer import Offers, TransferPrice
from tradewind.domain.plan import CostPart

CALIBRATION = default_calibration()
OVERHEAD_BYTES = CALIBRATION["http_overhead_bytes"].value


def parts(
    make: SimpleNamespace,
    cloud: str,
    region: str,
    *,
    load: float = 1000.0,
    data_at: DataAt | None = None,
    footprint: Footprint | None = None,
    **prices: Any,
) -> dict[str, CostPart]:
    listed = {"storage": make.storage, "transfer": make.transfer, **prices}
    offers = Offers.of([make.offer()], **listed)
    profiles = make.front().profiles
    goal = make.goal(data_at=data_at, footprint=footprint)
    tariffs = Tariffs(goal, profiles, offers, CALIBRATION, "2026-02-03")
    return {part.name: part for part in tariffs.parts(cloud, region, load)}


def monthly_gb(make: SimpleNamespace, load: float) -> float:
    return load * 730.0 * 3600.0 * (make.profile().response_bytes + OVERHEAD_BYTES) / 1e9


@pytest.mark.parametrize(("load", "tiers"), [(10.0, 1), (1000.0, 2), (20_000.0, 3)])
def test_egress_is_paid_tier_by_tier(make: SimpleNamespace, load: float, tiers: int) -> None:
    gigabytes = monthly_gb(make, load)
    assert sum(gigabytes > start for start in (0.0, 100.0, 10_000.0)) == tiers
    expected = 0.09 * max(0.0, min(gigabytes, 10_000.0) - 100.0) + 0.08 * max(0.0, gigabytes - 10_000.0)
    part = parts(make, "aws", "eu-west-1", load=load)["egress_internet"]
    assert part.usd_per_month == pytest.approx(expected)
    assert part.origin == "quoted"


@given(loads=st.tuples(st.floats(0.1, 1e6), st.floats(0.1, 1e6)))
@settings(derandomize=True, deadline=None, max_examples=40)
def test_more_load_never_costs_less(make: SimpleNamespace, loads: tuple[float, float]) -> None:
    less, more = (
        parts(make, "aws", "eu-west-1", load=load)["egress_internet"].usd_per_month for load in sorted(loads)
    )
    assert less <= more


def test_a_region_without_a_price_takes_the_clouds(make: SimpleNamespace) -> None:
    part = parts(make, "aws", "ap-south-1")["egress_internet"]
    assert part.usd_per_month == pytest.approx(0.1 * monthly_gb(make, 1000.0))
    assert part.origin == "quoted"


def test_a_cloud_without_a_price_takes_the_dearest_known_and_says_so(make: SimpleNamespace) -> None:
    part = parts(make, "azure", "westeurope")["egress_internet"]
    assert part.usd_per_month == pytest.approx(0.12 * monthly_gb(make, 1000.0))
    assert part.origin == "assumed"
    assert "none is known in westeurope" in part.because
    other = parts(make, "gcp", "us-east1")["egress_internet"]
    assert (other.origin, other.usd_per_month) == ("assumed", part.usd_per_month)


def test_without_any_prices_the_parts_say_that_none_is_known(make: SimpleNamespace) -> None:
    data = DataAt(uri="s3://b", region="eu-west-1", size_bytes=1e12, read_per_month_bytes=1e12)
    for part in parts(make, "aws", "us-east-1", data_at=data, storage=(), transfer=()).values():
        assert part.usd_per_month == 0.0
        assert part.origin == "assumed"
        assert "is known" in part.because


def test_without_data_storage_and_reading_are_zero_and_say_why(make: SimpleNamespace) -> None:
    found = parts(make, "aws", "eu-west-1")
    for name in ("storage", "egress_inter_region"):
        assert found[name].usd_per_month == 0.0
        assert "data_at" in found[name].because


def test_data_are_stored_where_they_are(make: SimpleNamespace) -> None:
    data = DataAt(uri="s3://b", region="eu-west-1", size_bytes=2e12)
    for cloud, region in (("aws", "eu-west-1"), ("gcp", "europe-west1")):
        part = parts(make, cloud, region, data_at=data)["storage"]
        assert part.usd_per_month == pytest.approx(2000.0 * 0.023)
        assert part.origin == "quoted"
    elsewhere = DataAt(uri="s3://b", region="eu-south-1", size_bytes=2e12)
    part = parts(make, "aws", "eu-west-1", data_at=elsewhere)["storage"]
    assert (part.usd_per_month, part.origin) == (pytest.approx(2000.0 * 0.03), "assumed")


@pytest.mark.parametrize(
    ("cloud", "region", "usd"),
    [
        ("aws", "eu-west-1", 0.0),
        ("aws", "us-east-1", 3000.0 * 0.02),
        ("gcp", "europe-west1", 2900.0 * 0.09),
    ],
)
def test_reading_the_data_from_elsewhere_is_paid_where_they_live(
    make: SimpleNamespace, cloud: str, region: str, usd: float
) -> None:
    data = DataAt(uri="s3://b", region="eu-west-1", read_per_month_bytes=3e12)
    part = parts(make, cloud, region, data_at=data)["egress_inter_region"]
    assert part.usd_per_month == pytest.approx(usd)


def test_an_unnamed_home_of_the_data_is_assumed_to_be_elsewhere(make: SimpleNamespace) -> None:
    data = DataAt(uri="s3://b", read_per_month_bytes=1e12)
    part = parts(make, "aws", "eu-west-1", data_at=data)["egress_inter_region"]
    assert (part.usd_per_month, part.origin) == (pytest.approx(1000.0 * 0.02), "assumed")
    assert "data_at.region" in part.because


def test_data_on_premises_are_not_priced(make: SimpleNamespace) -> None:
    data = DataAt(uri="file:///data", size_bytes=1e12, read_per_month_bytes=1e12)
    found = parts(make, "aws", "eu-west-1", data_at=data)
    assert found["storage"].usd_per_month == found["egress_inter_region"].usd_per_month == 0.0
    assert "not priced" in found["storage"].because


def between(make: SimpleNamespace) -> tuple[TransferPrice, ...]:
    """AWS's prices from Ireland: to Virginia, to Frankfurt, and to all others."""
    return (
        *make.prices("aws", "eu-west-1", "inter_region", (0.0, 0.02)),
        *make.prices("aws", "eu-west-1", "inter_region", (0.0, 0.01), to="eu-central-1"),
        *make.prices("aws", "eu-west-1", "inter_region", (0.0, 0.05), (100.0, 0.04), to="us-east-1"),
        *make.prices("aws", "*", "internet", (0.0, 0.1)),
        *make.prices("aws", "eu-west-1", "internet", (0.0, 0.3), to="china"),
    )


@pytest.mark.parametrize(
    ("region", "usd"), [("eu-central-1", 10.0), ("us-east-1", 5.0 + 36.0), ("ap-south-1", 20.0)]
)
def test_the_price_to_just_that_region_comes_before_the_price_to_all(
    make: SimpleNamespace, region: str, usd: float
) -> None:
    data = DataAt(uri="s3://b", region="eu-west-1", read_per_month_bytes=1e12)
    part = parts(make, "aws", region, data_at=data, transfer=between(make))["egress_inter_region"]
    assert (part.usd_per_month, part.origin) == (pytest.approx(usd), "quoted")


def test_the_price_to_another_destination_is_never_taken(make: SimpleNamespace) -> None:
    only = make.prices("aws", "eu-west-1", "inter_region", (0.0, 0.5), to="us-east-1")
    data = DataAt(uri="s3://b", region="eu-west-1", read_per_month_bytes=1e12)
    part = parts(make, "aws", "eu-central-1", data_at=data, transfer=only)["egress_inter_region"]
    assert (part.usd_per_month, part.origin) == (0.0, "assumed")
    users = parts(make, "aws", "eu-west-1", transfer=between(make))["egress_internet"]
    assert users.usd_per_month == pytest.approx(0.1 * monthly_gb(make, 1000.0))


def test_without_a_footprint_it_is_no_part(make: SimpleNamespace) -> None:
    assert "footprint" not in parts(make, "aws", "eu-west-1")


@pytest.mark.parametrize("region", [None, "eu-west-1"])
def test_at_home_the_footprint_costs_nothing_and_says_why(make: SimpleNamespace, region: str | None) -> None:
    home = Footprint(cloud="aws", region=region, switching_cost_usd=1e6, traffic_per_month_bytes=1e15)
    part = parts(make, "aws", "eu-west-1", footprint=home)["footprint"]
    assert part.usd_per_month == 0.0
    assert "at home" in part.because


def test_another_cloud_costs_the_switch_and_the_traffic_over_the_internet(make: SimpleNamespace) -> None:
    home = Footprint(
        cloud="aws", region="eu-west-1", switching_cost_usd=2400.0, months=24.0, traffic_per_month_bytes=3e12
    )
    part = parts(make, "gcp", "europe-west1", footprint=home)["footprint"]
    assert part.usd_per_month == pytest.approx(100.0 + 2900.0 * 0.09)
    assert part.origin == "quoted"
    assert "switching from aws costs 2,400 usd, 100 in each of 24 months" in part.because
    assert "3,000 GB from eu-west-1 to gcp europe-west1" in part.because


def test_another_region_of_the_same_cloud_costs_its_traffic_only(make: SimpleNamespace) -> None:
    home = Footprint(cloud="aws", region="eu-west-1", switching_cost_usd=2400.0, traffic_per_month_bytes=1e12)
    part = parts(make, "aws", "us-east-1", footprint=home, transfer=between(make))["footprint"]
    assert part.usd_per_month == pytest.approx(5.0 + 36.0)
    assert "switching" not in part.because


def test_traffic_that_the_goal_does_not_state_is_not_priced_and_said(make: SimpleNamespace) -> None:
    home = Footprint(cloud="aws", switching_cost_usd=1200.0)
    part = parts(make, "gcp", "europe-west1", footprint=home)["footprint"]
    assert (part.usd_per_month, part.origin, part.source) == (pytest.approx(100.0), "quoted", "goal")
    assert "footprint.traffic_per_month" in part.because
    near = parts(make, "aws", "us-east-1", footprint=Footprint(cloud="aws", region="eu-west-1"))["footprint"]
    assert (near.usd_per_month, near.origin) == (0.0, "assumed")


def test_the_footprints_transfer_is_assumed_where_no_price_or_no_region_is_known(
    make: SimpleNamespace,
) -> None:
    unnamed = Footprint(cloud="aws", traffic_per_month_bytes=1e12)
    part = parts(make, "gcp", "europe-west1", footprint=unnamed)["footprint"]
    assert (part.usd_per_month, part.origin) == (pytest.approx(1000.0 * 0.1), "assumed")
    assert "footprint.region" in part.because
    unpriced = Footprint(cloud="aws", switching_cost_usd=1200.0, traffic_per_month_bytes=1e12)
    part = parts(make, "gcp", "europe-west1", footprint=unpriced, transfer=())["footprint"]
    assert (part.usd_per_month, part.origin) == (pytest.approx(100.0), "assumed")
    assert "no price of transfer is known" in part.because
