"""A part of a plan's cost leads back to the price that planning multiplied it from, and to no other."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from tradewind.decide.catalog.behind import price_key
from tradewind.decide.planning.tariffs import Tariffs
from tradewind.decide.prediction import default_calibration
from tradewind.domain.goal import DataAt, Footprint
from tradewind.domain.offer import Offers
from tradewind.domain.plan import CostPart

TODAY = "2026-11-25"
DATA = DataAt(uri="s3://bucket", region="eu-west-1", size_bytes=4e12, read_per_month_bytes=2e11)


def keys(make: SimpleNamespace, goal: Any, offer: Any, transfer: Any = None) -> dict[str, str | None]:
    """Part -> key, of the parts that planning itself makes."""
    prices = make.transfer if transfer is None else transfer
    offers = Offers.of((offer,), storage=make.storage, transfer=prices)
    tariffs = Tariffs(goal, make.front().profiles, offers, default_calibration(), TODAY)
    parts = tariffs.parts(offer.cloud, offer.region, 2000.0)
    return {part.name: price_key(part, goal, offer, make.storage, prices) for part in parts}


def test_the_price_of_a_region_is_its_own(make: SimpleNamespace) -> None:
    found = keys(make, make.goal(data_at=DATA), make.offer(region="eu-central-1"))
    assert found["storage"] == "storage/aws/eu-west-1/S3/Standard/storage"
    assert found["egress_internet"] == "transfer/aws/eu-central-1/internet/*"
    assert found["egress_inter_region"] == "transfer/aws/eu-west-1/inter_region/*"


def test_data_that_leave_their_cloud_go_over_the_internet(make: SimpleNamespace) -> None:
    found = keys(make, make.goal(data_at=DATA), make.offer(cloud="gcp", region="europe-west1"))
    assert found["egress_inter_region"] == "transfer/aws/eu-west-1/internet/*"
    assert found["egress_internet"] == "transfer/gcp/europe-west1/internet/*"


def test_a_price_to_just_that_region_comes_first(make: SimpleNamespace) -> None:
    prices = (*make.transfer, *make.prices("aws", "eu-west-1", "inter_region", (0.0, 0.01), to="eu-north-1"))
    found = keys(make, make.goal(data_at=DATA), make.offer(region="eu-north-1"), prices)
    assert found["egress_inter_region"] == "transfer/aws/eu-west-1/inter_region/eu-north-1"


def test_what_the_goal_states_has_no_price_behind_it(make: SimpleNamespace) -> None:
    found = keys(make, make.goal(), make.offer())
    assert found["storage"] is None
    assert found["egress_inter_region"] is None


def test_a_footprint_leads_to_the_transfer_from_home(make: SimpleNamespace) -> None:
    home = Footprint(cloud="aws", region="eu-west-1", switching_cost_usd=600.0, traffic_per_month_bytes=1e11)
    found = keys(make, make.goal(footprint=home), make.offer(cloud="gcp", region="europe-west1"))
    assert found["footprint"] == "transfer/aws/eu-west-1/internet/*"
    at_home = keys(make, make.goal(footprint=home), make.offer())
    assert at_home["footprint"] is None


def test_the_dearest_known_price_is_found_by_the_words_that_name_its_region(make: SimpleNamespace) -> None:
    data = DataAt(uri="s3://bucket", region="sa-east-1", read_per_month_bytes=2e11)
    prices = (
        *make.prices("aws", "eu-west-1", "inter_region", (0.0, 0.02)),
        *make.prices("aws", "ap-south-1", "inter_region", (0.0, 0.08)),
        *make.prices("aws", "eu-west-1", "internet", (0.0, 0.09)),
    )
    found = keys(make, make.goal(data_at=data), make.offer(), prices)
    assert found["egress_inter_region"] == "transfer/aws/ap-south-1/inter_region/*"


def test_machines_lead_to_their_offer_and_services_to_a_known_surcharge(make: SimpleNamespace) -> None:
    offer = make.offer(managed_service="SageMaker", managed_ratio=1.2)
    goal = make.goal()

    def key(name: Any, origin: Any) -> str | None:
        part = CostPart(
            name=name, usd_per_month=1.0, because="", source="by hand", as_of="2026-01-01", origin=origin
        )
        return price_key(part, goal, offer, (), ())

    assert key("compute", "quoted") == offer.key
    assert key("managed_service", "quoted") == f"surcharge/aws/SageMaker/{offer.instance_type}"
    assert key("managed_service", "assumed") is None


@pytest.mark.parametrize("change", [{"source": "another"}, {"as_of": "2020-01-01"}, {"usd_per_month": 1.0}])
def test_a_price_of_another_source_or_day_is_never_taken(
    make: SimpleNamespace, change: dict[str, Any]
) -> None:
    stated = {"usd_per_month": 4000 * 0.023, "source": "by hand", "as_of": "2026-01-01"}
    part = CostPart(name="storage", because="", **{**stated, **change})
    assert price_key(part, make.goal(data_at=DATA), make.offer(), make.storage, make.transfer) is None
