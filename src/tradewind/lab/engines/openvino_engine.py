"""OpenVINO on the CPU, with the precision that the variant pins instead of the one that the host prefers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from tradewind.domain.errors import CannotMeasure
from tradewind.lab.engines.session import match_names
from tradewind.lab.engines.telemetry import silence_telemetry

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from tradewind.domain.noun import Precision
    from tradewind.domain.variant import Variant

__all__ = ["load"]

PINNED: Final[dict[Precision, str]] = {
    "fp32": "f32",
    "bf16": "bf16",
    "fp16": "f16",
    # What is not quantized in an int8 network stays fp32, so that every host computes the same.
    "int8": "f32",
}
"""OpenVINO's names of the precisions."""


def load(folder: Path, variant: Variant, threads: int) -> OpenVinoSession:
    """The session of an OpenVINO (.xml and .bin) or .onnx payload."""
    if variant.format not in ("openvino", "onnx"):
        raise CannotMeasure(
            f"{variant.name}: the openvino engine executes openvino and onnx, not {variant.format}"
        )
    path = folder / variant.files[0].path
    silence_telemetry()
    import openvino

    wanted = getattr(openvino.Type, PINNED[variant.runtime.precision])
    core = openvino.Core()
    try:
        compiled = core.compile_model(
            core.read_model(str(path)),
            "CPU",
            {
                "INFERENCE_PRECISION_HINT": wanted,
                "INFERENCE_NUM_THREADS": threads,
                "NUM_STREAMS": 1,
                "PERFORMANCE_HINT": "LATENCY",
                # Pinned threads of two replicas would share a core while others idle.
                "ENABLE_CPU_PINNING": False,
            },
        )
    except Exception as cause:
        reason = " ".join(str(cause).split())[:300]
        raise CannotMeasure(
            f"{variant.name}: openvino {openvino.__version__} cannot load {path}: {reason}"
        ) from cause
    used = compiled.get_property("INFERENCE_PRECISION_HINT")
    if used != wanted:
        raise CannotMeasure(
            f"{variant.runtime.precision} is not supported by this CPU: openvino would execute "
            f"{used.get_type_name()} instead"
        )
    return OpenVinoSession(compiled, variant)


class OpenVinoSession:
    """A compiled network with one infer request."""

    def __init__(self, compiled: Any, variant: Variant) -> None:
        self._request = compiled.create_infer_request()
        names = match_names(variant, [port.get_any_name() for port in compiled.inputs])
        self._specs = [(spec.name, names[spec.name], np.dtype(spec.dtype)) for spec in variant.inputs]
        self._outputs = [spec.name for spec in variant.outputs]
        if len(compiled.outputs) != len(self._outputs):
            raise CannotMeasure(
                f"{variant.name}: the payload has {len(compiled.outputs)} outputs, "
                f"the manifest says {', '.join(self._outputs)}"
            )

    def run(self, inputs: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """The outputs by name."""
        feed = {
            payload_name: np.ascontiguousarray(inputs[name], dtype=dtype)
            for name, payload_name, dtype in self._specs
        }
        results = self._request.infer(feed, share_inputs=True, share_outputs=False)
        return {name: results[place] for place, name in enumerate(self._outputs)}

    def close(self) -> None:
        """Frees the weights and the threads."""
        self._request = None
