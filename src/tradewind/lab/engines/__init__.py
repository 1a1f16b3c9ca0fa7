"""Engines: a payload becomes something that answers.

In: the folder of a variant and its manifest. Out: a `Session` that maps named arrays to named arrays.
Importing this room loads no engine; loading a variant imports only the library that it names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tradewind.domain.errors import CannotMeasure, nearest
from tradewind.lab.engines.golden import read_golden, verify_golden, write_golden
from tradewind.lab.engines.session import Engine, Session, check_payload

if TYPE_CHECKING:
    from pathlib import Path

    from tradewind.domain.variant import Variant

__all__ = ["ENGINES", "Engine", "Session", "load", "read_golden", "verify_golden", "write_golden"]

ENGINES: Final[dict[str, Engine]] = {
    "torch": Engine("torch", "torch", "tradewind.lab.engines.torch_engine"),
    "onnxruntime": Engine("onnxruntime", "onnxruntime", "tradewind.lab.engines.onnxruntime_engine"),
    "openvino": Engine("openvino", "openvino", "tradewind.lab.engines.openvino_engine"),
}


def load(folder: Path, variant: Variant, *, threads: int) -> Session:
    """The variant in `folder`, its files checked against the manifest, ready to answer.

    `verify_golden` afterwards makes sure that this machine computes the same outputs.

    Errors: CannotMeasure when files have changed or the engine cannot execute them here, MissingExtra
    when the engine is not installed.
    """
    name = variant.runtime.engine
    if name not in ENGINES:
        guess = nearest(name, list(ENGINES))
        hint = f"did you mean {guess}?" if guess else f"known: {', '.join(ENGINES)}"
        raise CannotMeasure(f"{variant.name}: unknown engine {name!r}; {hint}")
    check_payload(folder, variant)
    return ENGINES[name].load(folder, variant, threads=threads)
