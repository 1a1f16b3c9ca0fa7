"""The bases of every noun: frozen, keyword-only, and strict about unknown keys."""

from __future__ import annotations

from typing import Literal

import msgspec

__all__ = ["Capability", "Cloud", "Noun", "Origin", "Precision", "Purchase", "Range", "Rejected"]

Cloud = Literal["aws", "azure", "gcp"]
Purchase = Literal["on_demand", "spot", "commit_1y", "commit_3y"]
Capability = Literal[
    "explainability",
    "bias_detection",
    "model_registry",
    "data_labelling",
    "hybrid",
    "kubernetes",
    "private_networking",
    "tpu",
    "customization",
    "support",
    "documentation",
    "governance",
    "collaboration",
    "responsible_ai",
]
"""What a team may require of the service that trains or serves its network (`Goal.require`)."""
Precision = Literal["fp32", "bf16", "fp16", "int8"]

Origin = Literal["measured", "predicted", "quoted", "assumed"]
"""Where a number comes from; every number shown to a user says which."""


class Noun(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Facts that travel. A noun decides nothing and never changes; `msgspec.structs.replace` copies it."""


class Range(Noun, frozen=True, kw_only=True):
    """A quantity with its interval: `low <= likely <= high`, in the unit that the field's name gives.

    A measured value that has no interval has three equal numbers.
    """

    low: float
    likely: float
    high: float

    @classmethod
    def exactly(cls, value: float) -> Range:
        """The range of a known number.

        >>> Range.exactly(2.0)
        Range(low=2.0, likely=2.0, high=2.0)
        """
        return cls(low=value, likely=value, high=value)

    def holds(self, value: float) -> bool:
        """Whether the interval contains the value."""
        return self.low <= value <= self.high


class Rejected(Noun, frozen=True, kw_only=True):
    """Something that was tried or considered and not taken, and why."""

    name: str
    reason: str
    count: int = 1
    """How many alternatives this line stands for (a family of offers, say)."""
