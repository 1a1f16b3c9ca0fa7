from __future__ import annotations

import pytest

from tradewind.decide.catalog import SOURCE_FILES, normalise
from tradewind.domain.errors import InputError


def files(**instances: str) -> dict[str, list[dict[str, str]]]:
    """Empty tables but for one machine."""
    stated = {
        "provider": "aws",
        "region": "us-east-1",
        "instance_type": "c7g.xlarge",
        "vcpus": "4",
        "memory_gib": "8",
        "price_on_demand_usd_h": "0.145",
        "as_of": "2026-07-20",
        "source": "aws/karpenter-provider-aws",
    }
    machine = {**dict.fromkeys(SOURCE_FILES["instances_sample.csv"], ""), **stated, **instances}
    return {**{name: [] for name in SOURCE_FILES}, "instances_sample.csv": [machine]}


def test_the_tables_of_one_machine() -> None:
    found = normalise(files(), "2026-11-23")
    assert {name: len(rows) for name, rows in found.tables.items()} == {
        "offers": 1,
        "instances": 1,
        "specs": 0,
        "accelerators": 0,
        "storage": 0,
        "transfer": 0,
        "regions": 1,
        "surcharges": 0,
        "quarantine": 0,
    }
    assert found.as_of == "2026-07-20"


def test_a_clock_before_every_price_says_so() -> None:
    with pytest.raises(InputError, match=r"2026-07-20 is after today, 2020-01-01; .* clock"):
        normalise(files(), "2020-01-01")


def test_an_empty_list_of_machines_is_an_error() -> None:
    with pytest.raises(InputError, match="the list of instances is empty"):
        normalise({name: [] for name in SOURCE_FILES}, "2026-11-23")


def test_other_clouds_are_left_out_and_reported() -> None:
    tables = files()
    tables["instances_sample.csv"].append({**tables["instances_sample.csv"][0], "provider": "oracle"})
    found = normalise(tables, "2026-11-23")
    assert len(found.tables["offers"]) == 1
    assert found.left_out == {"instances_sample.csv: a cloud other than aws, azure, gcp": 1}
