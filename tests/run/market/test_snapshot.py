from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import pytest

from tradewind.decide.catalog import GROUPS, offers
from tradewind.decide.catalog.invariants import LARGEST_SPOT_DISCOUNT, REFERENCE_REGION, REGIONAL_RATIO
from tradewind.domain.errors import InputError
from tradewind.domain.goal import Goal, Load, Serve
from tradewind.files import nouns
from tradewind.run.market import SHIPPED, TABLES, Snapshot, load_catalog, sql

if TYPE_CHECKING:
    from pathlib import Path

    from tradewind.decide.catalog import Catalog
    from tradewind.domain.offer import Offer


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    """The catalogue that comes with the package."""
    return load_catalog()


def one(catalog: Catalog, key: str) -> Offer:
    return next(offer for offer in catalog.everything if offer.key == key)


def test_an_offer_joins_price_shape_specification_and_carbon(snapshot: Path) -> None:
    found = one(load_catalog(snapshot), "gcp/europe-west4/g2-standard-4/spot")
    assert found.price_usd_per_hour == 0.31
    assert (found.vcpus, found.memory_bytes, found.physical_cores) == (4, 16 * 2**30, 2)
    assert (found.cpu_architecture, found.cpu_vendor, found.cpu_model) == ("x86_64", "Intel", None)
    assert (found.isa, found.cpu_ghz) == (("avx2", "avx512"), 2.2)
    assert (found.accelerator, found.accelerator_count) == ("L4", 1.0)
    assert found.grid_gco2e_per_kwh == 208.81
    assert (found.source, found.as_of, found.confidence) == ("Cyclenerd pricing.yml", "2026-07-30", "B")


def test_what_no_source_states_is_unknown(snapshot: Path) -> None:
    found = one(load_catalog(snapshot), "aws/us-east-1/c7g.xlarge/on_demand")
    assert found.grid_gco2e_per_kwh is None
    assert found.memory_mt_per_s is None
    assert found.interruptions_per_hour is None
    assert found.accelerator is None
    column = load_catalog(snapshot).everything["memory_mt_per_s"]
    assert column.dtype == np.float64
    assert np.isnan(column).all()


def test_shapes_of_azure_come_from_the_specifications(snapshot: Path) -> None:
    found = one(load_catalog(snapshot), "azure/westeurope/Standard_D4s_v5/on_demand")
    assert (found.vcpus, found.memory_bytes, found.network_gbps) == (4, 16 * 2**30, 12.5)
    assert (found.shared_cpu, found.local_disk_bytes) == (False, 0.0)


def test_storage_and_transfer_come_along(snapshot: Path) -> None:
    everything = load_catalog(snapshot).everything
    assert [(price.cloud, price.region) for price in everything.storage] == [
        ("aws", "us-east-1"),
        ("gcp", "europe-west4"),
    ]
    assert [(price.region, price.from_gb, price.usd_per_gb) for price in everything.transfer] == [
        ("*", 0.0, 0.12),
        ("*", 1000.0, 0.11),
    ]


def test_regions_know_where_they_are_and_what_they_have(snapshot: Path) -> None:
    regions = {region.name: region for region in load_catalog(snapshot).regions}
    assert (regions["europe-west4"].place, regions["europe-west4"].group) == ("Eemshaven", "europe")
    assert (regions["us-east-1"].machine_types, regions["sa-east-1"].machine_types) == (2, 0)


def test_no_catalogue_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no catalogue here; make one with: tradewind catalog build"):
        load_catalog(tmp_path)


def test_a_damaged_or_missing_file_is_noticed(snapshot: Path) -> None:
    path = snapshot / "offers.parquet"
    data = path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(InputError, match=r"offers\.parquet: is damaged; install the package again"):
        load_catalog(snapshot)
    path.unlink()
    with pytest.raises(InputError, match=r"offers\.parquet: is missing"):
        load_catalog(snapshot)


def test_another_format_is_refused(snapshot: Path) -> None:
    index = nouns.read(snapshot / "snapshot.json", Snapshot)
    nouns.write(snapshot / "snapshot.json", msgspec.structs.replace(index, format=0))
    with pytest.raises(InputError, match=r"format 0, this version reads 1; make the catalogue again"):
        load_catalog(snapshot)


def test_two_loads_are_equal(snapshot: Path) -> None:
    first, second = load_catalog(snapshot), load_catalog(snapshot)
    assert list(first.everything) == list(second.everything)
    assert first.snapshot == second.snapshot


