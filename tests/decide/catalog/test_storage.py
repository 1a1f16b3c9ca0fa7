from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradewind.decide.catalog.rows import StorageRow
from tradewind.decide.catalog.storage import StorageRead, read_storage

TODAY = "2026-11-23"
GIB_IN_GB = 2**30 / 1e9


def row(
    provider: str, service: str, tier: str, item: str, unit: str, price: str, **changes: str
) -> dict[str, str]:
    stated = {
        "provider": provider,
        "region": "us-east-1",
        "service": service,
        "tier": tier,
        "item": item,
        "unit": unit,
        "price_usd": price,
        "as_of": "2026-05-06",
        "source": "a list",
    }
    return {**stated, **changes}


def read(*rows: dict[str, str], gcp: dict[str, Any] | None = None) -> StorageRead:
    return read_storage(rows, gcp or {}, TODAY)


def only(*rows: dict[str, str]) -> StorageRow:
    found = read(*rows)
    assert found.caught == ()
    (price,) = found.rows
    return price


def blob_steps(prices: tuple[str, ...] = ("0.0208", "0.019968", "0.019136")) -> list[dict[str, str]]:
    items = ("Capacity (first 50TB)", "Capacity (next 450TB)", "Capacity (over 500TB)")
    return [
        row("azure", "Blob (StorageV2)", "Standard LRS Hot", item, "GB", price, region="westus")
        for item, price in zip(items, prices, strict=False)
    ]


def gcp_list(**changes: Any) -> dict[str, Any]:
    """GCP's list in its own shape, with one price of each kind."""
    parts: dict[str, Any] = {
        "bucket": {"standard": {"cost": {"europe-west4": {"month": 0.02}}}},
        "retrieval": {"archiv": {"cost": {"europe-west4": {"month": 0.05}}}},
        "disks": {"balanced": {"cost": {"europe-west4": {"month": 0.11}}}},
        **changes,
    }
    return {
        "storage": {"bucket": parts["bucket"], "retrieval": parts["retrieval"]},
        "compute": {"storage": parts["disks"]},
    }


@pytest.mark.parametrize(
    ("provider", "service", "stated", "name"),
    [
        ("aws", "S3", "Standard", "Standard"),
        ("aws", "S3", "S3 Standard", "Standard"),
        ("aws", "S3", "Intelligent tiering", "Intelligent-Tiering"),
        ("aws", "S3", "Standard - infrequent access", "Standard-IA"),
        ("aws", "S3", "One zone - infrequent access", "One Zone-IA"),
        ("aws", "S3", "Glacier flexible retrieval", "Glacier Flexible Retrieval"),
        ("aws", "S3", "Glacier deep archive", "Glacier Deep Archive"),
        ("azure", "Blob (StorageV2)", "Standard LRS Hot", "Hot LRS"),
        ("azure", "Blob (StorageV2)", "Standard RA-GRS Cool", "Cool RA-GRS"),
        ("azure", "Blob (StorageV2)", "Premium LRS Hot", "Premium Hot LRS"),
        ("azure", "Blob Storage", "Blob Archive (LRS)", "Archive LRS"),
        ("gcp", "GCS", "nearline", "Nearline"),
        ("gcp", "Cloud Storage", "archiv", "Archive"),
        ("gcp", "PersistentDisk", "hdd", "pd-standard"),
        ("aws", "EBS", "gp3", "gp3"),
        ("aws", "EBS", "standard", "magnetic"),
    ],
)
def test_every_tier_has_the_name_that_its_cloud_gives_it(
    provider: str, service: str, stated: str, name: str
) -> None:
    assert only(row(provider, service, stated, "Storage", "GB", "0.02")).tier == name


