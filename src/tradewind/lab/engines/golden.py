"""Golden inputs and outputs: what a variant must answer wherever it is loaded."""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from tradewind.domain.errors import CannotMeasure
from tradewind.domain.variant import Golden

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from tradewind.domain.noun import Precision
    from tradewind.domain.variant import Variant
    from tradewind.lab.engines.session import Session

__all__ = ["TOLERANCES", "read_golden", "verify_golden", "write_golden"]

TOLERANCES: Final[dict[Precision, float]] = {"fp32": 1e-4, "fp16": 5e-3, "bf16": 3e-2, "int8": 5e-2}
"""Largest deviation that another host may show, as a share of the largest golden output.

fp32: another order of summation. bf16 and fp16: some units in the last place. int8: instruction sets
without exact 8-bit dot products saturate, and rounding decides between neighbouring levels."""


def write_golden(
    folder: Path,
    inputs: Mapping[str, NDArray[Any]],
    outputs: Mapping[str, NDArray[Any]],
    precision: Precision,
) -> Golden:
    """The golden inputs and outputs as files in the folder of the variant."""
    golden_inputs, golden_outputs = "golden_inputs.npz", "golden_outputs.npz"
    _save(folder / golden_inputs, inputs)
    _save(folder / golden_outputs, outputs)
    largest = max(float(np.abs(output).max(initial=0.0)) for output in outputs.values())
    tolerance = TOLERANCES[precision]
    return Golden(
        inputs=golden_inputs,
        outputs=golden_outputs,
        absolute_tolerance=tolerance * max(largest, 1e-3),
        relative_tolerance=tolerance,
    )


def read_golden(folder: Path, variant: Variant) -> tuple[dict[str, NDArray[Any]], dict[str, NDArray[Any]]]:
    """The golden inputs and outputs. Errors: CannotMeasure when a file is missing or damaged."""
    return _load(folder / variant.golden.inputs, variant), _load(folder / variant.golden.outputs, variant)


def verify_golden(folder: Path, variant: Variant, session: Session) -> None:
    """Makes sure that the session answers the golden outputs.

    Errors: CannotMeasure with the largest deviation.
    """
    inputs, expected = read_golden(folder, variant)
    answered = session.run(inputs)
    for name, wanted in expected.items():
        got = answered.get(name)
        if got is None or got.shape != wanted.shape:
            shape = "nothing" if got is None else list(got.shape)
            raise CannotMeasure(
                f"{variant.name}: golden output {name!r} has the shape {list(wanted.shape)}, got {shape}"
            )
        deviation = np.abs(got.astype(np.float64) - wanted.astype(np.float64))
        bound = variant.golden.absolute_tolerance + variant.golden.relative_tolerance * np.abs(wanted)
        # Written so that NaN fails.
        if not (deviation <= bound).all():
            worst = float(np.nanmax(deviation, initial=0.0)) if np.isfinite(deviation).any() else float("nan")
            raise CannotMeasure(
                f"{variant.name}: golden output {name!r} deviates by up to {worst:.3g}, allowed is "
                f"{variant.golden.absolute_tolerance:.3g}; this machine does not compute the same"
            )


def _save(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    # Two lists keep any name usable as the name of an input ("file" is a parameter of savez).
    stored: dict[str, Any] = {f"array_{place}": array for place, array in enumerate(arrays.values())}
    with path.open("wb") as file:
        np.savez(file, names=np.array(list(arrays), dtype=np.str_), **stored)


def _load(path: Path, variant: Variant) -> dict[str, NDArray[Any]]:
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            return {str(name): stored[f"array_{place}"] for place, name in enumerate(stored["names"])}
    except FileNotFoundError:
        raise CannotMeasure(f"{variant.name}: {path} is missing; build the variant again") from None
    except (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile) as cause:
        raise CannotMeasure(
            f"{variant.name}: {path} is damaged ({cause}); build the variant again"
        ) from cause
