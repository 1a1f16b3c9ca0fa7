"""ONNX Runtime on the CPU: the least overhead per call, on x86 and ARM."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnxruntime

from tradewind.domain.errors import CannotMeasure
from tradewind.lab.engines.session import match_names

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from tradewind.domain.variant import Variant

__all__ = ["load"]


def load(folder: Path, variant: Variant, threads: int) -> OnnxRuntimeSession:
    """The session of an .onnx payload."""
    if variant.format != "onnx":
        raise CannotMeasure(f"{variant.name}: the onnxruntime engine executes onnx, not {variant.format}")
    path = folder / variant.files[0].path
    try:
        session = onnxruntime.InferenceSession(
            str(path), sess_options=_options(threads), providers=["CPUExecutionProvider"]
        )
    except Exception as cause:
        reason = " ".join(str(cause).split())[:300]
        raise CannotMeasure(
            f"{variant.name}: onnxruntime {onnxruntime.__version__} cannot load {path}: {reason}"
        ) from cause
    return OnnxRuntimeSession(session, variant)


def _options(threads: int) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = 3
    # A plan of the memory is kept for each shape, and a server sees every batch size.
    options.enable_mem_pattern = False
    # Idle workers that spin take the cores from other replicas and from the server's own thread.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # On ARM, fp32 must not quietly become bf16.
    options.add_session_config_entry("mlas.enable_gemm_fastmath_arm64_bfloat16", "0")
    return options


class OnnxRuntimeSession:
    """A loaded network."""

    def __init__(self, session: Any, variant: Variant) -> None:
        self._session = session
        names = match_names(variant, [given.name for given in session.get_inputs()])
        self._specs = [(spec.name, names[spec.name], np.dtype(spec.dtype)) for spec in variant.inputs]
        self._outputs = [spec.name for spec in variant.outputs]
        found = [given.name for given in session.get_outputs()]
        if len(found) != len(self._outputs):
            raise CannotMeasure(
                f"{variant.name}: the payload answers {', '.join(found)}, the manifest says {', '.join(self._outputs)}"
            )
        self._wanted = self._outputs if set(found) == set(self._outputs) else found

    def run(self, inputs: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """The outputs by name."""
        feed = {
            payload_name: np.ascontiguousarray(inputs[name], dtype=dtype)
            for name, payload_name, dtype in self._specs
        }
        return dict(zip(self._outputs, self._session.run(self._wanted, feed), strict=True))

    def close(self) -> None:
        """Frees the weights and the threads."""
        self._session = None
