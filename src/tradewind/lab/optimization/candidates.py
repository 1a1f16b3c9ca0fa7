"""Which variants are tried: every chain of passes that the declarations of the passes allow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tradewind.domain.variant import Variant
    from tradewind.lab.optimization.passes import Pass

__all__ = ["Candidate", "candidates"]


@dataclass(frozen=True)
class Candidate:
    """A variant that could be built: a pass over its parent."""

    name: str
    """Engine, precision and the labels of the passes, such as "onnxruntime-int8-dynamic"."""
    parent: str
    """The name of the candidate that the pass is applied to, or of the original."""
    by: Pass
    chain: tuple[str, ...]
    """The names of all passes from the original on; `by` is the last."""


def candidates(original: Variant, passes: Mapping[str, Pass]) -> tuple[Candidate, ...]:
    """Every variant that the passes can make of the original, parents before children.

    Shorter chains come first, and of chains that would make a variant of the same name only the first
    is tried; so the number of candidates stays bounded, whatever passes are added.
    """
    found: dict[str, Candidate] = {}
    states: list[tuple[str, str, Pass | None, tuple[str, ...], tuple[str, ...]]] = [
        (original.name, original.format, None, (), ())
    ]
    # The list grows while it is walked: a breadth-first search.
    for name, payload_format, made_by, chain, labels in states:
        precision = original.runtime.precision if made_by is None else made_by.precision
        for one in passes.values():
            if not one.fits(payload_format, precision, chain):
                continue
            longer, shown = (*chain, one.name), (*labels, one.label) if one.label else labels
            child = "-".join((one.engine, one.precision, *shown))
            if child in found or child == original.name:
                continue
            found[child] = Candidate(child, name, one, longer)
            states.append((child, one.writes, one, longer, shown))
    return tuple(found.values())
