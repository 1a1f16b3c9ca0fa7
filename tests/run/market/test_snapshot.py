from __future__ import annotations

from pathlib import Path

import duckdb
import msgspec
import numpy as np
import pytest

from tradewind.decide.catalog import GROUPS, Catalog, Normalised, offers
from tradewind.decide.catalog.invariants import LARGEST_SPOT_DISCOUNT, REFERENCE_REGION, REGIONAL_RATIO
from tradewind.domain.errors import InputError
from tradewind.domain.goal import Goal, Load, Serve
from tradewind.domain.offer import Offer, Offers
from tradewind.files import nouns
from tradewind.run.market import SHIPPED, TABLES, Snapshot, current, load_catalog, read_tables, sql, write
from tradewind.run.market.snapshot import KEYS, adopt

TODAY = "2026-11-25"


def goal(**changes: object) -> Goal:
    stated: dict[str, object] = {
        "name": "x",
        "model": "m:build",
        "data": "d:load",
        "metric": "accuracy",
        "serve": Serve(load=Load(rate_rps=1.0), p99_s=0.1),
        "budget_usd_per_month": 100.0,
        "purchase": ("on_demand", "spot", "commit_1y", "commit_3y"),
    }
    return Goal(**{**stated, **changes})


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    """The catalogue that comes with the package."""
    return load_catalog(SHIPPED)


@pytest.fixture(scope="module")
def everything(catalog: Catalog) -> Offers:
    return offers(goal(), catalog, TODAY)


def one(found: Offers, key: str) -> Offer:
    cloud, region, machine, purchase = key.split("/")
    rows = (
        (found["instance_type"] == machine)
        & (found["region"] == region)
        & (found["cloud"] == cloud)
        & (found["purchase"] == purchase)
    )
    (row,) = np.nonzero(rows)[0]
    return found.offer(int(row))


def test_an_offer_joins_price_shape_specification_and_carbon(snapshot: Path) -> None:
    found = one(offers(goal(), load_catalog(snapshot), TODAY), "gcp/europe-west4/g2-standard-4/spot")
    assert found.price_usd_per_hour == 0.31
    assert (found.vcpus, found.memory_bytes, found.physical_cores) == (4, 16 * 2**30, 2)
    assert (found.cpu_architecture, found.cpu_vendor, found.cpu_model) == ("x86_64", "Intel", None)
    assert (found.isa, found.cpu_ghz) == (("avx2", "avx512"), 2.2)
    assert (found.accelerator, found.accelerator_count) == ("L4", 1.0)
    assert found.grid_gco2e_per_kwh == 208.81
    assert (found.as_of, found.confidence) == ("2026-07-30", "B")
    assert "Cyclenerd" in found.source


def test_what_no_source_states_is_unknown(snapshot: Path) -> None:
    found = one(offers(goal(), load_catalog(snapshot), TODAY), "aws/us-east-1/c7g.xlarge/on_demand")
    assert found.grid_gco2e_per_kwh is None
    assert found.memory_mt_per_s is None
    assert found.interruptions_per_hour is None
    assert found.accelerator is None


def test_shapes_of_azure_come_from_the_specifications(snapshot: Path) -> None:
    found = one(offers(goal(), load_catalog(snapshot), TODAY), "azure/westeurope/Standard_D4s_v5/on_demand")
    assert (found.vcpus, found.memory_bytes, found.network_gbps) == (4, 16 * 2**30, 12.5)
    assert (found.shared_cpu, found.local_disk_bytes) == (False, 0.0)


def test_regions_know_where_they_are_and_under_which_law(snapshot: Path) -> None:
    regions = {region.name: region for region in load_catalog(snapshot).regions}
    assert (regions["europe-west4"].country, regions["europe-west4"].group) == ("NL", "europe")
    assert {"nl", "eu"} <= set(regions["europe-west4"].jurisdictions)
    assert regions["us-east-1"].machine_types > 0 == regions["sa-east-1"].machine_types


def test_no_catalogue_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no catalogue here; make one with: tradewind catalog build"):
        load_catalog(tmp_path)


def test_a_damaged_or_missing_file_is_noticed(snapshot: Path) -> None:
    path = snapshot / "offers.parquet"
    data = path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(InputError, match=r"offers\.parquet: is damaged; install the package again"):
        load_catalog(snapshot)
    with pytest.raises(InputError, match=r"offers\.parquet: is damaged"):
        sql("SELECT * FROM offers", snapshot)
    path.unlink()
    with pytest.raises(InputError, match=r"offers\.parquet: is missing"):
        load_catalog(snapshot)


