"""OpenVINO network to int8 by NNCF's post-training quantization."""

from __future__ import annotations

import logging
from typing import Any

import nncf
import openvino
from nncf.quantization.range_estimator import RangeEstimatorParametersSet

from tradewind.lab.optimization.passes.contract import Applied, Job

__all__ = ["apply", "has_attention"]


def apply(job: Job) -> Applied:
    """model.xml and model.bin, with quantizers where NNCF finds them useful for a CPU."""
    nncf.set_log_level(logging.ERROR)
    network = openvino.Core().read_model(job.payload)
    attention = has_attention(network)
    feed = job.feed([port.get_any_name() for port in network.inputs])
    rows = (
        min(job.calibration.rows, int(job.parameters["attention_rows"]))
        if attention
        else job.calibration.rows
    )
    # One row at a time: the statistics of attention networks are made per call.
    samples = [{name: array[row : row + 1] for name, array in feed.items()} for row in range(rows)]
    quantized = nncf.quantize(
        network,
        nncf.Dataset(samples),
        subset_size=rows,
        model_type=nncf.ModelType.TRANSFORMER if attention else None,
        advanced_parameters=nncf.AdvancedQuantizationParameters(
            # Half the range in all weights: exact on CPUs without 8-bit dot products too.
            overflow_fix=nncf.OverflowFix.ENABLE,
            activations_range_estimator_params=getattr(
                RangeEstimatorParametersSet, str(job.parameters["activation_range"])
            ),
        ),
    )
    openvino.save_model(quantized, job.out / "model.xml", compress_to_fp16=False)
    return Applied(
        ("model.xml", "model.bin"), {"model_type": "transformer" if attention else "other", "rows": rows}
    )


def has_attention(network: Any) -> bool:
    """Whether activations are weighted by activations that went through a softmax."""
    operations = network.get_ops()
    kinds = {operation.get_type_name() for operation in operations}
    if "ScaledDotProductAttention" in kinds:
        return True
    products = [operation for operation in operations if operation.get_type_name() == "MatMul"]
    return "Softmax" in kinds and any(not _takes_constant(product) for product in products)


def _takes_constant(operation: Any) -> bool:
    return any(
        source.get_source_output().get_node().get_type_name() == "Constant" for source in operation.inputs()
    )
