"""The exported program as ONNX: the format that all further engines read."""

from __future__ import annotations

import onnx
import torch

from tradewind.lab.optimization.passes.contract import Applied, Job

__all__ = ["apply"]

LARGEST_FILE_BYTES = 2 * 10**9 - 10**8
"""A protobuf message ends at 2 GB; beyond, weights must lie in a second file."""


def apply(job: Job) -> Applied:
    """model.onnx with a free batch, weights inside as long as they fit."""
    program = torch.export.load(job.payload)
    exported = torch.onnx.export(
        program,
        input_names=[spec.name for spec in job.parent.inputs],
        output_names=[spec.name for spec in job.parent.outputs],
        dynamo=True,
        external_data=False,
        verbose=False,
    )
    split = job.parent.size_bytes > LARGEST_FILE_BYTES
    exported.save(job.out / "model.onnx", external_data=split)
    onnx.checker.check_model(job.out / "model.onnx")
    return Applied(("model.onnx", "model.onnx.data") if split else ("model.onnx",))
