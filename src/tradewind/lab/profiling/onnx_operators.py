"""What the operators of an ONNX network cost for one row, as ONNX Runtime executes it after fusing.

The runtime's own trace of one call tells the shapes, so that fused and quantized operators count too.
"""

from __future__ import annotations

import json
import math
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tradewind.domain.errors import CannotMeasure
from tradewind.lab.engines.telemetry import silence_telemetry
from tradewind.lab.profiling.tally import NORMALIZATION_FLOPS_PER_VALUE, Tally

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from tradewind.domain.profile import OperatorCost, OperatorKind

__all__ = ["count_onnx_operators"]

Shape = tuple[int, ...]

WEIGHT_PLACE: Final = {
    **dict.fromkeys(("Conv", "FusedConv", "NhwcFusedConv", "ConvInteger", "ConvTranspose"), 1),
    "QLinearConv": 3,
}
GEMMS: Final = frozenset({"Gemm", "QGemm", "Einsum", "LSTM", "GRU", "RNN", "DynamicQuantizeLSTM"})
ATTENTIONS: Final = frozenset({"Attention", "QAttention", "MultiHeadAttention", "GroupQueryAttention"})
NORMALIZATIONS: Final = frozenset({"Softmax", "LogSoftmax", "QLinearSoftmax"})
MOVES: Final = frozenset(
    {
        *(
            "Reshape",
            "Transpose",
            "Concat",
            "Split",
            "Slice",
            "Gather",
            "Squeeze",
            "Unsqueeze",
            "Shape",
            "Cast",
        ),
        *(
            "Expand",
            "Flatten",
            "Identity",
            "Pad",
            "Where",
            "ConstantOfShape",
            "Range",
            "Tile",
            "GatherElements",
        ),
        *(
            "GatherND",
            "ScatterND",
            "ScatterElements",
            "ReorderInput",
            "ReorderOutput",
            "Size",
            "TopK",
            "ArgMax",
        ),
    }
)
VIEWS: Final = frozenset({"Reshape", "Squeeze", "Unsqueeze", "Shape", "Flatten", "Identity", "Size"})


def count_onnx_operators(path: Path, row: Mapping[str, NDArray[Any]]) -> tuple[OperatorCost, ...]:
    """The operators that one call with `row` (a batch of one; names or order as in the file) executes.

    Errors: CannotMeasure when the runtime cannot execute or trace it.
    """
    tally = Tally()
    for event in _trace(path, row):
        _add(tally, event["name"], event["args"])
    return tally.operators()


def _trace(path: Path, row: Mapping[str, NDArray[Any]]) -> list[dict[str, Any]]:
    silence_telemetry()
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 1
    options.enable_profiling = True
    # Layout changes and packed weights would hide the shapes of the weights.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.add_session_config_entry("session.disable_prepacking", "1")
    with tempfile.TemporaryDirectory() as folder:
        options.profile_file_prefix = str(Path(folder) / "trace")
        try:
            session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
            names = [given.name for given in session.get_inputs()]
            feed = dict(row) if set(names) == set(row) else dict(zip(names, row.values(), strict=True))
            session.run(None, feed)
            events = json.loads(Path(session.end_profiling()).read_text())
        except Exception as cause:
            reason = " ".join(str(cause).split())[:300]
            raise CannotMeasure(f"{path.name}: the operators cannot be counted: {reason}") from cause
    return [e for e in events if e.get("cat") == "Node" and e.get("name", "").endswith("_kernel_time")]


def _add(tally: Tally, node: str, facts: dict[str, Any]) -> None:
    name = facts["op_name"]
    inputs, outputs = _shapes(facts["input_type_shape"]), _shapes(facts["output_type_shape"])
    weight_bytes = float(facts.get("parameter_size") or 0)
    moved = float(facts.get("activation_size") or 0) + float(facts.get("output_size") or 0)
    kind = _kind(name, inputs, weight_bytes)
    if name in VIEWS:
        return
    if kind == "embedding":
        # Only the rows that are looked up are read, as many as are written.
        weight_bytes, moved = 0.0, moved + float(facts.get("output_size") or 0)
    tally.add(name, kind, _flops(name, kind, inputs, outputs), moved, {node: weight_bytes})


def _shapes(described: list[dict[str, list[int]]]) -> list[Shape]:
    return [tuple(shape) for entry in described for shape in entry.values()]


def _kind(name: str, inputs: list[Shape], weight_bytes: float) -> OperatorKind:
    if "MatMul" in name or name in GEMMS:
        return "gemm"
    if name in WEIGHT_PLACE:
        return "convolution"
    if name in ATTENTIONS:
        return "attention"
    if "Normalization" in name or name in NORMALIZATIONS:
        return "normalization"
    if name == "Gather" and weight_bytes and len(inputs[0]) == 2:
        return "embedding"
    return "other" if name in MOVES else "elementwise"


def _flops(name: str, kind: OperatorKind, inputs: list[Shape], outputs: list[Shape]) -> float:
    if kind in ("other", "embedding") or not outputs:
        return 0.0
    written = sum(math.prod(shape) for shape in outputs)
    if kind == "convolution":
        weight = inputs[WEIGHT_PLACE[name]]
        positions = inputs[0] if name == "ConvTranspose" else outputs[0]
        return 2.0 * math.prod(positions) * math.prod(weight[1:])
    if kind == "attention":
        return _attention_flops(inputs, outputs)
    if kind == "gemm":
        return _gemm_flops(name, inputs, outputs)
    if kind == "normalization":
        return NORMALIZATION_FLOPS_PER_VALUE * written
    read = max((math.prod(shape) for shape in inputs), default=0)
    return float(max(read, written)) if name.startswith("Reduce") or "Pool" in name else float(written)


def _gemm_flops(name: str, inputs: list[Shape], outputs: list[Shape]) -> float:
    written = math.prod(outputs[0])
    if name in ("LSTM", "GRU", "RNN", "DynamicQuantizeLSTM"):
        # Each step multiplies with the weights of the input and of the state once.
        return 2.0 * math.prod(inputs[0][:-1]) * (math.prod(inputs[1]) + math.prod(inputs[2]))
    if name == "Einsum":
        # Exact for a product of two matrices, the usual case.
        return 2.0 * math.sqrt(math.prod(inputs[0]) * math.prod(inputs[1]) * written)
    if name in ("Gemm", "QGemm"):
        return 2.0 * written * math.prod(inputs[0]) / outputs[0][0]
    return 2.0 * written * inputs[0][-1]


def _attention_flops(inputs: list[Shape], outputs: list[Shape]) -> float:
    query = inputs[0]
    if len(inputs) > 1 and len(inputs[1]) == 2:
        # The fused form projects queries, keys and values itself.
        rows, length, width = math.prod(query[:-1]), query[-2], outputs[0][-1]
        return 2.0 * rows * math.prod(inputs[1]) + 4.0 * rows * length * width
    keys, values = inputs[1], inputs[2]
    return 2.0 * math.prod(query[:-1]) * keys[-2] * (query[-1] + values[-1])
