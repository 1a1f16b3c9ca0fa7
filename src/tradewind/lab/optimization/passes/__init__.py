"""The passes: each changes a network and makes a new variant of it.

A further pass is a module with `apply(job) -> Applied` and an entry here. Importing this loads no
tensor library.
"""

from __future__ import annotations

from typing import Final

from tradewind.lab.optimization.passes.contract import Applied, Job, Parameter, Pass

__all__ = ["PASSES", "Applied", "Job", "Parameter", "Pass"]

_HERE: Final = "tradewind.lab.optimization.passes"

PASSES: Final[dict[str, Pass]] = {
    "export_onnx": Pass(
        name="export_onnx",
        module=f"{_HERE}.export_onnx",
        reads="pt2",
        accepts=("fp32",),
        writes="onnx",
        engine="onnxruntime",
        precision="fp32",
        libraries=("torch", "onnx", "onnxscript"),
    ),
    "quantize_dynamic_int8": Pass(
        name="quantize_dynamic_int8",
        module=f"{_HERE}.quantize_dynamic_int8",
        reads="onnx",
        accepts=("fp32",),
        writes="onnx",
        engine="onnxruntime",
        precision="int8",
        label="dynamic",
        libraries=("onnxruntime", "onnx"),
        # 7 bits in the weights: see quantize_static_int8.
        parameters={"per_channel": True, "weight_bits": 7},
    ),
    "quantize_static_int8": Pass(
        name="quantize_static_int8",
        module=f"{_HERE}.quantize_static_int8",
        reads="onnx",
        accepts=("fp32",),
        writes="onnx",
        engine="onnxruntime",
        precision="int8",
        label="static",
        libraries=("onnxruntime", "onnx"),
        calibrated=True,
        # Weights of 7 bits cannot overflow the 16-bit sums of CPUs without 8-bit dot products (AVX2), so
        # the variant answers the same on every host that the plan may choose.
        parameters={"per_channel": True, "weight_bits": 7, "largest_layer_error": 0.05},
    ),
    "convert_openvino": Pass(
        name="convert_openvino",
        module=f"{_HERE}.convert_openvino",
        reads="onnx",
        accepts=("fp32",),
        writes="openvino",
        engine="openvino",
        precision="fp32",
        libraries=("openvino",),
    ),
    "pin_bf16": Pass(
        name="pin_bf16",
        module=f"{_HERE}.pin_bf16",
        reads="openvino",
        accepts=("fp32",),
        writes="openvino",
        engine="openvino",
        precision="bf16",
        libraries=("openvino",),
    ),
    "quantize_nncf_int8": Pass(
        name="quantize_nncf_int8",
        module=f"{_HERE}.quantize_nncf_int8",
        reads="openvino",
        accepts=("fp32",),
        writes="openvino",
        engine="openvino",
        precision="int8",
        libraries=("nncf", "openvino"),
        calibrated=True,
        # The default range, the mean over rows of each row's least and largest value, cuts off the rare
        # large features of tables: a fraud network fell from an average precision of 0.796 to 0.722, and
        # held 0.796 with the least and largest value of all rows. More rows cost minutes with an attention
        # network and did not improve one that was measured.
        parameters={"activation_range": "MINMAX", "attention_rows": 128},
    ),
}
"""The built-in passes by name."""
