"""Rows that are alike, found by whole columns."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from tradewind.domain.offer import Offers

__all__ = ["Groups", "alike", "truth"]

_MOST_KEYS: Final = 2**62
"""Combined keys are int64."""


@dataclass(frozen=True)
class Groups:
    """A partition of n rows into G groups."""

    of: np.ndarray
    """(n,) the group of each row."""
    first: np.ndarray
    """(G,) the first row of each group."""

    def __len__(self) -> int:
        return len(self.first)

    @cached_property
    def order(self) -> np.ndarray:
        """(n,) the rows, group by group; inside a group as they come."""
        return np.argsort(self.of, kind="stable")

    @cached_property
    def starts(self) -> np.ndarray:
        """(G + 1,) where each group begins in `order`."""
        return np.searchsorted(self.of[self.order], np.arange(len(self) + 1))

    def rows(self, group: int) -> np.ndarray:
        """The rows of a group, rising."""
        return np.asarray(self.order[self.starts[group] : self.starts[group + 1]])

    def least(self, values: np.ndarray) -> np.ndarray:
        """(G,) the least of (n,) values in each group."""
        if not len(self):
            return np.zeros(0)
        return np.asarray(np.minimum.reduceat(values[self.order], self.starts[:-1]))


def alike(*columns: np.ndarray) -> Groups:
    """Groups of rows that are equal in every column, numbered by their first rows; NaN equals NaN.

    >>> groups = alike(np.array([3.0, np.nan, 3.0, np.nan]), np.array([0, 1, 0, 0]))
    >>> groups.of.tolist(), groups.first.tolist(), groups.rows(0).tolist()
    ([0, 1, 0, 2], [0, 1, 3], [0, 2])
    """
    keys = np.zeros(len(columns[0]), dtype=np.int64)
    count = 1
    for column in columns:
        values, codes = np.unique(column, return_inverse=True)
        if count * max(len(values), 1) > _MOST_KEYS:
            distinct, keys = np.unique(keys, return_inverse=True)
            count = len(distinct)
        keys = keys * len(values) + codes
        count *= max(len(values), 1)
    _, first, of = np.unique(keys, return_index=True, return_inverse=True)
    order = np.argsort(first)
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    return Groups(of=place[of], first=first[order])


def truth(offers: Offers, name: str, holds: Callable[[object], bool]) -> np.ndarray:
    """(n,) whether the value of a coded column is one that holds."""
    codes, values = offers.coded(name)
    return np.asarray(np.array([holds(value) for value in values], dtype=bool)[codes])
