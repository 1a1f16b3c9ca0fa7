from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tradewind.files
from tradewind.decide.catalog.storage import STORAGE_COLUMNS
from tradewind.decide.catalog.transfer import TransferRead, read_transfer

TODAY = "2026-11-23"
GIB_IN_GB = 2**30 / 1e9
TIB_IN_GB = 2**40 / 1e9


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


def aws(region: str, item: str, price: str, **changes: str) -> dict[str, str]:
    return row("aws", region, "DataTransfer", "", item, "GB", price, **changes)


def aws_ladder(
    region: str = "eu-west-1", prices: tuple[str, ...] = ("0.09", "0.085", "0.07", "0.05"), **changes: str
) -> list[dict[str, str]]:
    items = ("first 10TB", "next 40TB", "next 100TB", "over 150TB")
    return [
        aws(region, f"Outbound data transfer to Internet ({item})", price, **changes)
        for item, price in zip(items, prices, strict=False)
    ]


def cloud_ladder(provider: str = "aws", free: int = 100) -> list[dict[str, str]]:
    tiers = {"0-10000 GB": "0.09", "10000-50000 GB": "0.085", "50000-inf GB": "0.07"}
    return [
        row(provider, "us-east-1", "InternetEgress", tier, f"after {free} GB free", "GB", price)
        for tier, price in tiers.items()
    ]


def gcp_list(**to: dict[str, dict[str, dict[str, float]]]) -> dict[str, Any]:
    """GCP's list in its own shape: destination -> step in TiB -> region -> price of a GiB."""
    internet: dict[str, Any] = {place: {"cost": cost} for place, cost in to.items() if place != "worldwide"}
    internet["cost"] = to.get("worldwide", {})
    return {"compute": {"network": {"traffic": {"egress": {"internet": internet}}}}}


def gcp_steps(region: str, *prices: float) -> dict[str, dict[str, dict[str, float]]]:
    return {
        word: {region: {"month": price}} for word, price in zip(("0-1", "1-10", "10n"), prices, strict=False)
    }


def between(egress: float, ingress: float = 0.0) -> dict[str, float]:
    return {"egress_per_gb": egress, "ingress_per_gb": ingress}


def read(
    *rows: dict[str, str], gcp: dict[str, Any] | None = None, dump: dict[str, Any] | None = None
) -> TransferRead:
    return read_transfer(rows, gcp or {}, dump or {}, TODAY)


def steps(
    found: TransferRead, region: str, kind: str = "internet", to: str = "*"
) -> list[tuple[float, float]]:
    return [
        (price.from_gb, price.usd_per_gb)
        for price in found.rows
        if (price.region, price.kind, price.to) == (region, kind, to)
    ]


def test_free_volume_comes_before_the_first_step_and_moves_the_others() -> None:
    found = read(*cloud_ladder())
    assert steps(found, "*") == [(0.0, 0.0), (100.0, 0.09), (10100.0, 0.085), (50100.0, 0.07)]


def test_no_free_volume_gives_no_free_step() -> None:
    assert steps(read(*cloud_ladder("gcp", free=0)), "*")[0] == (0.0, 0.09)


def test_regions_have_their_own_ladder_with_the_clouds_free_volume() -> None:
    found = read(*aws_ladder(), *aws_ladder("us-gov-west-1"), *cloud_ladder())
    assert steps(found, "eu-west-1") == [
        (0.0, 0.0),
        (100.0, 0.09),
        (10100.0, 0.085),
        (50100.0, 0.07),
        (150100.0, 0.05),
    ]
    assert steps(found, "us-gov-west-1")[0] == (0.0, 0.09)


def test_aws_prices_by_destination_and_charges_zones_at_both_ends() -> None:
    found = read(
        aws("us-east-1", "Outbound data transfer to other regions", "0.02"),
        aws("us-east-1", "Outbound data transfer to US East regions", "0.01"),
        aws("us-east-1", "Intra-region data transfer", "0.01"),
    )
    assert steps(found, "us-east-1", "inter_region") == [(0.0, 0.02)]
    assert steps(found, "us-east-1", "inter_region", "us-east-2") == [(0.0, 0.01)]
    assert steps(found, "us-east-1", "inter_zone") == [(0.0, 0.02)]
    zone = next(price for price in found.rows if price.kind == "inter_zone")
    assert (zone.stated_price_usd, zone.stated_unit) == (0.01, "GB, at each end")


def test_a_representative_price_is_cloud_wide() -> None:
    item = "same-cloud cross-region (single representative rate)"
    (price,) = read(row("azure", "eastus", "InterRegion", "", item, "GB", "0.03")).rows
    assert (price.region, price.stated_region, price.usd_per_gb) == ("*", "eastus", 0.03)


