"""Cells of the space with a number of machines: what they cost and do, as columns of a front and as nouns."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import msgspec
import numpy as np

from tradewind.decide.planning.space import SLACK, Cell
from tradewind.decide.prediction.estimating import energy_kwh_per_month, estimate, replica_of
from tradewind.decide.prediction.service import service_on
from tradewind.domain.layout import Layout
from tradewind.domain.noun import Range
from tradewind.domain.plan import Candidate, CostPart
from tradewind.domain.units import HOURS_PER_MONTH

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tradewind.decide.planning.space import Costs
    from tradewind.decide.planning.tariffs import Tariffs
    from tradewind.domain.goal import Serve

__all__ = ["Sized", "best_cell", "candidate_of", "pareto_of", "size"]

MOST_ON_FRONT: Final = 60
"""Plans on the front; more are no choice for a person."""
_ALIKE: Final = 0.01
"""Relative difference below which two figures are told apart by no one."""


@dataclass(frozen=True)
class Sized:
    """A cell with a number of machines, and what the Pareto front compares: less is better in all."""

    cell: Cell
    needed: int
    """Machines without spares."""
    replicas: int
    """On all of them."""
    usd_per_month: float
    latency_s: float
    """The goal's percentile, likely."""
    gco2e_per_month: float
    """Infinite when the grid's intensity is not known: what is not known cannot win."""
    risk: float
    """The probability that the latency bound does not hold."""

    @property
    def figures(self) -> tuple[float, float, float, float]:
        """What the front compares."""
        return self.usd_per_month, self.latency_s, self.gco2e_per_month, self.risk


def best_cell(costs: Costs) -> Cell | None:
    """The cheapest cell, or None when nothing can serve.

    Of equals, the one with the least latency at the asked confidence, then the cleanest grid, then the
    first by name; with the batch that carries most, for bursts.
    """
    space = costs.space
    offers = space.fleet.offers
    best = costs.cheapest(np.arange(len(offers)))
    if best is None:
        return None
    least_usd = float(costs.usd[best.row, best.column]) * (1.0 + 1e-9)
    equals: dict[tuple[int, int], list[Cell]] = {}
    for row, column in np.argwhere(costs.usd <= least_usd).tolist():
        equals.setdefault((row, id(space.ways[column].work)), []).append(Cell(row, column))

    def floor_s(cells: list[Cell]) -> float:
        return float(space.floor_s[space.fleet.machine[cells[0].row], cells[0].column])

    chosen: tuple[tuple[float, float, str, int], Cell] | None = None
    for cells in sorted(equals.values(), key=floor_s):
        if chosen is not None and floor_s(cells) > chosen[0][0] * SLACK:
            break
        cell = _with_most_capacity(costs, cells, least_usd)
        if cell is None:
            continue
        needed = space.instances(costs.load_rps, cell)
        rate = costs.load_rps / (needed * int(space.replicas[cell.row, cell.column]))
        latency_s = space.replica(cell).percentile_s(rate, space.level, space.odds)
        grid = float(offers["grid_gco2e_per_kwh"][cell.row])
        order = latency_s, math.inf if math.isnan(grid) else grid, offers.offer(cell.row).key, cell.column
        if chosen is None or order < chosen[0]:
            chosen = order, cell
    assert chosen is not None, "the cheapest cell is one of its equals"
    return chosen[1]


def _with_most_capacity(costs: Costs, cells: list[Cell], most_usd: float) -> Cell | None:
    """Of cells that differ in their largest batch, the one that carries most within a cost.

    The capacities that are not solved yet are bounds, so they are solved from the highest on.
    """
    space = costs.space

    def capacity_rps(cell: Cell) -> float:
        return float(space.capacity_rps[space.fleet.machine[cell.row], cell.column])

    left = [cell for cell in cells if costs.usd[cell.row, cell.column] <= most_usd]
    while left:
        most = max(left, key=capacity_rps)
        if costs.is_solved(most):
            return most
        costs.solve(most)
        left = [cell for cell in left if costs.usd[cell.row, cell.column] <= most_usd]
    return None


def size(costs: Costs, cell: Cell, needed: int, serve: Serve) -> Sized:
    """A cell with a number of machines that carry load; the risk is that `serve` is not kept."""
    space = costs.space
    replica = space.replica(cell)
    layout = _layout(costs, cell, needed)
    rate = costs.load_rps / layout.replicas
    offer = space.fleet.offers.offer(cell.row)
    busy = min(1.0, rate * replica.cpu_s_per_request(rate) / layout.threads)
    energy = energy_kwh_per_month(offer, layout, busy, space.calibration)
    grid = offer.grid_gco2e_per_kwh
    return Sized(
        cell=cell,
        needed=needed,
        replicas=layout.replicas,
        usd_per_month=costs.usd_of(cell, layout.instances),
        latency_s=replica.percentile_s(rate, space.level, 0.0),
        gco2e_per_month=math.inf if grid is None else energy * grid,
        risk=1.0 - replica.confidence(rate, serve.latency_s, space.level),
    )