def test_another_format_is_refused(snapshot: Path) -> None:
    index = nouns.read(snapshot / "snapshot.json", Snapshot)
    nouns.write(snapshot / "snapshot.json", msgspec.structs.replace(index, format=1))
    with pytest.raises(InputError, match=r"format 1, this version reads 2; make the catalogue again"):
        load_catalog(snapshot)


def test_tables_that_are_read_and_written_again_are_the_same_bit_for_bit(
    snapshot: Path, tmp_path: Path
) -> None:
    index = nouns.read(snapshot / "snapshot.json", Snapshot)
    write(Normalised(tables=read_tables(snapshot), as_of=index.as_of, left_out={}), tmp_path / "again")
    for path in snapshot.iterdir():
        assert (tmp_path / "again" / path.name).read_bytes() == path.read_bytes(), path.name


def test_the_current_snapshot_is_the_adopted_one_if_it_is_there(tmp_path: Path, snapshot: Path) -> None:
    assert current(tmp_path / "nowhere") == SHIPPED
    home = snapshot.parent
    adopt(home, snapshot.name)
    assert current(home) == snapshot
    adopt(home, "gone")
    assert current(home) == SHIPPED


def test_every_key_of_an_offer_means_its_words(snapshot: Path) -> None:
    for key, words in KEYS.items():
        same = " AND ".join(f"o.{word} IS NOT DISTINCT FROM k.{word}" for word in words)
        ((wrong,),) = duckdb.sql(
            f"SELECT count(*) FROM read_parquet('{snapshot}/offers.parquet') o "
            f"LEFT JOIN read_parquet('{snapshot}/key_{key}.parquet') k ON o.{key}_id = k.id WHERE NOT ({same})"
        ).fetchall()
        assert wrong == 0


