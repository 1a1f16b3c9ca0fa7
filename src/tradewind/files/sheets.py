"""The tables that ship with the package: data sheets of devices, and published architectures."""

from __future__ import annotations

import csv
import functools
from typing import Final

import msgspec

from tradewind.domain.architecture import Architecture
from tradewind.domain.device import Device
from tradewind.domain.errors import InputError
from tradewind.domain.estimate import Calibration
from tradewind.files import package_data

__all__ = ["architectures", "calibration", "devices"]

RATES: Final = {
    "fp32": "fp32_tflops",
    "fp32_matrix": "fp32_matrix_tflops",
    "tf32": "tf32_tflops",
    "fp16": "fp16_tflops",
    "bf16": "bf16_tflops",
    "fp8": "fp8_tflops",
    "fp4": "fp4_tflops",
    "int8": "int8_tops",
}
"""The column of each rate of `Device.peak_flops_per_s`, in 1e12 per second."""
SCALED: Final = {
    "memory_bytes": ("memory_gib", 2.0**30),
    "memory_bandwidth_bytes_per_s": ("memory_gb_per_s", 1e9),
    "cache_bytes": ("cache_mib", 2.0**20),
    "link_bytes_per_s": ("link_gb_per_s", 1e9),
    "network_bytes_per_s": ("network_gb_per_s", 1e9),
}
"""The column of each quantity that has another unit in the table, and what its unit is worth."""
WORDS: Final = ("name", "vendor", "kind", "generation", "link", "source", "as_of", "confidence")
NUMBERS: Final = ("year", "process_nm", "units", "clock_ghz", "power_w", "devices_per_machine")
COLUMNS: Final = {
    *WORDS,
    *NUMBERS,
    "aliases",
    *RATES.values(),
    *(column for column, _ in SCALED.values()),
}


@functools.cache
def devices() -> tuple[Device, ...]:
    """Every device whose data sheet ships with the package, by name. Errors: InputError where the table is wrong.

    >>> {device.name: device.power_w for device in devices()}["H100-SXM"]
    700.0
    """
    path = package_data("facts") / "devices.csv"
    with path.open(encoding="utf-8", newline="") as lines:
        table = csv.DictReader(lines, strict=True)
        if set(table.fieldnames or ()) != COLUMNS:
            odd = sorted(COLUMNS.symmetric_difference(table.fieldnames or ()))
            raise InputError(f"{path}: columns missing or unknown: {', '.join(odd)}")
        read = tuple(_device(row, f"{path}:{table.line_num}") for row in table)
    names = [device.name for device in read]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise InputError(f"{path}: more than one row for {', '.join(twice)}")
    return read


def _device(row: dict[str, str], place: str) -> Device:
    """One row as a noun; an empty cell is a figure that nobody states."""
    try:
        fields: dict[str, object] = {name: row[name] for name in WORDS if row[name]}
        fields |= {name: float(row[name]) for name in NUMBERS if row[name]}
        fields |= {name: float(row[column]) * unit for name, (column, unit) in SCALED.items() if row[column]}
        fields["aliases"] = tuple(alias for alias in row["aliases"].split(";") if alias)
        fields["peak_flops_per_s"] = {
            name: float(row[column]) * 1e12 for name, column in RATES.items() if row[column]
        }
        return msgspec.convert(fields, Device, strict=False)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise InputError(f"{place}: {row.get('name')}: {error}; correct the row") from None


@functools.cache
def architectures() -> tuple[Architecture, ...]:
    """Every published network that ships with the package. Errors: InputError where the list is wrong."""
    path = package_data("facts") / "architectures.json"
    try:
        return msgspec.json.decode(path.read_bytes(), type=tuple[Architecture, ...])
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; install the package again") from None
    except msgspec.MsgspecError as error:
        raise InputError(f"{path}: {error}") from None


@functools.cache
def calibration() -> Calibration:
    """The constants of the performance model as last fitted, with the misses that make intervals.

    Errors: InputError where the file is missing or wrong.
    """
    path = package_data("facts").parent / "calibration.json"
    try:
        return msgspec.json.decode(path.read_bytes(), type=Calibration)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; install the package again") from None
    except msgspec.MsgspecError as error:
        raise InputError(f"{path}: {error}") from None
