"""Operators of a variant, whatever its format."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tradewind.domain.errors import CannotMeasure
from tradewind.lab.engines import read_golden
from tradewind.lab.profiling.onnx_operators import count_onnx_operators
from tradewind.lab.profiling.openvino_operators import count_openvino_operators
from tradewind.lab.profiling.operators import count_operators

if TYPE_CHECKING:
    from pathlib import Path

    from tradewind.domain.profile import OperatorCost
    from tradewind.domain.variant import Variant

__all__ = ["count_payload"]


def count_payload(variant: Variant, folder: Path) -> tuple[OperatorCost, ...]:
    """The operators of the payload at batch 1: counted in the graph, or (onnx) as executed on a golden row.

    Errors: CannotMeasure when the payload cannot be read or executed.
    """
    path = folder / variant.files[0].path
    if variant.format == "pt2":
        return count_operators(path)
    if variant.format == "openvino":
        return count_openvino_operators(path)
    if variant.format == "onnx":
        inputs, _ = read_golden(folder, variant)
        return count_onnx_operators(path, {name: array[:1] for name, array in inputs.items()})
    raise CannotMeasure(f"{variant.name}: operators of the format {variant.format!r} cannot be counted")
