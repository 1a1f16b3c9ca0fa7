from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradewind.decide.catalog.moving import Moving, read_moving

TODAY = "2026-11-23"


def row(
    provider: str, region: str, service: str, tier: str, item: str, unit: str, price: str, **changes: str
) -> dict[str, str]:
    stated = {
        "provider": provider,
        "region": region,
        "service": service,
        "tier": tier,
        "item": item,
        "unit": unit,
        "price_usd": price,
        "as_of": "2026-05-06",
        "source": "a list",
    }
    return {**stated, **changes}


def aws_ladder(
    region: str = "eu-west-1", prices: tuple[str, ...] = ("0.09", "0.085", "0.07", "0.05")
) -> list[dict[str, str]]:
    items = ("first 10TB", "next 40TB", "next 100TB", "over 150TB")
    return [
        row("aws", region, "DataTransfer", "", f"Outbound data transfer to Internet ({item})", "GB", price)
        for item, price in zip(items, prices, strict=False)
    ]


def cloud_ladder(provider: str = "aws", free: int = 100) -> list[dict[str, str]]:
    tiers = {"0-10000 GB": "0.09", "10000-50000 GB": "0.085", "50000-inf GB": "0.07"}
    return [
        row(provider, "us-east-1", "InternetEgress", tier, f"after {free} GB free", "GB", price)
        for tier, price in tiers.items()
    ]


def steps(found: Moving, region: str, kind: str = "internet") -> list[tuple[float, float]]:
    return [(r.from_gb, r.usd_per_gb) for r in found.transfer if (r.region, r.kind) == (region, kind)]


def test_a_gib_month_is_not_a_gb_month() -> None:
    rows = [
        row("gcp", "us-central1", "GCS", "standard", "Storage", "GiB-month", "0.02"),
        row("aws", "us-east-1", "S3", "S3 Standard", "Storage", "GB-month", "0.023"),
        row(
            "azure", "westus", "Blob (StorageV2)", "Standard LRS Hot", "Capacity (first 50TB)", "GB", "0.0208"
        ),
    ]
    found = read_moving(rows, TODAY)
    prices = {price.cloud: price.usd_per_gb_month for price in found.storage}
    assert prices == {"aws": 0.023, "azure": 0.0208, "gcp": pytest.approx(0.02 * 1e9 / 2**30)}
    assert prices["gcp"] < 0.02
    assert {price.stated_price_usd for price in found.storage} == {0.02, 0.023, 0.0208}


def test_only_the_tier_that_is_read_often_is_taken() -> None:
    rows = [
        row("gcp", "us-central1", "GCS", "nearline", "Storage", "GiB-month", "0.01"),
        row(
            "aws",
            "us-east-1",
            "S3",
            "Standard",
            "GET, SELECT, and all other requests",
            "1k requests",
            "0.0004",
        ),
        row("azure", "westus", "Blob (StorageV2)", "Premium LRS Hot", "Capacity", "GB", "0.195"),
    ]
    found = read_moving(rows, TODAY)
    assert found.storage == ()
    assert sum(found.left_out.values()) == 3


def test_the_newer_of_two_lists_is_taken_and_the_older_reported() -> None:
    old = row("aws", "us-east-1", "S3", "Standard", "Storage", "GB", "0.024", as_of="2024-05-29")
    new = row("aws", "us-east-1", "S3", "S3 Standard", "Storage", "GB-month", "0.023", as_of="2026-05-04")
    for rows in ([old, new], [new, old]):
        found = read_moving(rows, TODAY)
        assert [price.usd_per_gb_month for price in found.storage] == [0.023]
        assert sum(found.left_out.values()) == 1


def test_free_volume_comes_before_the_first_step_and_moves_the_others() -> None:
    found = read_moving(cloud_ladder(), TODAY)
    assert steps(found, "*") == [(0.0, 0.0), (100.0, 0.09), (10100.0, 0.085), (50100.0, 0.07)]


def test_no_free_volume_gives_no_free_step() -> None:
    found = read_moving(cloud_ladder("gcp", free=0), TODAY)
    assert steps(found, "*")[0] == (0.0, 0.09)


def test_regions_have_their_own_ladder_with_the_clouds_free_volume() -> None:
    found = read_moving([*aws_ladder(), *aws_ladder("us-gov-west-1"), *cloud_ladder()], TODAY)
    assert steps(found, "eu-west-1") == [
        (0.0, 0.0),
        (100.0, 0.09),
        (10100.0, 0.085),
        (50100.0, 0.07),
        (150100.0, 0.05),
    ]
    assert steps(found, "us-gov-west-1")[0] == (0.0, 0.09)


