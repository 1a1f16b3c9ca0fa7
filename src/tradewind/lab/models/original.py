"""The original variant: the user's network, exported so that it runs without their source code."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from tradewind.domain.variant import Runtime, Variant
from tradewind.lab.engines import ENGINES
from tradewind.lab.models.artifact import keep_variant
from tradewind.lab.models.network import load_network
from tradewind.lab.models.references import local_path

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from tradewind.domain.goal import Goal
    from tradewind.lab.models.data import Data

__all__ = ["GOLDEN_ROWS", "original"]

GOLDEN_ROWS: Final = 8
PARITY_ROWS: Final = 64
"""Test rows on which the export is compared with the network."""


def original(goal: Goal, folder: Path, data: Data, variants: Path) -> Variant:
    """The user's network as a variant in variants/<id>/, with an empty recipe.

    A torch network becomes an exported program (model.pt2) that takes its inputs in the order of
    `Variant.inputs`, answers a tuple, and is run by the torch engine; an ONNX file is kept as it is, run
    by ONNX Runtime. Outputs are called `output`, `output_0`, ... or by the keys of the dict that the
    network returns; quality is judged on the first.

    Errors: ModelError in one line, when the network cannot be built, run on the data, exported with a
    free batch, or answers something else once exported.
    """
    begun = time.monotonic()
    network = load_network(goal, folder)
    rows = _rows(data.test.inputs, PARITY_ROWS)
    variants.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=variants, prefix=".build.") as temporary:
        build = Path(temporary)
        if isinstance(network, Path):
            from tradewind.lab.models.onnx_file import take_onnx

            kept = take_onnx(network, rows, build)
            engine, payload_format = "onnxruntime", "onnx"
        else:
            from tradewind.lab.models.exporting import export

            with local_path(folder):
                kept = export(network, rows, build, model=goal.model, folder=folder)
            engine, payload_format = "torch", "pt2"
        return keep_variant(
            variants,
            build,
            kept.files,
            name="original",
            parent_id=None,
            recipe=(),
            payload_format=payload_format,
            runtime=Runtime(
                engine=engine, engine_version=ENGINES[engine].version(), precision=kept.precision
            ),
            parameters=kept.parameters,
            golden_inputs={name: array[:GOLDEN_ROWS] for name, array in rows.items()},
            golden_outputs={name: array[:GOLDEN_ROWS] for name, array in kept.outputs.items()},
            build_s=time.monotonic() - begun,
        )


def _rows(inputs: Mapping[str, NDArray[Any]], count: int) -> dict[str, NDArray[Any]]:
    """The first rows; a smaller split starts again from its first row."""
    return {name: array[np.arange(count) % len(array)] for name, array in inputs.items()}
