"""What every offer costs under a load: the least that its ways to serve allow.

What a machine costs does not depend on the way, so the cheapest way of an offer is the one that needs the
fewest machines, and that is the same for all offers of a kind. So costs are columns over the offers,
machines are counted by kind, and nothing has a cell for every offer and every way.

Capacities that are not solved promise too much, so costs that rest on them are bounds that promise too
little: the cheapest offer whose way is solved is the optimum, without solving the others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tradewind.decide.planning.grouping import truth
from tradewind.decide.planning.space import Cell

if TYPE_CHECKING:
    from tradewind.decide.planning.space import Space
    from tradewind.decide.planning.tariffs import Tariffs
    from tradewind.domain.plan import LoadCurve

__all__ = ["Costs"]


class Costs:
    """The monthly cost of every offer under a load, from capacities that get solved on the way.

    Shapes: n offers, T kinds, K machines, M ways, L rates of the load. `usd` (n,) is the least cost of each
    offer, infinite where it cannot serve; `needed` (T, M) are machines at the highest rate, without spares.
    """

    def __init__(self, space: Space, tariffs: Tariffs, curve: LoadCurve) -> None:
        fleet = space.fleet
        self.space = space
        self.curve = curve
        self.load_rps = curve.peak_rps
        """The highest rate."""
        self.shares = np.array(curve.shares)
        self.prices = fleet.prices
        self._any_prepaid = self.prices.any_prepaid
        self.committed = truth(fleet.offers, "purchase", lambda purchase: str(purchase).startswith("commit"))
        """(n,) whether it is paid for all the time."""
        beside = [tariffs.usd_per_month(cloud, region, curve.mean_rps) for cloud, region in fleet.place_names]
        self.beside_usd = np.array(beside)[fleet.places.of]
        """(n,) what comes beside the machines."""
        # Of its own: another load may solve capacities of the same space, which are bounds here still.
        self._solved = space.solved.copy()
        self.solutions = 0
        """How many capacities were solved here."""
        self.needed = space.needed(self.load_rps, slice(None), slice(None))
        self.effort = self._effort(slice(None), slice(None), self.needed)
        """(T, M) machines at all rates together: the fewer, the cheaper an offer is with a way."""
        kinds = np.arange(len(fleet.kinds))
        self._column = self.effort.argmin(axis=1)
        self._rented = self._rented_at(kinds)
        self.usd = np.empty(len(fleet.offers))
        self._unpaid = np.zeros(len(fleet.offers))
        """(n,) machines where they cost nothing; else 0."""
        self._price(np.arange(len(fleet.offers)))

    def _effort(self, kinds: slice, columns: slice, at_peak: np.ndarray) -> np.ndarray:
        lower = [rate for rate in self.curve.rates_rps[:-1] if rate > 0.0]
        return sum((self.space.needed(rate, kinds, columns) for rate in lower), at_peak)

    def _rented_at(self, kinds: np.ndarray) -> np.ndarray:
        """(L, kinds) machines of the best way at each rate, with spares."""
        needed = self.levels(kinds)
        return np.array([self.space.rented(row, kinds) for row in needed])

    def levels(self, kinds: np.ndarray) -> np.ndarray:
        """(L, kinds) machines of the best way at each rate, without spares; infinite where it cannot serve."""
        columns = self._column[kinds]
        carried = self.space.carried_rps(kinds, columns)
        needed = np.array([_machines(rate, carried) for rate in self.curve.rates_rps])
        needed[:, ~np.isfinite(self.needed[kinds, columns])] = np.inf
        return needed

    def _price(self, rows: np.ndarray) -> None:
        rented = self._rented[:, self.space.fleet.kinds.of[rows]]
        machines_usd = self._machines_usd(rented, rows)
        self.usd[rows] = machines_usd + self.beside_usd[rows]
        if self._any_prepaid:
            self._unpaid[rows] = np.where(machines_usd <= 0.0, rented[-1], 0.0)

    def _machines_usd(self, rented: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """What (L, rows) machines cost in a month, each row by its way of purchase."""
        at_peak = self.prices.usd_per_month(rented[-1], rows)
        if len(rented) == 1:
            return at_peak
        over_time = self.shares[-1] * at_peak
        for share, machines in zip(self.shares[:-1], rented[:-1], strict=True):
            over_time = over_time + share * self.prices.usd_per_month(machines, rows)
        return np.where(self.committed[rows], at_peak, over_time)

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
        self._update(machine, column)

    def tighten(self, cell: Cell) -> bool:
        """A closer bound for a cell that is not solved, where a like machine gives one."""
        machine = self.space.fleet.machine_at(cell.row)
        if not self.space.tighten(machine, cell.column):
            return False
        self._update(machine, cell.column)
        return True

    def _update(self, machine: int, column: int) -> None:
        fleet = self.space.fleet
        among = fleet.kinds_with(machine)
        only = slice(column, column + 1)
        at_peak = self.space.needed(self.load_rps, among, only)
        self.needed[among, only] = at_peak
        self.effort[among, only] = self._effort(among, only, at_peak)
        kinds = np.arange(among.start, among.stop)
        self._column[among] = self.effort[among].argmin(axis=1)
        rented = self._rented_at(kinds)
        changed = kinds[(rented != self._rented[:, among]).any(axis=0)]
        self._rented[:, among] = rented
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

    def machines(self, cell: Cell, needed: int) -> np.ndarray:
        """(L,) machines without spares at each rate, of a cell with so many at the highest.

        With more than it needs, all are loaded less, at every rate.
        """
        kind = self.space.fleet.kind(cell.row)
        carried = float(self.space.carried_rps(np.array([kind]), np.array([cell.column]))[0])
        if needed != self.needed[kind, cell.column]:
            carried = self.load_rps / needed
        found = np.array([float(_machines(rate, np.array(carried))) for rate in self.curve.rates_rps])
        found[-1] = needed
        return found

    def usd_of(self, cell: Cell, needed: int) -> float:
        """The monthly cost of a number of machines without spares; infinite beyond the offer's quota."""
        rented = np.array([[float(self.rented(cell, int(n)))] for n in self.machines(cell, needed)])
        rows = np.array([cell.row])
        return float((self._machines_usd(rented, rows) + self.beside_usd[rows])[0])

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
        rented, most = self._rented[-1, self.space.fleet.kinds.of[rows]], self.prices.most_machines[rows]
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
            if not self.tighten(cell):
                self.solve(cell)
            cell = self.first(rows)
        return cell


def _machines(rate_rps: float, carried_rps: np.ndarray) -> np.ndarray:
    """Machines for a rate when each carries so much; none without any."""
    if rate_rps <= 0.0:
        return np.zeros_like(carried_rps)
    with np.errstate(divide="ignore"):
        # Not one more for what is rounding of a rate that just fits.
        return np.asarray(np.maximum(np.ceil(rate_rps / carried_rps * (1.0 - 1e-12)), 1.0))
