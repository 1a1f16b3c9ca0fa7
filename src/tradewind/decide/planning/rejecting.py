"""Why every family of offers that was not chosen was not: with the number that decided."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from tradewind.domain import units
from tradewind.domain.noun import Rejected

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tradewind.decide.planning.candidates import Sized
    from tradewind.decide.planning.costs import Costs
    from tradewind.decide.planning.space import Cell
    from tradewind.domain.profile import Profile

__all__ = ["rejected_families", "rejected_variants"]

_SAME: Final = 1e-9
"""Relative difference of costs that is one of rounding."""


def rejected_families(costs: Costs, chosen: Sized) -> list[Rejected]:
    """One line a family, cheapest first, then those that cannot serve; the chosen family by its other offers.

    Where the best offer of a family has been found its cost is told, else the bound that no offer of the
    family is below.
    """
    fleet = costs.space.fleet
    mine = int(fleet.families.of[chosen.cell.row])
    lines: list[tuple[float, Rejected]] = []
    for family in range(len(fleet.families)):
        rows = fleet.families.rows(family)
        if family == mine:
            rows = rows[rows != chosen.cell.row]
            if not len(rows):
                continue
        cell = costs.cheapest(rows) if family == mine else costs.first(rows)
        name = " ".join(fleet.family_name(family))
        if cell is None:
            lines.append((np.inf, Rejected(name=name, reason=_why_not(costs, rows), count=len(rows))))
            continue
        reason = _against(costs, cell, chosen.usd_per_month)
        if family == mine:
            reason = f"others of the chosen family, {reason}"
        lines.append((costs.usd_at(cell), Rejected(name=name, reason=reason, count=len(rows))))
    lines.sort(key=lambda line: (line[0], line[1].name))
    return [line for _, line in lines]


def _against(costs: Costs, cell: Cell, chosen_usd: float) -> str:
    """How the best of a family compares with what was chosen; only a bound when it is not solved."""
    usd, solved = costs.usd_at(cell), costs.is_solved(cell)
    accelerators, names = costs.space.fleet.offers.coded("accelerator")
    accelerator = names[int(accelerators[cell.row])]
    reason = _how_dear(usd, chosen_usd, at_least="" if solved else "at least ")
    if solved:
        offer = costs.space.fleet.offers.offer(cell.row)
        number = costs.rented(cell, costs.instances(cell))
        name = costs.space.ways[cell.column].profile.variant.name
        reason += (
            f": its best is {number} x {offer.instance_type} in {offer.region} with {name},"
            f" {units.show(usd, 'money_per_month')}"
        )
    else:
        reason += f": none of its offers costs less than {units.show(usd, 'money_per_month')}"
    if accelerator is not None:
        reason += f"; its {accelerator} would stay unused: the variants were measured on a CPU"
    return reason


def _how_dear(usd: float, chosen_usd: float, *, at_least: str) -> str:
    if usd < chosen_usd * (1.0 - _SAME):
        return f"cheaper by {1.0 - usd / chosen_usd:.1%}, less than moving is worth"
    if usd <= chosen_usd * (1.0 + _SAME):
        return "as dear, but not faster"
    if chosen_usd <= 0.0:
        return "dearer"
    more = usd / chosen_usd - 1.0
    return f"dearer: {at_least}{more:.0%} more" if more < 9.0 else f"dearer: {at_least}{more + 1.0:.3g} times"


def _why_not(costs: Costs, rows: np.ndarray) -> str:
    """Why none of some offers can serve, by the first gate that stops them all."""
    space, fleet = costs.space, costs.space.fleet
    kinds = np.unique(fleet.kinds.of[rows])
    if not fleet.usable[kinds].any():
        return "shares its CPU with others (burstable): not to be relied on for a sustained load"
    kinds = kinds[fleet.usable[kinds]]
    fits = space.replicas[kinds] > 0
    if not fits.any():
        least = float(space.memory_bytes.min())
        most = float(fleet.memory_bytes[kinds].max())
        return (
            f"too small: a replica needs {units.show(least, 'bytes')} besides the operating system,"
            f" the largest has {units.show(most, 'bytes')}"
        )
    machines = fleet.machine[kinds]
    if space.refused[machines].all():
        return f"no variant can run there: {space.refusal(int(machines[0]), 0)}"
    floor_s = float(np.where(fits, space.floor_s[machines], np.inf).min())
    serve = space.serve
    if floor_s > serve.latency_s:
        return (
            f"{serve.percentile} of {units.show(serve.latency_s, 'time')} is out of reach: at rest it is"
            f" {units.show(floor_s, 'time')} with the asked confidence"
        )
    quota = costs.quota(rows)
    if quota is not None:
        least_rented, most_machines = quota
        return (
            f"quota of {most_machines:.0f} machine{'' if most_machines == 1 else 's'}:"
            f" {units.show(costs.load_rps, 'rate')} need at least {least_rented:.0f}"
        )
    return f"no number of machines keeps {serve.percentile} at {units.show(costs.load_rps, 'rate')}"


def rejected_variants(profiles: Sequence[Profile], eligible: Sequence[Profile]) -> list[Rejected]:
    """Measured variants that may not serve because of their quality."""
    chosen = {profile.variant.id for profile in eligible}
    lines = []
    for profile in profiles:
        if profile.variant.id not in chosen:
            judgement = profile.variant.judgement
            reason = judgement.reason if judgement else "its quality was not judged"
            if judgement and judgement.within:
                reason = (
                    f"{judgement.metric} {judgement.value:.4f}, {judgement.delta:+.4f} against the original (95% sure"
                    f" of at least {judgement.delta_low:+.4f}): enough for the goal it was judged for, not for this one"
                )
            lines.append(Rejected(name=f"variant {profile.variant.name}", reason=f"quality: {reason}"))
    return lines
