"""Every way to serve, as columns: kinds of offers down, ways to run a replica across.

Capacity by queueing is dear to compute and a bound on it is cheap, so it starts as the bound and is solved
only where the search wants it. A bound promises too much, never too little.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from statistics import NormalDist
from typing import TYPE_CHECKING, Final

import numpy as np

from tradewind.decide.control.sizing import MOST_INSTANCES, instances_with_spares, replicas_per_instance
from tradewind.decide.prediction.estimating import (
    STEP,
    Replica,
    Tables,
    log_deviation,
    replica_memory_bytes,
    replica_of,
)
from tradewind.decide.prediction.queueing import MAX_LOAD
from tradewind.decide.prediction.service import (
    Scaled,
    Service,
    Speeds,
    Work,
    scale,
    service_on,
    speeds_of,
    thread_counts,
    work_of,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tradewind.decide.planning.fleet import Fleet
    from tradewind.domain.estimate import Calibration
    from tradewind.domain.goal import Serve
    from tradewind.domain.profile import Profile

__all__ = ["SLACK", "Cell", "Conduct", "Known", "Space", "Way", "ways_of"]

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


@dataclass(frozen=True)
class Cell:
    """A way to run replicas on an offer, by row and column."""

    row: int
    column: int


@dataclass(frozen=True)
class Conduct:
    """What a replica does at a rate."""

    latency_s: float
    """The goal's percentile, likely."""
    risk: float
    """The probability that the latency bound does not hold."""
    cpu_s_per_request: float


@dataclass
class Known:
    """What was computed once for a fleet and does not depend on the goal."""

    tables: Tables = field(default_factory=Tables)
    """Queues, by the shape of their service time."""
    services: dict[tuple[int, int], Service | str] = field(default_factory=dict)
    """By machine and work: what a call costs, or why it cannot run."""
    speeds: dict[int, Speeds] = field(default_factory=dict)
    """By profile: how all machines compare with its host, as columns."""
    scaled: dict[int, Scaled] = field(default_factory=dict)
    """By work: the time of a call on all machines."""


