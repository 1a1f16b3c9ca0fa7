from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tradewind.files
from tradewind.decide.catalog.rows import CapabilityRow, SurchargeRow
from tradewind.decide.catalog.services import (
    CAPABILITIES,
    CAPABILITY_COLUMNS,
    SERVICE_COLUMNS,
    SERVICE_KINDS,
    SERVICE_REGION_COLUMNS,
    STORAGE_TIER_COLUMNS,
    capable,
    read_capabilities,
    read_service_regions,
    read_services,
    read_storage_tiers,
)
from tradewind.domain.errors import InputError
from tradewind.domain.goal import CLOUDS
from tradewind.domain.noun import Capability

if TYPE_CHECKING:
    from collections.abc import Callable

    from tradewind.decide.catalog.rows import QuarantineRow

FACTS = Path(tradewind.files.__file__).parent / "data" / "facts"
LONGEST = 100
"""Letters in a cell of words: what must fit in a line of a report."""


def shipped(name: str) -> list[dict[str, str]]:
    with (FACTS / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, strict=True))


def service_row(**changes: str) -> dict[str, str]:
    stated = dict.fromkeys(SERVICE_COLUMNS, "")
    stated |= {
        "cloud": "aws",
        "service": "SageMaker",
        "kind": "machine_learning",
        "about": "trains and serves",
    }
    return {**stated, "source": "a page", "as_of": "2026-11-25", **changes}


def capability_row(**changes: str) -> dict[str, str]:
    stated = {"cloud": "gcp", "service": "Vertex AI", "capability": "tpu", "supported": "true", "how": "TPUs"}
    return {**stated, "source": "a page", "as_of": "2026-11-25", **changes}


def tier_row(**changes: str) -> dict[str, str]:
    stated = dict.fromkeys(STORAGE_TIER_COLUMNS, "")
    stated |= {"cloud": "aws", "service": "S3", "tier": "Standard-IA", "kind": "object", "access": "cool"}
    return {
        **stated,
        "minimum_days": "30",
        "about": "seldom read",
        "source": "a page",
        "as_of": "2026-11-25",
        **changes,
    }


def region_row(**changes: str) -> dict[str, str]:
    stated = {"cloud": "aws", "service": "SageMaker", "region": "eu-west-1"}
    return {**stated, "source": "a page", "as_of": "2026-11-25", **changes}


def surcharge(ratio: float, service: str = "SageMaker") -> SurchargeRow:
    return SurchargeRow(
        cloud="aws",
        service=service,
        instance_type="g5.xlarge",
        managed_usd_per_hour=ratio,
        bare_usd_per_hour=1.0,
        ratio=ratio,
        source="a list",
        as_of="2025-06-01",
        as_of_precision="before",
        confidence="C",
    )


def said(cloud: str, capability: str, supported: bool | None) -> CapabilityRow:
    sure = supported is not None
    return CapabilityRow(
        cloud=cloud,
        service=f"service of {cloud}",
        capability=capability,
        supported=supported,
        how="a feature" if sure else None,
        source="a page" if sure else None,
        as_of="2026-11-25" if sure else None,
    )


# Laws of the readers

READERS = pytest.mark.parametrize(
    ("read", "row"),
    [
        (lambda rows: read_services(rows, []), service_row),
        (read_capabilities, capability_row),
        (read_service_regions, region_row),
        (read_storage_tiers, tier_row),
    ],
    ids=["services", "capabilities", "service_regions", "storage_tiers"],
)


@READERS
@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"source": " "}, "no source"),
        ({"as_of": "2026-02-31"}, "as_of"),
        ({"as_of": ""}, "as_of"),
        ({"cloud": "azur"}, "the nearest is 'azure'"),
    ],
)
def test_what_has_no_source_no_day_or_an_unknown_cloud_does_not_enter(
    read: Callable[..., tuple[list[object], list[QuarantineRow]]],
    row: Callable[..., dict[str, str]],
    changes: dict[str, str],
    reason: str,
) -> None:
    found, caught = read([row(**changes)])
    assert not found
    assert reason in caught[0].reason


@READERS
def test_every_row_is_read_or_caught_and_a_second_one_is_caught(
    read: Callable[..., tuple[list[object], list[QuarantineRow]]], row: Callable[..., dict[str, str]]
) -> None:
    found, caught = read([row(), row()])
    assert len(found) == len(caught) == 1
    assert "second row" in caught[0].reason


