"""What one published source gives, before anything is believed: rows, and what was noticed on the way."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tradewind.decide.catalog.rows import InstanceRow, PartRow, PriceRow, QuarantineRow

__all__ = ["Read", "together"]


@dataclass(frozen=True)
class Read:
    """The rows of one source. `caught` broke a rule of the source itself; `left_out` is of no interest here.

    `left_out` counts what is in order but has no place in the catalogue, by kind: Windows prices, dedicated
    hosts, other currencies.
    """

    prices: tuple[PriceRow, ...] = ()
    instances: tuple[InstanceRow, ...] = ()
    parts: tuple[PartRow, ...] = ()
    caught: tuple[QuarantineRow, ...] = ()
    left_out: Counter[str] = field(default_factory=Counter)


def together(reads: Iterable[Read]) -> Read:
    """What several sources give, in their order."""
    every = list(reads)
    left_out: Counter[str] = Counter()
    for read in every:
        left_out.update(read.left_out)
    return Read(
        prices=tuple(row for read in every for row in read.prices),
        instances=tuple(row for read in every for row in read.instances),
        parts=tuple(row for read in every for row in read.parts),
        caught=tuple(row for read in every for row in read.caught),
        left_out=left_out,
    )
