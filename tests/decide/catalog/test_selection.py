from __future__ import annotations

import msgspec
import pytest

from tradewind.decide.catalog import Catalog, Region, offers
from tradewind.domain.errors import InputError
from tradewind.domain.goal import Goal, Load, Serve
from tradewind.domain.offer import Offer, Offers, StoragePrice

TODAY = "2026-11-23"


def offer(cloud: str, region: str, purchase: str = "on_demand", **changes: object) -> Offer:
    stated: dict[str, object] = {
        "cloud": cloud,
        "region": region,
        "instance_type": "m",
        "purchase": purchase,
        "price_usd_per_hour": 0.1,
        "vcpus": 4,
        "memory_bytes": 2.0**34,
        "source": "a list",
        "as_of": "2026-07-20",
        "confidence": "A",
    }
    return Offer(**{**stated, **changes})


def region(cloud: str, name: str, group: str, machine_types: int = 1) -> Region:
    return Region(cloud=cloud, name=name, place=None, group=group, machine_types=machine_types)


@pytest.fixture
def catalog() -> Catalog:
    rows = [
        offer("aws", "eu-west-1"),
        offer("aws", "eu-west-1", "spot", as_of="2024-08-09"),
        offer("aws", "us-east-1"),
        offer("azure", "westeurope"),
        offer("gcp", "europe-west4", "commit_1y", confidence="B"),
        offer("gcp", "us-central1"),
    ]
    storage = StoragePrice(
        cloud="aws",
        region="us-east-1",
        service="S3",
        tier="Standard",
        usd_per_gb_month=0.023,
        source="s",
        as_of="2026-05-04",
    )
    return Catalog(
        everything=Offers.of(rows, storage=(storage,), snapshot="2026-07-20-abc"),
        regions=(
            region("aws", "eu-west-1", "europe"),
            region("aws", "eu-west-3", "europe", machine_types=0),
            region("aws", "us-east-1", "us"),
            region("azure", "westeurope", "europe"),
            region("gcp", "europe-west4", "europe"),
            region("gcp", "us-central1", "us"),
        ),
        as_of="2026-07-20",
    )


def goal(**changes: object) -> Goal:
    stated: dict[str, object] = {
        "name": "x",
        "model": "m:build",
        "data": "d:load",
        "metric": "accuracy",
        "serve": Serve(load=Load(rate_rps=1.0), p99_s=0.1),
        "budget_usd_per_month": 100.0,
        "purchase": ("on_demand", "spot", "commit_1y"),
    }
    return Goal(**{**stated, **changes})


def keys(found: Offers) -> list[str]:
    return [one.key for one in found]


def test_everything_comes_in_the_catalogues_order(catalog: Catalog) -> None:
    found = offers(goal(), catalog, TODAY)
    assert keys(found) == keys(catalog.everything)
    assert found.snapshot == "2026-07-20-abc"
    assert found.storage == catalog.everything.storage


def test_europe_is_europe_in_every_cloud(catalog: Catalog) -> None:
    found = offers(goal(regions=("europe-*",)), catalog, TODAY)
    assert set(zip(found["cloud"], found["region"], strict=True)) == {
        ("aws", "eu-west-1"),
        ("azure", "westeurope"),
        ("gcp", "europe-west4"),
    }


def test_clouds_purchases_and_regions_narrow(catalog: Catalog) -> None:
    assert keys(offers(goal(clouds=("aws",), purchase=("spot",)), catalog, TODAY)) == ["aws/eu-west-1/m/spot"]
    assert keys(offers(goal(regions=("us-*",)), catalog, TODAY)) == [
        "aws/us-east-1/m/on_demand",
        "gcp/us-central1/m/on_demand",
    ]
    assert keys(offers(goal(regions=("eu-west-?", "us-central1")), catalog, TODAY)) == [
        "aws/eu-west-1/m/on_demand",
        "aws/eu-west-1/m/spot",
        "gcp/us-central1/m/on_demand",
    ]


def test_region_names_are_written_in_any_case(catalog: Catalog) -> None:
    assert keys(offers(goal(regions=("WestEurope",)), catalog, TODAY)) == ["azure/westeurope/m/on_demand"]


def test_an_old_price_is_of_confidence_c_and_the_catalogue_stays_as_it_is(catalog: Catalog) -> None:
    found = offers(goal(), catalog, TODAY)
    assert list(found["confidence"]) == ["A", "C", "A", "A", "B", "A"]
    assert set(offers(goal(), catalog, "2028-01-01")["confidence"]) == {"C"}
    assert list(catalog.everything["confidence"]) == ["A", "A", "A", "A", "B", "A"]


def test_a_region_that_no_cloud_has_names_the_nearest(catalog: Catalog) -> None:
    with pytest.raises(
        InputError, match=r"'europe-wst4' matches no region of any cloud; the nearest are europe-west4"
    ):
        offers(goal(regions=("us-*", "europe-wst4")), catalog, TODAY)
    with pytest.raises(InputError, match="known are europe-\\*, us-\\*"):
        offers(goal(regions=("mars",)), catalog, TODAY)
    with pytest.raises(InputError, match="the nearest are europe-\\*"):
        offers(goal(regions=("europe",)), catalog, TODAY)


def test_a_region_of_a_cloud_that_is_not_asked_says_which(catalog: Catalog) -> None:
    with pytest.raises(
        InputError, match=r"'westeurope' is in azure, which the goal's clouds \(aws, gcp\) leave out"
    ):
        offers(goal(clouds=("aws", "gcp"), regions=("westeurope",)), catalog, TODAY)


def test_a_region_without_prices_says_so(catalog: Catalog) -> None:
    with pytest.raises(
        InputError, match=r"2026-07-20 has no machine prices for 'eu-west-3' in aws; .* eu-west-1"
    ):
        offers(goal(regions=("eu-west-3",)), catalog, TODAY)


def test_a_purchase_option_without_prices_says_what_there_is(catalog: Catalog) -> None:
    with pytest.raises(
        InputError, match=r"no price for commit_3y .* it has commit_1y, on_demand, spot there"
    ):
        offers(goal(purchase=("commit_3y",)), catalog, TODAY)


def test_today_must_be_a_day(catalog: Catalog) -> None:
    with pytest.raises(InputError, match="today is 'tomorrow'"):
        offers(goal(), catalog, "tomorrow")


def test_errors_are_one_line(catalog: Catalog) -> None:
    for changes in ({"regions": ("mars",)}, {"purchase": ("commit_3y",)}, {"regions": ("eu-west-3",)}):
        with pytest.raises(InputError) as error:
            offers(goal(**changes), catalog, TODAY)
        assert "\n" not in str(error.value)


def test_a_region_is_a_noun_that_round_trips() -> None:
    one = region("aws", "eu-west-1", "europe")
    assert msgspec.json.decode(msgspec.json.encode(one), type=Region) == one
