"""What the passes over ONNX files share: preparation, and which nodes have weights."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import onnx
from onnxruntime.quantization.shape_inference import quant_pre_process

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["WeightNode", "count_quantized", "input_names", "prepare", "weight_nodes"]

WEIGHT_PLACES: Final = {"MatMul": 1, "Gemm": 1, "Conv": 1, "Gather": 0}
"""Which input of the operators that can be quantized is the weight."""


@dataclass(frozen=True)
class WeightNode:
    """A node that applies a constant weight."""

    node: Any
    activation: str
    """The name of the other input."""
    weight_name: str
    weight: NDArray[Any]
    channel_axis: int | None
    """The axis of the weight whose every index may have its own scale, or None when all share one."""


def prepare(network: Path, out: Path) -> Path:
    """The network with constants folded and shapes inferred, as the quantizer wants it."""
    logging.getLogger().setLevel(logging.ERROR)
    prepared = out / "prepared.onnx"
    # Symbolic shape inference fails on what torch exports from attention networks.
    quant_pre_process(str(network), str(prepared), skip_symbolic_shape=True)
    # The quantizer is told by name which nodes to take, and names are optional in ONNX.
    opened = onnx.load(prepared)
    for place, node in enumerate(opened.graph.node):
        node.name = f"{node.op_type}_{place}" if not node.name else node.name
    onnx.save(opened, prepared)
    return prepared


def input_names(network: Any) -> list[str]:
    """The names of the inputs of a ModelProto, in its order."""
    constants = {weight.name for weight in network.graph.initializer}
    return [given.name for given in network.graph.input if given.name not in constants]


def count_quantized(path: Path) -> int:
    """How many weights of the network really are 8-bit integers: quantizers pass over what they do not know.

    Errors: ValueError when there is none.
    """
    weights = [weight for weight in onnx.load(path).graph.initializer if len(weight.dims) >= 2]
    found = sum(weight.data_type in (onnx.TensorProto.INT8, onnx.TensorProto.UINT8) for weight in weights)
    if not found:
        raise ValueError(
            f"none of the {len(weights)} weights was quantized; the network has no layer that can be"
        )
    return found


def weight_nodes(network: Any) -> Iterator[WeightNode]:
    """The nodes of a ModelProto that apply floating-point weights: products, convolutions, embeddings."""
    weights = {
        weight.name: weight
        for weight in network.graph.initializer
        if weight.data_type == onnx.TensorProto.FLOAT and len(weight.dims) >= 2
    }
    for node in network.graph.node:
        place = WEIGHT_PLACES.get(node.op_type)
        if place is None or node.input[place] not in weights:
            continue
        weight = np.asarray(onnx.numpy_helper.to_array(weights[node.input[place]]))
        yield WeightNode(
            node=node,
            activation=node.input[1 - place],
            weight_name=node.input[place],
            weight=weight,
            channel_axis=_channel_axis(node, weight.ndim),
        )


def _channel_axis(node: Any, dimensions: int) -> int | None:
    if node.op_type == "MatMul":
        return dimensions - 1
    if node.op_type == "Gemm":
        transposed = any(attribute.name == "transB" and attribute.i for attribute in node.attribute)
        return 0 if transposed else 1
    return 0 if node.op_type == "Conv" else None
