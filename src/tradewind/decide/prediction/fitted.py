"""All constants of the performance model: as assumed, or as a fit has found them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tradewind.decide.prediction import (
    collectives,
    counted,
    encoders,
    generation,
    generation_cpu,
    kernels,
    memory,
    training,
)
from tradewind.decide.prediction.constants import default_calibration
from tradewind.domain.estimate import Calibration, Constant

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["assumed", "with_defaults"]

_ROOMS = (kernels, collectives, training, memory, counted, encoders, generation, generation_cpu)


def assumed() -> Calibration:
    """The constants as their rooms assume them, each with its source."""
    found = {}
    for room in _ROOMS:
        stated: Mapping[str, tuple[float, float, str]] = room.ASSUMED
        for name, (value, error, source) in stated.items():
            assert name not in found, name
            found[name] = Constant(value=value, standard_error=error, fitted_on=source)
    return Calibration(constants=found)


def with_defaults(calibration: Calibration) -> Calibration:
    """The calibration, with what it does not hold taken from `assumed` and from the constants of services."""
    known = {**default_calibration().constants, **assumed().constants, **calibration.constants}
    return Calibration(constants=known, seen=calibration.seen)