@given(st.lists(st.floats(min_value=1.0, max_value=3.0), min_size=1, max_size=9), st.randoms())
def test_the_surcharge_is_the_same_in_any_order_and_between_the_lowest_and_the_highest(
    ratios: list[float], chance: object
) -> None:
    services, _ = read_services([service_row()], [surcharge(ratio) for ratio in ratios])
    chance.shuffle(ratios)  # type: ignore[attr-defined]
    assert read_services([service_row()], [surcharge(ratio) for ratio in ratios])[0] == services
    low, likely, high = (
        services[0].surcharge_low,
        services[0].surcharge_likely,
        services[0].surcharge_high,
    )
    assert low == min(ratios)
    assert high == max(ratios)
    assert likely is not None
    assert min(ratios) <= likely <= max(ratios)


def test_a_service_without_a_known_surcharge_has_none() -> None:
    services, _ = read_services([service_row()], [surcharge(1.2, service="another")])
    assert services[0].surcharge_low is services[0].surcharge_likely is services[0].surcharge_high is None


@pytest.mark.parametrize(("cell", "value"), [("true", True), ("false", False), ("", None)])
def test_an_empty_cell_is_unknown_and_not_no(cell: str, value: bool | None) -> None:
    services, _ = read_services([service_row(spot=cell)], [])
    assert services[0].spot is value


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"kind": "machine_lerning"}, "the nearest is 'machine_learning'"),
        ({"spot": "yes"}, "known are true, false"),
        ({"autoscaling": "True"}, "the nearest is 'true'"),
    ],
)
def test_an_unknown_word_of_a_service_is_caught_with_the_nearest(
    changes: dict[str, str], reason: str
) -> None:
    found, caught = read_services([service_row(**changes)], [])
    assert not found
    assert reason in caught[0].reason


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"capability": "explainabilty"}, "the nearest is 'explainability'"),
        ({"supported": "maybe"}, "known are true, false"),
        ({"how": ""}, "says true but not how"),
        ({"supported": ""}, "neither true nor false"),
    ],
)
def test_a_capability_says_yes_or_no_with_its_source_or_nothing(changes: dict[str, str], reason: str) -> None:
    found, caught = read_capabilities([capability_row(**changes)])
    assert not found
    assert reason in caught[0].reason


def test_a_capability_that_nobody_states_is_unknown() -> None:
    found, _ = read_capabilities([capability_row(supported="", how="", source="", as_of="")])
    assert (found[0].supported, found[0].how, found[0].source, found[0].as_of) == (None, None, None, None)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"minimum_days": "-1"}, "write whole days"),
        ({"minimum_days": "30.5"}, "write whole days"),
        ({"access": "warm"}, "access"),
        ({"kind": "objet"}, "the nearest is 'object'"),
    ],
)
def test_an_unknown_word_of_a_tier_is_caught(changes: dict[str, str], reason: str) -> None:
    found, caught = read_storage_tiers([tier_row(**changes)])
    assert not found
    assert reason in caught[0].reason


def test_a_tier_without_a_stated_time_is_not_one_of_no_days() -> None:
    found, _ = read_storage_tiers([tier_row(minimum_days=""), tier_row(tier="Standard", minimum_days="0")])
    assert [(tier.tier, tier.minimum_days) for tier in found] == [("Standard", 0), ("Standard-IA", None)]


# Laws of `capable`


def test_every_word_that_a_goal_may_require_has_a_meaning() -> None:
    assert set(CAPABILITIES) == set(get_args(Capability))


@given(
    st.dictionaries(st.sampled_from(sorted(CAPABILITIES)), st.sampled_from([True, False, None])),
    st.lists(st.sampled_from(sorted(CAPABILITIES)), unique=True),
)
def test_each_required_word_is_had_lacked_or_unknown_and_keeps_its_order(
    known: dict[str, bool | None], required: list[str]
) -> None:
    rows = [said("aws", word, supported) for word, supported in known.items()]
    rows += [said("gcp", word, True) for word in CAPABILITIES]
    lacks, unknown = capable(rows, "aws", required)
    assert list(lacks) == [word for word in required if known.get(word) is False]
    assert list(unknown) == [word for word in required if known.get(word) is None]
    assert capable(rows, "gcp", required) == ((), ())


def test_of_several_services_one_that_has_the_word_is_enough() -> None:
    rows = [said("aws", "tpu", False), said("aws", "hybrid", False), said("aws", "kubernetes", False)]
    rows += [said("aws", "tpu", True), said("aws", "hybrid", None)]
    assert capable(rows, "aws", ["tpu", "hybrid", "kubernetes"]) == (("kubernetes",), ("hybrid",))


