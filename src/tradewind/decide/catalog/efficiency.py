"""What accelerators reached in measurements, apart from their data sheets: the two never share a column."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tradewind.decide.catalog.dates import is_day
from tradewind.decide.catalog.rows import EfficiencyRow, QuarantineRow
from tradewind.decide.catalog.texts import Row, scaled, text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tradewind.decide.catalog.rows import AcceleratorRow

__all__ = ["EFFICIENCY_COLUMNS", "read_efficiency"]

EFFICIENCY_COLUMNS: Final = (
    "accelerator",
    "machine",
    "figure",
    "measured",
    "unit",
    "datasheet",
    "source",
    "as_of",
    "confidence",
)
"""`datasheet` is filled in only where table accelerators has no such figure (the link to the host)."""

_UNITS: Final = {"GB/s": 1e9, "TFLOP/s": 1e12, "TOP/s": 1e12}

_PEAKS: Final = {
    "peer_to_peer": "interconnect_bytes_per_s",
    "memory_bandwidth": "memory_bandwidth_bytes_per_s",
    "fp32": "fp32_flops_per_s",
    "tf32": "tf32_flops_per_s",
    "fp16": "fp16_flops_per_s",
    "bf16": "bf16_flops_per_s",
    "fp8": "fp8_flops_per_s",
    "int8": "int8_ops_per_s",
}
"""A measured figure -> the data sheet's column for it."""

HOST: Final = "host_to_device"


def read_efficiency(
    rows: Iterable[Row], accelerators: Mapping[str, AcceleratorRow]
) -> tuple[list[EfficiencyRow], list[QuarantineRow]]:
    """The measured figures beside those of the data sheets (`accelerators`, by name), sorted.

    Caught: unknown accelerators, figures and units, no number, no day, a second measurement of the same, and
    more than the data sheet promises: such a measurement, or such a data sheet, is wrong.
    """
    found: dict[tuple[str, str, str], EfficiencyRow] = {}
    caught: list[QuarantineRow] = []
    for row in sorted(
        rows, key=lambda row: (row["accelerator"], row["figure"], row["machine"], row["source"])
    ):
        key = (row["accelerator"], row["figure"], row["machine"])
        sheet = accelerators.get(row["accelerator"])
        measured = scaled(row, "measured", _UNITS.get(row["unit"], 1.0))
        promised = _promised(row, sheet)
        problem = _problem(row, sheet, measured, promised)
        if not problem and key in found:
            problem = f"a second measurement; the first is {found[key].measured:g}"
        if problem or measured is None:
            caught.append(_caught(row, problem))
            continue
        found[key] = EfficiencyRow(
            accelerator=row["accelerator"],
            machine=text(row, "machine"),
            figure=row["figure"],
            measured=measured,
            datasheet=promised,
            fraction=measured / promised if promised else None,
            source=row["source"],
            as_of=row["as_of"],
            confidence=row["confidence"],
        )
    return list(found.values()), caught


def _promised(row: Row, sheet: AcceleratorRow | None) -> float | None:
    """The data sheet's figure in the unit of the measurement; None when there is none."""
    stated = scaled(row, "datasheet", _UNITS.get(row["unit"], 1.0))
    if sheet is None or stated is not None:
        return stated
    if row["figure"] == HOST:
        # An accelerator on PCIe reaches the host by the same link as its peers.
        on_pcie = sheet.interconnect is not None and sheet.interconnect.startswith("PCIe")
        return sheet.interconnect_bytes_per_s if on_pcie else None
    column = _PEAKS.get(row["figure"])
    value = getattr(sheet, column) if column else None
    return float(value) if value is not None else None


def _problem(row: Row, sheet: AcceleratorRow | None, measured: float | None, promised: float | None) -> str:
    if sheet is None:
        return f"{row['accelerator']!r} is not in table accelerators"
    if row["figure"] != HOST and row["figure"] not in _PEAKS:
        return f"{row['figure']!r} is not one of {', '.join((HOST, *_PEAKS))}"
    if row["unit"] not in _UNITS:
        return f"{row['unit']!r} is not one of the units {', '.join(_UNITS)}"
    if measured is None or measured <= 0.0:
        return f"{row['measured'] or 'nothing'} was measured; a rate is above 0"
    if not is_day(row["as_of"]):
        return f"{row['as_of'] or 'nothing'} is no day"
    if row["confidence"] not in ("A", "B", "C"):
        return f"confidence is {row['confidence'] or 'not stated'}; it is A, B or C"
    if promised is not None and measured > promised:
        return f"{measured:g} was measured, more than the data sheet's {promised:g}"
    return ""


def _caught(row: Row, problem: str) -> QuarantineRow:
    return QuarantineRow(
        of_table="efficiency",
        cloud="",
        region="",
        instance_type=text(row, "machine"),
        item=row["accelerator"],
        purchase=row["figure"],
        price_usd=None,
        invariant="efficiency_is_a_fraction",
        reason=problem,
        source=row["source"],
        as_of=row["as_of"],
    )
