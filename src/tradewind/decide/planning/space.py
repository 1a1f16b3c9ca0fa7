"""Every way to serve, as columns: offers down, ways to run a replica across.

Capacity by queueing is dear to compute and a bound on it is cheap, so a cell starts with the bound and is
solved only when the search wants it. A bound promises too much, never too little: the cheapest cell that is
solved and still the cheapest is the optimum, without solving the others.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from statistics import NormalDist
from typing import TYPE_CHECKING, Final

import numpy as np

from tradewind.decide.catalog.machines import family_of
from tradewind.decide.control.sizing import MOST_INSTANCES, instances_with_spares, replicas_per_instance
from tradewind.decide.prediction.estimating import (
    Replica,
    Tables,
    log_deviation,
    replica_memory_bytes,
    replica_of,
)
from tradewind.decide.prediction.machine import Machine, machine_of
from tradewind.decide.prediction.queueing import MAX_LOAD
from tradewind.decide.prediction.service import (
    Scaled,
    Service,
    Work,
    scale,
    service_on,
    speeds_of,
    thread_counts,
    work_of,
)
from tradewind.domain.units import HOURS_PER_MONTH

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tradewind.decide.planning.tariffs import Tariffs
    from tradewind.domain.estimate import Calibration
    from tradewind.domain.goal import Serve
    from tradewind.domain.offer import Offers
    from tradewind.domain.profile import Profile

__all__ = ["SLACK", "Cell", "Costs", "Fleet", "Known", "Space", "Way", "ways_of"]

_WORTH: Final = 1.02
"""How much more a larger batch must answer per second than every smaller one."""
SLACK: Final = 1.06
"""Shapes of curves are rounded by up to 2 % and tables interpolate: by how much a bound must promise more."""


@dataclass(frozen=True)
class Way:
    """A way to run a replica: a variant, cores, and the largest batch. A column."""

    profile: Profile
    work: Work
    max_batch: int


def ways_of(profiles: Sequence[Profile], calibration: Calibration) -> tuple[Way, ...]:
    """Every variant with every thread count and measured batch.

    The fastest come first: of equally cheap ways the first is named.
    """
    works = [
        (profile, work_of(profile, threads, calibration))
        for profile in profiles
        for threads in thread_counts(profile)
    ]
    works.sort(key=lambda pair: (float(pair[1].total_s[0]), pair[1].threads, pair[0].variant.id))
    return tuple(Way(profile, work, int(batch)) for profile, work in works for batch in work.batches)


@dataclass
class Known:
    """What was computed once and does not depend on the goal: queues by shape, services by machine."""

    tables: Tables = field(default_factory=Tables)
    services: dict[tuple[int, int], Service | str] = field(default_factory=dict)


@dataclass(frozen=True)
class Cell:
    """A way to run replicas on an offer, by row and column."""

    row: int
    column: int


@dataclass(frozen=True)
class Fleet:
    """The offers with what is derived from them once. Shapes: (n,) for n offers, K distinct machines."""

    offers: Offers
    families: tuple[str, ...]
    machine: np.ndarray
    """(n,) index of each offer's machine among the distinct ones."""
    machines: tuple[Machine, ...]
    examples: tuple[int, ...]
    """(K,) a row that has the machine."""
    cores: np.ndarray
    interruptions_per_hour: np.ndarray
    """0 unless spot."""
    assumed_interruptions: np.ndarray
    """Whether no source states the interruptions."""

    @classmethod
    def of(cls, offers: Offers, calibration: Calibration, *, memory_matters: bool) -> Fleet:
        """Offers of equal processors share a machine; memory bandwidth tells sizes apart only if it matters."""
        distinct: dict[object, int] = {}
        machines: list[Machine] = []
        examples: list[int] = []
        seen: dict[object, tuple[int, int]] = {}
        index = np.zeros(len(offers), dtype=np.int64)
        cores = np.zeros(len(offers), dtype=np.int64)
        columns = [_hashable(offers[name]) for name in _MACHINE_FIELDS]
        lone = (offers["vcpus"] == 1).tolist()
        types = offers["instance_type"].tolist()
        for row, key in enumerate(zip(*columns, strict=True)):
            full_key = (key, types[row].partition("-")[0] if lone[row] else "")
            if full_key not in seen:
                machine = machine_of(offers.offer(row), calibration)
                speed = (
                    machine.processor.name,
                    machine.fp32_flops_per_s,
                    machine.scalar_speed,
                    machine.bandwidth_bytes_per_s if memory_matters else 0.0,
                    machine.isa,
                    machine.deviation,
                )
                if speed not in distinct:
                    distinct[speed] = len(machines)
                    machines.append(machine)
                    examples.append(row)
                seen[full_key] = (distinct[speed], machine.cores)
            index[row], cores[row] = seen[full_key]
        spot = offers["purchase"] == "spot"
        listed = offers["interruptions_per_hour"]
        accelerated = np.array([name is not None for name in offers["accelerator"]], dtype=bool)
        prior = np.where(
            accelerated,
            calibration["spot_accelerator_interruptions_per_hour"].value,
            calibration["spot_interruptions_per_hour"].value,
        )
        unknown = np.isnan(listed)
        return cls(
            offers=offers,
            families=tuple(
                family_of(cloud, name)
                for cloud, name in zip(offers["cloud"], offers["instance_type"], strict=True)
            ),
            machine=index,
            machines=tuple(machines),
            examples=tuple(examples),
            cores=cores,
            interruptions_per_hour=np.where(spot, np.where(unknown, prior, listed), 0.0),
            assumed_interruptions=spot & unknown,
        )


