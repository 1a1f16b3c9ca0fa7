from __future__ import annotations

from dataclasses import replace

import msgspec
import numpy as np
import pytest

from tradewind.decide.catalog import Catalog, Region, offers
from tradewind.decide.catalog.rows import CapabilityRow, SurchargeRow
from tradewind.domain.errors import InputError
from tradewind.domain.goal import Goal, Load, Serve
from tradewind.domain.offer import Offers

TODAY = "2026-11-23"
GIB = 2.0**30


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


def test_everything_that_can_be_planned_with_comes_in_the_catalogues_order(catalog: Catalog) -> None:
    found = offers(goal(), catalog, TODAY)
    assert keys(found) == [
        "aws/eu-west-1/m/on_demand",
        "aws/eu-west-1/m/spot",
        "aws/us-east-1/m/on_demand",
        "aws/us-east-1/m/spot@us-east-1a",
        "aws/us-east-1/p5/on_demand",
        "azure/westeurope/m/on_demand",
        "gcp/europe-west4/m/commit_1y",
        "gcp/us-central1/m/on_demand",
        "gcp/us-central1/tpu/on_demand",
    ]
    assert found.snapshot == "2026-07-20-abc"
    assert found.storage == catalog.storage


def test_the_columns_are_the_nouns_fields(catalog: Catalog) -> None:
    found = offers(goal(), catalog, TODAY)
    for row, one in enumerate(found):
        for name in one.__struct_fields__:
            value, field = found[name][row], getattr(one, name)
            assert (field is None and value != value) or value == field, name
    taken = found.take(np.array([4, 0]))
    assert list(taken) == [found.offer(4), found.offer(0)]
    codes, values = taken.coded("instance_type")
    assert [values[code] for code in codes] == ["p5", "m"]
    assert len(set(values)) == len(values)


def test_europe_is_europe_in_every_cloud(catalog: Catalog) -> None:
    found = offers(goal(regions=("europe-*",)), catalog, TODAY)
    assert set(zip(found["cloud"], found["region"], strict=True)) == {
        ("aws", "eu-west-1"),
        ("azure", "westeurope"),
        ("gcp", "europe-west4"),
    }


def test_clouds_purchases_and_regions_narrow(catalog: Catalog) -> None:
    found = offers(goal(clouds=("aws",), purchase=("spot",)), catalog, TODAY)
    assert keys(found) == ["aws/eu-west-1/m/spot", "aws/us-east-1/m/spot@us-east-1a"]
    assert keys(offers(goal(regions=("eu-west-?", "us-central1")), catalog, TODAY)) == [
        "aws/eu-west-1/m/on_demand",
        "aws/eu-west-1/m/spot",
        "gcp/us-central1/m/on_demand",
        "gcp/us-central1/tpu/on_demand",
    ]


def test_a_governments_regions_are_for_who_names_them(catalog: Catalog) -> None:
    assert "us-gov-west-1" not in set(offers(goal(regions=("us-*",)), catalog, TODAY)["region"])
    assert keys(offers(goal(regions=("us-gov-*",)), catalog, TODAY)) == ["aws/us-gov-west-1/m/on_demand"]
    assert keys(offers(goal(jurisdiction=("us_gov",)), catalog, TODAY)) == ["aws/us-gov-west-1/m/on_demand"]


def test_region_names_are_written_in_any_case(catalog: Catalog) -> None:
    assert keys(offers(goal(regions=("WestEurope",)), catalog, TODAY)) == ["azure/westeurope/m/on_demand"]


def test_jurisdictions_narrow_by_law_not_by_geography(catalog: Catalog) -> None:
    assert set(offers(goal(jurisdiction=("NL",)), catalog, TODAY)["region"]) == {"westeurope", "europe-west4"}
    assert set(offers(goal(jurisdiction=("eu",)), catalog, TODAY)["cloud"]) == {"aws", "azure", "gcp"}
    with pytest.raises(InputError, match="jurisdiction: no region of the catalogue stands in 'euu'"):
        offers(goal(jurisdiction=("euu",)), catalog, TODAY)
    with pytest.raises(InputError, match="none of the goal's regions stands in eu; allow other regions"):
        offers(goal(regions=("us-*",), jurisdiction=("eu",)), catalog, TODAY)


