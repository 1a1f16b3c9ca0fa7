"""Machines of one kind bought in several ways: the base load on commitments, the rest by the hour.

The k-th machine is needed for a share of the time. A commitment is paid for all of it, so it is the cheaper way
where that share is above its price over the price by the hour: the quantile rule. What is above the commitments
is rented by the hour, on demand and spot. Spot machines need spare ones, whose number does not grow in
proportion, so the rule alone is not exact: all numbers of commitments are compared, and at every rate of the
load all divisions of the rest.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final

import numpy as np

from tradewind.decide.planning.grouping import Groups, alike, truth
from tradewind.decide.planning.space import Cell
from tradewind.domain.units import HOURS_PER_MONTH

if TYPE_CHECKING:
    from collections.abc import Callable

    from tradewind.decide.planning.costs import Costs

__all__ = ["Mix", "Part", "Stock", "best_mixes", "mix_of"]

_MOST_MACHINES: Final = 20_000
"""Fleets that are larger are bought in one way: the comparison takes the square of it."""


@dataclass(frozen=True)
class Part:
    """Machines of one offer in a mix, with spares, at each of the L rates of the load."""

    row: int
    machines: np.ndarray
    usd_per_month: float
    """Of the machines, with what a managed service asks."""


@dataclass(frozen=True)
class Mix:
    """The cheapest division of the machines that each rate needs, by purchase."""

    usd_per_month: float
    """Of the machines, without what comes beside."""
    parts: tuple[Part, ...]
    """The committed ones first; none is empty."""
    spares: int
    """Of the machines at the highest rate."""


@dataclass(frozen=True)
class Divided:
    """Machines at the L rates without spares, and what they cost."""

    usd_per_month: float
    committed: int
    on_demand: np.ndarray
    spot: np.ndarray


def divide(
    needed: np.ndarray,
    shares: np.ndarray,
    committed_usd: np.ndarray,
    on_demand_usd: np.ndarray,
    spot_usd: np.ndarray,
) -> Divided:
    """The cheapest way to have (L,) `needed` machines up in these shares of the time.

    The prices are monthly, (N + 1,) each, of 0 to N machines, with N the most that are needed; infinite where
    so many are not to be had. That of spot machines is of as many as are up, their spares included. Exact for
    any prices that do not fall; infinite when nothing can serve.

    >>> number, none = np.arange(4.0), np.array([0.0, np.inf, np.inf, np.inf])
    >>> found = divide(np.array([1, 3]), np.array([0.5, 0.5]), 60 * number, 100 * number, none)
    >>> found.committed, found.on_demand.tolist(), found.usd_per_month
    (1, [0, 2], 160.0)
    """
    needed = np.asarray(needed, dtype=np.int64)
    most = int(needed[-1])
    cheapest, by_spot = np.empty(most + 1), np.empty(most + 1, dtype=np.int64)
    for rest in range(most + 1):
        both = on_demand_usd[rest::-1] + spot_usd[: rest + 1]
        by_spot[rest] = np.argmin(both)
        cheapest[rest] = both[by_spot[rest]]
    total = committed_usd.copy()
    numbers = np.arange(most + 1)
    for machines, share in zip(needed.tolist(), shares.tolist(), strict=True):
        total += share * cheapest[np.maximum(machines - numbers, 0)]
    committed = int(np.argmin(total))
    rest = np.maximum(needed - committed, 0)
    spot = by_spot[rest]
    return Divided(float(total[committed]), committed, rest - spot, spot)


class Stock:
    """The offers by machine and place: what one fleet can be made of. G groups of n offers."""

    def __init__(self, costs: Costs) -> None:
        fleet = costs.space.fleet
        offers, kinds = fleet.offers, fleet.kinds.of
        self.groups: Groups = alike(
            *(offers.coded(name)[0] for name in ("cloud", "region", "instance_type", "managed_service")),
            fleet.machine[kinds],
            fleet.cores[kinds],
            fleet.memory_bytes[kinds],
            fleet.usable[kinds],
        )
        self.spot = truth(offers, "purchase", lambda purchase: purchase == "spot")
        self.committed = costs.committed
        self.hourly = ~self.spot & ~self.committed
        prices = fleet.prices
        self._usd = prices.usd_per_hour * prices.ratio * HOURS_PER_MONTH
        worth = prices.prepaid_machines * self._usd
        worth = worth + prices.prepaid_usd_per_hour * prices.ratio * HOURS_PER_MONTH
        self._worth = np.bincount(self.groups.of, worth, minlength=len(self.groups))

    def _least(self, of: np.ndarray) -> np.ndarray:
        return self.groups.least(np.where(of, self._usd, np.inf))

    @cached_property
    def ways(self) -> np.ndarray:
        """(G,) in how many ways a machine can be bought there."""
        return sum(
            np.bincount(self.groups.of, of, minlength=len(self.groups)) > 0
            for of in (self.committed, self.hourly, self.spot)
        ) + np.zeros(len(self.groups), dtype=np.int64)

    @cached_property
    def prices_usd(self) -> np.ndarray:
        """(3, G) the least monthly price of a machine: committed, on demand, spot."""
        return np.array([self._least(of) for of in (self.committed, self.hourly, self.spot)])

    def bounds(self, costs: Costs, groups: np.ndarray) -> np.ndarray:
        """(groups,) what no mix there costs less than: spot has at least the spare that a single one needs."""
        space, fleet = costs.space, costs.space.fleet
        rows = self.groups.first[groups]
        needed = costs.levels(fleet.kinds.of[rows])
        committed, hourly, spot = self.prices_usd[:, groups]
        rates = np.unique(fleet.interruptions_per_hour)
        spare = min((space.with_spares(1, rate) - 1 for rate in rates.tolist() if rate > 0.0), default=0)
        cheaper = np.minimum(hourly, spot)
        least = np.full(len(rows), np.inf)
        possible = np.isfinite(needed[-1])
        needed = np.where(possible, needed, 0.0)
        # What the rest costs is concave in its number, so the best number of commitments is that of some rate.
        for base in np.vstack([np.zeros(len(rows)), needed]):
            with np.errstate(invalid="ignore"):
                total = np.where(base > 0.0, base * committed, 0.0)
            for share, machines in zip(costs.shares, needed, strict=True):
                rest = np.maximum(machines - base, 0.0)
                with np.errstate(invalid="ignore"):
                    above = np.fmin(rest * hourly, rest * cheaper + spare * spot)
                total = total + share * np.where(rest > 0.0, above, 0.0)
            least = np.minimum(least, total)
        least = np.maximum(least - self._worth[groups], 0.0) + costs.beside_usd[rows]
        return np.where(possible, least, np.inf)


def mix_of(costs: Costs, rows: np.ndarray, needed: np.ndarray) -> Mix | None:
    """The cheapest mix of the offers of one machine in one place for (L,) machines; None when none can serve."""
    most = int(needed[-1])
    if most > _MOST_MACHINES:
        return None
    space, fleet = costs.space, costs.space.fleet
    numbers = np.arange(most + 1, dtype=np.float64)
    committed_rows = rows[costs.committed[rows]]
    purchase = [fleet.offers.offer(int(row)).purchase for row in rows]
    spot_rows = rows[[name == "spot" for name in purchase]]
    hourly_rows = rows[[name == "on_demand" for name in purchase]]

    def usd(row: int, machines: np.ndarray) -> np.ndarray:
        return costs.prices.usd_per_month(machines, np.full(len(machines), row))

    committed = _together([usd(row, numbers) for row in committed_rows.tolist()], most)
    hourly = _together([usd(row, numbers) for row in hourly_rows.tolist()], most)
    best: tuple[Divided, int | None, Callable[[int], int]] | None = None
    for row in [*spot_rows.tolist(), None]:
        rented: Callable[[int], int] = int
        spot_usd = np.where(numbers > 0.0, np.inf, 0.0)
        if row is not None:
            rate = float(fleet.interruptions_per_hour[fleet.kind(row)])

            def rented(number: int, rate: float = rate) -> int:
                return space.with_spares(number, rate)

            spot_usd = usd(row, np.array([float(rented(number)) for number in range(most + 1)]))
        found = divide(needed, costs.shares, committed.usd, hourly.usd, spot_usd)
        if best is None or found.usd_per_month < best[0].usd_per_month:
            best = found, row, rented
    assert best is not None
    found, spot_row, rented = best
    if not np.isfinite(found.usd_per_month):
        return None
    parts = []
    for prices, rows_of, machines in (
        (committed, committed_rows, np.full(len(needed), found.committed)),
        (hourly, hourly_rows, found.on_demand),
    ):
        for place, row in enumerate(rows_of.tolist()):
            mine = prices.split[place][machines]
            parts.append(Part(row, mine, float(costs.shares @ usd(row, mine.astype(float)))))
    spares = 0
    if spot_row is not None:
        mine = np.array([rented(int(number)) for number in found.spot])
        spares = int(mine[-1] - found.spot[-1])
        parts.append(Part(spot_row, mine, float(costs.shares @ usd(spot_row, mine.astype(float)))))
    return Mix(found.usd_per_month, tuple(part for part in parts if part.machines.any()), spares)


@dataclass(frozen=True)
class _Together:
    """The cheapest division of 0 to N machines among offers whose price of one more never falls."""

    usd: np.ndarray
    """(N + 1,)"""
    split: tuple[np.ndarray, ...]
    """(N + 1,) of each offer."""


def _together(usd: list[np.ndarray], most: int) -> _Together:
    """Machine by machine from where one more is cheapest."""
    if not usd:
        return _Together(np.where(np.arange(most + 1) > 0, np.inf, 0.0), ())
    with np.errstate(invalid="ignore"):
        more = np.array([np.diff(prices) for prices in usd])
    more[~np.isfinite(np.array(usd)[:, 1:])] = np.inf
    order = np.argsort(more, axis=None, kind="stable")[:most]
    total = np.concatenate([[0.0], np.cumsum(more.ravel()[order])])
    taken = order // max(most, 1)
    split = tuple(np.concatenate([[0], np.cumsum(taken == place)]) for place in range(len(usd)))
    return _Together(total, split)


def best_mixes(costs: Costs, stock: Stock, below_usd: float) -> list[tuple[Cell, Mix]]:
    """The cheapest mixes of all offers, those of equal cost by row; none unless one costs less than a bound.

    Groups are taken by their bound, so those that are left cost more, without having been looked at.
    """
    fleet = costs.space.fleet
    groups = np.nonzero(stock.ways > 1)[0]
    if not len(groups):
        return []
    heap = [
        (bound, group)
        for bound, group in zip(stock.bounds(costs, groups).tolist(), groups.tolist(), strict=True)
        if bound < below_usd
    ]
    heapq.heapify(heap)
    found: list[tuple[float, Cell, Mix]] = []
    best_usd = below_usd * (1.0 - 1e-9)
    while heap and heap[0][0] <= best_usd * (1.0 + 1e-9):
        _, group = heapq.heappop(heap)
        rows = stock.groups.rows(group)
        cell = costs.best(int(rows[0]))
        if not costs.is_solved(cell):
            costs.solve(cell)
            bound = float(stock.bounds(costs, np.array([group]))[0])
            if np.isfinite(bound):
                heapq.heappush(heap, (bound, group))
            continue
        mix = mix_of(costs, rows, costs.levels(np.array([fleet.kind(cell.row)]))[:, 0])
        if mix is None:
            continue
        usd = mix.usd_per_month + float(costs.beside_usd[cell.row])
        if len(mix.parts) > 1 and usd <= best_usd * (1.0 + 1e-9):
            best_usd = min(best_usd, usd)
            longest = max(mix.parts, key=lambda part: (float(costs.shares @ part.machines), -part.row))
            found.append((usd, Cell(longest.row, cell.column), mix))
    return [(cell, mix) for usd, cell, mix in found if usd <= best_usd * (1.0 + 1e-9)]
