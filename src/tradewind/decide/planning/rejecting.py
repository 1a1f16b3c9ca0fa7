"""Why every family of offers that was not chosen was not: with the number that decided."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tradewind.domain import units
from tradewind.domain.noun import Rejected

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tradewind.decide.planning.space import Cell, Costs
    from tradewind.domain.profile import Profile

__all__ = ["families_of", "rejected_families", "rejected_variants"]

Family = tuple[str, str, str]
"""Cloud, family of machine types, purchase option."""


def families_of(costs: Costs) -> dict[Family, np.ndarray]:
    """The rows of every family, in the order in which the families first occur."""
    fleet = costs.space.fleet
    rows: dict[Family, list[int]] = {}
    keys = zip(fleet.offers["cloud"], fleet.families, fleet.offers["purchase"], strict=True)
    for row, key in enumerate(keys):
        rows.setdefault(key, []).append(row)
    return {key: np.array(among) for key, among in rows.items()}


def rejected_families(
    costs: Costs, chosen: Cell, families: dict[Family, np.ndarray], best: dict[Family, Cell | None]
) -> list[Rejected]:
    """One line a family, cheapest first, then those that cannot serve; the chosen family by its other offers."""
    fleet = costs.space.fleet
    least_usd = float(costs.usd[chosen.row, chosen.column])
    lines: list[tuple[float, Rejected]] = []
    for family, rows in families.items():
        others = rows[rows != chosen.row]
        if not len(others):
            continue
        mine = len(others) < len(rows)
        cell = costs.cheapest(others) if mine else best[family]
        name = " ".join(family)
        if cell is None:
            lines.append((np.inf, Rejected(name=name, reason=_why_not(costs, others), count=len(others))))
            continue
        usd = float(costs.usd[cell.row, cell.column])
        offer = fleet.offers.offer(cell.row)
        way = costs.space.ways[cell.column]
        needed = costs.space.instances(costs.load_rps, cell)
        number = costs.space.with_spares(needed, float(fleet.interruptions_per_hour[cell.row]))
        more = usd / least_usd - 1.0 if least_usd > 0.0 else np.inf
        how = "as dear, but not faster"
        if usd > least_usd * (1.0 + 1e-9):
            how = f"dearer: {more:.0%} more" if more < 9.0 else f"dearer: {more + 1.0:.3g} times"
        reason = (
            f"{how}: its best is {number} x {offer.instance_type} in {offer.region} with"
            f" {way.profile.variant.name}, {units.show(usd, 'money_per_month')}"
        )
        if offer.accelerator is not None:
            reason += f"; its {offer.accelerator} would stay unused: the variants were measured on a CPU"
        if mine:
            reason = f"others of the chosen family, {reason}"
        lines.append((usd, Rejected(name=name, reason=reason, count=len(others))))
    lines.sort(key=lambda line: (line[0], line[1].name))
    return [line for _, line in lines]


def _why_not(costs: Costs, rows: np.ndarray) -> str:
    """Why none of some offers can serve, by the first gate that stops them all."""
    space = costs.space
    if not space.usable[rows].any():
        return "shares its CPU with others (burstable): not to be relied on for a sustained load"
    rows = rows[space.usable[rows]]
    if not (space.replicas[rows] > 0).any():
        least = float(space.memory_bytes.min())
        most = float(space.fleet.offers["memory_bytes"][rows].max())
        return (
            f"too small: a replica needs {units.show(least, 'bytes')} besides the operating system,"
            f" the largest has {units.show(most, 'bytes')}"
        )
    machines = space.fleet.machine[rows]
    refused = space.refused[machines]
    if refused.all():
        column = 0
        reason = space.refusals[column][int(machines[0])]
        return f"no variant can run there: {reason}"
    fitting = np.where(space.replicas[rows] > 0, space.floor_s[machines], np.inf)
    floor_s = float(fitting.min())
    serve = space.serve
    if floor_s > serve.latency_s:
        return (
            f"{serve.percentile} of {units.show(serve.latency_s, 'time')} is out of reach: at rest it is"
            f" {units.show(floor_s, 'time')} with the asked confidence"
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