def test_gcps_prices_are_by_the_gib_in_steps_of_tib_and_by_destination() -> None:
    listed = gcp_list(
        worldwide=gcp_steps("us-central1", 0.12, 0.11, 0.08), china=gcp_steps("us-central1", 0.23, 0.22, 0.2)
    )
    stated = [
        row("gcp", "us-central1", "NetworkEgress", f"internet to {to}", f"{step} TiB", "GiB", price)
        for to, prices in {
            "worldwide": ("0.12", "0.11", "0.08"),
            "china": ("0.23", "0.22", "0.2"),
        }.items()
        for step, price in zip(("0-1", "1-10", "10n"), prices, strict=True)
    ]
    for found in (read(gcp=listed), read(*stated)):
        assert steps(found, "us-central1") == [
            (0.0, pytest.approx(0.12 / GIB_IN_GB)),
            (TIB_IN_GB, pytest.approx(0.11 / GIB_IN_GB)),
            (10 * TIB_IN_GB, pytest.approx(0.08 / GIB_IN_GB)),
        ]
        assert steps(found, "us-central1", to="china")[0] == (0.0, pytest.approx(0.23 / GIB_IN_GB))


@pytest.mark.parametrize("missing", [0, 1, 3])
def test_ladder_is_complete_or_not_used(missing: int) -> None:
    found = read(*(step for number, step in enumerate(aws_ladder()) if number != missing))
    assert found.rows == ()
    assert [caught.invariant for caught in found.caught] == ["ladder_is_complete"] * 3


def test_a_newer_list_whose_steps_do_not_fit_gives_way_to_an_older() -> None:
    found = read(
        *aws_ladder(), *aws_ladder(prices=("0.09", "0.085"), as_of="2026-08-21", source="a newer list")
    )
    assert {price.source for price in found.rows} == {"a list"}
    assert {caught.source for caught in found.caught} == {"a newer list"}


def test_the_newer_of_two_lists_is_taken_and_the_older_counted() -> None:
    newer = aws_ladder(prices=("0.08", "0.07", "0.06", "0.05"), as_of="2026-08-21", source="a newer list")
    for rows in ([*newer, *aws_ladder()], [*aws_ladder(), *newer]):
        found = read(*rows)
        assert {price.source for price in found.rows} == {"a newer list"}
        assert sum(found.left_out.values()) == 4


def test_price_falls_with_volume_or_the_dearer_step_holds_from_the_start() -> None:
    found = read(gcp=gcp_list(worldwide=gcp_steps("asia-northeast1", 0.085, 0.12, 0.11)))
    assert [caught.invariant for caught in found.caught] == ["price_falls_with_volume"]
    assert steps(found, "asia-northeast1") == [
        (0.0, pytest.approx(0.12 / GIB_IN_GB)),
        (10 * TIB_IN_GB, pytest.approx(0.11 / GIB_IN_GB)),
    ]
    assert [price.confidence for price in found.rows] == ["C", "B"]


def test_a_price_that_every_region_states_is_cloud_wide_too() -> None:
    same = [aws(region, "Intra-region data transfer", "0.01") for region in ("eu-west-1", "us-east-1")]
    assert steps(read(*same), "*", "inter_zone") == [(0.0, 0.02)]
    assert steps(read(*same, aws("sa-east-1", "Intra-region data transfer", "0.02")), "*", "inter_zone") == []
    assert steps(read(*same[:1]), "*", "inter_zone") == []


def test_a_price_is_0_only_where_the_cloud_says_so_in_words() -> None:
    words = "stated to be free of charge"
    found = read(row("azure", "*", "InterZone", "", words, "GB", "0"))
    assert steps(found, "*", "inter_zone") == [(0.0, 0.0)]
    for bad in (
        row("azure", "*", "InterZone", "", "between zones", "GB", "0"),
        row("azure", "*", "InterZone", "", words, "GB", "0.01"),
        row("azure", "*", "InterZone", "", words, "GB", "0", as_of="2026-11-24"),
    ):
        found = read(bad)
        assert found.rows == ()
        assert [caught.invariant for caught in found.caught] == ["price_can_be_read"]


@pytest.mark.parametrize(
    "changes",
    [
        {"price_usd": "0"},
        {"price_usd": "-1"},
        {"price_usd": ""},
        {"price_usd": "?"},
        {"unit": "furlong"},
        {"item": "Outbound data transfer to the Moon"},
        {"as_of": "soon"},
        {"as_of": "2026-11-24"},
    ],
)
def test_price_can_be_read(changes: dict[str, str]) -> None:
    found = read({**aws("us-east-1", "Intra-region data transfer", "0.01"), **changes})
    assert found.rows == ()
    assert [caught.invariant for caught in found.caught] == ["price_can_be_read"]


