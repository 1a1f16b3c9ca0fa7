"""Calibration rows: which ones, and as a file that a child process can read."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from tradewind.lab.models import Split

__all__ = ["ROWS", "Calibration", "choose", "load", "save"]

ROWS: Final = 300
MOST_CLASSES: Final = 20
"""Labels with more different values are no classes that could be balanced."""


@dataclass(frozen=True)
class Calibration:
    """Rows of inputs by name, in a random order, with the hash of their content."""

    inputs: dict[str, NDArray[Any]]
    sha256: str

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return len(next(iter(self.inputs.values())))


def choose(split: Split, rows: int, seed: int) -> Calibration:
    """At most `rows` rows of the split, as many of each class as there are, at random.

    Ranges are taken from these rows: where one class is rare, rows at random would hardly show the
    activations that it causes. Labels that are no classes are not looked at.

    >>> from tradewind.lab.models import Split
    >>> rare = Split({"x": np.arange(100)}, np.arange(100) >= 98)
    >>> sorted(choose(rare, 4, seed=0).inputs["x"])[-2:]
    [np.int64(98), np.int64(99)]
    """
    generator = np.random.default_rng(seed)
    order = generator.permutation(split.rows)
    classes, members = np.unique(split.labels[order], return_inverse=True)
    if split.labels.ndim == 1 and len(classes) <= MOST_CLASSES:
        # Each row's place among those of its class: taking the lowest places first balances the classes.
        place = np.empty(len(order), dtype=np.int64)
        for one in range(len(classes)):
            mine = np.flatnonzero(members == one)
            place[mine] = np.arange(len(mine))
        order = order[np.argsort(place, kind="stable")]
    order = generator.permutation(order[:rows])
    inputs = {name: np.ascontiguousarray(array[order]) for name, array in split.inputs.items()}
    return Calibration(inputs, _sha256(inputs))


def save(path: Path, calibration: Calibration) -> None:
    """The rows as a file for `load`."""
    arrays: dict[str, Any] = {f"array_{i}": array for i, array in enumerate(calibration.inputs.values())}
    with path.open("wb") as file:
        np.savez(file, names=np.array(list(calibration.inputs), dtype=np.str_), **arrays)


def load(path: Path) -> Calibration:
    """The rows that `save` has written."""
    with np.load(path, allow_pickle=False) as stored:
        inputs = {str(name): stored[f"array_{place}"] for place, name in enumerate(stored["names"])}
    return Calibration(inputs, _sha256(inputs))


def _sha256(inputs: dict[str, NDArray[Any]]) -> str:
    digest = hashlib.sha256()
    for name, array in sorted(inputs.items()):
        digest.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()
