from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from price_lists import price_lists
from tradewind.decide.catalog import FACT_FILES, Normalised, normalise
from tradewind.decide.catalog.rows import PartRow, PriceRow, QuarantineRow, SourceRow
from tradewind.domain.errors import InputError

TODAY = "2026-11-23"

FACTS: dict[str, list[dict[str, str]]] = {
    **{name: [] for name in FACT_FILES},
    "retired.csv": [
        {
            "cloud": "azure",
            "instance_type": "Standard_A[0-9]",
            "retired_on": "2024-08-31",
            "source": "a notice",
        }
    ],
    "gcp_gpu_prices.csv": [
        {
            "accelerator": "T4",
            "region": "us-central1",
            "purchase": "on_demand",
            "usd_per_hour": "0.35",
            "source": "a list of GPUs",
            "as_of": "2024-01-01",
        }
    ],
    "gcp_gpu_limits.csv": [
        {
            "accelerator": "T4",
            "list_name": "nvidia-tesla-t4",
            "count": count,
            "most_vcpus": "48",
            "most_memory_gb": "312",
            "source": "a page",
        }
        for count in ("1", "2")
    ],
    "accelerated_types.csv": [
        {
            "cloud": "azure",
            "instance_type": "Standard_NC4as_T4_v3",
            "accelerator": "T4",
            "count": "1",
            "source": "a page",
        }
    ],
}


def made(lists: dict[str, Any] | None = None, today: str = TODAY) -> Normalised:
    return normalise(lists or price_lists(), FACTS, {}, today)


@pytest.fixture(scope="module")
def found() -> Normalised:
    return made()


def prices(found: Normalised) -> dict[str, PriceRow]:
    rows: list[Any] = list(found.tables["offers"])
    return {f"{p.cloud}/{p.region}/{p.instance_type}/{p.purchase}": p for p in rows}


def caught(found: Normalised) -> dict[tuple[str, str], str]:
    rows: list[Any] = list(found.tables["quarantine"])
    return {(row.invariant, f"{row.region}/{row.item}/{row.purchase}"): row.source for row in rows}


def test_every_stated_price_is_used_or_in_quarantine_or_counted(found: Normalised) -> None:
    """Nothing is lost silently: so many prices are stated, so many rows there are."""
    lists = price_lists()
    azure = sum(
        len(machines) for machines in lists["raw/azure_ondemand_2026-06-18_karpenter-azure.json"].values()
    )
    rows: list[Any] = [*found.tables["offers"], *found.tables["quarantine"]]
    stated = Counter(
        (row.cloud, row.purchase) for row in rows if getattr(row, "of_table", "offers") == "offers"
    )
    assert stated["azure", "on_demand"] == azure


def test_dedicated_tenancy_in_the_newer_list_gives_way_to_the_true_price_in_an_older(
    found: Normalised,
) -> None:
    """Two of the lists of bare-metal machines carried the dedicated price: 6 to 10 % over."""
    metal = prices(found)["aws/us-east-1/c7g.metal/on_demand"]
    assert (metal.price_usd_per_hour, metal.source) == (2.32, "LeanerCloud/ec2-instances-info (2025-05-28)")
    assert "linear_in_family", "us-east-1/c7g.metal/on_demand" in caught(found)


def test_tenancy_last_write_wins_in_the_dump_is_caught_by_the_family_ratio(found: Normalised) -> None:
    rows = prices(found)
    assert rows["aws/eu-west-1/c7g.xlarge/on_demand"].price_usd_per_hour == 0.1595
    assert rows["aws/eu-west-1/c7g.2xlarge/on_demand"].price_usd_per_hour == 0.319
    assert rows["aws/eu-west-1/c7g.xlarge/on_demand"].confidence == "C"
    assert "aws/eu-west-1/c7g.4xlarge/on_demand" not in rows
    assert ("shared_tenancy", "eu-west-1/c7g.4xlarge/on_demand") in caught(found)
    assert ("shared_tenancy", "eu-west-1/g6.xlarge/on_demand") in caught(found)


