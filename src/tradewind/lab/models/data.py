"""The user's data: three splits of named arrays, checked so that nothing later fails on them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from tradewind.domain.errors import DataError, nearest
from tradewind.lab.models.metrics import load_metric
from tradewind.lab.models.references import Reference, blaming, importing

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from tradewind.domain.goal import Goal

__all__ = ["Data", "Split", "load_data"]

SPLITS: Final = ("train", "calibration", "test")
SPLIT_KEYS: Final = ("inputs", "labels", "slices")
UNNAMED: Final = "x"
"""The name of an input that is given as a bare array."""


@dataclass(frozen=True)
class Split:
    """Rows for one purpose: named inputs, a label per row, and columns by which quality is also judged.

    The first dimension of every array is the row.
    """

    inputs: dict[str, NDArray[Any]]
    labels: NDArray[Any]
    slices: dict[str, NDArray[Any]] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        """How many rows the split has."""
        return len(self.labels)

    def take(self, index: NDArray[Any] | slice) -> Split:
        """The rows at these positions, in this order.

        >>> split = Split({"x": np.arange(4)}, np.arange(4))
        >>> split.take(np.array([2, 0])).labels.tolist()
        [2, 0]
        """
        return Split(
            inputs={name: array[index] for name, array in self.inputs.items()},
            labels=self.labels[index],
            slices={name: array[index] for name, array in self.slices.items()},
        )


@dataclass(frozen=True)
class Data:
    """The three splits, with a hash of the test split, on which every quality is judged."""

    train: Split
    calibration: Split
    test: Split
    sha256: str


def load_data(goal: Goal, folder: Path) -> Data:
    """The splits that the goal's data callable returns, checked.

    Args:
        goal: Names the callable, the metric and the slice columns.
        folder: The folder of the goal file; the callable is looked for in it first.

    Errors: DataError in one line, when the callable is missing or raises, a split is missing or empty,
    row counts differ, a value is not finite, a type is not a number, a classification metric would
    see one class, or a slice column does not exist.
    """
    reference = Reference.parse(goal.data, key="data", error=DataError)
    metric = load_metric(goal, folder)
    with (
        importing(reference, folder, key="data", error=DataError) as load,
        blaming(f"data: {reference}", folder, DataError),
    ):
        returned = load()
    if not isinstance(returned, Mapping):
        raise DataError(
            f"data: {reference} returned {type(returned).__name__}; return a dict with {', '.join(SPLITS)}"
        )
    splits = {}
    for name in SPLITS:
        if name not in returned:
            raise DataError(
                f"data: {reference} returned no {name!r} split, only {_listed(returned)}; "
                f"return {', '.join(SPLITS)}"
            )
        splits[name] = _split(returned[name], name)
    _check_alike(splits)
    test = splits["test"]
    for column in goal.quality.slices:
        if column not in test.slices:
            guess = nearest(column, list(test.slices))
            hint = f"did you mean {guess}?" if guess else f"it has {_listed(test.slices)}"
            raise DataError(f"quality.slices: the test split has no slice column {column!r}; {hint}")
    if metric.classifies:
        classes = np.unique(test.labels)
        if len(classes) < 2:
            raise DataError(
                f"data: the labels of the test split are all {classes[0]}, one class in {test.rows} rows; "
                f"{metric.name} needs at least two"
            )
    return Data(**splits, sha256=_sha256(test))


def _listed(names: Mapping[Any, Any]) -> str:
    return ", ".join(map(str, names)) or "nothing"


def _split(given: object, name: str) -> Split:
    slices: object = {}
    if isinstance(given, tuple | list) and len(given) == 2:
        inputs, labels = given
    elif isinstance(given, Mapping):
        unknown = [key for key in given if key not in SPLIT_KEYS]
        missing = [key for key in SPLIT_KEYS[:2] if key not in given]
        if unknown or missing:
            problem = f"unknown {unknown[0]!r}" if unknown else f"no {missing[0]!r}"
            raise DataError(f"data: the {name} split has {problem}; its keys are {', '.join(SPLIT_KEYS)}")
        inputs, labels, slices = given["inputs"], given["labels"], given.get("slices", {})
    else:
        raise DataError(
            f"data: the {name} split is {type(given).__name__}; write a dict with inputs and labels, "
            "or a pair (inputs, labels)"
        )
    if not isinstance(inputs, Mapping):
        inputs = {UNNAMED: inputs}
    if not isinstance(slices, Mapping):
        raise DataError(
            f"data: slices of the {name} split are {type(slices).__name__}; write {{column: array}}"
        )
    split = Split(
        inputs={str(key): _numbers(value, f"input {key!r}", name) for key, value in inputs.items()},
        labels=_numbers(labels, "labels", name),
        slices={str(key): _array(value, f"slice column {key!r}", name) for key, value in slices.items()},
    )
    _check_rows(split, name)
    return split


def _array(value: object, what: str, split: str) -> NDArray[Any]:
    """The value as a NumPy array; tensors on the CPU and lists are fine."""
    try:
        array = np.asarray(value)
    except (TypeError, ValueError, RuntimeError) as cause:
        first = str(cause).partition("\n")[0]
        raise DataError(f"data: {what} of the {split} split is no array: {first}") from None
    if array.dtype == object:
        raise DataError(
            f"data: {what} of the {split} split has dtype object; convert it to numbers "
            "(slice columns may also be text: .astype(str))"
        )
    if array.ndim == 0:
        raise DataError(f"data: {what} of the {split} split is a single value; give an array with a row each")
    return array


def _numbers(value: object, what: str, split: str) -> NDArray[Any]:
    array = _array(value, what, split)
    if array.dtype.kind not in "biuf":
        raise DataError(f"data: {what} of the {split} split has dtype {array.dtype}; convert it to numbers")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        bad = ~np.isfinite(array)
        row = int(np.argmax(bad.reshape(len(array), -1).any(axis=1)))
        raise DataError(
            f"data: {what} of the {split} split has {int(bad.sum())} values that are not finite "
            f"(NaN or infinity), first in row {row}; replace or drop them"
        )
    return array


def _check_rows(split: Split, name: str) -> None:
    if split.rows == 0:
        raise DataError(f"data: the {name} split is empty; return at least one row")
    if not split.inputs:
        raise DataError(f"data: the {name} split has no inputs; return at least one array")
    for what, array in (
        *((f"input {key!r}", array) for key, array in split.inputs.items()),
        *((f"slice column {key!r}", array) for key, array in split.slices.items()),
    ):
        if len(array) != split.rows:
            raise DataError(
                f"data: {what} of the {name} split has {len(array)} rows, its labels have {split.rows}; "
                "give one of each per row"
            )


def _check_alike(splits: dict[str, Split]) -> None:
    """Refuses splits whose inputs differ in name, type or shape of a row."""
    test = {key: (array.dtype, array.shape[1:]) for key, array in splits["test"].inputs.items()}
    for name in SPLITS[:2]:
        other = {key: (array.dtype, array.shape[1:]) for key, array in splits[name].inputs.items()}
        if set(other) != set(test):
            raise DataError(
                f"data: the {name} split has the inputs {_listed(other)}, the test split {_listed(test)}; "
                "give the same"
            )
        for key, (dtype, shape) in other.items():
            if (dtype, shape) != test[key]:
                raise DataError(
                    f"data: a row of input {key!r} is {dtype} {list(shape)} in the {name} split and "
                    f"{test[key][0]} {list(test[key][1])} in the test split; make them alike"
                )


def _sha256(split: Split) -> str:
    """The hash of names, types, shapes and bytes of all arrays."""
    digest = hashlib.sha256()
    arrays = [("labels", split.labels)]
    arrays += [(f"inputs.{name}", array) for name, array in sorted(split.inputs.items())]
    arrays += [(f"slices.{name}", array) for name, array in sorted(split.slices.items())]
    for name, array in arrays:
        digest.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()