def test_accelerators_are_found_by_the_names_that_people_use(catalog: Catalog) -> None:
    for asked in ("H100", "h100-sxm"):
        assert keys(offers(goal(accelerator=(asked,)), catalog, TODAY)) == ["aws/us-east-1/p5/on_demand"]
    assert keys(offers(goal(accelerator=("v5e",)), catalog, TODAY)) == ["gcp/us-central1/tpu/on_demand"]
    with pytest.raises(
        InputError, match="accelerator: 'H10' is in no machine of the catalogue; the nearest are"
    ):
        offers(goal(accelerator=("H10",)), catalog, TODAY)
    with pytest.raises(InputError, match="no machine with H100 in the goal's clouds and regions"):
        offers(goal(accelerator=("H100",), regions=("europe-*",)), catalog, TODAY)


def test_memory_narrows_and_says_what_there_is(catalog: Catalog) -> None:
    assert keys(offers(goal(memory_bytes=1024 * GIB), catalog, TODAY)) == ["aws/us-east-1/p5/on_demand"]
    with pytest.raises(InputError, match="has 4096 GiB; the largest has 2048 GiB"):
        offers(goal(memory_bytes=4096 * GIB), catalog, TODAY)


def test_a_machine_that_no_source_describes_is_left_out(catalog: Catalog) -> None:
    assert "new" not in set(offers(goal(), catalog, TODAY)["instance_type"])


def test_a_class_of_interruptions_becomes_a_rate(catalog: Catalog) -> None:
    found = {one.key: one for one in offers(goal(), catalog, TODAY)}
    spot = found["aws/eu-west-1/m/spot"]
    assert spot.interruption_class == "5-10%"
    assert spot.interruptions_per_hour == pytest.approx(0.075 / 730.0)
    assert found["aws/eu-west-1/m/on_demand"].interruptions_per_hour is None


def capability(cloud: str, word: str, supported: bool | None) -> CapabilityRow:
    return CapabilityRow(
        cloud=cloud,
        service=f"{cloud} ML",
        capability=word,
        supported=supported,
        how=None,
        source="s",
        as_of=TODAY,
    )


def test_required_capabilities_leave_the_clouds_that_are_known_to_have_them(catalog: Catalog) -> None:
    told = replace(
        catalog,
        capabilities=(
            capability("aws", "explainability", True),
            capability("azure", "explainability", None),
            capability("gcp", "explainability", False),
        ),
        surcharges=(
            SurchargeRow(
                cloud="aws",
                service="aws ML",
                instance_type="m",
                managed_usd_per_hour=0.125,
                bare_usd_per_hour=0.1,
                ratio=1.25,
                source="a price list",
                as_of="2025-06-01",
                as_of_precision="before",
                confidence="C",
            ),
        ),
    )
    found = offers(goal(require=("explainability",)), told, TODAY)
    assert set(found["cloud"]) == {"aws"}
    by_key = {one.key: one for one in found}
    quoted = by_key["aws/us-east-1/m/on_demand"]
    assert (quoted.managed_service, quoted.managed_ratio, quoted.managed_source) == (
        "aws ML",
        1.25,
        "a price list",
    )
    assumed = by_key["aws/us-east-1/p5/on_demand"]
    assert assumed.managed_source is None
    assert assumed.managed_ratio_low <= assumed.managed_ratio <= assumed.managed_ratio_high
    bare = offers(goal(), told, TODAY).offer(0)
    assert (bare.managed_service, bare.managed_ratio) == (None, None)
    with pytest.raises(
        InputError, match=r"require: .*azure ML no source tells of explainability; gcp ML lacks"
    ):
        offers(goal(require=("explainability",), clouds=("azure", "gcp")), told, TODAY)


def test_an_old_price_is_of_confidence_c_and_the_catalogue_stays_as_it_is(catalog: Catalog) -> None:
    found = offers(goal(), catalog, TODAY)
    assert list(found["confidence"][:3]) == ["A", "C", "A"]
    assert set(offers(goal(), catalog, "2028-01-01")["confidence"]) == {"C"}
    assert catalog.origins.words["confidence"] == ("A", "A", "B")


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
    for changes in (
        {"regions": ("mars",)},
        {"purchase": ("commit_3y",)},
        {"regions": ("eu-west-3",)},
        {"accelerator": ("X",)},
        {"memory_bytes": 1e15},
        {"jurisdiction": ("x",)},
        {"require": ("tpu",)},
    ):
        with pytest.raises(InputError) as error:
            offers(goal(**changes), catalog, TODAY)
        assert "\n" not in str(error.value)


def test_a_region_is_a_noun_that_round_trips() -> None:
    one = Region(
        cloud="aws", name="eu-west-1", place=None, group="europe", jurisdictions=("ie", "eu"), machine_types=1
    )
    assert msgspec.json.decode(msgspec.json.encode(one), type=Region) == one