@pytest.mark.parametrize(
    ("service", "item", "unit", "items", "normal", "factor"),
    [
        ("S3", "PUT, COPY, POST, LIST requests", "1k requests", {"write_requests", "list_requests"}, "1000 requests", 1.0),
        ("S3", "GET, SELECT, and all other requests", "1k requests", {"read_requests", "other_requests"}, "1000 requests", 1.0),
        ("Blob (StorageV2)", "Write operations", "10k operations", {"write_requests"}, "1000 requests", 0.1),
        ("Blob (StorageV2)", "Blob index", "10k tags", {"index"}, "1000 tags", 0.1),
        ("S3", "Monitoring and automation", "1k objects", {"monitoring"}, "1000 objects", 1.0),
        ("S3", "Data retrieval", "GB", {"retrieval"}, "GB", 1.0),
        ("GCS", "Data retrieval", "GiB", {"retrieval"}, "GB", 1.0 / GIB_IN_GB),
        ("GCS", "Storage", "GiB-month", {"storage"}, "GB-month", 1.0 / GIB_IN_GB),
        ("EBS", "Provisioned IOPS", "IOPS", {"iops"}, "IOPS-month", 1.0),
        ("EBS", "Provisioned throughput", "Mbps", {"throughput"}, "MB/s-month", 1.0),
    ],
)  # fmt: skip
def test_every_item_is_in_one_unit_whatever_its_list_counts_in(
    service: str, item: str, unit: str, items: set[str], normal: str, factor: float
) -> None:
    provider, tier = {
        "S3": ("aws", "Standard"),
        "Blob (StorageV2)": ("azure", "Standard LRS Cool"),
        "GCS": ("gcp", "nearline"),
        "EBS": ("aws", "gp3"),
    }[service]
    found = read(row(provider, service, tier, item, unit, "0.05"))
    assert found.caught == ()
    assert {price.item for price in found.rows} == items
    for price in found.rows:
        assert (price.unit, price.usd) == (normal, pytest.approx(0.05 * factor))
        assert (price.stated_price_usd, price.stated_unit) == (0.05, unit)


def test_what_an_item_needs_to_be_told_apart_is_kept() -> None:
    tier = "Glacier flexible retrieval"
    found = read(
        row("aws", "S3", tier, "Retrievals (expedited)", "GB", "0.03"),
        row("aws", "S3", tier, "Retrievals (standard)", "GB", "0.01"),
    )
    assert [(price.detail, price.usd) for price in found.rows] == [("expedited", 0.03), ("standard", 0.01)]


def test_prices_in_steps_of_the_volume() -> None:
    found = read(*blob_steps())
    assert [(price.from_gb, price.usd) for price in found.rows] == [
        (0.0, 0.0208),
        (50e3, 0.019968),
        (500e3, 0.019136),
    ]


@pytest.mark.parametrize("missing", [0, 1, 2])
def test_ladder_is_complete_or_not_used(missing: int) -> None:
    rows = [step for number, step in enumerate(blob_steps()) if number != missing]
    found = read(*rows)
    assert found.rows == ()
    assert [caught.invariant for caught in found.caught] == ["ladder_is_complete"] * 2


def test_price_falls_with_volume_or_the_ladder_is_not_used() -> None:
    found = read(*blob_steps(("0.02", "0.03", "0.01")))
    assert found.rows == ()
    assert {caught.invariant for caught in found.caught} == {"price_falls_with_volume"}


def test_the_newer_of_two_lists_is_taken_and_the_older_counted() -> None:
    old = row("aws", "S3", "Standard", "Storage", "GB", "0.024", as_of="2024-05-29", source="an old list")
    new = row("aws", "S3", "S3 Standard", "Storage", "GB-month", "0.023")
    for rows in ((old, new), (new, old)):
        found = read(*rows)
        assert [price.usd for price in found.rows] == [0.023]
        assert sum(found.left_out.values()) == 1


def test_a_newer_list_whose_steps_do_not_fit_gives_way_to_an_older() -> None:
    newer = [{**step, "as_of": "2026-06-01", "source": "a newer list"} for step in blob_steps()[:2]]
    found = read(*blob_steps(), *newer)
    assert {price.source for price in found.rows} == {"a list"}
    assert {caught.source for caught in found.caught} == {"a newer list"}


def test_a_price_that_a_list_states_twice_is_one_price() -> None:
    found = read(*[row("aws", "EBS", "gp2", "Storage", "GB", "0.1")] * 2)
    assert len(found.rows) == 1
    assert sum(found.left_out.values()) == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"price_usd": "0"},
        {"price_usd": "-1"},
        {"price_usd": ""},
        {"price_usd": "?"},
        {"unit": "furlong"},
        {"tier": "Platinum"},
        {"item": "Tea"},
        {"as_of": "soon"},
        {"as_of": "2026-11-24"},
    ],
)
def test_price_can_be_read(changes: dict[str, str]) -> None:
    found = read({**row("aws", "S3", "Standard", "Storage", "GB", "0.023"), **changes})
    assert found.rows == ()
    assert [caught.invariant for caught in found.caught] == ["price_can_be_read"]