def test_a_family_that_is_wrong_as_a_whole_in_the_reference_region_is_believed_nowhere() -> None:
    lists = price_lists()
    lists["raw/coroot_cloud-pricing_2024-08-09.json.gz"]["aws"]["compute"]["us-east-1"]["c7g.2xlarge"] = {
        "on_demand": 0.29 * 1.08,
        "spot": 0.1,
    }
    assert not [key for key in prices(made(lists)) if key.startswith("aws/eu-west-1/c7g")]


def test_operating_system_windows_in_a_linux_list(found: Normalised) -> None:
    rows = prices(found)
    assert "azure/westeurope/Standard_D16s_v5/on_demand" not in rows
    assert ("linear_in_family", "westeurope/Standard_D16s_v5/on_demand") in caught(found)


def test_operating_system_of_azure_spot_is_told_by_its_share_of_on_demand(found: Normalised) -> None:
    rows = prices(found)
    assert rows["azure/westeurope/Standard_D4s_v5/spot"].price_usd_per_hour == 0.0253
    assert rows["azure/westeurope/Standard_D8s_v5/spot"].price_usd_per_hour == 0.0506
    assert ("operating_system", "eastus/Standard_D8s_v5/spot") in caught(found)
    assert ("operating_system", "eastus/Standard_D4s_v5/spot") in caught(found), "nothing bears its share out"


def test_hosts_and_placeholders_are_no_machines(found: Normalised) -> None:
    for name in ("Dsv3_Type3", "ARM_SKU_NAME_PLACEHOLDER"):
        assert ("machine_is_virtual", f"westeurope/{name}/on_demand") in caught(found)


def test_priced_is_not_offered(found: Normalised) -> None:
    assert ("offered_in_region", "africa-south1/g2-standard-4/on_demand") in caught(found)
    assert "gcp/africa-south1/g2-standard-4/on_demand" not in prices(found)


def test_retired_types_stay_priced_in_lists(found: Normalised) -> None:
    assert ("type_is_active", "westeurope/Standard_A1/on_demand") in caught(found)
    assert ("type_is_active", "us-east-1/p2.xlarge/on_demand") in caught(found)


def test_sentinel_700_is_no_price_of_a_tpu(found: Normalised) -> None:
    assert ("price_is_no_sentinel", "southamerica-west1/ct6e-standard-1t/on_demand") in caught(found)
    # Nor is a multiple of it the price of a slice.
    assert ("price_is_no_sentinel", "southamerica-west1/v6e-16/on_demand") in caught(found)
    assert not [key for key in prices(found) if key.startswith("gcp/southamerica-west1")]


def test_spot_over_on_demand_of_tpu_v4(found: Normalised) -> None:
    assert ("spot_is_at_most_on_demand", "us-central2/v4-8/spot") in caught(found)
    assert prices(found)["gcp/us-central2/v4-8/on_demand"].price_usd_per_hour == 12.88


def test_a_spot_price_that_repeats_the_on_demand_price_is_none(found: Normalised) -> None:
    assert "aws/us-east-1/c7g.2xlarge/spot" not in prices(found)
    assert "aws/us-east-1/c7g.xlarge/spot" in prices(found)


def test_commitments_keep_their_terms_and_are_hourly(found: Normalised) -> None:
    rows = prices(found)
    reserved = rows["aws/us-east-1/c7g.xlarge/commit_1y"]
    assert (reserved.price_usd_per_hour, reserved.terms) == (
        0.0913,
        "standard reserved instance, all upfront",
    )
    committed = rows["gcp/europe-west4/g2-standard-4/commit_1y"]
    assert committed.price_usd_per_hour == 365.0 / 730.0
    assert (committed.stated_price_usd, committed.stated_unit) == (365.0, "month")


