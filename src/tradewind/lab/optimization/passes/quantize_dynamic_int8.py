"""ONNX network to int8 by ONNX Runtime, activations being quantized anew in each call."""

from __future__ import annotations

from typing import Final

from onnxruntime.quantization import QuantType, quantize_dynamic

from tradewind.lab.optimization.passes.contract import Applied, Job
from tradewind.lab.optimization.passes.onnx_network import count_quantized, prepare

__all__ = ["apply"]


QUANTIZED: Final = ("MatMul", "Gather")
"""Gemm becomes MatMul and Add first. A convolution that is quantized in each call was measured 2 to 4 times
slower than in fp32."""


def apply(job: Job) -> Applied:
    """model.onnx with int8 weights in products and embeddings. It needs no data."""
    quantize_dynamic(
        prepare(job.payload, job.out),
        job.out / "model.onnx",
        op_types_to_quantize=list(QUANTIZED),
        weight_type=QuantType.QInt8,
        per_channel=bool(job.parameters["per_channel"]),
        reduce_range=job.parameters["weight_bits"] == 7,
    )
    return Applied(("model.onnx",), {"quantized_weights": count_quantized(job.out / "model.onnx")})