def test_other_services_are_counted_and_transfer_is_not_storage() -> None:
    found = read(
        row("aws", "EFS", "Standard", "Storage", "GB", "0.3"),
        row("aws", "DataTransfer", "", "Intra-region data transfer", "GB", "0.01"),
    )
    assert (found.rows, found.caught) == ((), ())
    assert sum(found.left_out.values()) == 1


def test_gcps_own_list_has_buckets_retrieval_and_disks_by_the_gib() -> None:
    found = read(gcp=gcp_list())
    assert {(price.service, price.tier, price.item, price.unit, price.usd) for price in found.rows} == {
        ("Cloud Storage", "Standard", "storage", "GB-month", 0.02 / GIB_IN_GB),
        ("Cloud Storage", "Archive", "retrieval", "GB", 0.05 / GIB_IN_GB),
        ("Persistent Disk", "pd-balanced", "storage", "GB-month", 0.11 / GIB_IN_GB),
    }
    assert {price.region for price in found.rows} == {"europe-west4"}


def test_gcps_multi_regions_have_the_clouds_names() -> None:
    cost = {"europe-multi": {"month": 0.026}, "us-multi": {"month": 0.026}, "eur4": {"month": 0.036}}
    found = read(gcp=gcp_list(bucket={"standard-multi": {"cost": cost}}))
    assert {price.region for price in found.rows if price.tier == "Standard"} == {"eu", "us", "eur4"}


def test_a_local_disk_has_one_price_for_each_way_to_buy_its_machine() -> None:
    cost = {"us-east1": {"month": 0.08, "month_1y": 0.0504, "month_3y": 0.036, "month_spot": 0.032}}
    found = read(gcp=gcp_list(disks={"local": {"cost": cost}}))
    prices = {price.detail: price.stated_price_usd for price in found.rows if price.tier == "local-ssd"}
    assert prices == {"": 0.08, "commit_1y": 0.0504, "commit_3y": 0.036, "spot": 0.032}


def test_spot_is_at_most_on_demand() -> None:
    cost = {"us-east1": {"month": 0.08, "month_spot": 0.09}}
    found = read(gcp=gcp_list(disks={"local": {"cost": cost}}))
    assert [caught.invariant for caught in found.caught] == ["spot_is_at_most_on_demand"]
    assert {price.detail for price in found.rows} == {""}


@pytest.mark.parametrize("stated", [0, -0.1, "much", None, True, float("nan"), float("inf")])
def test_a_price_of_gcps_list_that_is_none_is_caught(stated: object) -> None:
    found = read(gcp=gcp_list(disks={"ssd": {"cost": {"us-east1": {"month": stated}}}}))
    assert [caught.invariant for caught in found.caught] == ["price_can_be_read"]
    assert "pd-ssd" not in {price.tier for price in found.rows}


def test_a_disk_that_a_region_does_not_sell_is_counted() -> None:
    found = read(gcp=gcp_list(disks={"local-c4": {"cost": {"us-east1": {}}}}))
    assert found.left_out == {"gcp Persistent Disk local-ssd c4: not sold in a region": 1}


MIXED = [
    *blob_steps(),
    row("aws", "S3", "Standard", "Storage", "GB", "0.024", as_of="2024-05-29", source="an old list"),
    row("aws", "S3", "S3 Standard", "Storage", "GB-month", "0.023"),
    row("aws", "S3", "S3 Standard", "Storage", "GB-month", "0.0231", source="a list of the same day"),
    row("gcp", "GCS", "standard", "Storage", "GiB-month", "0.02", region="europe-west4"),
    row("aws", "EBS", "gp3", "Provisioned IOPS", "IOPS", "0.005"),
]


@given(st.permutations(MIXED))
def test_the_order_of_the_list_does_not_matter(rows: list[dict[str, str]]) -> None:
    assert read_storage(rows, gcp_list(), TODAY) == read_storage(MIXED, gcp_list(), TODAY)


@given(st.lists(st.sampled_from([*MIXED, row("aws", "S3", "?", "?", "?", "?")])))
def test_nothing_is_lost_silently(rows: list[dict[str, str]]) -> None:
    found = read(*rows)
    assert len(found.rows) + len(found.caught) + sum(found.left_out.values()) == len(rows)
