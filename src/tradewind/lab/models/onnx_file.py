"""The user's ONNX file as a payload: copied with what it refers to, and checked on their data."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from tradewind.domain.errors import MissingExtra, ModelError
from tradewind.lab.engines.telemetry import silence_telemetry
from tradewind.lab.models.payload import Kept
from tradewind.lab.models.references import one_line

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["take_onnx"]

PAYLOAD: Final = "model.onnx"
BATCHES: Final = (1, 2, 64)
QUANTIZED: Final = frozenset({"QuantizeLinear", "MatMulInteger", "ConvInteger", "DynamicQuantizeMatMul"})


def take_onnx(source: Path, rows: Mapping[str, NDArray[Any]], build: Path) -> Kept:
    """The file copied to `build`/model.onnx, with its answers to these rows (at least 64).

    Its inputs must be named as those of the data, unless both have one.

    Errors: ModelError in one line, when it is damaged, takes other inputs, or has a fixed batch.
    """
    try:
        import onnx
    except ModuleNotFoundError:
        raise MissingExtra("onnx", extra="lab") from None
    try:
        model = onnx.load(source, load_external_data=False)
        onnx.checker.check_model(str(source))
    except Exception as cause:
        raise ModelError(f"model: {source} is no valid ONNX file: {one_line(str(cause))}") from cause
    weights = {tensor.name for tensor in model.graph.initializer}
    inputs = [given for given in model.graph.input if given.name not in weights]
    _check_inputs(source, inputs, rows)
    files = [PAYLOAD, *_copy(model, source, build)]
    return Kept(
        files=tuple(files),
        outputs=_answer(build / PAYLOAD, rows, source),
        parameters=sum(int(np.prod(tensor.dims)) for tensor in model.graph.initializer),
        precision="int8" if any(node.op_type in QUANTIZED for node in model.graph.node) else "fp32",
    )


def _check_inputs(source: Path, inputs: list[Any], rows: Mapping[str, NDArray[Any]]) -> None:
    names = [given.name for given in inputs]
    if len(names) != len(rows) or (len(names) > 1 and set(names) != set(rows)):
        raise ModelError(
            f"model: {source} takes the inputs {', '.join(names)}, the data has {', '.join(rows)}; name them alike"
        )
    for given in inputs:
        shape = given.type.tensor_type.shape.dim
        if shape and shape[0].HasField("dim_value"):
            raise ModelError(
                f"model: {source}: the batch of input {given.name!r} is fixed at {shape[0].dim_value}; "
                "export it with a dynamic first dimension"
            )


def _copy(model: Any, source: Path, build: Path) -> list[str]:
    """Copies the file and the files with its larger tensors; the paths of the latter."""
    shutil.copyfile(source, build / PAYLOAD)
    external = {
        entry.value
        for tensor in model.graph.initializer
        for entry in tensor.external_data
        if entry.key == "location"
    }
    for name in sorted(external):
        (build / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source.parent / name, build / name)
    return sorted(external)


def _answer(payload: Path, rows: Mapping[str, NDArray[Any]], source: Path) -> dict[str, NDArray[Any]]:
    """What the file answers on the rows, checked: finite, and a row for each row at every batch."""
    try:
        silence_telemetry()
        import onnxruntime
    except ModuleNotFoundError:
        raise MissingExtra("onnxruntime", extra="lab") from None
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 1
    try:
        session = onnxruntime.InferenceSession(str(payload), options, providers=["CPUExecutionProvider"])
        places = [given.name for given in session.get_inputs()]
        feed = dict(rows) if set(places) == set(rows) else dict(zip(places, rows.values(), strict=True))
        for batch in BATCHES:
            answers = session.run(None, {name: array[:batch] for name, array in feed.items()})
    except Exception as cause:
        given = ", ".join(f"{name} {array.dtype} {list(array.shape)}" for name, array in rows.items())
        raise ModelError(f"model: {source} failed on {given}: {one_line(str(cause))}") from cause
    outputs = dict(zip([given.name for given in session.get_outputs()], answers, strict=True))
    for name, output in outputs.items():
        if not isinstance(output, np.ndarray) or output.ndim == 0 or len(output) != BATCHES[-1]:
            raise ModelError(
                f"model: {source}: output {name!r} has no row for each row of the batch; "
                "its first dimension must be the row"
            )
        if output.dtype.kind == "f" and not np.isfinite(output).all():
            raise ModelError(f"model: {source}: output {name!r} holds NaN or infinity on the test rows")
    return outputs
