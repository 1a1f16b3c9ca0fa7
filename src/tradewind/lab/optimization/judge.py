"""The judge: is a variant good enough, on the user's own rows and with which certainty?

Rows of the test split are drawn with replacement (the paired bootstrap): each resample scores the
original and the variant on the same rows, so that what both find hard cancels out. Pure: outputs,
labels and a seed in, a Judgement out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from tradewind.domain.errors import DataError
from tradewind.domain.variant import Judgement, SliceJudgement

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tradewind.domain.goal import Quality
    from tradewind.lab.models import Metric, Split

__all__ = ["LEVEL", "RESAMPLES", "Group", "Scores", "groups", "judge", "score"]

Scorer = Callable[["NDArray[Any]"], float]

LEVEL: Final = 0.95
RESAMPLES: Final = 1000
FEWEST_ROWS: Final = 30
"""A slice with fewer rows is not judged: its resamples are too much alike."""
MOST_UNDEFINED: Final = 0.05
"""Share of resamples without a value (of one class, say) above which an interval would mislead."""
MOST_VALUES: Final = 50
"""A slice column with more values is a number rather than a group."""
SLICE_FACTOR: Final = 3.0
"""The drop that a slice may have where the goal does not say: so many times that of all rows."""


@dataclass(frozen=True)
class Group:
    """Rows that are judged together: all of them, or a slice."""

    name: str
    """"column=value", or nothing for all rows."""
    rows: NDArray[np.int64]


@dataclass(frozen=True)
class Scores:
    """The metric of one variant: on each group, and on each group of each resample."""

    values: NDArray[np.float64]
    """One per group; NaN where the metric is not defined."""
    resampled: NDArray[np.float64]
    """A row per resample, a column per group."""


def groups(test: Split, columns: tuple[str, ...]) -> tuple[Group, ...]:
    """All rows, then every value of every slice column.

    Errors: DataError when a column is missing or is no grouping.
    """
    found = [Group("", np.arange(test.rows))]
    for column in columns:
        if column not in test.slices:
            raise DataError(f"quality.slices: the test split has no slice column {column!r}")
        values, members = np.unique(test.slices[column], return_inverse=True)
        if len(values) > MOST_VALUES:
            raise DataError(
                f"quality.slices: {column} has {len(values)} values, at most {MOST_VALUES} can be judged; "
                "give bands of it instead"
            )
        found += [Group(f"{column}={value}", np.flatnonzero(members == i)) for i, value in enumerate(values)]
    return tuple(found)


def score(
    metric: Metric,
    labels: NDArray[Any],
    outputs: NDArray[Any],
    judged: tuple[Group, ...],
    *,
    seed: int,
    resamples: int = RESAMPLES,
) -> Scores:
    """The metric on every group and resample. The same seed draws the same rows for every variant.

    Errors: DataError when the metric is not defined on all rows, or on too many resamples of them;
    CannotMeasure when the outputs are not finite.
    """
    rows = len(labels)
    whole = metric.prepared(labels, outputs)
    scorers = [_scorer(metric, labels, outputs, group, whole) for group in judged]
    values = np.array([scorer(np.ones(rows, dtype=np.int64)) for scorer in scorers])
    generator = np.random.default_rng(seed)
    resampled = np.empty((resamples, len(judged)))
    for number in range(resamples):
        # How often each row was drawn: the weights of one draw of `rows` rows with replacement.
        weights = np.bincount(generator.integers(0, rows, size=rows), minlength=rows)
        for place, scorer in enumerate(scorers):
            resampled[number, place] = scorer(weights)
    if np.isnan(values[0]):
        metric(labels, outputs)
        raise DataError(f"{metric.name} is not defined on the {rows} rows of the test split")
    undefined = float(np.isnan(resampled[:, 0]).mean())
    if undefined > MOST_UNDEFINED:
        raise DataError(
            f"data: {metric.name} is not defined on {undefined:.0%} of the resamples of {rows} test rows; "
            "the test split holds too few rows of a class, give more"
        )
    return Scores(values, resampled)


def _scorer(
    metric: Metric, labels: NDArray[Any], outputs: NDArray[Any], group: Group, whole: Scorer
) -> Scorer:
    """The metric on the rows of a group as a function of the weights of all rows."""
    if not group.name:
        return lambda weights: _defined(whole, weights)
    if not _enough(metric, labels, group):
        return lambda weights: float("nan")
    inside = np.zeros(len(labels), dtype=np.int64)
    inside[group.rows] = 1
    part = metric.prepared(labels[group.rows], outputs[group.rows])
    # Scoring the rows of the slice alone is faster, but not every metric allows it: accuracy looks at all
    # outputs to tell logits from probabilities.
    if np.isclose(_defined(part, inside[group.rows]), _defined(whole, inside), equal_nan=True):
        return lambda weights: _defined(part, weights[group.rows])
    return lambda weights: _defined(whole, weights * inside)


def _defined(prepared: Scorer, weights: NDArray[Any]) -> float:
    """The value, or NaN where the metric refuses (a user's own may raise on rows of one class)."""
    try:
        return prepared(weights)
    except DataError:
        return float("nan")


def _enough(metric: Metric, labels: NDArray[Any], group: Group) -> bool:
    if len(group.rows) < FEWEST_ROWS:
        return False
    return not metric.classifies or len(np.unique(labels[group.rows])) > 1


def judge(
    metric: Metric,
    quality: Quality,
    judged: tuple[Group, ...],
    original: Scores,
    variant: Scores,
    *,
    data_sha256: str,
) -> Judgement:
    """Whether a variant holds the quality that the goal asks for.

    It is within if all of these hold:

    - the interval of the paired difference (variant - original) over all rows lies at or above
      -max_drop: we are certain that no more is lost;
    - in no slice does the whole interval lie below -slice_max_drop: no slice certainly loses more. The
      other way round small slices could never pass;
    - the value reaches the minimum, where the goal names one.

    Slices with under 30 rows, one class, or resamples without a value are named as too small to tell.
    """
    deltas = variant.resampled - original.resampled
    low, high = _interval(variant.resampled[:, 0])
    delta = float(variant.values[0] - original.values[0])
    delta_low, delta_high = _interval(deltas[:, 0])
    slices, untold = [], []
    for place, group in enumerate(judged[1:], start=1):
        undefined = float(np.isnan(deltas[:, place]).mean())
        if undefined > MOST_UNDEFINED or np.isnan(variant.values[place] - original.values[place]):
            untold.append(f"{group.name} ({len(group.rows)} rows)")
            continue
        slice_low, slice_high = _interval(deltas[:, place])
        slices.append(
            SliceJudgement(
                slice=group.name,
                rows=len(group.rows),
                value=float(variant.values[place]),
                delta=float(variant.values[place] - original.values[place]),
                delta_low=slice_low,
                delta_high=slice_high,
            )
        )
    value = float(variant.values[0])
    missed = _missed(metric, quality, value, delta, (delta_low, delta_high), slices, len(judged[0].rows))
    notes = [f"too few rows to tell: {', '.join(untold)}"] if untold else []
    return Judgement(
        metric=metric.name,
        rows=len(judged[0].rows),
        data_sha256=data_sha256,
        value=value,
        low=low,
        high=high,
        baseline=float(original.values[0]),
        delta=delta,
        delta_low=delta_low,
        delta_high=delta_high,
        level=LEVEL,
        method=f"paired bootstrap, {len(deltas)} resamples",
        slices=tuple(slices),
        within=not missed,
        reason="; ".join(missed + notes),
    )


def _interval(values: NDArray[np.float64]) -> tuple[float, float]:
    low, high = np.nanquantile(values, ((1.0 - LEVEL) / 2.0, (1.0 + LEVEL) / 2.0))
    return float(low), float(high)


def _missed(
    metric: Metric,
    quality: Quality,
    value: float,
    delta: float,
    interval: tuple[float, float],
    slices: list[SliceJudgement],
    rows: int,
) -> list[str]:
    """What the variant misses, in words; nothing when it is within."""
    missed = []
    if interval[0] < -quality.max_drop:
        missed.append(_overall(metric.name, quality.max_drop, delta, interval, rows))
    allowed = _slice_max_drop(quality)
    losing = sorted((one for one in slices if one.delta_high < -allowed), key=_delta)
    if losing:
        worst = losing[0]
        more = f", and too much in {len(losing) - 1} more" if len(losing) > 1 else ""
        missed.append(
            f"loses {_amount(-worst.delta)} of {metric.name} in {worst.slice} ({LEVEL:.0%} certain of at least "
            f"{_amount(-worst.delta_high)}), allowed {_amount(allowed)}{more}"
        )
    if quality.minimum is not None and value < quality.minimum:
        missed.append(f"{metric.name} is {_amount(value)}, the minimum is {_amount(quality.minimum)}")
    return missed


def _overall(name: str, max_drop: float, delta: float, interval: tuple[float, float], rows: int) -> str:
    low, high = interval
    allowed = f"allowed {_amount(max_drop)}"
    if delta < -max_drop:
        return (
            f"loses {_amount(-delta)} of {name} ({LEVEL:.0%} interval {_amount(-high)} to {_amount(-low)} "
            f"over {rows} rows), {allowed}"
        )
    return (
        f"may lose up to {_amount(-low)} of {name} (difference {delta + 0.0:+.3g}, {LEVEL:.0%} interval "
        f"{low:+.3g} to {high:+.3g}; more than {rows} rows would tell better), {allowed}"
    )


def _delta(one: SliceJudgement) -> float:
    return one.delta


def _slice_max_drop(quality: Quality) -> float:
    if quality.slice_max_drop is not None:
        return quality.slice_max_drop
    return SLICE_FACTOR * quality.max_drop


def _amount(value: float) -> str:
    """A value in few digits, never in scientific notation where it can be avoided."""
    # Adding zero turns -0.0 into 0.0.
    return f"{value + 0.0:.3g}" if abs(value) < 100.0 else f"{value:.0f}"
