"""The contract of an adapter: what a cloud's price list must be able to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from tradewind.decide.catalog.rows import PriceRow

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tradewind.decide.catalog.lists.origin import Origin
    from tradewind.decide.catalog.reading import Read
    from tradewind.domain.noun import Cloud, Noun
    from tradewind.run.market.live.answers import Answers

__all__ = ["Gathered", "PriceSource", "Tables", "prices_of"]

Tables = "Mapping[str, Sequence[Noun]]"
"""The tables of a catalogue, by name."""


@dataclass(frozen=True)
class Gathered:
    """What a cloud answered.

    `untold` says of a price of yesterday whether these answers say nothing about it (another region, no
    credentials for spot prices), so that it still counts. `origins` are the lists that the rows name.
    """

    read: Read
    origins: tuple[Origin, ...]
    untold: Callable[[PriceRow], bool]
    notes: tuple[str, ...] = ()


class PriceSource(Protocol):
    """A cloud's price list. It asks through `answers` alone, so that nothing is asked twice."""

    def gather(self, answers: Answers, tables: Mapping[str, Sequence[Noun]]) -> Gathered:
        """Today's prices of the regions and machines that the tables know.

        Errors: InputError in one line when there is no answer or it cannot be read.
        """
        ...


def prices_of(cloud: Cloud, tables: Mapping[str, Sequence[Noun]]) -> list[PriceRow]:
    """The prices of a cloud in the tables."""
    return [row for row in tables.get("offers", ()) if isinstance(row, PriceRow) and row.cloud == cloud]
