"""What the operators of an OpenVINO network cost for one row, counted from shapes without running it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

from tradewind.lab.engines.telemetry import silence_telemetry
from tradewind.lab.profiling.tally import NORMALIZATION_FLOPS_PER_VALUE, Tally

if TYPE_CHECKING:
    from pathlib import Path

    from tradewind.domain.profile import OperatorCost, OperatorKind

__all__ = ["count_openvino_operators"]

KINDS: Final[dict[str, OperatorKind]] = {
    **dict.fromkeys(("MatMul", "LSTMSequence", "GRUSequence", "RNNSequence", "Einsum"), "gemm"),
    **dict.fromkeys(
        (
            "Convolution",
            "GroupConvolution",
            "ConvolutionBackpropData",
            "GroupConvolutionBackpropData",
        ),
        "convolution",
    ),
    "ScaledDotProductAttention": "attention",
    **dict.fromkeys(("MVN", "Softmax", "LogSoftmax", "BatchNormInference", "RMSNorm"), "normalization"),
    **dict.fromkeys(
        ("Transpose", "Concat", "Split", "VariadicSplit", "Slice", "StridedSlice", "Convert", "Broadcast"),
        "other",
    ),
    **dict.fromkeys(("Pad", "Select", "Tile", "GatherElements", "GatherND", "Range", "ShapeOf"), "other"),
}
"""Operators that are not element-wise."""
FREE: Final = frozenset({"Parameter", "Result", "Reshape", "Squeeze", "Unsqueeze", "Constant", "ShapeOf"})


def count_openvino_operators(path: Path) -> tuple[OperatorCost, ...]:
    """The operators of an .xml network at batch 1, summed by name.

    Weights are the stored constants, in the size in which they are stored.
    """
    silence_telemetry()
    import openvino

    model = openvino.Core().read_model(str(path))
    model.reshape({port: _one_row(port) for port in model.inputs})
    tally = Tally()
    # For each node that is made of constants alone: those constants and their bytes.
    constants: dict[str, dict[str, float]] = {}
    for node in model.get_ordered_ops():
        name, kind_name = node.get_friendly_name(), node.get_type_name()
        sources = [port.get_source_output() for port in node.inputs()]
        given = [source.get_node().get_friendly_name() for source in sources]
        if kind_name == "Constant":
            constants[name] = {name: float(node.get_byte_size())}
            continue
        if sources and all(one in constants for one in given):
            constants[name] = {key: size for one in given for key, size in constants[one].items()}
            continue
        if kind_name in FREE:
            continue
        weights = {key: size for one in given if one in constants for key, size in constants[one].items()}
        inputs = [tuple(source.get_partial_shape().get_min_shape()) for source in sources]
        moved = sum(
            _bytes(source) for source, one in zip(sources, given, strict=True) if one not in constants
        ) + sum(_bytes(port) for port in node.outputs())
        outputs = [tuple(port.get_partial_shape().get_min_shape()) for port in node.outputs()]
        kind = _kind(kind_name, given[0] in constants if given else False)
        if kind == "embedding":
            # Only the rows that are looked up are read, as many as are written.
            moved, weights = moved + sum(_bytes(port) for port in node.outputs()), {}
        tally.add(kind_name, kind, _flops(node, kind, inputs, outputs), moved, weights)
    return tally.operators()


def _one_row(port: Any) -> list[int]:
    """The shape of the input with every free dimension set to 1."""
    return [dimension.get_length() if dimension.is_static else 1 for dimension in port.get_partial_shape()]


def _bytes(port: Any) -> float:
    return float(math.prod(port.get_partial_shape().get_min_shape()) * port.get_element_type().size)


def _kind(name: str, first_is_constant: bool) -> OperatorKind:
    if name == "Gather":
        return "embedding" if first_is_constant else "other"
    return KINDS.get(name, "elementwise")


def _flops(
    node: Any, kind: OperatorKind, inputs: list[tuple[int, ...]], outputs: list[tuple[int, ...]]
) -> float:
    name = node.get_type_name()
    written = math.prod(outputs[0])
    if kind in ("other", "embedding"):
        return 0.0
    if kind == "convolution":
        weight = inputs[1][2:] if name.startswith("Group") else inputs[1][1:]
        return 2.0 * math.prod(inputs[0] if "Backprop" in name else outputs[0]) * math.prod(weight)
    if kind == "attention":
        query, key, value = inputs[:3]
        return 2.0 * math.prod(query[:-1]) * key[-2] * (query[-1] + value[-1])
    if kind == "normalization":
        return NORMALIZATION_FLOPS_PER_VALUE * written
    if kind == "gemm":
        if name.endswith("Sequence"):
            matrices = [shape for shape in inputs if len(shape) == 3 and shape is not inputs[0]]
            # The states before the first step are also of rank 3; weights are the last two.
            return 2.0 * math.prod(inputs[0][:-1]) * sum(math.prod(shape) for shape in matrices[-2:])
        if name == "Einsum":
            # Exact for a product of two matrices, the usual case.
            return 2.0 * math.sqrt(math.prod(inputs[0]) * math.prod(inputs[1]) * written)
        transposed = bool(node.get_attributes().get("transpose_a", False))
        return 2.0 * written * inputs[0][-2 if transposed else -1]
    read = max((math.prod(shape) for shape in inputs), default=0)
    return float(max(read, written)) if name.startswith("Reduce") or "Pool" in name else float(written)
