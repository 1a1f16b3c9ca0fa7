"""What the ways of keeping a network have in common."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tradewind.domain.noun import Precision

__all__ = ["Kept"]


@dataclass(frozen=True)
class Kept:
    """A payload that was written to a folder: its files, what it answered on the rows, and its size."""

    files: tuple[str, ...]
    """The one that the engine opens comes first."""
    outputs: dict[str, NDArray[Any]]
    parameters: int
    precision: Precision