_MACHINE_FIELDS: Final = (
    "cloud",
    "cpu_vendor",
    "cpu_architecture",
    "cpu_model",
    "isa",
    "cpu_ghz",
    "physical_cores",
    "vcpus",
    "memory_mt_per_s",
)
"""What `machine_of` reads of an offer."""


def _hashable(column: np.ndarray) -> list[object]:
    """Values that compare equal when they are: NaN is unknown, and unknowns are alike."""
    return [None if value != value else value for value in column.tolist()]


class Space:
    """All cells under one bound on latency and one confidence.

    Shapes: K distinct machines, M ways, n offers. `capacity_rps` (K, M) of one replica with the asked
    confidence, solved where `solved`; `replicas` (n, M) on one machine.
    """

    def __init__(
        self,
        fleet: Fleet,
        ways: tuple[Way, ...],
        serve: Serve,
        confidence: float,
        calibration: Calibration,
        known: Known,
    ) -> None:
        self.fleet = fleet
        self.ways = ways
        self.serve = serve
        self.level = float(serve.percentile[1:]) / 100.0
        self.odds = NormalDist().inv_cdf(confidence)
        self.calibration = calibration
        self._known = known
        self._spares: dict[tuple[int, float], int] = {}
        self.refusals: list[tuple[str | None, ...]] = []
        """(M, K) why a way cannot run on a machine."""
        shape = (len(fleet.machines), len(ways))
        idle_s, full_s, wake_s, deviation = (np.empty(shape) for _ in range(4))
        scaled: dict[int, tuple[Scaled, tuple[str | None, ...]]] = {}
        for column, way in enumerate(ways):
            if id(way.work) not in scaled:
                speeds = speeds_of(way.profile, fleet.machines, calibration)
                scaled[id(way.work)] = scale(way.profile, way.work, speeds, calibration), speeds.refusals
            times, refusals = scaled[id(way.work)]
            self.refusals.append(refusals)
            idle_s[:, column] = times.total_s[:, 0]
            full_s[:, column] = _best_time_s(times, way)
            wake_s[:, column] = times.wake_s
            deviation[:, column] = times.deviation
        slow = np.exp(self.odds * deviation)
        delay_s = calibration["jitter_s"].value * -math.log(1.0 - self.level)
        delay_s *= math.exp(self.odds * log_deviation(calibration, "jitter_s"))
        later = math.expm1(self.odds * log_deviation(calibration, "wake_cpu_s"))
        self.floor_s = (idle_s + wake_s) * slow + later * wake_s + delay_s
        """(K, M) the goal's percentile at rest, as slow as the confidence asks: but for rounding none is below."""
        refused = [[reason is not None for reason in row] for row in self.refusals]
        self.refused = np.array(refused, dtype=bool).reshape(shape[::-1]).T
        self.floor_s[self.refused] = np.inf
        batches = np.array([way.max_batch for way in ways], dtype=np.float64)
        bound = SLACK * MAX_LOAD * batches / (full_s * slow)
        self.capacity_rps = np.where(self.floor_s <= serve.latency_s * SLACK, bound, 0.0)
        self.solved = self.capacity_rps <= 0.0
        self.memory_bytes = np.array([replica_memory_bytes(way.profile, calibration) for way in ways])
        """(M,) of one replica."""
        self.replicas = replicas_per_instance(
            cores=fleet.cores[:, None],
            memory_bytes=fleet.offers["memory_bytes"][:, None],
            threads=np.array([way.work.threads for way in ways])[None],
            replica_bytes=self.memory_bytes[None],
            operating_system_bytes=calibration["operating_system_memory_bytes"].value,
        )
        self.usable = ~fleet.offers["shared_cpu"].astype(bool)

    @property
    def tables(self) -> Tables:
        """Queues that were solved."""
        return self._known.tables

    def service(self, cell: Cell) -> Service | str:
        """What a call costs there; or why it cannot run."""
        key = (int(self.fleet.machine[cell.row]), id(self.ways[cell.column].work))
        services = self._known.services
        if key not in services:
            way = self.ways[cell.column]
            offer = self.fleet.offers.offer(cell.row)
            services[key] = service_on(way.profile, way.work, offer, self.calibration)
        return services[key]

    def replica(self, cell: Cell) -> Replica:
        """One server process there."""
        service = self.service(cell)
        assert not isinstance(service, str), service
        return replica_of(service, self.ways[cell.column].max_batch, self.calibration, self._known.tables)

    def solve(self, machine: int, column: int) -> float:
        """The capacity of a replica by queueing, in place of the bound."""
        if not self.solved[machine, column]:
            replica = self.replica(Cell(self.fleet.examples[machine], column))
            solved = replica.capacity_rps(self.serve.latency_s, self.level, self.odds)
            self.capacity_rps[machine, column] = min(solved, self.capacity_rps[machine, column])
            self.solved[machine, column] = True
        return float(self.capacity_rps[machine, column])

    def needed(self, load_rps: float, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """Machines for a load without spares, as floats: infinite where it cannot be served. Broadcasts."""
        carried = self.capacity_rps[self.fleet.machine[rows], columns] * self.replicas[rows, columns]
        with np.errstate(divide="ignore"):
            needed = np.ceil(load_rps / carried * (1.0 - 1e-12))
        return np.where(self.usable[rows] & (needed <= MOST_INSTANCES), np.maximum(needed, 1.0), np.inf)

    def instances(self, load_rps: float, cell: Cell) -> int:
        """Machines for a load without spares, of a cell that can serve."""
        return int(self.needed(load_rps, np.array([cell.row]), np.array([cell.column]))[0])

    def rented(self, needed: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """The same with spares for interrupted spot machines. Broadcasts."""
        rates = np.broadcast_to(self.fleet.interruptions_per_hour[rows], needed.shape)
        total = needed.copy()
        for rate in np.unique(rates[rates > 0.0]).tolist():
            places = (rates == rate) & np.isfinite(needed)
            counts, where = np.unique(needed[places], return_inverse=True)
            total[places] = np.array([self.with_spares(int(count), rate) for count in counts.tolist()])[where]
        return total

    def with_spares(self, needed: int, interruptions_per_hour: float) -> int:
        """Machines to rent so that enough of them are up."""
        key = (needed, interruptions_per_hour)
        if key not in self._spares:
            self._spares[key] = instances_with_spares(
                needed,
                interruptions_per_hour=interruptions_per_hour,
                replacement_s=self.calibration["spot_replacement_s"].value,
                availability=self.calibration["spot_availability_ratio"].value,
            )
        return self._spares[key]


def _best_time_s(scaled: Scaled, way: Way) -> np.ndarray:
    """(K,) the time of a full batch, or infinite where it hardly beats the rate of a smaller one.

    Such a batch is not worth its latency, and the server does not form it either.
    """
    place = int(np.searchsorted(way.work.batches, way.max_batch))
    rates = way.work.batches / scaled.total_s
    best = rates[:, :place].max(axis=1, initial=0.0)
    return np.where(rates[:, place] > _WORTH * best, scaled.total_s[:, place], np.inf)


class Costs:
    """The monthly cost of every cell at a load, from capacities that get solved on the way.

    Shapes: (n, M).
    """

    def __init__(self, space: Space, tariffs: Tariffs, load_rps: float) -> None:
        self.space = space
        self.load_rps = load_rps
        offers = space.fleet.offers
        self._monthly = offers["price_usd_per_hour"] * HOURS_PER_MONTH
        self._beside = np.array(
            [
                tariffs.usd_per_month(cloud, region, load_rps)
                for cloud, region in zip(offers["cloud"], offers["region"], strict=True)
            ]
        )
        self.usd = self._usd(np.arange(len(offers))[:, None], np.arange(len(space.ways))[None])

    def _usd(self, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        rented = self.space.rented(self.space.needed(self.load_rps, rows, columns), rows)
        return np.asarray(rented * self._monthly[rows] + self._beside[rows])

    def solve(self, cell: Cell) -> None:
        """Solve the capacity of a cell, and price all offers with the same machine anew."""
        machine = int(self.space.fleet.machine[cell.row])
        self.space.solve(machine, cell.column)
        rows = np.nonzero(self.space.fleet.machine == machine)[0]
        self.usd[rows, cell.column] = self._usd(rows, np.full(len(rows), cell.column))

    def usd_of(self, cell: Cell, rented: int) -> float:
        """The monthly cost of a number of machines."""
        return float(rented * self._monthly[cell.row] + self._beside[cell.row])

    def is_solved(self, cell: Cell) -> bool:
        """Whether the cost of a cell is its cost, not a bound."""
        return bool(self.space.solved[self.space.fleet.machine[cell.row], cell.column])

    def cheapest(self, rows: np.ndarray) -> Cell | None:
        """The cheapest cell of some offers, or None when none of them can serve; the first of equals."""
        while len(rows):
            inside = self.usd[rows]
            row, column = divmod(int(np.argmin(inside)), inside.shape[1])
            if not np.isfinite(inside[row, column]):
                return None
            cell = Cell(int(rows[row]), column)
            if self.is_solved(cell):
                return cell
            self.solve(cell)
        return None
