"""What a fleet that serves a language model costs: one offer, or commitments for the base and the rest by the hour.

A fleet needs (L,) machines at the L rates of a load that changes over the day. Every offer is priced alone; where the
load changes, also all triples of a commitment, an hourly and a spot offer of one machine in one place, those that a bound
leaves: the k-th machine is needed for a share of the time, and costs at least the cheaper of a commitment and that
share of the cheapest price by the hour (the quantile rule).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from tradewind.decide.control.sizing import instances_with_spares
from tradewind.decide.planning.grouping import alike, truth
from tradewind.decide.planning.mixing import divide
from tradewind.decide.planning.prices import Prices
from tradewind.domain.plan import Rented
from tradewind.domain.units import HOURS_PER_MONTH

if TYPE_CHECKING:
    from tradewind.domain.estimate import Calibration
    from tradewind.domain.offer import Offers

__all__ = ["Bought", "Fleet", "Shop"]


class Bought(NamedTuple):
    """Machines of one offer at the L rates of the load, spare ones included."""

    row: int
    machines: tuple[int, ...]
    usd_per_month: float


@dataclass(frozen=True)
class Fleet:
    """What serves the load, and what it costs."""

    usd_per_month: float
    parts: tuple[Bought, ...]
    spares: int
    """At the highest rate."""

    def machines(self, level: int = -1) -> int:
        """Rented at a rate of the load."""
        return sum(part.machines[level] for part in self.parts)


class Shop:
    """Offers with what pricing needs of them, for a load with L rates in these shares of the time."""

    def __init__(self, offers: Offers, calibration: Calibration, shares: np.ndarray) -> None:
        self.offers, self.shares = offers, shares
        self.prices = Prices.of(offers)
        self.spot = truth(offers, "purchase", lambda purchase: purchase == "spot")
        self.committed = truth(offers, "purchase", lambda purchase: str(purchase).startswith("commit"))
        prior = calibration["spot_accelerator_interruptions_per_hour"].value
        listed = offers["interruptions_per_hour"]
        self.interruptions = np.where(self.spot, np.where(np.isnan(listed), prior, listed), 0.0)
        self._replacement_s = calibration["spot_replacement_s"].value
        self._availability = calibration["spot_availability_ratio"].value
        self._spares: dict[tuple[int, float], int] = {}
        self.priced = 0
        """Fleets whose cost was computed."""

    def with_spares(self, needed: int, interruptions_per_hour: float) -> int:
        """Machines to rent so that enough are up."""
        if interruptions_per_hour <= 0.0 or needed <= 0:
            return needed
        key = needed, interruptions_per_hour
        if key not in self._spares:
            self._spares[key] = instances_with_spares(
                needed,
                interruptions_per_hour=interruptions_per_hour,
                replacement_s=self._replacement_s,
                availability=self._availability,
            )
        return self._spares[key]

    def rented(self, rows: np.ndarray, needed: np.ndarray) -> np.ndarray:
        """(L, rows) machines of each offer at the (L,) rates: commitments at their most, spot with spares."""
        many = np.repeat(needed[:, None].astype(np.float64), len(rows), axis=1)
        many[:, self.committed[rows]] = float(needed[-1])
        rates = self.interruptions[rows]
        for rate in np.unique(rates[rates > 0.0]).tolist():
            of = rates == rate
            many[:, of] = np.array([float(self.with_spares(int(one), rate)) for one in needed])[:, None]
        return many

    def alone_usd(self, rows: np.ndarray, needed: np.ndarray) -> np.ndarray:
        """(rows,) what a fleet of each offer alone costs in a month; infinite beyond its quota."""
        self.priced += len(rows)
        many = self.rented(rows, needed)
        usd = np.array([self.prices.usd_per_month(level, rows) for level in many])
        # A quota that the highest rate exceeds forbids the offer, however short that rate holds.
        return np.asarray(
            np.where(np.isfinite(usd[-1]), self.shares @ np.where(np.isfinite(usd), usd, 0.0), np.inf)
        )

    def alone(self, row: int, needed: np.ndarray) -> Fleet:
        """The fleet of one offer."""
        rows = np.array([row])
        many = tuple(int(level[0]) for level in self.rented(rows, needed))
        usd = float(self.alone_usd(rows, needed)[0])
        return Fleet(usd, (Bought(row, many, usd),), many[-1] - int(needed[-1]))

    def mixed(self, rows: np.ndarray, needed: np.ndarray, below_usd: float) -> Fleet | None:
        """The cheapest fleet of several purchase options of one machine in one place, if it costs less than a bound."""
        if len(self.shares) < 2:
            return None
        best: Fleet | None = None
        for triple in self._triples(rows):
            bound = best.usd_per_month if best else below_usd
            if self._least_usd(triple, needed) >= bound:
                continue
            found = self._divided(triple, needed)
            if found is not None and found.usd_per_month < bound:
                best = found
        return best

    def places(self, rows: np.ndarray) -> list[np.ndarray]:
        """Rows by machine and place, only those with several purchase options."""
        names = ("cloud", "region", "instance_type", "managed_service")
        groups = alike(*(self.offers.coded(name)[0][rows] for name in names))
        found = [rows[groups.rows(group)] for group in range(len(groups))]
        option = 2 * self.spot + self.committed
        return [one for one in found if len(np.unique(option[one])) > 1]

    def _triples(self, rows: np.ndarray) -> list[tuple[int | None, int | None, int | None]]:
        hourly = ~self.spot & ~self.committed
        options = [
            [*(int(row) for row in rows[of[rows]]), None] for of in (self.committed, hourly, self.spot)
        ]
        return [
            (committed, by_hour, spot)
            for committed in options[0]
            for by_hour in options[1]
            for spot in options[2]
            if sum(one is not None for one in (committed, by_hour, spot)) > 1
        ]

    def _least_usd(self, triple: tuple[int | None, int | None, int | None], needed: np.ndarray) -> float:
        """What no division of these machines costs less than."""
        each = [np.inf if row is None else self._each_usd(row) for row in triple]
        above = np.cumsum(self.shares[::-1])[::-1]
        steps = np.diff(np.append(0, needed))
        usd = float(np.sum(steps * np.minimum(each[0], above * min(each[1], each[2]))))
        return usd - sum(self._worth_usd(row) for row in triple if row is not None)

    def _each_usd(self, row: int) -> float:
        prices = self.prices
        return float(prices.usd_per_hour[row] * prices.ratio[row]) * HOURS_PER_MONTH

    def _worth_usd(self, row: int) -> float:
        """What is paid for already."""
        prices = self.prices
        own = float(prices.prepaid_machines[row]) * self._each_usd(row)
        return own + float(prices.prepaid_usd_per_hour[row] * prices.ratio[row]) * HOURS_PER_MONTH

    def _divided(self, triple: tuple[int | None, int | None, int | None], needed: np.ndarray) -> Fleet | None:
        self.priced += 1
        most = int(needed[-1])
        numbers = np.arange(most + 1, dtype=np.float64)

        def usd(row: int | None) -> np.ndarray:
            if row is None:
                return np.where(numbers > 0.0, np.inf, 0.0)
            rate = float(self.interruptions[row])
            rented = np.array([float(self.with_spares(int(one), rate)) for one in numbers])
            return self.prices.usd_per_month(rented, np.full(most + 1, row))

        found = divide(needed, self.shares, usd(triple[0]), usd(triple[1]), usd(triple[2]))
        if not np.isfinite(found.usd_per_month):
            return None
        parts = []
        spares = 0
        levels = (np.full(len(needed), found.committed), found.on_demand, found.spot)
        for row, machines in zip(triple, levels, strict=True):
            if row is None or not machines.any():
                continue
            rate = float(self.interruptions[row])
            many = tuple(self.with_spares(int(one), rate) for one in machines)
            spares += many[-1] - int(machines[-1])
            paid = [
                float(self.prices.usd_per_month(np.array([float(one)]), np.array([row]))[0]) for one in many
            ]
            parts.append(Bought(row, many, float(self.shares @ np.array(paid))))
        return Fleet(found.usd_per_month, tuple(parts), spares)

    def nouns(self, fleet: Fleet) -> tuple[Rented, ...]:
        """The machines as nouns."""
        return tuple(
            Rented(
                offer=self.offers.offer(part.row),
                machines=max(part.machines),
                machine_hours_per_month=float(self.shares @ np.array(part.machines)) * HOURS_PER_MONTH,
                usd_per_month=part.usd_per_month,
            )
            for part in fleet.parts
        )