def test_requiring_nothing_is_always_met() -> None:
    assert capable([], "aws", []) == ((), ())


def test_a_word_that_is_no_capability_is_an_error_that_names_the_nearest() -> None:
    with pytest.raises(InputError, match=r"require: 'explainabilty'.*nearest is 'explainability'"):
        capable([], "aws", ["explainabilty"])
    with pytest.raises(InputError, match=r"known are explainability, bias_detection"):
        capable([], "aws", ["zzzz"])


# What is shipped


@pytest.mark.parametrize(
    ("name", "columns"),
    [
        ("services.csv", SERVICE_COLUMNS),
        ("capabilities.csv", CAPABILITY_COLUMNS),
        ("service_regions.csv", SERVICE_REGION_COLUMNS),
        ("storage_tiers.csv", STORAGE_TIER_COLUMNS),
    ],
)
def test_the_shipped_tables_have_their_columns_and_are_sorted(name: str, columns: tuple[str, ...]) -> None:
    rows = shipped(name)
    assert tuple(rows[0]) == columns
    keys = [tuple(row.values())[:3] for row in rows]
    assert keys == sorted(set(keys)), f"{name}: keep the rows sorted, so that a change is one line"
    for row in rows:
        for column in ("about", "how", "price_note", "first_byte"):
            assert len(row.get(column, "")) <= LONGEST, row


def test_nothing_that_is_shipped_is_caught() -> None:
    assert read_services(shipped("services.csv"), [])[1] == []
    assert read_capabilities(shipped("capabilities.csv"))[1] == []
    assert read_service_regions(shipped("service_regions.csv"))[1] == []
    assert read_storage_tiers(shipped("storage_tiers.csv"))[1] == []


def test_every_cloud_has_a_service_of_each_kind() -> None:
    services, _ = read_services(shipped("services.csv"), [])
    assert {(s.cloud, s.kind) for s in services} == {(c, kind) for c in CLOUDS for kind in SERVICE_KINDS}


def test_every_learning_service_has_a_row_for_each_capability() -> None:
    services, _ = read_services(shipped("services.csv"), [])
    learning = {(s.cloud, s.service) for s in services if s.kind == "machine_learning"}
    rows, _ = read_capabilities(shipped("capabilities.csv"))
    assert {(row.cloud, row.service, row.capability) for row in rows} == {
        (*service, word) for service in learning for word in CAPABILITIES
    }


def test_regions_and_tiers_name_services_that_exist() -> None:
    services, _ = read_services(shipped("services.csv"), [])
    known = {(s.cloud, s.service) for s in services}
    lakes = {(s.cloud, s.service) for s in services if s.kind == "data_lake"}
    regions, _ = read_service_regions(shipped("service_regions.csv"))
    tiers, _ = read_storage_tiers(shipped("storage_tiers.csv"))
    assert {(row.cloud, row.service) for row in regions} <= known
    assert {(row.cloud, row.service) for row in tiers if row.kind == "data_lake"} == lakes


def test_the_colder_a_class_of_one_store_the_longer_data_must_stay() -> None:
    tiers, _ = read_storage_tiers(shipped("storage_tiers.csv"))
    order = ("hot", "cool", "cold", "archive")
    stores: dict[tuple[str, str], list[tuple[int, int]]] = {}
    for tier in tiers:
        if tier.minimum_days is not None:
            stores.setdefault((tier.cloud, tier.service), []).append(
                (order.index(tier.access), tier.minimum_days)
            )
    assert set(stores) == {("aws", "S3"), ("azure", "Blob Storage"), ("gcp", "Cloud Storage")}
    for store, pairs in stores.items():
        for colder, days in pairs:
            assert all(days >= other for warmth, other in pairs if warmth < colder), store


def test_tpus_are_of_google_alone() -> None:
    rows, _ = read_capabilities(shipped("capabilities.csv"))
    assert [capable(rows, cloud, ["tpu"]) for cloud in ("aws", "azure", "gcp")] == [
        (("tpu",), ()),
        (("tpu",), ()),
        ((), ()),
    ]


def test_sagemaker_is_in_the_regions_that_its_maker_lists_and_not_in_local_zones() -> None:
    rows, _ = read_service_regions(shipped("service_regions.csv"))
    regions = {row.region for row in rows if row.service == "SageMaker"}
    assert {"us-east-1", "eu-west-1", "us-gov-west-1", "cn-north-1"} <= regions
    assert "us-west-2-lax-1" not in regions
    assert not [region for region in regions if "fips" in region or "iso" in region]
