"""What a variant answers on all rows of a split."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from tradewind.domain.errors import CannotMeasure, TradewindError
from tradewind.lab.engines import load

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from tradewind.domain.variant import Variant

__all__ = ["ROWS_PER_CALL", "answers"]

ROWS_PER_CALL: Final = 64
"""The largest batch that is measured: where ranges are taken from the whole batch (dynamic
quantization) a larger one is less exact, so quality is judged at its worst."""


def answers(
    folder: Path, variant: Variant, inputs: Mapping[str, NDArray[Any]], *, threads: int
) -> NDArray[Any]:
    """The first output for every row of the inputs.

    Errors: CannotMeasure when the variant cannot be loaded, fails on a batch, or answers another number
    of rows than it was asked.
    """
    output = variant.outputs[0].name
    rows = len(next(iter(inputs.values())))
    session = load(folder, variant, threads=threads)
    try:
        parts = []
        for start in range(0, rows, ROWS_PER_CALL):
            batch = {name: array[start : start + ROWS_PER_CALL] for name, array in inputs.items()}
            answer = session.run(batch)[output]
            asked = min(ROWS_PER_CALL, rows - start)
            if answer.ndim == 0 or len(answer) != asked:
                raise CannotMeasure(
                    f"{variant.name}: asked {asked} rows, answered the shape {list(answer.shape)}"
                )
            parts.append(answer)
        return np.concatenate(parts)
    except TradewindError:
        raise
    except Exception as error:
        # An engine may raise anything; it is the result of this candidate.
        reason = " ".join(str(error).split())[:300]
        raise CannotMeasure(f"{variant.name}: fails on a batch: {reason}") from error
    finally:
        session.close()
