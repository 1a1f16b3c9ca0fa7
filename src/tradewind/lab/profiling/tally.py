"""Sums the costs of operators by name, whatever format they were found in."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from tradewind.domain.profile import OperatorCost

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tradewind.domain.profile import OperatorKind

__all__ = ["NORMALIZATION_FLOPS_PER_VALUE", "Tally"]

NORMALIZATION_FLOPS_PER_VALUE: Final = 5.0
"""Mean, difference, square, scale and shift; or the maximum, difference, exponential, sum and quotient of softmax."""


@dataclass
class _Sum:
    calls: int = 0
    flops: float = 0.0
    activation_bytes: float = 0.0
    weights: dict[str, float] = field(default_factory=dict)


class Tally:
    """Costs by operator name and kind; a weight that several calls read counts once.

    >>> tally = Tally()
    >>> tally.add("linear", "gemm", 10.0, 4.0, {"w": 8.0})
    >>> tally.add("linear", "gemm", 10.0, 4.0, {"w": 8.0})
    >>> [(o.calls, o.flops, o.weight_bytes) for o in tally.operators()]
    [(2, 20.0, 8.0)]
    """

    def __init__(self) -> None:
        self._sums: dict[tuple[str, OperatorKind], _Sum] = {}

    def add(
        self,
        name: str,
        kind: OperatorKind,
        flops: float,
        activation_bytes: float,
        weights: Mapping[str, float],
    ) -> None:
        """One call of an operator, with the stored tensors that it reads and their bytes."""
        entry = self._sums.setdefault((name, kind), _Sum())
        entry.calls += 1
        entry.flops += flops
        entry.activation_bytes += activation_bytes
        entry.weights.update(weights)

    def operators(self) -> tuple[OperatorCost, ...]:
        """The sums, in the order in which the operators first came."""
        counted: set[str] = set()
        found = []
        for (name, kind), entry in self._sums.items():
            weight_bytes = float(sum(size for key, size in entry.weights.items() if key not in counted))
            counted |= set(entry.weights)
            found.append(
                OperatorCost(
                    name=name,
                    kind=kind,
                    calls=entry.calls,
                    flops=entry.flops,
                    activation_bytes=entry.activation_bytes,
                    weight_bytes=weight_bytes,
                )
            )
        return tuple(found)
