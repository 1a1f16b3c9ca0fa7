"""Metrics of quality, larger being better, made for being asked a thousand times on reweighted rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from tradewind.domain.errors import CannotMeasure, DataError, nearest
from tradewind.lab.models.references import Reference, blaming, importing

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from tradewind.domain.goal import Goal

__all__ = ["METRICS", "Metric", "load_metric"]

Scorer = Callable[["NDArray[Any]"], float]
"""The value of the metric when row i counts `weights[i]` times; NaN where it is not defined."""

NEAR_PROBABILITY: Final = 0.01
"""How far a quantized probability may leave the range from 0 to 1."""


@dataclass(frozen=True)
class Metric:
    """How good outputs are, given labels; larger is better.

    `metric(labels, outputs)` is the value on all rows. `metric.prepared(labels, outputs)` is a function
    of weights: sorting is done once, so that a bootstrap resample, given as how often each row was
    drawn, costs one pass over the rows. The named metrics take fractional weights, a user's metric only
    whole counts.
    """

    name: str
    classifies: bool
    """Whether labels are classes, so that a test split with one class says nothing."""
    prepare: Callable[[NDArray[Any], NDArray[Any]], Scorer]

    def prepared(self, labels: NDArray[Any], outputs: NDArray[Any]) -> Scorer:
        """The value as a function of the weights of the rows.

        Errors: DataError when labels or shapes do not fit the metric, CannotMeasure when the network
        answered NaN or infinity.

        >>> scorer = METRICS["accuracy"].prepared(np.array([0, 1]), np.array([[2.0, 1.0], [2.0, 1.0]]))
        >>> scorer(np.array([3, 1]))
        0.75
        """
        if len(labels) != len(outputs):
            raise DataError(f"{self.name}: {len(labels)} labels, but {len(outputs)} rows of outputs")
        if outputs.dtype.kind == "f" and not np.isfinite(outputs).all():
            bad = ~np.isfinite(outputs).reshape(len(outputs), -1).all(axis=1)
            raise CannotMeasure(
                f"the outputs are not finite in {int(bad.sum())} of {len(bad)} rows, first in row {int(bad.argmax())}"
            )
        scorer = self.prepare(labels, outputs)
        # NumPy multiplies whole numbers with floats ten times slower than floats with floats.
        return lambda weights: scorer(weights.astype(np.float64))

    def weighted(self, labels: NDArray[Any], outputs: NDArray[Any], weights: NDArray[Any]) -> float:
        """The value when row i counts `weights[i]` times; NaN where it is not defined."""
        return self.prepared(labels, outputs)(weights)

    def __call__(self, labels: NDArray[Any], outputs: NDArray[Any]) -> float:
        """The value on all rows. Errors: DataError when it is not defined (one class, say)."""
        value = self.weighted(labels, outputs, np.ones(len(labels)))
        if not np.isfinite(value):
            raise DataError(
                f"{self.name} is not defined on these {len(labels)} rows; are all classes present?"
            )
        return value


def load_metric(goal: Goal, folder: Path) -> Metric:
    """The metric that the goal names, or the user's own callable(labels, outputs) -> float.

    Errors: DataError naming the nearest metric, or what is wrong with the callable.
    """
    if goal.metric in METRICS:
        return METRICS[goal.metric]
    if ":" not in goal.metric:
        guess = nearest(goal.metric, list(METRICS))
        hint = f"did you mean {guess}?" if guess else f"known: {', '.join(METRICS)}, or module:callable"
        raise DataError(f"metric: unknown metric {goal.metric!r}; {hint}")
    reference = Reference.parse(goal.metric, key="metric", error=DataError)
    with importing(reference, folder, key="metric", error=DataError) as function:
        return Metric(goal.metric, classifies=False, prepare=_own(reference, function, folder))


def _own(
    reference: Reference, function: Callable[..., Any], folder: Path
) -> Callable[[NDArray[Any], NDArray[Any]], Scorer]:
    """A user's metric; a resample is made by repeating rows."""

    def prepare(labels: NDArray[Any], outputs: NDArray[Any]) -> Scorer:
        rows = np.arange(len(labels))

        def score(weights: NDArray[Any]) -> float:
            index = np.repeat(rows, weights.astype(np.int64))
            with blaming(f"metric: {reference}", folder, DataError):
                value = function(labels[index], outputs[index])
            try:
                return float(value)
            except (TypeError, ValueError):
                raise DataError(
                    f"metric: {reference} returned {type(value).__name__}; return one number"
                ) from None

        return score

    return prepare


def _classes(outputs: NDArray[Any], name: str) -> NDArray[Any]:
    """The class that each row of outputs answers.

    Several columns: the largest one. A single column: class 1 above one half if all values look like
    probabilities, else (logits) above zero.
    """
    if outputs.ndim == 2 and outputs.shape[1] > 1:
        return np.asarray(outputs.argmax(axis=1))
    scores = _column(outputs, name)
    if outputs.dtype.kind != "f":
        return scores
    probabilities = scores.min() >= -NEAR_PROBABILITY and scores.max() <= 1.0 + NEAR_PROBABILITY
    return (scores > (0.5 if probabilities else 0.0)).astype(np.int64)


def _scores(outputs: NDArray[Any], name: str) -> NDArray[Any]:
    """How much each row speaks for class 1: the single column, or the difference of two."""
    if outputs.ndim == 2 and outputs.shape[1] == 2:
        return np.asarray(outputs[:, 1] - outputs[:, 0])
    return _column(outputs, name)


