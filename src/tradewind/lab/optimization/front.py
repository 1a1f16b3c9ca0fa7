"""The Pareto front over what was measured, and in words why the others are not on it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tradewind.domain.noun import Rejected
from tradewind.domain.profile import Front

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tradewind.domain.profile import Profile
    from tradewind.domain.variant import Judgement

__all__ = ["front_of"]

LEAST_SPEED_TIE: Final = 0.02
"""Speeds that differ by less are equal, even where twins happened to differ less than that."""
MEMORY_TIE: Final = 0.05
"""The resident memory of the same process differs by that much from start to start."""
SIZE_TIE: Final = 0.01


@dataclass(frozen=True)
class _Standing:
    """One variant in the five objectives."""

    profile: Profile
    judgement: Judgement
    costs: dict[str, float]
    """What is better when smaller; a factor means the same everywhere."""
    ties: dict[str, float]
    """Up to which relative difference two costs are equal."""

    @property
    def name(self) -> str:
        return self.profile.variant.name


def front_of(profiles: Sequence[Profile], failed: Sequence[Rejected]) -> Front:
    """The front of judged and measured variants, the original first.

    Only variants within the quality budget can be on the front or beat others; when there is none (the
    original itself is below the minimum), all compete, so that the nearest answers come back.
    """
    standings = [_standing(profile) for profile in profiles]
    competing = [one for one in standings if one.judgement.within] or standings
    beaten = _beaten(competing)
    on_front = [one for one in competing if one.name not in beaten]
    pareto = tuple(one.profile.variant.id for one in on_front)
    original = standings[0]
    lost = []
    for one in standings:
        if one.profile.variant.id in pareto:
            continue
        if one.name in beaten:
            # Who beat it may have been beaten too; name one that stands.
            winner = next((other for other in on_front if _beats(other, one)), beaten[one.name])
            reason = _why_beaten(winner, one)
        else:
            reason = one.judgement.reason
        slower = _slower(original, one)
        lost.append(Rejected(name=one.name, reason=f"{reason}; {slower}" if slower else reason))
    return Front(
        profiles=tuple(profiles),
        pareto=pareto,
        lost=tuple(lost),
        failed=tuple(failed),
    )


def _standing(profile: Profile) -> _Standing:
    judgement = profile.variant.judgement
    assert judgement is not None, profile.variant.name
    smallest = min(point.batch for point in profile.curve)
    speed_tie = max(profile.noise, LEAST_SPEED_TIE)
    return _Standing(
        profile=profile,
        judgement=judgement,
        costs={
            "latency": min(point.low_s for point in profile.curve if point.batch == smallest),
            "throughput": min(point.low_s / point.batch for point in profile.curve),
            "memory": profile.peak_memory_bytes,
            "size": float(profile.variant.size_bytes),
        },
        ties={"latency": speed_tie, "throughput": speed_tie, "memory": MEMORY_TIE, "size": SIZE_TIE},
    )


def _quality_gain(one: _Standing, other: _Standing) -> float:
    """How much better the quality of one is; 0 where the intervals cannot tell them apart.

    Both were compared with the original on the same rows, so the half-width of the paired interval
    says how far two equally good variants differ.
    """
    gain = one.judgement.value - other.judgement.value
    uncertain = max((each.judgement.delta_high - each.judgement.delta_low) / 2.0 for each in (one, other))
    return gain if abs(gain) > uncertain else 0.0


def _factor(one: _Standing, other: _Standing, cost: str) -> float:
    """How many times less one costs than the other; 1 where they are equal within the noise."""
    mine, others = max(one.costs[cost], 1e-12), max(other.costs[cost], 1e-12)
    tie = max(one.ties[cost], other.ties[cost])
    return 1.0 if max(mine, others) / min(mine, others) <= 1.0 + tie else others / mine


def _beats(one: _Standing, other: _Standing) -> bool:
    """Whether one is nowhere worse and somewhere better."""
    gain = _quality_gain(one, other)
    factors = [_factor(one, other, cost) for cost in one.costs]
    return gain >= 0.0 and min(factors) >= 1.0 and (gain > 0.0 or max(factors) > 1.0)


def _beaten(competing: Sequence[_Standing]) -> dict[str, _Standing]:
    """Who is beaten, and by whom.

    With ties "beats" is not transitive and may go round in a circle. So variants leave one at a time,
    the most costly first, and only one that is still there can make another leave: one always stays.
    """
    costly_first = sorted(competing, key=_cost_product, reverse=True)
    staying = list(costly_first)
    beaten = {}
    for one in costly_first:
        winner = next((other for other in staying if other is not one and _beats(other, one)), None)
        if winner is not None:
            beaten[one.name] = winner
            staying.remove(one)
    return beaten


def _cost_product(one: _Standing) -> float:
    product = 1.0
    for cost in one.costs.values():
        product *= max(cost, 1e-12)
    return product


def _why_beaten(winner: _Standing, one: _Standing) -> str:
    factors = {cost: _factor(winner, one, cost) for cost in one.costs}
    better = [f"{cost} ({_times(factor)})" for cost, factor in factors.items() if factor > 1.0]
    gain = _quality_gain(winner, one)
    quality = f"quality (+{gain:.2g} of {one.judgement.metric})" if gain > 0.0 else ""
    listed = _listed([quality, *better] if quality else better)
    return f"beaten by {winner.name} in {listed}" + ("" if quality else " at equal quality")


def _times(factor: float) -> str:
    return f"{factor:.2f}x" if factor < 2.0 else f"{factor:.1f}x"


def _listed(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def _slower(original: _Standing, one: _Standing) -> str:
    """Where a variant is slower than the original, in words; nothing where it is not."""
    if one is original:
        return ""
    latency, throughput = _factor(one, original, "latency"), _factor(one, original, "throughput")
    if latency < 1.0 and throughput < 1.0:
        return (
            f"slower here: {_times(latency)} of the original at batch 1, {_times(throughput)} in throughput"
        )
    if latency < 1.0:
        return f"slower here at batch 1: {_times(latency)} of the original"
    if throughput < 1.0:
        return f"slower here in throughput: {_times(throughput)} of the original"
    return ""