class TestShipped:
    """The snapshot that comes with the package."""

    def test_covers_what_is_promised(self) -> None:
        counts = {
            (cloud, purchase): (regions, machines, rows)
            for cloud, purchase, regions, machines, rows in sql(
                "SELECT cloud, purchase, count(DISTINCT region), count(DISTINCT instance_type), count(*) "
                "FROM offers GROUP BY ALL",
                SHIPPED,
            )
        }
        assert counts["azure", "on_demand"] >= (50, 1600, 60_000)
        assert counts["gcp", "on_demand"] >= (39, 500, 12_000)
        assert counts["aws", "on_demand"] >= (30, 1300, 7_000)
        for cloud in ("aws", "azure", "gcp"):
            assert counts[cloud, "spot"][2] > 6_000
        assert counts["gcp", "commit_3y"][2] > 12_000
        assert counts["aws", "commit_1y"][2] > 600
        ((machines,),) = sql(
            "SELECT count(DISTINCT instance_type) FROM offers "
            "WHERE cloud = 'aws' AND region = 'us-east-1' AND purchase = 'on_demand'",
            SHIPPED,
        )
        assert machines >= 1300

    @pytest.mark.parametrize(
        "accelerator",
        [
            "TPU-v2",
            "TPU-v3",
            "TPU-v4",
            "TPU-v5e",
            "TPU-v5p",
            "TPU-v6e",
            "Inferentia",
            "Inferentia2",
            "Trainium",
            "Gaudi",
            "T4",
            "L4",
            "A10G",
            "A100-40GB",
            "A100-80GB",
            "H100-SXM",
            "H200-SXM",
            "B200",
            "MI300X",
        ],
    )
    def test_rents_out_every_kind_of_accelerator(self, accelerator: str) -> None:
        found = sql(
            "SELECT DISTINCT cloud FROM offers JOIN instances USING (cloud, instance_type) WHERE accelerator = $name",
            SHIPPED,
            name=accelerator,
        )
        assert len(found) >= 1

    def test_every_active_type_of_the_specifications_is_priced_or_says_why_not(self) -> None:
        unpriced = dict(sql("SELECT cloud, count(*) FROM unpriced GROUP BY ALL", SHIPPED).rows)
        ((active,),) = sql("SELECT count(*) FROM specs WHERE active", SHIPPED)
        assert sum(unpriced.values()) < 0.07 * active
        assert sql("SELECT * FROM unpriced WHERE why IS NULL OR why = ''", SHIPPED).rows == ()

    def test_counts_are_those_of_its_index_and_it_is_small(self) -> None:
        index = nouns.read(SHIPPED / "snapshot.json", Snapshot)
        for name, table in TABLES.items():
            ((rows,),) = sql(f"SELECT count(*) FROM {name}", SHIPPED).rows
            assert index.files[table.file].rows == rows > 0
            assert index.files[table.file].size_bytes == (SHIPPED / table.file).stat().st_size
        assert sum(path.stat().st_size for path in SHIPPED.iterdir()) < 6_000_000

    def test_is_what_its_folder_says_and_nothing_else(self) -> None:
        expected = {table.file for table in TABLES.values()} | {f"key_{key}.parquet" for key in KEYS}
        assert {path.name for path in SHIPPED.iterdir()} == expected | {
            "LICENSE.instance_specs",
            "NOTICE.md",
            "snapshot.json",
        }

    @pytest.mark.parametrize("table", [name for name in TABLES if name not in ("quarantine", "capabilities")])
    def test_every_row_has_a_source_and_a_day(self, table: str) -> None:
        wrong = sql(
            f"SELECT * FROM {table} WHERE source IS NULL OR source = '' OR as_of IS NULL "
            f"OR try_cast(as_of AS DATE) IS NULL OR as_of > '{TODAY}'",
            SHIPPED,
        )
        assert wrong.rows == ()

    def test_a_capability_is_sourced_or_unknown(self) -> None:
        wrong = sql(
            "SELECT * FROM capabilities WHERE (supported IS NULL) != (source IS NULL) OR (source IS NULL) != (as_of IS NULL)",
            SHIPPED,
        )
        assert wrong.rows == ()
        ((services, words),) = sql(
            "SELECT count(DISTINCT service), count(DISTINCT capability) FROM capabilities", SHIPPED
        ).rows
        assert (services, words) == (3, 14)

    def test_every_source_says_its_terms_and_none_is_copyleft_for_networks(self) -> None:
        assert sql("SELECT * FROM sources WHERE licence = '' OR publisher = ''", SHIPPED).rows == ()
        assert sql("SELECT * FROM sources WHERE licence ILIKE '%AGPL%'", SHIPPED).rows == ()
        share_alike = sql("SELECT publisher FROM sources WHERE licence LIKE '%BY-SA%'", SHIPPED)
        assert share_alike.rows == (("SpareCores",),)

    def test_every_quarantined_row_has_a_rule_and_a_reason(self) -> None:
        assert sql("SELECT * FROM quarantine WHERE invariant = '' OR reason = ''", SHIPPED).rows == ()

    def test_no_price_is_both_used_and_in_quarantine(self) -> None:
        both = sql(
            "SELECT * FROM offers JOIN quarantine q USING (cloud, region, instance_type, purchase, source)"
            " WHERE q.of_table = 'offers'",
            SHIPPED,
        )
        assert both.rows == ()

    def test_no_cloud_lets_data_out_of_a_region_for_nothing_by_default(self) -> None:
        free = sql(
            "SELECT cloud, region, kind, source FROM transfer GROUP BY ALL HAVING max(usd_per_gb) = 0",
            SHIPPED,
        )
        assert {(cloud, kind) for cloud, _, kind, _ in free} <= {("azure", "inter_zone")}, "stated to be free"

    def test_prices_hold_the_invariants(self, everything: Offers) -> None:
        keys = list(
            zip(
                *(everything[name] for name in ("cloud", "region", "instance_type", "purchase", "zone")),
                strict=True,
            )
        )
        assert len(set(keys)) == len(keys), "an offer stands twice"
        price = dict(zip(keys, everything["price_usd_per_hour"].tolist(), strict=True))
        for (cloud, region, machine, purchase, zone), value in price.items():
            full = price[cloud, region, machine, "on_demand", None]
            assert value > 0.0, (cloud, region, machine, purchase)
            assert value != 700.0, (cloud, region, machine, purchase)
            if purchase == "spot":
                assert (1.0 - LARGEST_SPOT_DISCOUNT) * full <= value <= full, (cloud, region, machine, zone)
            if purchase.startswith("commit"):
                assert value < full, (cloud, region, machine, purchase)

    def test_regional_prices_are_in_bounds_or_remarked(self) -> None:
        references = ", ".join(f"('{cloud}', '{region}')" for cloud, region in REFERENCE_REGION.items())
        ratios = sql(
            "SELECT offers.cloud, offers.region, offers.instance_type, offers.remark, "
            "offers.price_usd_per_hour / reference.price_usd_per_hour "
            "FROM offers JOIN offers reference USING (cloud, instance_type, purchase) "
            f"WHERE purchase = 'on_demand' AND (cloud, reference.region) IN ({references})",
            SHIPPED,
        )
        assert len(ratios) > 60_000
        for cloud, region, machine, remark, ratio in ratios:
            assert ratio <= REGIONAL_RATIO[1]
            assert ratio >= REGIONAL_RATIO[0] or remark is not None, (cloud, region, machine, ratio)

    def test_no_windows_price_is_left_in_azures_list(self) -> None:
        """The licence adds 0.046 usd per vCPU and hour, which doubles the price of an AMD machine."""
        spread = sql(
            "SELECT region, max(price_usd_per_hour / vcpus) / min(price_usd_per_hour / vcpus) "
            "FROM offers JOIN instances USING (cloud, instance_type) "
            "WHERE cloud = 'azure' AND purchase = 'on_demand' AND family = 'Standard_Das_v5' GROUP BY ALL",
            SHIPPED,
        )
        assert len(spread) > 40
        assert max(ratio for _, ratio in spread) < 1.2

    def test_every_offer_that_is_planned_with_has_a_shape_and_every_region_a_group(
        self, catalog: Catalog, everything: Offers
    ) -> None:
        assert len(everything) > 0.85 * len(catalog)
        assert (everything["vcpus"] >= 1.0).all()
        assert (everything["memory_bytes"] > 2.0**28).all()
        assert all(region.group in GROUPS for region in catalog.regions if region.machine_types)
        assert all(region.jurisdictions for region in catalog.regions if region.machine_types)

    def test_words_are_those_of_the_host(self, everything: Offers) -> None:
        words = {word for isa in everything.coded("isa")[1] if isa is not None for word in isa}
        assert words == {
            *("avx2", "avx512", "avx512_vnni", "avx512_bf16", "amx_bf16", "amx_int8", "neon", "sve", "i8mm")
        }
        assert set(everything["cpu_architecture"]) == {"x86_64", "arm64", None}
        arm = [name.startswith("c4a-") for name in everything["instance_type"]]
        assert any(arm), "GCP's Arm machines are in the catalogue"
        assert not (everything["cpu_architecture"][arm] == "x86_64").any()

    def test_old_prices_are_of_confidence_c(self, everything: Offers) -> None:
        azure = (everything["cloud"] == "azure") & (everything["purchase"] == "spot")
        assert set(everything["as_of"][azure]) == {"2024-08-09"}
        assert set(everything["confidence"][azure]) == {"C"}

    def test_facts_that_can_be_looked_up(self, catalog: Catalog, everything: Offers) -> None:
        machine = one(everything, "aws/us-east-1/c7g.xlarge/on_demand")
        assert machine.price_usd_per_hour == 0.145
        assert (machine.vcpus, machine.physical_cores, machine.memory_bytes) == (4, 4, 8 * 2**30)
        assert (machine.cpu_model, machine.isa) == ("Neoverse-V1", ("i8mm", "neon", "sve"))
        assert one(everything, "azure/eastus/Standard_NC4as_T4_v3/on_demand").price_usd_per_hour == 0.526
        assert one(everything, "gcp/us-central1/n2-standard-4/on_demand").physical_cores == 2
        assert one(everything, "aws/us-east-1/c6g.metal/on_demand").price_usd_per_hour == 2.176
        storage = {(price.cloud, price.region): price.usd_per_gb_month for price in catalog.storage}
        assert storage["aws", "us-east-1"] == 0.023
        assert storage["gcp", "us-central1"] == pytest.approx(0.02 * 1e9 / 2**30)
        assert storage["azure", "eastus"] == 0.018
        internet = [
            (price.from_gb, price.usd_per_gb)
            for price in catalog.transfer
            if (price.cloud, price.region, price.kind, price.to) == ("aws", "sa-east-1", "internet", "*")
        ]
        assert internet[:2] == [(0.0, 0.0), (100.0, 0.15)]

    def test_europe_is_in_all_three_clouds(self, catalog: Catalog) -> None:
        found = offers(goal(regions=("europe-*",)), catalog, TODAY)
        assert set(found["cloud"]) == {"aws", "azure", "gcp"}
        assert {"eu-west-1", "westeurope", "uksouth", "europe-west4"} <= set(found["region"])
        assert not {"us-east-1", "eastus", "us-central1"} & set(found["region"])
        lawful = offers(goal(jurisdiction=("eu",)), catalog, TODAY)
        assert not {"uksouth", "europe-west2", "switzerlandnorth", "norwayeast"} & set(lawful["region"])
        assert {"eu-west-1", "westeurope", "europe-west4"} <= set(lawful["region"])
