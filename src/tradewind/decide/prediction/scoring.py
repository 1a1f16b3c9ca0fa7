"""How good predictions were, once the measured columns of the same rows are read.

The rival on every line is a constant share of the peak (MFU): what a spreadsheet would say.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from tradewind.decide.prediction.jobs import number

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tradewind.decide.prediction.published import Prediction

__all__ = ["CONSTANT_MFU", "Score", "measured_memory_bytes", "measured_seconds", "score"]

CONSTANT_MFU: Final = 0.379
"""Mean of the medians of five published sets of training runs (0.139, 0.507, 0.533, 0.429, 0.286)."""
_LEAST_WAYS: Final = 3
"""Layouts of the same job from which on a choice among them means something."""


@dataclass(frozen=True)
class Score:
    """Errors over the rows of one table. Shares are 0 to 1; NaN where nothing can be compared."""

    rows: int
    compared: int
    """Rows with a prediction and a measurement."""
    median: float
    """Of the absolute relative error."""
    p90: float
    bias: float
    """Median of log(measured / predicted): above 0, predictions are too fast."""
    coverage: float
    """Share of measurements inside the stated interval."""
    width: float
    """Median of high / low."""
    constant_median: float
    """The same errors of a constant share of the peak."""
    constant_p90: float
    memory_compared: int
    memory_median: float
    memory_p90: float
    regret_jobs: int
    """Jobs of which several layouts were measured."""
    regret_mean: float
    """How much longer the layout takes that was predicted fastest than the one that was."""
    regret_p90: float


def measured_seconds(row: Mapping[str, str], prediction: Prediction) -> float | None:
    """What was measured of a row, in the quantity that was predicted; None where nothing was."""
    step = number(row, "step_time_s")
    if step:
        return step
    for name, unit in (("latency_ms", 1e-3), ("time_ms", 1e-3), ("time_us_median", 1e-6)):
        value = number(row, name)
        if value:
            return value * unit
    if prediction.samples:
        rate = number(row, "samples_per_s")
        if rate:
            return prediction.samples / rate
    if prediction.tokens:
        rate = number(row, "tokens_per_s_out", "tokens_per_s")
        if rate:
            return prediction.tokens / rate
    tflops = number(row, "tflops_per_gpu")
    if tflops and prediction.flops_per_device:
        return prediction.flops_per_device / (tflops * 1e12)
    return None


def measured_memory_bytes(row: Mapping[str, str]) -> float | None:
    """The measured peak of one device."""
    gib = number(row, "mem_gib_per_gpu")
    return gib * 2**30 if gib else None


def score(rows: Sequence[Mapping[str, str]], predictions: Sequence[Prediction]) -> Score:
    """The errors of predictions (n,) of rows (n,), measured columns read."""
    errors, inside, widths, constant, memory = [], [], [], [], []
    jobs: dict[tuple[str, ...], list[tuple[float, float]]] = defaultdict(list)
    for row, one in zip(rows, predictions, strict=True):
        held = measured_memory_bytes(row)
        if held and one.memory_bytes > 0:
            memory.append(abs(one.memory_bytes / held - 1.0))
        seconds = measured_seconds(row, one)
        if not seconds or not one.seconds > 0:
            continue
        errors.append(np.log(seconds / one.seconds))
        inside.append(one.low <= seconds <= one.high)
        widths.append(one.high / one.low)
        if one.ideal_s > 0:
            constant.append(abs(one.ideal_s / CONSTANT_MFU / seconds - 1.0))
        if key := _job(row):
            jobs[key].append((one.seconds, seconds))
    absolute = np.abs(np.exp(-np.array(errors)) - 1.0)
    regrets = [
        min(ways)[1] / min(seconds for _, seconds in ways) - 1.0
        for ways in jobs.values()
        if len(ways) >= _LEAST_WAYS
    ]
    return Score(
        rows=len(rows),
        compared=len(errors),
        median=_quantile(absolute, 0.5),
        p90=_quantile(absolute, 0.9),
        bias=_quantile(errors, 0.5),
        coverage=float(np.mean(inside)) if inside else float("nan"),
        width=_quantile(widths, 0.5),
        constant_median=_quantile(constant, 0.5),
        constant_p90=_quantile(constant, 0.9),
        memory_compared=len(memory),
        memory_median=_quantile(memory, 0.5),
        memory_p90=_quantile(memory, 0.9),
        regret_jobs=len(regrets),
        regret_mean=float(np.mean(regrets)) if regrets else float("nan"),
        regret_p90=_quantile(regrets, 0.9),
    )


_LAYOUT: Final = ("tp", "pp", "dp", "micro_batch", "zero_stage", "act_ckpt")
_JOB: Final = (
    "model", "layers", "hidden", "heads", "seq", "gpus", "gpu_type", "global_batch", "precision", "framework",
    "experts", "cp", "ep",
)  # fmt: skip


def _job(row: Mapping[str, str]) -> tuple[str, ...] | None:
    """What must agree for two rows to be layouts of the same job; None where rows state no layout."""
    if not any(row.get(name) for name in _LAYOUT) or not row.get("global_batch"):
        return None
    return tuple(row.get(name) or "" for name in _JOB)


def _quantile(values: object, share: float) -> float:
    found = np.asarray(values, dtype=np.float64)
    return float(np.quantile(found, share)) if found.size else float("nan")
