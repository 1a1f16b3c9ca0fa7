"""ONNX network to int8 by ONNX Runtime, the ranges of activations being fixed on calibration rows.

Two things ruin this on attention networks. Masks hold the lowest float, and one range over it and the
attention scores leaves nothing of these: so only what carries weights is quantized, never a sum with a
mask. And a few activations in some layers are a hundred times larger than the rest, so that 8 bits round
everything else away: so each layer's error is measured on calibration rows, row by row, and a layer over
the bound stays in floating point.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import onnx
import onnxruntime
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

from tradewind.lab.optimization.passes.contract import Applied, Job, Parameter
from tradewind.lab.optimization.passes.onnx_network import (
    WeightNode,
    count_quantized,
    input_names,
    prepare,
    weight_nodes,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

__all__ = ["apply", "layer_errors"]

ROWS_PER_CALL: Final = 16
ROWS_FOR_ERRORS: Final = 32
ACTIVATION_BYTES: Final = 512 * 2**20
"""Fewer rows are looked at when the activations of all layers would need more memory than this."""


def apply(job: Job) -> Applied:
    """model.onnx with quantizing and dequantizing nodes round the layers that bear it."""
    prepared = prepare(job.payload, job.out)
    network = onnx.load(prepared)
    nodes = list(weight_nodes(network))
    feed = job.feed(input_names(network))
    errors = layer_errors(network, nodes, feed, weight_bits=int(job.parameters["weight_bits"]))
    largest = float(job.parameters["largest_layer_error"])
    # Embeddings bear it: their rounding errors differ from dimension to dimension and average out (measured).
    taken = [
        one.node.name for one in nodes if one.node.op_type == "Gather" or errors[one.node.name] <= largest
    ]
    if not taken:
        lowest = min(errors.values(), default=float("nan"))
        raise ValueError(
            f"none of {len(nodes)} layers can be quantized: the least error is {lowest:.2f}, allowed is {largest}"
        )
    quantize_static(
        prepared,
        job.out / "model.onnx",
        _Reader(feed),
        quant_format=QuantFormat.QDQ,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        per_channel=bool(job.parameters["per_channel"]),
        reduce_range=job.parameters["weight_bits"] == 7,
        nodes_to_quantize=taken,
    )
    kept = [name for name in errors if name not in taken]
    found: dict[str, Parameter] = {
        "quantized_weights": count_quantized(job.out / "model.onnx"),
        "kept_in_float": ", ".join(kept),
    }
    return Applied(("model.onnx",), found)


class _Reader(CalibrationDataReader):  # type: ignore[misc]
    """Feeds the rows to ONNX Runtime's calibrator."""

    def __init__(self, feed: Mapping[str, NDArray[Any]]) -> None:
        self._calls = iter(
            {name: array[start : start + ROWS_PER_CALL] for name, array in feed.items()}
            for start in range(0, len(next(iter(feed.values()))), ROWS_PER_CALL)
        )

    def get_next(self) -> dict[str, NDArray[Any]] | None:
        return next(self._calls, None)


def layer_errors(
    network: Any, nodes: Sequence[WeightNode], feed: Mapping[str, NDArray[Any]], *, weight_bits: int
) -> dict[str, float]:
    """How much of its output each node loses when its weight and activation are rounded to integers.

    The error of a row of the output is relative to that row (or an ordinary one, if it is smaller), and
    the mean over the rows is taken: a few rows with large values must not hide that all others are lost.
    """
    activations = _activations(network, [node.activation for node in nodes], feed)
    errors = {}
    for node in nodes:
        activation = activations[node.activation]
        session = _single(network, node, activation.dtype)
        exact = session.run(None, {node.activation: activation, node.weight_name: node.weight})[0]
        rounded = session.run(
            None,
            {
                node.activation: _round_activation(activation),
                node.weight_name: _round_weight(node.weight, node.channel_axis, weight_bits),
            },
        )[0]
        errors[node.node.name] = _row_error(exact, rounded, 1 if node.node.op_type == "Conv" else -1)
    return errors


def _activations(
    network: Any, names: Sequence[str], feed: Mapping[str, NDArray[Any]]
) -> dict[str, NDArray[Any]]:
    """The tensors of these names while the network answers calibration rows."""
    given = {name: array[:ROWS_FOR_ERRORS] for name, array in feed.items()}
    inner = [name for name in dict.fromkeys(names) if name not in given]
    if not inner:
        return given
    opened = onnx.ModelProto()
    opened.CopyFrom(network)
    present = {output.name for output in opened.graph.output}
    opened.graph.output.extend(onnx.ValueInfoProto(name=name) for name in inner if name not in present)
    session = _session(opened)
    one = session.run(inner, {name: array[:1] for name, array in given.items()})
    rows = max(1, int(ACTIVATION_BYTES / max(1, sum(tensor.nbytes for tensor in one))))
    given = {name: array[:rows] for name, array in given.items()}
    return given | dict(zip(inner, session.run(inner, given), strict=True))


def _single(network: Any, node: WeightNode, dtype: np.dtype[Any]) -> Any:
    """A network of this node alone, to which activation and weight are given."""
    others = set(node.node.input) - {node.activation, node.weight_name}
    graph = onnx.helper.make_graph(
        [node.node],
        "layer",
        [
            onnx.helper.make_tensor_value_info(
                node.activation, onnx.helper.np_dtype_to_tensor_dtype(dtype), None
            ),
            onnx.helper.make_tensor_value_info(node.weight_name, onnx.TensorProto.FLOAT, node.weight.shape),
        ],
        [onnx.helper.make_tensor_value_info(node.node.output[0], onnx.TensorProto.FLOAT, None)],
        initializer=[constant for constant in network.graph.initializer if constant.name in others],
    )
    return _session(
        onnx.helper.make_model(graph, opset_imports=network.opset_import, ir_version=network.ir_version)
    )


def _session(network: Any) -> Any:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(
        network.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


def _round_activation(tensor: NDArray[Any]) -> NDArray[Any]:
    """The tensor in 256 steps over its whole range, zero being one of them; indices as they are."""
    if tensor.dtype.kind != "f":
        return tensor
    low, high = min(float(tensor.min()), 0.0), max(float(tensor.max()), 0.0)
    scale = (high - low) / 255.0 or 1.0
    zero = np.round(-low / scale)
    steps = np.clip(np.round(tensor / scale) + zero, 0, 255) - zero
    return np.asarray(steps * scale, dtype=tensor.dtype)


def _round_weight(weight: NDArray[Any], channel_axis: int | None, bits: int) -> NDArray[Any]:
    """The weight in symmetric steps, with a scale for each channel where there are channels."""
    others = None if channel_axis is None else tuple(i for i in range(weight.ndim) if i != channel_axis)
    largest = np.abs(weight).max(axis=others, keepdims=True)
    scale = np.where(largest == 0.0, 1.0, largest / (2 ** (bits - 1) - 1))
    return np.asarray(np.round(weight / scale) * scale, dtype=weight.dtype)


def _row_error(exact: NDArray[Any], rounded: NDArray[Any], axis: int) -> float:
    size = np.linalg.norm(exact, axis=axis)
    # Of a row that happens to be near zero (a single output often is) any error is a large share.
    size = np.maximum(size, np.median(size))
    error = np.linalg.norm(rounded - exact, axis=axis)
    told = size > 0.0
    return float(np.mean(error[told] / size[told])) if told.any() else 0.0
