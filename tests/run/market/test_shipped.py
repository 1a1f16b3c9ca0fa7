"""What published lists are known to state wrongly must not be in the tables that come with the package."""

from __future__ import annotations

import pytest

from tradewind.run.market import sql


@pytest.mark.parametrize(
    ("name", "gib"),
    [
        ("Trainium2", 96.0),  # 512 in the vendor's description of its machine types
        ("A10", 24.0),  # 28 in a list of specifications
        ("H100-SXM", 80.0),  # 141 there, and 80 for the H200
        ("H200-SXM", 141.0),
    ],
)
def test_the_memory_of_an_accelerator_is_that_of_its_data_sheet(name: str, gib: float) -> None:
    ((memory,),) = sql("SELECT memory_bytes FROM accelerators WHERE name = $name", name=name)
    assert memory == gib * 2**30


@pytest.mark.parametrize(
    ("name", "tflops"),
    [
        ("H100-SXM", 989.0),  # 1979 with sparsity
        ("A100-40GB", 312.0),  # 624 with sparsity
        ("L4", 121.0),  # 242 with sparsity
        ("A10G", 70.0),  # 125 is the A10's
        ("A10", 125.0),
    ],
)
def test_peaks_are_dense_and_those_of_the_accelerator_itself(name: str, tflops: float) -> None:
    ((peak,),) = sql("SELECT bf16_flops_per_s FROM accelerators WHERE name = $name", name=name)
    assert peak == pytest.approx(tflops * 1e12, rel=1e-3)


def test_every_accelerator_of_a_machine_is_in_the_table() -> None:
    unknown = sql(
        "SELECT DISTINCT accelerator FROM shapes "
        "WHERE accelerator IS NOT NULL AND accelerator NOT IN (SELECT name FROM accelerators)"
    )
    assert unknown.rows == ()


def test_no_measurement_reaches_more_than_the_data_sheet() -> None:
    found = sql("SELECT fraction FROM efficiency")
    assert len(found) > 0
    assert all(0.0 < fraction <= 1.0 for (fraction,) in found)


def test_each_cloud_has_a_price_for_each_way_out_where_no_region_has_its_own() -> None:
    found = set(sql("SELECT DISTINCT cloud, kind FROM transfer WHERE region = '*' AND \"to\" = '*'"))
    wanted = {
        (cloud, kind)
        for cloud in ("aws", "azure", "gcp")
        for kind in ("internet", "inter_region", "inter_zone")
    }
    assert found == wanted


def test_every_ladder_of_transfer_and_storage_prices_begins_at_0() -> None:
    for table, ladder in (
        ("transfer", 'cloud, region, kind, "to"'),
        ("storage", "cloud, region, service, tier, item, detail"),
    ):
        starts = sql(f"SELECT min(from_gb) FROM {table} GROUP BY {ladder}")
        assert {start for (start,) in starts} == {0.0}
