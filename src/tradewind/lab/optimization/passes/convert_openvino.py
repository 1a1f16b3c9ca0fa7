"""The ONNX network as OpenVINO's intermediate representation, weights in full precision."""

from __future__ import annotations

import openvino

from tradewind.lab.optimization.passes.contract import Applied, Job

__all__ = ["apply"]


def apply(job: Job) -> Applied:
    """model.xml and model.bin."""
    network = openvino.Core().read_model(job.payload)
    # Weights would be rounded to 16 bits by default.
    openvino.save_model(network, job.out / "model.xml", compress_to_fp16=False)
    return Applied(("model.xml", "model.bin"))