def _column(outputs: NDArray[Any], name: str) -> NDArray[Any]:
    if outputs.ndim == 1:
        return outputs
    if outputs.ndim == 2 and outputs.shape[1] == 1:
        return outputs[:, 0]
    raise DataError(
        f"{name}: outputs have the shape {list(outputs.shape)}; it takes a score per row, or two logits"
    )


def _flat_labels(labels: NDArray[Any], name: str) -> NDArray[Any]:
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim != 1:
        raise DataError(f"{name}: labels have the shape {list(labels.shape)}; it takes a class per row")
    return labels


def _binary_labels(labels: NDArray[Any], name: str) -> NDArray[Any]:
    labels = _flat_labels(labels, name)
    found = np.unique(labels)
    if not np.isin(found, (0, 1)).all():
        shown = ", ".join(str(value) for value in found[:4])
        raise DataError(f"{name}: the labels hold {shown}; it takes 0 and 1")
    return labels.astype(np.float64)


def _ratio(numerator: float, denominator: float) -> float:
    return float(numerator / denominator) if denominator else float("nan")


def _mean(values: NDArray[Any], weights: NDArray[Any]) -> float:
    # Not `weights @ values`: BLAS would start threads for it, which wait for each other on a busy machine.
    return _ratio((weights * values).sum(), weights.sum())


def _prepare_accuracy(labels: NDArray[Any], outputs: NDArray[Any]) -> Scorer:
    right = (_classes(outputs, "accuracy") == _flat_labels(labels, "accuracy")).astype(np.float64)
    return lambda weights: _mean(right, weights)


def _prepare_f1(labels: NDArray[Any], outputs: NDArray[Any]) -> Scorer:
    """2 TP / (2 TP + FP + FN) of class 1; with more than two classes the mean over the classes."""
    truth, answer = _flat_labels(labels, "f1"), _classes(outputs, "f1")
    classes = np.unique(np.concatenate([truth, answer]))
    wanted = [1] if np.isin(classes, (0, 1)).all() else list(classes)
    pairs = [((truth == one).astype(np.float64), (answer == one).astype(np.float64)) for one in wanted]

    def score(weights: NDArray[Any]) -> float:
        values = []
        for is_true, is_answer in pairs:
            both = (weights * (is_true + is_answer)).sum()
            # A class that a resample neither holds nor answers has no F1, and does not enter the mean.
            if both:
                values.append(2.0 * (weights * is_true * is_answer).sum() / both)
        return float(np.mean(values)) if values else 0.0

    return score


def _prepare_negative_squared_error(labels: NDArray[Any], outputs: NDArray[Any]) -> Scorer:
    name = "neg_mean_squared_error"
    rows = len(labels)
    truth, answer = labels.reshape(rows, -1).astype(np.float64), outputs.reshape(rows, -1)
    if truth.shape != answer.shape:
        raise DataError(
            f"{name}: labels have the shape {list(labels.shape)}, outputs {list(outputs.shape)}; "
            "give as many values per row"
        )
    errors = ((truth - answer) ** 2).mean(axis=1)
    return lambda weights: -_mean(errors, weights)


def _groups(
    labels: NDArray[Any], outputs: NDArray[Any], name: str
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Rows by falling score: their order, whether each is positive, and the last row of each tied group."""
    positive, scores = _binary_labels(labels, name), _scores(outputs, name)
    order = np.argsort(-scores, kind="stable")
    falling = scores[order]
    ends = np.append(np.flatnonzero(falling[1:] != falling[:-1]), len(falling) - 1)
    return order, positive[order], ends


def _prepare_average_precision(labels: NDArray[Any], outputs: NDArray[Any]) -> Scorer:
    """The sum over thresholds of precision times the gain in recall (no interpolation)."""
    order, positive, ends = _groups(labels, outputs, "average_precision")
    # Only groups of equal scores that hold a positive row can gain, and that does not depend on the weights.
    places = np.flatnonzero(positive)
    gaining, first = np.unique(np.searchsorted(ends, places), return_index=True)
    ends, positive_rows = ends[gaining], order[places]

    def score(weights: NDArray[Any]) -> float:
        if not len(places):
            return float("nan")
        gains = np.add.reduceat(weights[positive_rows], first)
        found = np.cumsum(gains)
        if not found[-1]:
            return float("nan")
        shown = np.cumsum(weights[order])[ends]
        weighted = gains > 0.0
        return float((gains[weighted] * found[weighted] / shown[weighted]).sum() / found[-1])

    return score


def _prepare_roc_auc(labels: NDArray[Any], outputs: NDArray[Any]) -> Scorer:
    """The probability that a positive row scores above a negative one, ties counting half."""
    order, positive, ends = _groups(labels, outputs, "roc_auc")

    def score(weights: NDArray[Any]) -> float:
        by_score = weights[order]
        positives = np.cumsum(by_score * positive)[ends]
        negatives = np.cumsum(by_score)[ends] - positives
        below = np.diff(negatives, prepend=0.0)
        before = np.concatenate([[0.0], positives[:-1]])
        area = (below * (before + positives)).sum() / 2.0
        return _ratio(area, positives[-1] * negatives[-1])

    return score


METRICS: Final[dict[str, Metric]] = {
    "accuracy": Metric("accuracy", True, _prepare_accuracy),
    "average_precision": Metric("average_precision", True, _prepare_average_precision),
    "roc_auc": Metric("roc_auc", True, _prepare_roc_auc),
    "f1": Metric("f1", True, _prepare_f1),
    "neg_mean_squared_error": Metric("neg_mean_squared_error", False, _prepare_negative_squared_error),
}
"""The named metrics. A new one is a function and a line here."""
