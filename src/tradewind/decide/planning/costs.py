"""What every offer costs at a load: the least that its ways to serve allow.

What a machine costs does not depend on the way, so the cheapest way of an offer is the one that needs the
fewest machines, and that is the same for all offers of a kind. So costs are columns over the offers,
machines are counted by kind, and nothing has a cell for every offer and every way.

Capacities that are not solved promise too much, so costs that rest on them are bounds that promise too
little: the cheapest offer whose way is solved is the optimum, without solving the others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tradewind.decide.planning.space import Cell

if TYPE_CHECKING:
    from tradewind.decide.planning.space import Space
    from tradewind.decide.planning.tariffs import Tariffs

__all__ = ["Costs"]


class Costs:
    """The monthly cost of every offer at a load, from capacities that get solved on the way.

    Shapes: n offers, T kinds, K machines, M ways. `usd` (n,) is the least cost of each offer, infinite where
    it cannot serve; `needed` (T, M) are machines without spares.
    """

    def __init__(self, space: Space, tariffs: Tariffs, load_rps: float) -> None:
        fleet = space.fleet
        self.space = space
        self.load_rps = load_rps
        self._prices = fleet.prices
        self._any_prepaid = self._prices.any_prepaid
        beside = [tariffs.usd_per_month(cloud, region, load_rps) for cloud, region in fleet.place_names]
        self._beside = np.array(beside)[fleet.places.of]
        # Of its own: another load may solve capacities of the same space, which are bounds here still.
        self._solved = space.solved.copy()
        self.solutions = 0
        """How many capacities were solved here."""
        self.needed = space.needed(load_rps, slice(None), slice(None))
        kinds = np.arange(len(fleet.kinds))
        self._column = self.needed.argmin(axis=1)
        self._rented = space.rented(self.needed[kinds, self._column], kinds)
        self.usd = np.empty(len(fleet.offers))
        self._unpaid = np.zeros(len(fleet.offers))
        """(n,) machines where they cost nothing; else 0."""
        self._price(np.arange(len(fleet.offers)))

    def _price(self, rows: np.ndarray) -> None:
        rented = self._rented[self.space.fleet.kinds.of[rows]]
        machines_usd = self._prices.usd_per_month(rented, rows)
        self.usd[rows] = machines_usd + self._beside[rows]
        if self._any_prepaid:
            self._unpaid[rows] = np.where(machines_usd <= 0.0, rented, 0.0)

    def best(self, row: int) -> Cell:
        """The way that gives an offer its cost; the first of equals."""
        return Cell(row, int(self._column[self.space.fleet.kind(row)]))

    def solve(self, cell: Cell) -> None:
        """Solve the capacity of a cell, and price all offers with the same machine anew."""
        fleet = self.space.fleet
        machine, column = fleet.machine_at(cell.row), cell.column
        if self._solved[machine, column]:
            return
        self.space.solve(machine, column)
        self._solved[machine, column] = True
        self.solutions += 1
        among = fleet.kinds_with(machine)
        self.needed[among, column] = self.space.needed(self.load_rps, among, slice(column, column + 1))[:, 0]
        kinds = np.arange(among.start, among.stop)
        columns = self.needed[among].argmin(axis=1)
        rented = self.space.rented(self.needed[kinds, columns], kinds)
        changed = kinds[rented != self._rented[among]]
        self._column[among], self._rented[among] = columns, rented
        if len(changed):
            self._price(np.concatenate([fleet.kinds.rows(kind) for kind in changed.tolist()]))

    def is_solved(self, cell: Cell) -> bool:
        """Whether the cost of a cell is its cost, not a bound."""
        return bool(self._solved[self.space.fleet.machine_at(cell.row), cell.column])

    def instances(self, cell: Cell) -> int:
        """Machines without spares, of a cell that can serve."""
        return int(self.needed[self.space.fleet.kind(cell.row), cell.column])

    def rented(self, cell: Cell, needed: int) -> int:
        """Machines to rent for so many, spares included."""
        rate = float(self.space.fleet.interruptions_per_hour[self.space.fleet.kind(cell.row)])
        return self.space.with_spares(needed, rate)

    def usd_of(self, cell: Cell, needed: int) -> float:
        """The monthly cost of a number of machines without spares; infinite beyond the offer's quota."""
        rented = np.array([float(self.rented(cell, needed))])
        rows = np.array([cell.row])
        return float((self._prices.usd_per_month(rented, rows) + self._beside[rows])[0])

    def usd_at(self, cell: Cell) -> float:
        """The monthly cost of a cell; infinite where it cannot serve."""
        needed = float(self.needed[self.space.fleet.kind(cell.row), cell.column])
        return self.usd_of(cell, int(needed)) if np.isfinite(needed) else np.inf

    def equals(self, cell: Cell) -> np.ndarray:
        """The offers that are as cheap as this one, and need no more machines where these cost nothing, by row."""
        as_cheap = np.nonzero(self.usd <= self.usd[cell.row] * (1.0 + 1e-9))[0]
        return np.asarray(as_cheap[self._unpaid[as_cheap] <= self._unpaid[cell.row]])

    def quota(self, rows: np.ndarray) -> tuple[float, float] | None:
        """Of offers that a quota keeps from serving the one that lacks least: what it needs, and its quota."""
        rented, most = self._rented[self.space.fleet.kinds.of[rows]], self._prices.most_machines[rows]
        over = np.isfinite(rented) & (rented > most)
        if not over.any():
            return None
        rented, most = rented[over], most[over]
        place = int(np.argmin(rented / np.maximum(most, 0.5)))
        return float(rented[place]), float(most[place])

    def first(self, rows: np.ndarray) -> Cell | None:
        """The cheapest cell of some offers by what is known so far, or None when none of them can serve.

        Of offers whose machines cost nothing the one with the fewest, so that what is paid for is left to
        others; then the first.
        """
        if not len(rows):
            return None
        usd = self.usd[rows]
        place = int(np.argmin(usd))
        if not np.isfinite(usd[place]):
            return None
        if self._any_prepaid:
            equal = np.nonzero(usd == usd[place])[0]
            place = int(equal[np.argmin(self._unpaid[rows[equal]])])
        return self.best(int(rows[place]))

    def cheapest(self, rows: np.ndarray) -> Cell | None:
        """The cheapest cell of some offers, or None when none of them can serve."""
        cell = self.first(rows)
        while cell is not None and not self.is_solved(cell):
            self.solve(cell)
            cell = self.first(rows)
        return cell