def test_the_dump_is_rounded_to_what_single_precision_holds() -> None:
    dump = {"aws": {"internet_egress": {"af-south-1": {"0": 0.15399999916553497}}}}
    assert steps(read(dump=dump), "af-south-1") == [(0.0, 0.154)]


def test_0_in_the_dump_is_unknown_and_never_free() -> None:
    dump = {
        "aws": {"inter_region_data_transfer": {"eu-west-1": between(0.01, 0.01)}},
        "azure": {"inter_region_data_transfer": {"westeurope": between(0.0)}},
    }
    found = read(dump=dump)
    assert {price.cloud for price in found.rows} == {"aws"}
    assert sum(found.left_out.values()) == 1


def test_between_regions_in_the_dump_is_between_zones() -> None:
    dump = {
        "aws": {"inter_region_data_transfer": {"eu-west-1": between(0.01, 0.01)}},
        "gcp": {"inter_region_data_transfer": {"europe-west4": between(0.01)}},
    }
    found = read(dump=dump)
    assert {price.kind for price in found.rows} == {"inter_zone"}
    assert steps(found, "eu-west-1", "inter_zone") == [(0.0, 0.02)]
    assert steps(found, "europe-west4", "inter_zone") == [(0.0, pytest.approx(0.01 / GIB_IN_GB))]


def test_azures_free_volume_in_the_dump_is_todays() -> None:
    dump = {"azure": {"internet_egress": {"brazilsouth": {
        "5": 0.181, "100": 0.181, "10005": 0.175, "10100": 0.175, "150005": 0.16, "150100": 0.16,
    }}}}  # fmt: skip
    assert steps(read(dump=dump), "brazilsouth") == [
        (0.0, 0.0),
        (100.0, 0.181),
        (10100.0, 0.175),
        (150100.0, 0.16),
    ]


def test_azures_prices_of_another_routing_are_left_out() -> None:
    dump = {
        "azure": {
            "internet_egress": {
                "westeurope": {"100": 0.08},
                "brazilsouth": {"100": 0.181},
                "Zone 1": {"100": 0.2},
            }
        }
    }
    found = read(*cloud_ladder("azure"), dump=dump)
    assert {price.region for price in found.rows} == {"*", "brazilsouth"}
    assert sum(found.left_out.values()) == 2


def test_gcps_internet_prices_of_the_dump_are_of_another_network_tier() -> None:
    found = read(dump={"gcp": {"internet_egress": {"europe-west4": {"0": 0.085}}}})
    assert found.rows == ()
    assert sum(found.left_out.values()) == 1


MIXED = [
    *aws_ladder(),
    *aws_ladder(prices=("0.08", "0.07", "0.06", "0.05"), as_of="2026-08-21", source="a newer list"),
    *aws_ladder("us-east-1", prices=("0.09", "0.085")),
    *cloud_ladder(),
    *cloud_ladder("azure"),
]


@given(st.permutations(MIXED))
def test_the_order_of_the_list_does_not_matter(rows: list[dict[str, str]]) -> None:
    found, expected = read(*rows), read(*MIXED)
    assert (found.rows, found.left_out) == (expected.rows, expected.left_out)
    assert set(found.caught) == set(expected.caught)


@given(
    st.lists(
        st.sampled_from(
            [*aws_ladder(), *aws_ladder("us-east-1", ("0.01", "0.09")), *cloud_ladder("azure", free=0)]
        ),
        unique_by=str,
    )
)
def test_every_ladder_begins_at_0_and_falls(rows: list[dict[str, str]]) -> None:
    found = read(*rows)
    ladders = {(price.cloud, price.region, price.kind, price.to) for price in found.rows}
    for cloud, region, kind, to in ladders:
        ladder = [
            price
            for price in found.rows
            if (price.cloud, price.region, price.kind, price.to) == (cloud, region, kind, to)
        ]
        assert ladder[0].from_gb == 0.0
        bounds = [price.from_gb for price in ladder]
        assert bounds == sorted(set(bounds))
        prices = [price.usd_per_gb for price in ladder]
        assert prices == sorted(prices, reverse=True)
    assert len(found.rows) + len(found.caught) == len(rows)


def test_every_hand_kept_price_can_be_read() -> None:
    path = Path(tradewind.files.__file__).parent / "data" / "facts" / "transfer_more.csv"
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, strict=True))
    assert tuple(rows[0]) == STORAGE_COLUMNS
    found = read(*rows)
    assert found.caught == ()
    assert len(found.rows) == len(rows)
