from __future__ import annotations

import csv
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tradewind.files
from tradewind.decide.catalog.efficiency import EFFICIENCY_COLUMNS, read_efficiency
from tradewind.decide.catalog.rows import AcceleratorRow
from tradewind.decide.catalog.sheets import ACCELERATOR_COLUMNS, read_accelerators


def sheets(**changes: str) -> dict[str, AcceleratorRow]:
    stated = {
        "name": "H100-SXM",
        "vendor": "NVIDIA",
        "memory_gib": "80",
        "bf16_tflops": "989.4",
        "interconnect": "NVLink4",
        "interconnect_gb_s_per_direction": "450",
        "source": "a sheet",
        "confidence": "A",
    }
    rows, caught = read_accelerators(
        [{**dict.fromkeys(ACCELERATOR_COLUMNS, ""), **stated, **changes}], "2026-08-19"
    )
    assert caught == []
    return {row.name: row for row in rows}


def measured(**changes: str) -> dict[str, str]:
    stated = {
        "accelerator": "H100-SXM",
        "machine": "a3-highgpu-8g",
        "figure": "peer_to_peer",
        "measured": "371",
        "unit": "GB/s",
        "source": "a bench",
        "as_of": "2026-08-19",
        "confidence": "C",
    }
    return {**dict.fromkeys(EFFICIENCY_COLUMNS, ""), **stated, **changes}


def test_a_measurement_stands_beside_the_data_sheet() -> None:
    (found,), caught = read_efficiency([measured()], sheets())
    assert caught == []
    assert (found.measured, found.datasheet) == (371e9, 450e9)
    assert found.fraction == pytest.approx(371 / 450)


def test_a_matmul_rate_stands_beside_the_dense_peak() -> None:
    (found,), _ = read_efficiency([measured(figure="bf16", measured="700", unit="TFLOP/s")], sheets())
    assert (found.measured, found.datasheet) == (700e12, 989.4e12)


def test_the_link_to_the_host_is_stated_with_the_measurement_or_is_that_of_pcie() -> None:
    row = measured(figure="host_to_device", measured="27.7")
    (unknown,), _ = read_efficiency([row], sheets())
    assert (unknown.datasheet, unknown.fraction) == (None, None)
    (stated,), _ = read_efficiency([{**row, "datasheet": "64"}], sheets())
    assert stated.fraction == pytest.approx(27.7 / 64)
    on_pcie = sheets(interconnect="PCIe5 x16", interconnect_gb_s_per_direction="64")
    (by_sheet,), _ = read_efficiency([row], on_pcie)
    assert by_sheet.datasheet == 64e9


@pytest.mark.parametrize(
    "changes",
    [
        {"measured": "451"},
        {"measured": "0"},
        {"measured": "-1"},
        {"measured": ""},
        {"measured": "fast"},
        {"unit": "furlongs"},
        {"figure": "beauty"},
        {"accelerator": "H9000"},
        {"as_of": "soon"},
        {"confidence": "?"},
    ],
)
def test_efficiency_is_a_fraction_of_a_known_figure(changes: dict[str, str]) -> None:
    found, caught = read_efficiency([measured(**changes)], sheets())
    assert found == []
    assert [row.invariant for row in caught] == ["efficiency_is_a_fraction"]


def test_a_second_measurement_of_the_same_is_caught() -> None:
    found, caught = read_efficiency(
        [measured(), measured(measured="370"), measured(machine="another")], sheets()
    )
    assert (len(found), len(caught)) == (2, 1)


@given(st.lists(st.floats(min_value=1e-3, max_value=1e4), max_size=20))
def test_no_fraction_is_above_1_and_nothing_is_lost(rates: list[float]) -> None:
    rows = [measured(measured=repr(rate), machine=f"m{number}") for number, rate in enumerate(rates)]
    found, caught = read_efficiency(rows, sheets())
    assert len(found) + len(caught) == len(rows)
    assert all(row.fraction is not None and 0.0 < row.fraction <= 1.0 for row in found)


def test_every_hand_kept_measurement_can_be_read() -> None:
    path = Path(tradewind.files.__file__).parent / "data" / "facts" / "efficiency.csv"
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, strict=True))
    assert tuple(rows[0]) == EFFICIENCY_COLUMNS
    names = {row["accelerator"] for row in rows}
    known = {name: sheets(name=name, fp16_tflops="989.4")[name] for name in names}
    found, caught = read_efficiency(rows, known)
    assert caught == []
    assert len(found) == len(rows)