class Space:
    """All ways on all kinds of offers under one bound on latency and one confidence.

    Shapes: T kinds, K distinct machines, M ways. `capacity_rps` (K, M) of one replica with the asked
    confidence, solved where `solved`; `replicas` (T, M) on one machine.
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
        self._tight: set[tuple[int, int]] = set()
        self._solved_on: dict[int, list[int]] = {}
        self._conducts: dict[tuple[int, int, float, float], Conduct] = {}
        self._refused: dict[int, np.ndarray] = {}
        shape = (len(fleet.machines), len(ways))
        idle_s, full_s, wake_s, deviation = (np.empty(shape) for _ in range(4))
        self.refused = np.zeros(shape, dtype=bool)
        """(K, M) whether a way cannot run on a machine."""
        for column, way in enumerate(ways):
            times = self._scaled(way)
            self.refused[:, column] = self._cannot_run(way)
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
        self.floor_s[self.refused] = np.inf
        batches = np.array([way.max_batch for way in ways], dtype=np.float64)
        bound = SLACK * MAX_LOAD * batches / (full_s * slow)
        self.capacity_rps = np.where(self.floor_s <= serve.latency_s * SLACK, bound, 0.0)
        self.solved = self.capacity_rps <= 0.0
        self.memory_bytes = np.array([replica_memory_bytes(way.profile, calibration) for way in ways])
        """(M,) of one replica."""
        self.replicas = replicas_per_instance(
            cores=fleet.cores[:, None],
            memory_bytes=fleet.memory_bytes[:, None],
            threads=np.array([way.work.threads for way in ways])[None],
            replica_bytes=self.memory_bytes[None],
            operating_system_bytes=calibration["operating_system_memory_bytes"].value,
        )

    def _speeds(self, profile: Profile) -> Speeds:
        speeds = self._known.speeds
        if id(profile) not in speeds:
            speeds[id(profile)] = speeds_of(profile, self.fleet.machines, self.calibration)
        return speeds[id(profile)]

    def _scaled(self, way: Way) -> Scaled:
        scaled = self._known.scaled
        if id(way.work) not in scaled:
            speeds = self._speeds(way.profile)
            scaled[id(way.work)] = scale(way.profile, way.work, speeds, self.calibration)
        return scaled[id(way.work)]

    def _cannot_run(self, way: Way) -> np.ndarray:
        """(K,) whether a way cannot run on a machine."""
        key = id(way.profile)
        if key not in self._refused:
            refusals = self._speeds(way.profile).refusals
            self._refused[key] = np.array([reason is not None for reason in refusals], dtype=bool)
        return self._refused[key]

    def refusal(self, machine: int, column: int) -> str | None:
        """Why a way cannot run on a machine, in words."""
        return self._speeds(self.ways[column].profile).refusals[machine]

    @property
    def tables(self) -> Tables:
        """Queues that were solved."""
        return self._known.tables

    def service(self, machine: int, column: int) -> Service | str:
        """What a call costs there; or why it cannot run."""
        way = self.ways[column]
        key = machine, id(way.work)
        services = self._known.services
        if key not in services:
            offer = self.fleet.offers.offer(self.fleet.examples[machine])
            services[key] = service_on(way.profile, way.work, offer, self.calibration)
        return services[key]

    def replica(self, machine: int, column: int) -> Replica:
        """One server process there."""
        service = self.service(machine, column)
        assert not isinstance(service, str), service
        return replica_of(service, self.ways[column].max_batch, self.calibration, self._known.tables)

    def conduct(self, machine: int, column: int, rate_rps: float, latency_s: float) -> Conduct:
        """What one server process there does at a rate, against a bound on the latency."""
        key = machine, column, rate_rps, latency_s
        if key not in self._conducts:
            replica = self.replica(machine, column)
            self._conducts[key] = Conduct(
                latency_s=replica.percentile_s(rate_rps, self.level, 0.0),
                risk=1.0 - replica.confidence(rate_rps, latency_s, self.level),
                cpu_s_per_request=replica.cpu_s_per_request(rate_rps),
            )
        return self._conducts[key]

    def tighten(self, machine: int, column: int) -> bool:
        """A closer bound on a capacity, from the queue of a like machine; whether there was one to be had.

        Where every batch takes at least r times as long as on a machine whose queue is solved, it carries no more
        than that one would if it were r times as slow.
        """
        others = self._solved_on.get(column, [])
        if not others or (machine, column) in self._tight:
            return False
        self._tight.add((machine, column))
        way = self.ways[column]
        times = self._scaled(way)
        among = slice(0, int(np.searchsorted(way.work.batches, way.max_batch)) + 1)
        rested = times.total_s[:, 0] + times.wake_s
        ratios = np.column_stack(
            [
                times.total_s[machine, among] / times.total_s[others, among],
                rested[machine] / rested[others],
            ]
        )
        slower = ratios.min(axis=1)
        like = int(np.argmin(ratios.max(axis=1) / slower))
        replica = self.replica(others[like], column)
        # As slow as the confidence asks: the deviation is that of this machine, not of the other. The shapes of both
        # are rounded, by half a step at most.
        deviation = float(times.deviation[machine]) - replica.service.deviation
        factor = float(slower[like]) * math.exp(self.odds * deviation - STEP)
        bound = replica.scaled_capacity_rps(
            self.serve.latency_s, self.level, self.odds, factor=factor, wake_s=float(times.wake_s[machine])
        )
        before = self.capacity_rps[machine, column]
        self.capacity_rps[machine, column] = min(before, SLACK * bound)
        return bool(self.capacity_rps[machine, column] < before)

    def solve(self, machine: int, column: int) -> float:
        """The capacity of a replica by queueing, in place of the bound."""
        if not self.solved[machine, column]:
            self._solved_on.setdefault(column, []).append(machine)
            replica = self.replica(machine, column)
            solved = replica.capacity_rps(self.serve.latency_s, self.level, self.odds)
            self.capacity_rps[machine, column] = min(solved, self.capacity_rps[machine, column])
            self.solved[machine, column] = True
        return float(self.capacity_rps[machine, column])

    def carried_rps(self, kinds: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """(kinds,) what one machine carries, each with its way."""
        return np.asarray(
            self.capacity_rps[self.fleet.machine[kinds], columns] * self.replicas[kinds, columns]
        )

    @property
    def solutions(self) -> int:
        """How many capacities of a way on a machine were solved; of all others a bound was enough."""
        return sum(len(machines) for machines in self._solved_on.values())

    def correct(self, machine: int, column: int, capacity_rps: float) -> None:
        """Take a replica to carry no more than this, whatever the queue's tables say."""
        self.capacity_rps[machine, column] = min(capacity_rps, self.capacity_rps[machine, column])
        self.solved[machine, column] = True

    def needed(self, load_rps: float, kinds: slice, columns: slice) -> np.ndarray:
        """(kinds, columns) machines for a load without spares, as floats: infinite where it cannot be served."""
        carried = self.capacity_rps[self.fleet.machine[kinds], columns] * self.replicas[kinds, columns]
        with np.errstate(divide="ignore"):
            needed = np.ceil(load_rps / carried * (1.0 - 1e-12))
        possible = self.fleet.usable[kinds, None] & (needed <= MOST_INSTANCES)
        return np.where(possible, np.maximum(needed, 1.0), np.inf)

    def rented(self, needed: np.ndarray, kinds: np.ndarray) -> np.ndarray:
        """(kinds,) the same with spares for interrupted spot machines."""
        rates = self.fleet.interruptions_per_hour[kinds]
        total = needed.copy()
        for place in np.nonzero((rates > 0.0) & np.isfinite(needed))[0].tolist():
            total[place] = self.with_spares(int(needed[place]), float(rates[place]))
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
