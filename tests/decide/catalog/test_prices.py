from __future__ import annotations

import math

from tradewind.decide.catalog.prices import INSTANCE_COLUMNS, read_instances, read_prices


def row(**changes: str) -> dict[str, str]:
    stated = {
        "provider": "aws",
        "region": "us-east-1",
        "instance_type": "c7g.xlarge",
        "vcpus": "4",
        "memory_gib": "8.0",
        "accelerator_count": "0",
        "network_gbps": "1.876",
        "local_ssd_gb": "0",
        "price_on_demand_usd_h": "0.145",
        "as_of": "2026-07-20",
        "source": "od: aws/karpenter-provider-aws (2026-07-20)",
    }
    return {**dict.fromkeys(INSTANCE_COLUMNS, ""), **stated, **changes}


def test_a_row_gives_one_price_per_purchase_option_that_it_states() -> None:
    prices = read_prices([row(price_spot_usd_h="0.06", source="one list")])
    assert [(p.purchase, p.price_usd_per_hour) for p in prices] == [("on_demand", 0.145), ("spot", 0.06)]


def test_nothing_is_judged_while_reading() -> None:
    prices = read_prices([row(price_on_demand_usd_h="?", price_1y_usd_h="0.1", as_of="soon", source="od: x")])
    by_purchase = {price.purchase: price for price in prices}
    assert math.isnan(by_purchase["on_demand"].price_usd_per_hour)
    assert by_purchase["on_demand"].as_of == "soon"
    assert by_purchase["commit_1y"].source == ""


def test_prices_come_sorted_whatever_the_order_of_the_list() -> None:
    rows = [row(region="us-west-2"), row(), row(provider="gcp", region="us-east1")]
    assert read_prices(rows) == read_prices(rows[::-1])


def test_sizes_are_bytes() -> None:
    (machine,), _ = read_instances([row(local_ssd_gb="75")])
    assert machine.memory_bytes == 8 * 2**30
    assert machine.local_disk_bytes == 75e9
    assert machine.network_gbps == 1.876
    assert machine.accelerator is None
    assert machine.accelerator_count == 0.0


def test_a_slice_of_an_accelerator_is_a_fraction() -> None:
    (machine,), _ = read_instances([row(accelerator="A10", accelerator_count="0.167")])
    assert (machine.accelerator, machine.accelerator_count) == ("A10", 0.167)


def test_shapes_that_stem_from_the_specifications_are_left_to_them() -> None:
    azure = row(provider="azure", instance_type="Standard_D4s_v5", region="eastus")
    own = row(instance_type="dl1.24xlarge", source="od: a list; spec: SpareCores/sc-data-dumps dl1.json")
    for machine in read_instances([azure, own])[0]:
        shape = (machine.vcpus, machine.memory_bytes, machine.network_gbps, machine.local_disk_bytes)
        assert shape == (None, None, None, None)
        assert "SpareCores" not in machine.source


def test_two_shapes_of_one_type_are_a_conflict() -> None:
    machines, conflicts = read_instances([row(), row(region="eu-west-1", vcpus="8")])
    assert len(machines) == 1
    assert "4 vCPUs" in conflicts["aws", "c7g.xlarge"] or "8 vCPUs" in conflicts["aws", "c7g.xlarge"]
    assert read_instances([row(), row(region="eu-west-1")])[1] == {}