def test_interruption_class_is_taken_where_a_source_gives_one(found: Normalised) -> None:
    rows = prices(found)
    assert rows["aws/us-east-1/x2iedn.32xlarge/spot"].interruption == "5-10%"
    assert rows["aws/us-east-1/c7g.xlarge/spot"].interruption is None
    assert rows["aws/us-east-1/x2iedn.32xlarge/on_demand"].price_usd_per_hour == 26.676


def test_spot_by_zone_is_a_median_where_only_that_is_known(found: Normalised) -> None:
    assert "median over the zones" in str(prices(found)["aws/us-west-2/p5.48xlarge/spot"].remark)


def test_split_price_n1_with_gpus_is_the_machine_and_its_gpus(found: Normalised) -> None:
    rows = prices(found)
    assert rows["gcp/us-central1/n1-standard-4+t4x1/on_demand"].price_usd_per_hour == pytest.approx(0.54)
    two = rows["gcp/us-central1/n1-standard-4+t4x2/on_demand"]
    assert two.price_usd_per_hour == pytest.approx(0.89)
    assert two.as_of == "2024-01-01", "as old as its oldest part"
    parts: list[Any] = list(found.tables["price_parts"])
    mine = [p for p in parts if p.instance_type == "n1-standard-4+t4x2"]
    assert sum(p.quantity * p.usd_per_unit_hour for p in mine) == pytest.approx(two.price_usd_per_hour)
    assert {p.part for p in mine} == {"n1-standard-4", "T4"}


def test_composed_prices_are_the_sums_of_their_parts(found: Normalised) -> None:
    sums: Counter[str] = Counter()
    parts: list[PartRow] = [row for row in found.tables["price_parts"] if isinstance(row, PartRow)]
    for part in parts:
        key = f"{part.cloud}/{part.region}/{part.instance_type}/{part.purchase}"
        sums[key] += part.quantity * part.usd_per_unit_hour
    composed = {key: p.price_usd_per_hour for key, p in prices(found).items() if p.stated_unit == "parts"}
    assert composed == pytest.approx(dict(sums))
    assert "gcp/us-central1/v5litepod-16/on_demand" in composed


def test_a_machine_that_no_list_describes_keeps_its_price_and_unknown_memory(found: Normalised) -> None:
    assert "azure/westeurope/Standard_D2s_v9/on_demand" in prices(found)
    shapes: list[Any] = list(found.tables["shapes"])
    (shape,) = [row for row in shapes if row.instance_type == "Standard_D2s_v9"]
    assert (shape.vcpus, shape.memory_bytes) == (2, None)
    assert "name" in shape.vcpus_from


def test_every_price_names_a_source_that_is_described(found: Normalised) -> None:
    described = {row.source: row for row in found.tables["sources"] if isinstance(row, SourceRow)}
    for price in prices(found).values():
        source = described[price.source]
        assert source.licence
        assert source.read_as
        assert source.as_of == price.as_of or price.stated_unit == "parts"
    counted = Counter(price.source for price in prices(found).values())
    for name, number in counted.items():
        assert described[name].rows >= number


def test_tables_are_sorted_and_of_their_nouns(found: Normalised) -> None:
    rows: list[Any] = list(found.tables["offers"])
    order = [(p.cloud, p.region, p.instance_type, p.purchase, p.zone or "") for p in rows]
    assert order == sorted(order)
    assert len(set(order)) == len(order)
    assert all(isinstance(row, QuarantineRow) for row in found.tables["quarantine"])
    assert found.as_of == "2026-08-19"


def test_a_clock_before_every_price_says_so() -> None:
    with pytest.raises(
        InputError, match=r"no price of \d+ can be used: .* after today, 2020-01-01; .* clock"
    ):
        made(today="2020-01-01")


def test_other_clouds_are_left_out_and_counted(found: Normalised) -> None:
    assert found.left_out["instances_sample.csv: a cloud other than aws, azure, gcp"] == 1
