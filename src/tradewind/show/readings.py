"""Readings: the figures that pages and tables read off nouns, so that both read the same.

In: nouns. Out: parts of them, picked or divided by a fixed rule; nothing is judged here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tradewind.show import words

if TYPE_CHECKING:
    from tradewind.domain.plan import Candidate, Plan
    from tradewind.domain.profile import Front, LatencyPoint, Profile

__all__ = ["at_rest", "at_rest_words", "best_throughput_rps", "candidates", "standing"]


def at_rest(profile: Profile) -> LatencyPoint:
    """The point of the latency curve with the fewest threads and the smallest batch."""
    return min(profile.curve, key=lambda point: (point.threads, point.batch))


def at_rest_words(point: LatencyPoint) -> str:
    """At what a call at rest was measured.

    >>> from tradewind.domain.profile import LatencyPoint
    >>> at_rest_words(LatencyPoint(batch=1, threads=1, low_s=1, median_s=1, high_s=1, cpu_s=1, runs=1))
    'batch 1, 1 thread'
    """
    return f"batch {point.batch}, {words.counted(point.threads, 'thread', 'threads')}"


def best_throughput_rps(profile: Profile) -> float:
    """Rows per second at the best measured batch and thread count."""
    return max(point.batch / point.low_s for point in profile.curve)


def candidates(plan: Plan) -> list[Candidate]:
    """The choice, then the nearest answers, then the front of plans; each once."""
    found: dict[tuple[object, ...], Candidate] = {}
    for candidate in (plan.choice, *plan.nearest, *plan.pareto):
        found.setdefault((candidate.variant_id, candidate.offer.key, candidate.layout), candidate)
    return list(found.values())


def standing(front: Front, profile: Profile) -> tuple[str, str]:
    """Where a variant stands, "front" or "lost", and the sentence that says why."""
    variant = profile.variant
    for lost in front.lost:
        if lost.name in (variant.id, variant.name):
            return "lost", lost.reason
    if variant.id in front.pareto:
        return "front", "no other variant beats it in everything"
    return "lost", "another variant is at least as good in everything"