class TestShipped:
    """The snapshot that comes with the package."""

    def test_has_three_clouds_many_regions_and_all_purchase_options(self, catalog: Catalog) -> None:
        everything = catalog.everything
        purchases = Counter(zip(everything["cloud"], everything["purchase"], strict=True))
        for cloud in ("aws", "azure", "gcp"):
            assert purchases[cloud, "on_demand"] > 400
            assert purchases[cloud, "spot"] > 300
            regions = {
                r for c, r in zip(everything["cloud"], everything["region"], strict=True) if c == cloud
            }
            assert len(regions) >= 12
        assert purchases["gcp", "commit_1y"] > 400
        assert purchases["gcp", "commit_3y"] > 400
        assert purchases["aws", "commit_1y"] > 60

    def test_counts_are_those_of_its_index_and_it_is_small(self) -> None:
        index = nouns.read(SHIPPED / "snapshot.json", Snapshot)
        for name, table in TABLES.items():
            ((rows,),) = sql(f"SELECT count(*) FROM {name}").rows
            assert index.files[table.file].rows == rows > 0
            assert index.files[table.file].size_bytes == (SHIPPED / table.file).stat().st_size
        assert sum(path.stat().st_size for path in SHIPPED.iterdir()) < 1_000_000

    def test_is_what_its_folder_says_and_nothing_else(self) -> None:
        expected = {table.file for table in TABLES.values()}
        assert {path.name for path in SHIPPED.iterdir()} == expected | {
            "LICENSE.instance_specs",
            "NOTICE.md",
            "snapshot.json",
        }

    @pytest.mark.parametrize("table", [name for name in TABLES if name != "quarantine"])
    def test_every_row_has_a_source_and_a_day(self, table: str) -> None:
        wrong = sql(
            f"SELECT * FROM {table} WHERE source IS NULL OR source = '' OR as_of IS NULL "
            "OR try_cast(as_of AS DATE) IS NULL OR as_of > (SELECT '2026-11-23')"
        )
        assert wrong.rows == ()

    def test_every_quarantined_row_has_a_rule_and_a_reason(self) -> None:
        assert sql("SELECT * FROM quarantine WHERE invariant = '' OR reason = ''").rows == ()

    def test_nothing_is_both_used_and_in_quarantine(self) -> None:
        both = sql(
            "SELECT * FROM offers JOIN quarantine q ON offers.cloud = q.cloud AND offers.region = q.region "
            "AND offers.instance_type = q.item AND offers.purchase = q.purchase AND q.of_table = 'offers'"
        )
        assert both.rows == ()

    def test_prices_hold_the_invariants(self, catalog: Catalog) -> None:
        price = {
            (o.cloud, o.region, o.instance_type, o.purchase): o.price_usd_per_hour for o in catalog.everything
        }
        assert len(price) == len(catalog.everything), "an offer stands twice"
        for (cloud, region, machine, purchase), value in price.items():
            full = price[cloud, region, machine, "on_demand"]
            key = f"{cloud}/{region}/{machine}/{purchase}"
            assert value > 0.0, key
            assert value != 700.0, key
            if purchase == "spot":
                assert (1.0 - LARGEST_SPOT_DISCOUNT) * full <= value <= full, key
            if purchase.startswith("commit"):
                assert value < full, key

    def test_regional_prices_are_in_bounds_or_remarked(self) -> None:
        references = ", ".join(f"('{cloud}', '{region}')" for cloud, region in REFERENCE_REGION.items())
        ratios = sql(
            "SELECT offers.cloud, offers.region, offers.instance_type, offers.remark, "
            "offers.price_usd_per_hour / reference.price_usd_per_hour "
            "FROM offers JOIN offers reference USING (cloud, instance_type, purchase) "
            f"WHERE purchase = 'on_demand' AND (cloud, reference.region) IN ({references})"
        )
        assert len(ratios) > 1000
        for cloud, region, machine, remark, ratio in ratios:
            assert ratio <= REGIONAL_RATIO[1]
            assert (remark is None) == (ratio >= REGIONAL_RATIO[0]), (cloud, region, machine, ratio)

    def test_no_windows_price_is_left_in_azures_list(self) -> None:
        """The licence adds 0.046 usd per vCPU and hour, which doubles the price of an AMD machine."""
        spread = sql(
            "SELECT region, max(price_usd_per_hour / specs.vcpus) / min(price_usd_per_hour / specs.vcpus) "
            "FROM offers JOIN instances USING (cloud, instance_type) JOIN specs USING (cloud, instance_type) "
            "WHERE cloud = 'azure' AND purchase = 'on_demand' AND instances.family = 'Standard_Das_v5' GROUP BY ALL"
        )
        assert len(spread) > 5
        assert max(ratio for _, ratio in spread) < 1.02

    def test_every_offer_has_a_shape_and_every_region_a_group(self, catalog: Catalog) -> None:
        assert (catalog.everything["vcpus"] >= 1.0).all()
        assert (catalog.everything["memory_bytes"] > 2.0**28).all()
        assert all(region.group in GROUPS for region in catalog.regions)
        known = {(region.cloud, region.name) for region in catalog.regions if region.machine_types}
        assert set(zip(catalog.everything["cloud"], catalog.everything["region"], strict=True)) == known

    def test_words_are_those_of_the_host(self, catalog: Catalog) -> None:
        words = {word for isa in catalog.everything["isa"] if isa is not None for word in isa}
        assert words == {
            *("avx2", "avx512", "avx512_vnni", "avx512_bf16", "amx_bf16", "amx_int8", "neon", "sve", "i8mm")
        }
        assert set(catalog.everything["cpu_architecture"]) == {"x86_64", "arm64", None}
        arm = [o.instance_type for o in catalog.everything if o.instance_type.startswith("c4a-")]
        assert arm, "GCP's Arm machines are in the catalogue"
        assert all(o.cpu_architecture != "x86_64" for o in catalog.everything if o.instance_type in arm)

    def test_spot_prices_have_their_own_older_day(self, catalog: Catalog) -> None:
        azure = [o for o in catalog.everything if o.cloud == "azure" and o.purchase == "spot"]
        assert {o.as_of for o in azure} == {"2024-08-09"}
        assert {o.confidence for o in azure} == {"C"}

    def test_facts_that_can_be_looked_up(self, catalog: Catalog) -> None:
        machine = one(catalog, "aws/us-east-1/c7g.xlarge/on_demand")
        assert machine.price_usd_per_hour == 0.145
        assert (machine.vcpus, machine.physical_cores, machine.memory_bytes) == (4, 4, 8 * 2**30)
        assert (machine.cpu_model, machine.isa) == ("Neoverse-V1", ("i8mm", "neon", "sve"))
        assert one(catalog, "azure/eastus/Standard_NC4as_T4_v3/on_demand").price_usd_per_hour == 0.526
        assert one(catalog, "gcp/us-central1/n2-standard-4/on_demand").physical_cores == 2
        storage = {
            (price.cloud, price.region): price.usd_per_gb_month for price in catalog.everything.storage
        }
        assert storage["aws", "us-east-1"] == 0.023
        assert storage["gcp", "us-central1"] == pytest.approx(0.02 * 1e9 / 2**30)
        assert storage["azure", "eastus"] == 0.018
        internet = [
            (price.from_gb, price.usd_per_gb)
            for price in catalog.everything.transfer
            if (price.cloud, price.region, price.kind) == ("aws", "sa-east-1", "internet")
        ]
        assert internet[:2] == [(0.0, 0.0), (100.0, 0.15)]

    def test_transfer_ladders_start_at_nothing_and_never_get_dearer(self, catalog: Catalog) -> None:
        ladders: dict[tuple[str, str, str], list[tuple[float, float]]] = {}
        for price in catalog.everything.transfer:
            ladders.setdefault((price.cloud, price.region, price.kind), []).append(
                (price.from_gb, price.usd_per_gb)
            )
        for cloud in ("aws", "azure", "gcp"):
            assert (cloud, "*", "internet") in ladders
            assert (cloud, "*", "inter_region") in ladders
        for key, steps in ladders.items():
            assert steps == sorted(steps), key
            assert steps[0][0] == 0.0, key
            paid = [usd for _, usd in steps if usd > 0.0]
            assert paid == sorted(paid, reverse=True), key

    def test_europe_is_in_all_three_clouds(self, catalog: Catalog) -> None:
        goal = Goal(
            name="x",
            model="m:build",
            data="d:load",
            metric="accuracy",
            serve=Serve(load=Load(rate_rps=1.0), p99_s=0.1),
            budget_usd_per_month=100.0,
            regions=("europe-*",),
        )
        found = offers(goal, catalog, "2026-11-23")
        assert set(found["cloud"]) == {"aws", "azure", "gcp"}
        assert {"eu-west-1", "westeurope", "uksouth", "europe-west4"} <= set(found["region"])
        assert not {"us-east-1", "eastus", "us-central1"} & set(found["region"])
