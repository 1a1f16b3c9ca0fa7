"""Cells of the space with a number of machines: what they cost and do, as columns of a front and as nouns."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import msgspec
import numpy as np

from tradewind.decide.planning.grouping import alike
from tradewind.decide.planning.mixing import Part
from tradewind.decide.planning.prices import fleet_parts, machine_parts, surcharge_bounds_usd
from tradewind.decide.planning.space import SLACK, Cell
from tradewind.decide.prediction.estimating import energy_kwh_per_month, estimate, replica_of
from tradewind.decide.prediction.service import service_on
from tradewind.domain.layout import Layout
from tradewind.domain.noun import Range
from tradewind.domain.plan import Candidate, Rented, Scheduled
from tradewind.domain.units import HOURS_PER_MONTH

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tradewind.decide.planning.costs import Costs
    from tradewind.decide.planning.mixing import Mix
    from tradewind.decide.planning.space import Space
    from tradewind.decide.planning.tariffs import Tariffs
    from tradewind.domain.goal import Serve
    from tradewind.domain.offer import Offers
    from tradewind.domain.plan import CostPart

__all__ = ["Sized", "best_cell", "candidate_of", "pareto_of", "size"]

MOST_ON_FRONT: Final = 60
"""Plans on the front; more are no choice for a person."""
_AFFORDABLE: Final = 200
"""Capacities that may be solved to tell equals apart."""
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
    mix: Mix | None = None
    """The machines by purchase, where they are bought in several ways."""

    @property
    def figures(self) -> tuple[float, float, float, float]:
        """What the front compares."""
        return self.usd_per_month, self.latency_s, self.gco2e_per_month, self.risk


def best_cell(costs: Costs) -> Cell | None:
    """The cheapest cell, or None when nothing can serve.

    Of equals, the one with the least latency at the asked confidence, then the cleanest grid, then the
    first by name; with the batch that carries most, for bursts. Of equals whose machines are all paid for
    already, those with the fewest. Of very many equals only the fastest at rest are compared.
    """
    space, offers = costs.space, costs.space.fleet.offers
    best = costs.cheapest(np.arange(len(offers)))
    if best is None:
        return None
    groups = _equals(costs, costs.equals(best))
    chosen: tuple[tuple[float, float, str, int], Cell] | None = None
    before, last_s = costs.solutions, 0.0
    for group in sorted(groups, key=lambda group: group.floor_s(space)):
        floor_s = group.floor_s(space)
        enough = costs.solutions - before >= _AFFORDABLE and floor_s > last_s
        if chosen is not None and (enough or floor_s > chosen[0][0] * SLACK):
            break
        last_s = floor_s
        cell = _with_most_capacity(costs, group)
        if cell is None:
            continue
        rate = costs.load_rps / (costs.instances(cell) * int(space.replicas[group.kind, cell.column]))
        latency_s = space.replica(group.machine, cell.column).percentile_s(rate, space.level, space.odds)
        if chosen is not None and latency_s > chosen[0][0]:
            continue
        grid, key, row = _cleanest(offers, group.rows)
        order = latency_s, grid, key, cell.column
        if chosen is None or order < chosen[0]:
            chosen = order, Cell(row, cell.column)
    assert chosen is not None, "the cheapest cell is one of its equals"
    return chosen[1]


@dataclass(frozen=True)
class _Equals:
    """Offers of one kind that cost the same, and ways that differ in their largest batch only."""

    kind: int
    machine: int
    effort: float
    """Machines at all rates with which they cost that."""
    rows: np.ndarray
    columns: list[int]

    def floor_s(self, space: Space) -> float:
        return float(space.floor_s[self.machine, self.columns[0]])


def _equals(costs: Costs, rows: np.ndarray) -> list[_Equals]:
    fleet, ways = costs.space.fleet, costs.space.ways
    kinds = alike(fleet.kinds.of[rows])
    found = []
    for place, kind in enumerate(fleet.kinds.of[rows[kinds.first]].tolist()):
        fewest = float(costs.effort[kind].min())
        by_work: dict[int, list[int]] = {}
        for column in np.nonzero(costs.effort[kind] <= fewest)[0].tolist():
            by_work.setdefault(id(ways[column].work), []).append(column)
        machine, among = int(fleet.machine[kind]), rows[kinds.rows(place)]
        found += [_Equals(kind, machine, fewest, among, columns) for columns in by_work.values()]
    return found


def _with_most_capacity(costs: Costs, group: _Equals) -> Cell | None:
    """Of ways that differ in their largest batch, the one that carries most with as few machines.

    The capacities that are not solved yet are bounds, so they are solved from the highest on.
    """
    row, capacity_rps = int(group.rows[0]), costs.space.capacity_rps[group.machine]

    def left() -> list[int]:
        return [column for column in group.columns if costs.effort[group.kind, column] <= group.effort]

    while columns := left():
        most = Cell(row, max(columns, key=lambda column: float(capacity_rps[column])))
        if costs.is_solved(most):
            return most
        costs.solve(most)
    return None


def _cleanest(offers: Offers, rows: np.ndarray) -> tuple[float, str, int]:
    """Of some offers the one with the cleanest grid, then the first by name: its grid, name and row."""
    grids = offers["grid_gco2e_per_kwh"][rows]
    grids = np.where(np.isnan(grids), np.inf, grids)
    cleanest = rows[grids == grids.min()].tolist()
    key, row = min((offers.offer(row).key, row) for row in cleanest)
    return float(grids.min()), key, row


def size(costs: Costs, cell: Cell, needed: int, serve: Serve, mix: Mix | None = None) -> Sized:
    """A cell with a number of machines that carry load; the risk is that `serve` is not kept."""
    space = costs.space
    layout = _layout(costs, cell, needed, mix)
    rate = costs.load_rps / layout.replicas
    conduct = space.conduct(space.fleet.machine_at(cell.row), cell.column, rate, serve.latency_s)
    offer = space.fleet.offers.offer(cell.row)
    busy = min(1.0, rate * conduct.cpu_s_per_request / layout.threads)
    energy = energy_kwh_per_month(offer, layout, busy, space.calibration)
    energy *= _time_up(costs, _parts(costs, cell, needed, mix))
    grid = offer.grid_gco2e_per_kwh
    beside_usd = float(costs.beside_usd[cell.row])
    return Sized(
        cell=cell,
        needed=needed,
        replicas=layout.replicas,
        usd_per_month=mix.usd_per_month + beside_usd if mix else costs.usd_of(cell, needed),
        latency_s=conduct.latency_s,
        gco2e_per_month=math.inf if grid is None else energy * grid,
        risk=conduct.risk,
        mix=mix,
    )


def _layout(costs: Costs, cell: Cell, needed: int, mix: Mix | None) -> Layout:
    """At the highest rate."""
    space = costs.space
    spares = mix.spares if mix else costs.rented(cell, needed) - needed
    way = space.ways[cell.column]
    return Layout(
        instances=needed + spares,
        replicas_per_instance=int(space.replicas[space.fleet.kind(cell.row), cell.column]),
        threads=way.work.threads,
        max_batch=way.max_batch,
        spare_instances=spares,
    )


def _parts(costs: Costs, cell: Cell, needed: int, mix: Mix | None) -> tuple[Part, ...]:
    """The machines of every offer at each rate of the load, spare ones included."""
    if mix:
        return mix.parts
    machines = np.array([costs.rented(cell, int(n)) for n in costs.machines(cell, needed)])
    if costs.committed[cell.row]:
        machines[:] = machines[-1]
    return (Part(cell.row, machines, costs.usd_of(cell, needed) - float(costs.beside_usd[cell.row])),)


def _time_up(costs: Costs, parts: tuple[Part, ...]) -> float:
    """Machine-hours over those of a month in which all machines are up."""
    most = sum(int(part.machines[-1]) for part in parts)
    if all((part.machines == part.machines[-1]).all() for part in parts):
        return 1.0
    return sum(float(costs.shares @ part.machines) for part in parts) / most


def _fleet(costs: Costs, parts: tuple[Part, ...]) -> tuple[Rented, ...]:
    offers = costs.space.fleet.offers
    return tuple(
        Rented(
            offer=offers.offer(part.row),
            machines=int(part.machines[-1]),
            machine_hours_per_month=float(costs.shares @ part.machines) * HOURS_PER_MONTH,
            usd_per_month=part.usd_per_month,
        )
        for part in parts
    )


def _schedule(costs: Costs, parts: tuple[Part, ...]) -> tuple[Scheduled, ...]:
    """The machines in each hour of the day; nothing for a load that never changes."""
    curve, offers = costs.curve, costs.space.fleet.offers
    if len(curve.rates_rps) == 1:
        return ()
    # Of rates that were rounded to levels the next one above.
    at = np.searchsorted(curve.rates_rps, np.array(curve.hours_rps) * (1.0 - 1e-12))
    hours = []
    for hour, level in enumerate(at.tolist()):
        numbers = {"committed": 0, "on_demand": 0, "spot": 0}
        for part in parts:
            purchase = offers.offer(part.row).purchase
            name = purchase if purchase in numbers else "committed"
            numbers[name] += int(part.machines[level])
        hours.append(Scheduled(hour=hour, load_rps=curve.hours_rps[hour], **numbers))
    return tuple(hours)


def candidate_of(costs: Costs, tariffs: Tariffs, chosen: Sized, serve: Serve) -> Candidate:
    """The noun, with the whole estimate against `serve` and the parts of the cost."""
    space = costs.space
    cell, way = chosen.cell, space.ways[chosen.cell.column]
    offer = space.fleet.offers.offer(cell.row)
    layout = _layout(costs, cell, chosen.needed, chosen.mix)
    chosen_parts = _parts(costs, cell, chosen.needed, chosen.mix)
    # Not from the space: there, offers with equal processors share a machine, its doubts included.
    service = service_on(way.profile, way.work, offer, space.calibration)
    assert not isinstance(service, str), service
    replica = replica_of(service, way.max_batch, space.calibration, space.tables)
    figures = estimate(
        way.profile, offer, replica, layout, space.calibration, load_rps=costs.load_rps, serve=serve
    )
    fleet = _fleet(costs, chosen_parts)
    bought = (
        machine_parts(offer, layout)
        if len(costs.curve.rates_rps) == 1 and len(fleet) == 1
        else fleet_parts(fleet)
    )
    parts = (*bought, *tariffs.parts(offer.cloud, offer.region, costs.curve.mean_rps))
    reasons = figures.because
    if layout.spare_instances:
        rate = space.fleet.interruptions_per_hour[space.fleet.kind(cell.row)]
        told = "assumed" if space.fleet.assumed_interruptions[cell.row] else "quoted"
        reasons = (
            *reasons,
            f"{layout.spare_instances} spare: {rate:.3g} interruptions an hour ({told}), each"
            f" {space.calibration['spot_replacement_s'].value:.0f} s, and enough machines up"
            f" {space.calibration['spot_availability_ratio'].value:.2%} of the time",
        )
    if len(costs.curve.rates_rps) > 1:
        reasons = (*reasons, f"the load over time: {costs.curve.because}")
    judgement = way.profile.variant.judgement
    up = _time_up(costs, chosen_parts)
    return Candidate(
        variant_id=way.profile.variant.id,
        variant_name=way.profile.variant.name,
        offer=offer,
        layout=layout,
        estimate=msgspec.structs.replace(
            figures,
            cost_usd_per_month=_cost_range(fleet, parts),
            energy_kwh_per_month=_times(figures.energy_kwh_per_month, up),
            carbon_kgco2e_per_month=_times(figures.carbon_kgco2e_per_month, up),
            because=reasons,
        ),
        costs=parts,
        quality=judgement.value if judgement else 0.0,
        confidence=1.0 - chosen.risk,
        fleet=fleet,
        schedule=_schedule(costs, chosen_parts),
    )


def _times(known: Range | None, factor: float) -> Range | None:
    if known is None or factor == 1.0:
        return known
    return Range(low=known.low * factor, likely=known.likely * factor, high=known.high * factor)


def _cost_range(fleet: tuple[Rented, ...], parts: tuple[CostPart, ...]) -> Range:
    """The sum of the parts, as wide as what a managed service asks is unknown."""
    likely = sum(part.usd_per_month for part in parts)
    surcharge = sum(part.usd_per_month for part in parts if part.name == "managed_service")
    low, high = surcharge_bounds_usd(fleet)
    return Range(low=likely - (surcharge - low), likely=likely, high=likely + (high - surcharge))


def pareto_of(pool: Iterable[Sized], chosen: Sized, *, within_usd: float) -> list[Sized]:
    """Those of a pool that no other beats in cost, latency, carbon and risk at once, by rising cost.

    What differs from a cheaper one by less than 1 % in everything is left out, the chosen one and the
    extremes never.
    """
    unique = {(s.cell.row, s.cell.column, s.needed, s.mix is None): s for s in (chosen, *pool)}
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
