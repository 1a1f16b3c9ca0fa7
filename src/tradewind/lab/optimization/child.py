"""The child process that builds one candidate: `python -m tradewind.lab.optimization.child FOLDER`.

It reads FOLDER/request.json, applies the pass, loads what came out, asks it the golden inputs and a
full batch, keeps it as a variant, and writes FOLDER/reply.json.
"""

from __future__ import annotations

import importlib
import os
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from tradewind.domain.errors import CannotMeasure, ResourceError, TradewindError
from tradewind.domain.variant import RecipeStep, Runtime, Variant
from tradewind.files import atomic, nouns
from tradewind.lab.engines import ENGINES, read_golden
from tradewind.lab.engines.telemetry import silence_telemetry
from tradewind.lab.models import keep_variant
from tradewind.lab.models.artifact import MANIFEST, payload_files
from tradewind.lab.optimization import calibration as rows_file
from tradewind.lab.optimization.building import Reply, Request
from tradewind.lab.optimization.evaluation import ROWS_PER_CALL
from tradewind.lab.optimization.passes import Applied, Job

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

__all__ = ["main"]


def main() -> None:
    """Builds what FOLDER/request.json asks for."""
    folder = Path(sys.argv[1])
    threading.Thread(target=_end_with_parent, daemon=True).start()
    silence_telemetry()
    try:
        reply = Reply(variant=_build(nouns.read(folder / "request.json", Request), folder))
    except ResourceError as error:
        reply = Reply(refused=_line(error))
    except TradewindError as error:
        reply = Reply(reason=_line(error))
    except Exception as error:
        # A pass may raise anything; it is the result of this candidate.
        reply = Reply(reason=f"{type(error).__name__}: {_line(error)}")
    nouns.write(folder / "reply.json", reply)
    sys.stdout.flush()
    # Native threads of a library that was left in a bad state must not keep the process.
    os._exit(0)


def _end_with_parent() -> None:
    # The parent never writes: the pipe ends when it is gone.
    sys.stdin.buffer.read()
    os._exit(1)


def _line(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return text[:400] + (" ..." if len(text) > 400 else "")


def _build(request: Request, folder: Path) -> Variant:
    begun = time.monotonic()
    out = folder / "out"
    out.mkdir()
    parent_folder = Path(request.parent_folder)
    parent = nouns.read(parent_folder / MANIFEST, Variant)
    calibration = rows_file.load(Path(request.calibration))
    job = Job(parent, parent_folder, calibration, request.parameters, out, request.seed)
    with atomic.refusing(out):
        applied: Applied = importlib.import_module(request.module).apply(job)
    step = RecipeStep(
        name=request.pass_name,
        version=request.version,
        parameters={**request.parameters, **applied.found},
        seed=request.seed,
        calibration_sha256=calibration.sha256 if request.calibrated else None,
        calibration_rows=calibration.rows if request.calibrated else 0,
    )
    runtime = Runtime(
        engine=request.engine,
        engine_version=ENGINES[request.engine].version(),
        precision=request.precision,
    )
    golden_folder = Path(request.golden_folder)
    golden_inputs, wanted = read_golden(golden_folder, nouns.read(golden_folder / MANIFEST, Variant))
    built = msgspec.structs.replace(
        parent,
        name=request.name,
        format=request.writes,
        files=payload_files(out, applied.files),
        runtime=runtime,
    )
    golden_outputs = _ask(built, out, golden_inputs, request.threads)
    for name, output in golden_outputs.items():
        if output.shape != wanted[name].shape:
            raise CannotMeasure(
                f"output {name!r} has the shape {list(output.shape)}, that of the original "
                f"{list(wanted[name].shape)}"
            )
    return keep_variant(
        Path(request.variants),
        out,
        applied.files,
        name=request.name,
        parent_id=parent.id,
        recipe=(*parent.recipe, step),
        payload_format=request.writes,
        runtime=runtime,
        parameters=parent.parameters,
        golden_inputs=golden_inputs,
        golden_outputs=golden_outputs,
        build_s=time.monotonic() - begun,
    )


def _ask(
    variant: Variant, folder: Path, golden_inputs: Mapping[str, NDArray[Any]], threads: int
) -> dict[str, NDArray[Any]]:
    """The golden outputs; the smallest and the largest batch are tried too.

    Whatever the engine makes of them, it does so here and not in the process that measures.
    """
    session = ENGINES[variant.runtime.engine].load(folder, variant, threads=threads)
    for count in (1, ROWS_PER_CALL):
        session.run({name: array[np.arange(count) % len(array)] for name, array in golden_inputs.items()})
    outputs = session.run(golden_inputs)
    for name, array in outputs.items():
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise CannotMeasure(f"output {name!r} is not finite on the golden inputs")
    return outputs


if __name__ == "__main__":
    main()
