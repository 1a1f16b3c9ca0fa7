"""Every explanation says who states a price, what was done with it, and how sure and old it is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradewind.decide.catalog.explaining import (
    explain,
    explain_quarantined,
    explain_storage,
    explain_surcharge,
    explain_transfer,
)
from tradewind.decide.catalog.lists.origin import HOURS
from tradewind.decide.catalog.rows import (
    PartRow,
    PriceRow,
    QuarantineRow,
    SourceRow,
    StorageRow,
    SurchargeRow,
    TransferRow,
)

TODAY = "2026-11-25"


def price(**changes: object) -> PriceRow:
    stated: dict[str, object] = {
        "cloud": "aws",
        "region": "eu-west-1",
        "instance_type": "c7g.xlarge",
        "purchase": "on_demand",
        "price_usd_per_hour": 0.16,
        "stated_price_usd": 0.16,
        "stated_unit": "hour",
        "source": "a list (2026-07-20)",
        "as_of": "2026-07-20",
        "as_of_precision": "day",
        "confidence": "A",
    }
    return PriceRow(**{**stated, **changes})


SOURCE = SourceRow(
    source="a list (2026-07-20)",
    publisher="somebody",
    file="raw/list.json",
    sha256="0123456789abcdef" * 4,
    as_of="2026-07-20",
    licence="Apache-2.0",
    locator="{cloud} -> {region} -> {instance_type} -> {key}",
    keys="on_demand: hour; spot: hour_spot",
    read_as="taken as stated",
    rows=7,
)


def storage(**changes: object) -> StorageRow:
    stated: dict[str, object] = {
        "cloud": "gcp",
        "region": "europe-west4",
        "service": "Cloud Storage",
        "tier": "Standard",
        "item": "storage",
        "usd": 0.02 / 1.073741824,
        "unit": "GB-month",
        "stated_price_usd": 0.02,
        "stated_unit": "GiB-month",
        "source": SOURCE.source,
        "as_of": "2026-07-20",
        "as_of_precision": "day",
        "confidence": "B",
    }
    return StorageRow(**{**stated, **changes})


def transfer(from_gb: float, usd: float, **changes: object) -> TransferRow:
    stated: dict[str, object] = {
        "cloud": "aws",
        "region": "*",
        "kind": "internet",
        "from_gb": from_gb,
        "usd_per_gb": usd,
        "stated_price_usd": usd,
        "stated_unit": "GB",
        "stated_region": "us-east-1",
        "source": "a page",
        "as_of": "2026-05-06",
        "as_of_precision": "day",
        "confidence": "C",
    }
    return TransferRow(**{**stated, **changes})


def steps(explanation: object) -> dict[str, str]:
    return dict(step.split(": ", 1) for step in explanation.steps)  # type: ignore[attr-defined]


def test_a_stated_price_names_the_file_the_place_in_it_and_the_licence() -> None:
    told = explain(price(), SOURCE, [], [], TODAY)
    assert told.key == "aws/eu-west-1/c7g.xlarge/on_demand"
    assert told.price_usd_per_hour == 0.16
    assert steps(told) == {
        "stated": "by a list (2026-07-20), in raw/list.json (SHA-256 0123456789ab...) at "
        "aws -> eu-west-1 -> c7g.xlarge -> hour; Apache-2.0",
        "read as": "taken as stated",
        "price": "0.16 usd an hour, as stated",
        "confidence A": "copied from the vendor's list; as of 2026-07-20 (day), 128 days before 2026-11-25",
    }


def test_a_source_without_a_file_is_named_all_the_same() -> None:
    assert explain(price(source="a page"), None, [], [], TODAY).steps[0] == "stated: by a page"


@given(st.sampled_from([unit for unit in HOURS if unit != "hour"]), st.floats(0.01, 1e6))
def test_a_price_for_a_term_is_divided_by_its_hours(unit: str, stated: float) -> None:
    hourly = stated / HOURS[unit]
    row = price(stated_price_usd=stated, stated_unit=unit, price_usd_per_hour=hourly)
    said = steps(explain(row, SOURCE, [], [], TODAY))["price"]
    assert said.endswith(f"for {unit} / {HOURS[unit]:g} h = {hourly:.6g} usd/h")


@given(st.lists(st.tuples(st.integers(1, 16), st.floats(0.01, 100.0)), min_size=1, max_size=5))
def test_parts_stand_with_their_sum(parts: list[tuple[int, float]]) -> None:
    total = sum(quantity * usd for quantity, usd in parts)
    row = price(stated_unit="parts", price_usd_per_hour=total, stated_price_usd=total)
    rows = [
        PartRow(
            cloud="aws",
            region="eu-west-1",
            instance_type="c7g.xlarge",
            purchase="on_demand",
            part=f"part {number}",
            quantity=float(quantity),
            unit="machine",
            usd_per_unit_hour=usd,
            source="a list",
            as_of="2026-07-20",
        )
        for number, (quantity, usd) in enumerate(parts)
    ]
    told = explain(row, SOURCE, rows, [], TODAY).steps
    assert sum(step.startswith("part: ") for step in told) == len(parts)
    assert f"sum of the parts: {total:.6g} usd/h" in told


def test_what_a_price_was_held_against_is_said() -> None:
    reference = price(region="us-east-1", price_usd_per_hour=0.145)
    assert (
        steps(explain(price(), SOURCE, [], [reference], TODAY))["held against"]
        == "0.145 usd/h in us-east-1; this is 1.10 x that"
    )
    spot = price(purchase="spot", price_usd_per_hour=0.04, interruption="<5%")
    said = steps(explain(spot, SOURCE, [], [price()], TODAY))
    assert said["held against"] == "on demand costs 0.16 usd/h there; this is 75% below"
    assert said["interruptions"].startswith("<5% of such machines a month")


def test_terms_remarks_and_age_are_said() -> None:
    row = price(purchase="commit_1y", terms="all upfront", remark="cheap there", as_of="2024-01-01")
    said = steps(explain(row, SOURCE, [], [], TODAY))
    assert said["terms"] == "all upfront"
    assert said["remarked"] == "cheap there"
    assert said["confidence C"].startswith("older than 365 days; as of 2024-01-01")


def test_a_zone_is_part_of_the_key() -> None:
    assert explain(price(zone="euw1-az1", purchase="spot"), None, [], [], TODAY).key.endswith(
        "/spot@euw1-az1"
    )


@pytest.mark.parametrize(
    ("table", "key", "stated"),
    [
        ("offers", "aws/eu-west-1/c7g.xlarge/spot@euw1-az1", "0.1 usd/h by a list"),
        ("storage", "storage/aws/eu-west-1/c7g.xlarge/spot@euw1-az1", "0.1 usd by a list"),
    ],
)
def test_what_is_not_used_says_why(table: str, key: str, stated: str) -> None:
    row = QuarantineRow(
        of_table=table,
        cloud="aws",
        region="eu-west-1",
        zone="euw1-az1",
        instance_type="c7g.xlarge",
        item="c7g.xlarge",
        purchase="spot",
        price_usd=0.1,
        invariant="shared_tenancy",
        reason="the price of another tenancy",
        source="a list",
        as_of="2026-07-20",
    )
    told = explain_quarantined(row)
    assert (told.key, told.price_usd_per_hour) == (key, None)
    assert steps(told) == {
        "stated": f"{stated}, as of 2026-07-20",
        "not used": "the price of another tenancy (rule shared_tenancy)",
    }


def test_storage_is_told_item_by_item_with_its_conversion() -> None:
    requests = storage(
        item="read_requests",
        usd=0.0004,
        unit="1000 requests",
        stated_price_usd=0.004,
        stated_unit="10k operations",
        source="a page",
        as_of="2026-05-04",
    )
    deep = storage(from_gb=50_000.0, usd=0.01, stated_price_usd=0.01, stated_unit="GB-month")
    told = explain_storage([storage(), deep, requests], {SOURCE.source: SOURCE}, TODAY)
    assert told.key == "storage/gcp/europe-west4/Cloud Storage/Standard"
    assert told.usd == pytest.approx(0.0186264515)
    assert told.unit == "GB-month"
    assert told.steps == (
        "keeping data: 0.0186265 usd/GB-month; stated 0.02 usd per GiB-month, / 1.073741824 = 0.0186265",
        "keeping data: 0.01 usd/GB-month from 50,000 GB a month; stated 0.01 usd per GB-month",
        "read requests: 0.0004 usd/1000 requests; stated 0.004 usd per 10k operations, / 10 = 0.0004",
        "stated: by a list (2026-07-20), in raw/list.json (SHA-256 0123456789ab...); Apache-2.0",
        "confidence B: derived from the vendor's list; as of 2026-07-20 (day), 128 days before 2026-11-25",
        "stated: by a page",
        "confidence B: derived from the vendor's list; as of 2026-05-04 (day), 205 days before 2026-11-25",
    )


def test_transfer_is_told_step_by_step_and_says_when_the_price_is_the_clouds() -> None:
    told = explain_transfer("eu-west-3", [transfer(0.0, 0.0), transfer(100.0, 0.09)], {}, TODAY)
    assert told.key == "transfer/aws/eu-west-3/internet"
    assert (told.usd, told.unit) == (0.09, "GB")
    assert told.steps[:3] == (
        "price of: all regions of aws; none is known of eu-west-3 itself",
        "from 0 GB a month: free; stated 0 usd per GB for us-east-1",
        "from 100 GB a month: 0.09 usd/GB; stated 0.09 usd per GB for us-east-1",
    )


def test_transfer_to_several_places_names_them() -> None:
    rows = [transfer(0.0, 0.09, region="eu-west-1"), transfer(0.0, 0.2, region="eu-west-1", to="china")]
    told = explain_transfer("eu-west-1", rows, {}, TODAY)
    assert told.steps[0].startswith("to anywhere else, from 0 GB a month: 0.09")
    assert told.steps[1].startswith("to china, from 0 GB a month: 0.2")
    assert explain_transfer("eu-west-1", rows[1:], {}, TODAY).key == "transfer/aws/eu-west-1/internet/china"


def test_both_ends_of_a_transfer_are_said_to_be_charged() -> None:
    row = transfer(0.0, 0.02, kind="inter_zone", stated_price_usd=0.01, stated_unit="GB, at each end")
    said = explain_transfer("*", [row], {}, TODAY).steps[0]
    assert said.endswith("stated 0.01 usd per GB, at each end, x 2 = 0.02 for us-east-1")


def test_a_surcharge_is_a_division() -> None:
    row = SurchargeRow(
        cloud="aws",
        service="SageMaker",
        instance_type="m5.xlarge",
        managed_usd_per_hour=0.23,
        bare_usd_per_hour=0.192,
        ratio=0.23 / 0.192,
        source="a benchmark",
        as_of="2025-06-01",
        as_of_precision="before",
        confidence="C",
    )
    told = explain_surcharge(row, {}, TODAY)
    assert told.key == "surcharge/aws/SageMaker/m5.xlarge"
    assert steps(told)["ratio"] == "0.23 / 0.192 = 1.198"
