from __future__ import annotations

import csv
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tradewind.files
from tradewind.decide.catalog.sheets import (
    ACCELERATOR_COLUMNS,
    SPEC_COLUMNS,
    SURCHARGE_COLUMNS,
    read_accelerators,
    read_specs,
    read_surcharges,
)


def spec(**changes: str) -> dict[str, str]:
    stated = {
        "provider": "aws",
        "instance_type": "m7i.xlarge",
        "status": "ACTIVE",
        "vcpus": "4",
        "physical_cores": "2",
        "cpu_allocation": "DEDICATED",
        "cpu_architecture": "X86_64",
        "cpu_manufacturer": "Intel",
        "cpu_model": "8488C",
        "isa": "avx2 avx512f",
        "memory_mib": "16384",
        "memory_mt_s": "4800",
        "gpu_count": "0",
    }
    return {**dict.fromkeys(SPEC_COLUMNS, ""), **stated, **changes}


def test_specifications_in_the_projects_words() -> None:
    (found,), caught = read_specs([spec()])
    assert caught == []
    assert (found.vcpus, found.physical_cores, found.memory_bytes) == (4, 2, 16 * 2**30)
    assert (found.cpu_architecture, found.isa, found.memory_mt_per_s) == (
        "x86_64",
        ("avx2", "avx512"),
        4800.0,
    )
    assert found.active
    assert not found.shared_cpu


def test_unknown_specifications_stay_null() -> None:
    (found,), _ = read_specs(
        [spec(physical_cores="", cpu_manufacturer="", cpu_model="", isa="", memory_mt_s="")]
    )
    assert (found.physical_cores, found.cpu_vendor, found.cpu_model) == (None, None, None)
    assert (found.isa, found.memory_mt_per_s, found.cpu_architecture) == (None, None, None)


def test_retired_types_are_marked() -> None:
    (found,), _ = read_specs([spec(status="INACTIVE")])
    assert not found.active


def test_more_cores_than_threads_and_a_second_row_are_caught() -> None:
    found, caught = read_specs([spec(), spec(), spec(instance_type="x", physical_cores="8")])
    assert [row.instance_type for row in found] == ["m7i.xlarge"]
    assert {row.reason for row in caught} == {"a second row for the same type", "8 cores but 4 vCPUs"}


def accelerator(**changes: str) -> dict[str, str]:
    stated = {
        "name": "L4",
        "vendor": "NVIDIA",
        "memory_gib": "24",
        "mem_bw_gb_s": "300",
        "bf16_tflops": "121",
        "source": "a sheet",
        "confidence": "A",
    }
    return {**dict.fromkeys(ACCELERATOR_COLUMNS, ""), **stated, **changes}


def test_accelerators_in_base_units() -> None:
    (found,), _ = read_accelerators([accelerator(confidence="A (ICI: paper)")], "2026-08-19")
    assert found.memory_bytes == 24 * 2**30
    assert found.memory_bandwidth_bytes_per_s == 300e9
    assert found.bf16_flops_per_s == 121e12
    assert found.fp8_flops_per_s is None
    assert (found.confidence, found.remark) == ("A", "ICI: paper")
    assert (found.as_of, found.as_of_precision) == ("2026-08-19", "compiled")


def test_accelerators_without_memory_or_grade_and_doubles_are_caught() -> None:
    rows = [
        accelerator(),
        accelerator(),
        accelerator(name="X", memory_gib=""),
        accelerator(name="Y", confidence="?"),
    ]
    found, caught = read_accelerators(rows, "2026-08-19")
    assert [row.name for row in found] == ["L4"]
    assert sorted(row.item for row in caught) == ["L4", "X", "Y"]


def test_a_later_row_fills_in_what_the_first_does_not_state() -> None:
    later = accelerator(fp8_tflops="242", source="another sheet", confidence="B: derived")
    (found,), caught = read_accelerators([accelerator(confidence="A: fp8 blank"), later], "2026-08-19")
    assert caught == []
    assert (found.bf16_flops_per_s, found.fp8_flops_per_s) == (121e12, 242e12)
    assert found.source == "a sheet; fp8_flops_per_s: another sheet"
    assert (found.confidence, found.remark) == ("B", "fp8 blank; derived")


def test_a_later_row_that_contradicts_the_first_is_caught() -> None:
    found, caught = read_accelerators([accelerator(), accelerator(memory_gib="28")], "2026-08-19")
    assert [row.memory_bytes for row in found] == [24 * 2**30]
    assert [row.invariant for row in caught] == ["accelerator_is_described"]


@pytest.mark.parametrize("column", ["fp8_tflops", "int8_tops"])
def test_a_peak_with_sparsity_beside_a_dense_one_is_caught(column: str) -> None:
    dense, sparse = {"bf16_tflops": "989.4", column: "1978.9"}, {"bf16_tflops": "989.4", column: "3957.8"}
    assert read_accelerators([accelerator(**dense)], "2026-08-19")[1] == []
    found, caught = read_accelerators([accelerator(**sparse)], "2026-08-19")
    assert found == []
    assert [row.invariant for row in caught] == ["accelerator_is_described"]


@given(
    st.permutations(
        [accelerator(), accelerator(name="T4", memory_gib="16"), accelerator(name="A10", memory_gib="")]
    )
)
def test_the_order_of_different_accelerators_does_not_matter(rows: list[dict[str, str]]) -> None:
    found, caught = read_accelerators(rows, "2026-08-19")
    assert [row.name for row in found] == ["L4", "T4"]
    assert [row.item for row in caught] == ["A10"]


def test_every_hand_kept_accelerator_can_be_read() -> None:
    path = Path(tradewind.files.__file__).parent / "data" / "facts" / "accelerators_more.csv"
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, strict=True))
    assert tuple(rows[0]) == ACCELERATOR_COLUMNS
    found, caught = read_accelerators(rows, "2026-08-19")
    assert caught == []
    assert [row.name for row in found] == sorted(row["name"] for row in rows)
    assert all(row.source for row in found)


def surcharge(**changes: str) -> dict[str, str]:
    stated = {
        "service": "SageMaker",
        "instance": "ml.g5.2xlarge",
        "price_managed_usd_h": "1.515",
        "price_vm_usd_h": "1.212",
        "surcharge_ratio": "1.250",
        "as_of": "undated (pre June-2025 price cuts)",
        "source": "a list",
    }
    return {**dict.fromkeys(SURCHARGE_COLUMNS, ""), **stated, **changes}


def test_surcharges_name_the_bare_machine() -> None:
    (found,), caught = read_surcharges([surcharge()])
    assert caught == []
    assert (found.cloud, found.instance_type, found.ratio) == ("aws", "g5.2xlarge", 1.25)
    assert (found.as_of, found.as_of_precision) == ("2025-06-01", "before")


def test_surcharges_that_contradict_themselves_are_caught() -> None:
    for wrong in (
        surcharge(surcharge_ratio="1.4"),
        surcharge(price_vm_usd_h="0"),
        surcharge(price_vm_usd_h="2.0", surcharge_ratio="0.7575"),
        surcharge(service="Unknown"),
        surcharge(as_of="?"),
    ):
        found, caught = read_surcharges([wrong])
        assert found == []
        assert [row.invariant for row in caught] == ["surcharge_is_consistent"]