def _layout(costs: Costs, cell: Cell, needed: int) -> Layout:
    space = costs.space
    rented = space.with_spares(needed, float(space.fleet.interruptions_per_hour[cell.row]))
    way = space.ways[cell.column]
    return Layout(
        instances=rented,
        replicas_per_instance=int(space.replicas[cell.row, cell.column]),
        threads=way.work.threads,
        max_batch=way.max_batch,
        spare_instances=rented - needed,
    )


def candidate_of(costs: Costs, tariffs: Tariffs, chosen: Sized, serve: Serve) -> Candidate:
    """The noun, with the whole estimate against `serve` and the parts of the cost."""
    space = costs.space
    cell, way = chosen.cell, space.ways[chosen.cell.column]
    offer = space.fleet.offers.offer(cell.row)
    layout = _layout(costs, cell, chosen.needed)
    # Not from the space: there, offers with equal processors share a machine, its doubts included.
    service = service_on(way.profile, way.work, offer, space.calibration)
    assert not isinstance(service, str), service
    replica = replica_of(service, way.max_batch, space.calibration, space.tables)
    figures = estimate(
        way.profile, offer, replica, layout, space.calibration, load_rps=costs.load_rps, serve=serve
    )
    spares = f", {layout.spare_instances} of them spare" if layout.spare_instances else ""
    parts = (
        CostPart(
            name="compute",
            usd_per_month=layout.instances * offer.price_usd_per_hour * HOURS_PER_MONTH,
            because=f"{layout.instances} x {offer.price_usd_per_hour:.6g} usd/h x {HOURS_PER_MONTH:.0f} h{spares}",
            source=offer.source,
            as_of=offer.as_of,
        ),
        *tariffs.parts(offer.cloud, offer.region, costs.load_rps),
    )
    reasons = figures.because
    if layout.spare_instances:
        rate = space.fleet.interruptions_per_hour[cell.row]
        told = "assumed" if space.fleet.assumed_interruptions[cell.row] else "quoted"
        reasons = (
            *reasons,
            f"{layout.spare_instances} spare: {rate:.3g} interruptions an hour ({told}), each"
            f" {space.calibration['spot_replacement_s'].value:.0f} s, and enough machines up"
            f" {space.calibration['spot_availability_ratio'].value:.2%} of the time",
        )
    judgement = way.profile.variant.judgement
    return Candidate(
        variant_id=way.profile.variant.id,
        variant_name=way.profile.variant.name,
        offer=offer,
        layout=layout,
        estimate=msgspec.structs.replace(
            figures,
            cost_usd_per_month=Range.exactly(sum(part.usd_per_month for part in parts)),
            because=reasons,
        ),
        costs=parts,
        quality=judgement.value if judgement else 0.0,
        confidence=1.0 - chosen.risk,
    )


def pareto_of(pool: Iterable[Sized], chosen: Sized, *, within_usd: float) -> list[Sized]:
    """Those of a pool that no other beats in cost, latency, carbon and risk at once, by rising cost.

    What differs from a cheaper one by less than 1 % in everything is left out, the chosen one and the
    extremes never.
    """
    unique = {(s.cell.row, s.cell.column, s.needed): s for s in (chosen, *pool)}
    affordable = [s for s in unique.values() if s is chosen or s.usd_per_month <= within_usd]
    order = sorted(affordable, key=lambda s: (s.figures, s.cell.row, s.cell.column))
    kept: list[Sized] = [chosen]
    for candidate in order:
        if candidate is not chosen and not any(_as_good(other, candidate) for other in kept):
            kept.append(candidate)
    kept = [s for s in kept if s is chosen or not any(_beats(other, s) for other in kept)]
    extremes = [min(kept, key=lambda s: s.figures[axis]) for axis in range(4)]
    cheapest_first = sorted(kept, key=lambda s: s.figures)
    front = list({id(s): s for s in (chosen, *extremes, *cheapest_first)}.values())[:MOST_ON_FRONT]
    return sorted(front, key=lambda s: (s.figures, s.cell.row, s.cell.column))


def _as_good(one: Sized, other: Sized) -> bool:
    """Whether nobody would tell what `other` is better in."""
    *sizes, risk = zip(one.figures, other.figures, strict=True)
    # Risk is a probability: half a percentage point is little at any level.
    return all(mine <= its * (1.0 + _ALIKE) for mine, its in sizes) and risk[0] <= risk[1] + 0.5 * _ALIKE


def _beats(one: Sized, other: Sized) -> bool:
    pairs = list(zip(one.figures, other.figures, strict=True))
    return one is not other and all(a <= b for a, b in pairs) and any(a < b for a, b in pairs)