def test_gcps_own_ladder_is_in_gib_and_tib() -> None:
    rows = [
        row("gcp", "us-central1", "NetworkEgress", "internet to worldwide", item, "GiB", price)
        for item, price in (("0-1 TiB", "0.12"), ("1-10 TiB", "0.11"), ("10n TiB", "0.08"))
    ]
    found = steps(read_moving(rows, TODAY), "us-central1")
    assert [from_gb for from_gb, _ in found] == [0.0, 2**40 / 1e9, 10 * 2**40 / 1e9]
    assert found[0][1] == pytest.approx(0.12 * 1e9 / 2**30)


def test_other_kinds_of_transfer() -> None:
    rows = [
        row("aws", "eu-west-1", "DataTransfer", "", "Outbound data transfer to other regions", "GB", "0.02"),
        row("aws", "eu-west-1", "DataTransfer", "", "Intra-region data transfer", "GB", "0.01"),
        row(
            "azure",
            "eastus",
            "InterRegion",
            "",
            "same-cloud cross-region (single representative rate)",
            "GB",
            "0.03",
        ),
    ]
    found = read_moving(rows, TODAY)
    assert steps(found, "eu-west-1", "inter_region") == [(0.0, 0.02)]
    assert steps(found, "eu-west-1", "inter_zone") == [(0.0, 0.01)]
    assert steps(found, "*", "inter_region") == [(0.0, 0.03)]
    assert next(r.stated_region for r in found.transfer if r.region == "*") == "eastus"


def test_prices_for_one_destination_are_left_out_and_reported() -> None:
    rows = [
        row(
            "aws", "us-east-1", "DataTransfer", "", "Outbound data transfer to US East regions", "GB", "0.01"
        ),
        row("gcp", "us-central1", "NetworkEgress", "internet to china", "0-1 TiB", "GiB", "0.23"),
    ]
    found = read_moving(rows, TODAY)
    assert found.transfer == ()
    assert sum(found.left_out.values()) == 2


def test_ladder_is_complete_or_not_used() -> None:
    open_below_the_top = read_moving(aws_ladder(prices=("0.09", "0.085", "0.07")), TODAY)
    assert open_below_the_top.transfer == ()
    assert {c.invariant for c in open_below_the_top.caught} == {"ladder_is_complete"}
    without_first = read_moving(aws_ladder()[1:], TODAY)
    assert {c.invariant for c in without_first.caught} == {"ladder_is_complete"}
    with_a_gap = read_moving([*aws_ladder()[:1], *aws_ladder()[2:]], TODAY)
    assert {c.invariant for c in with_a_gap.caught} == {"ladder_is_complete"}
    twice = read_moving([*aws_ladder(), *aws_ladder()], TODAY)
    assert {c.invariant for c in twice.caught} == {"ladder_is_complete"}


def test_price_falls_with_volume_or_the_ladder_is_not_used() -> None:
    found = read_moving([*aws_ladder(prices=("0.085", "0.12", "0.085", "0.05")), *cloud_ladder()], TODAY)
    assert {c.invariant for c in found.caught} == {"price_falls_with_volume"}
    assert len(found.caught) == 4
    assert {r.region for r in found.transfer} == {"*"}


@pytest.mark.parametrize(
    "changes",
    [
        {"price_usd": "0"},
        {"price_usd": "-1"},
        {"price_usd": ""},
        {"price_usd": "?"},
        {"unit": "furlong"},
        {"as_of": "soon"},
        {"as_of": "2026-11-24"},
    ],
)
def test_price_can_be_read(changes: dict[str, str]) -> None:
    bad = {**row("aws", "us-east-1", "S3", "Standard", "Storage", "GB", "0.023"), **changes}
    found = read_moving([bad], TODAY)
    assert found.storage == ()
    assert [c.invariant for c in found.caught] == ["price_can_be_read"]


@given(st.permutations([*aws_ladder(), *cloud_ladder(), *cloud_ladder("azure")]))
def test_the_order_of_the_list_does_not_matter(rows: list[dict[str, str]]) -> None:
    assert read_moving(rows, TODAY) == read_moving(
        [*aws_ladder(), *cloud_ladder(), *cloud_ladder("azure")], TODAY
    )
