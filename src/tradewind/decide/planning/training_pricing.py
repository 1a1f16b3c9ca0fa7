"""From the time of a job's work to what it takes and costs on each tender: interruptions, confidence, floors.

A floor is at most the true value and far cheaper to compute. Everything is columns; a row is one layout, or one layout
on one tender.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from tradewind.decide.prediction.interruptions import (
    Duration,
    Interruptions,
    Saving,
    cluster_rate_per_s,
    duration,
    interval_s,
    normal_share,
    save_s,
    slowdown,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from tradewind.decide.planning.meshes import Shape
    from tradewind.decide.planning.training_space import Market
    from tradewind.domain.training import Objective

__all__ = [
    "Asked",
    "Floors",
    "Found",
    "Front",
    "Incumbent",
    "Layouts",
    "Mesh",
    "Pricing",
    "Spread",
    "Tally",
    "price_all",
]

RESTART_S: Final = 600.0
"""From an interruption until the job works again, beside reading the checkpoint: detection, a new machine, starting and
compiling. ByteDance states 10 min with fast recovery (MegaScale, 2402.15627, section 4)."""
STALL_SHARE: Final = 0.2
"""Of the time of a save in which training stands still, when a copy in memory is written behind its back."""
_BATCH: Final = 512
"""Candidates that are priced together, the most promising first."""


@dataclass(frozen=True)
class Spread:
    """What the prediction of a step may miss by: log-normal round the likely value."""

    low: float
    high: float

    @property
    def centre(self) -> float:
        """Mean of the logarithm."""
        return 0.5 * (math.log(self.low) + math.log(self.high))

    @property
    def deviation(self) -> float:
        """Standard deviation of the logarithm: the ends hold 80 %."""
        return (math.log(self.high) - math.log(self.low)) / (2.0 * 1.2815515655446004)

    def factor(self, level: float) -> float:
        """What the likely time is multiplied by to be kept in a share `level` of cases."""
        return math.exp(self.centre + NormalDist().inv_cdf(level) * self.deviation)


@dataclass(frozen=True)
class Asked:
    """What must hold, and what is to be least."""

    objective: Objective
    deadline_s: float
    budget_usd: float
    confidence: float


@dataclass(frozen=True)
class Pricing:
    """From the time of the work to what a job takes and costs on each tender."""

    market: Market
    spreads: tuple[Spread, ...]
    """Of the prediction for each kind of machines."""
    checkpoint_bytes: float
    checkpoint_bytes_per_s: float
    least_work_s: float = 0.0
    """No candidate works for less; makes the floors tighter."""

    def saving(self, tender: np.ndarray, machines: np.ndarray) -> Saving:
        """How so many machines save and start again."""
        writers = machines * self.market.hosts[tender]
        save = save_s(self.checkpoint_bytes, self.checkpoint_bytes_per_s, writers)
        return Saving(save_s=save, restart_s=RESTART_S + save, stall_share=STALL_SHARE)

    def interrupted(self, tender: np.ndarray, machines: np.ndarray) -> Interruptions:
        """How often so many machines of a tender are interrupted."""
        market = self.market
        return Interruptions(
            taken_per_s=cluster_rate_per_s(market.taken_per_hour[tender], machines),
            failures_per_s=cluster_rate_per_s(market.failures_per_hour[tender], machines),
            notice_s=market.notice_s[tender],
        )

    def duration(self, tender: np.ndarray, machines: np.ndarray, work_s: np.ndarray) -> Duration:
        """How long jobs take, interruptions included."""
        return duration(work_s, self.saving(tender, machines), self.interrupted(tender, machines))

    def slowed(self, tender: np.ndarray, machines: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Expected time over work, and the work between saves that it is for; (n,) each."""
        market = self.market
        keys = np.stack(
            [
                market.taken_per_hour[tender],
                market.notice_s[tender],
                market.failures_per_hour[tender],
                market.hosts[tender],
                machines.astype(np.float64),
            ],
            axis=1,
        )
        _, sample, where = np.unique(keys, axis=0, return_index=True, return_inverse=True)
        chosen, many = tender[sample], machines[sample].astype(np.float64)
        saving, interrupted = self.saving(chosen, many), self.interrupted(chosen, many)
        every = interval_s(saving, interrupted)
        with np.errstate(over="ignore", invalid="ignore"):
            factor = slowdown(every, saving, interrupted)
        factor = np.where(np.isfinite(every) & np.isfinite(factor), np.maximum(factor, 1.0), 1.0)
        return factor[where.reshape(-1)], every[where.reshape(-1)]

    def floors(self, most_devices: int, objective: Objective, *, undisturbed: bool) -> Floors:
        """For every kind and number of machines, the least that a second of work costs on any tender.

        `undisturbed` leaves out the slowdown by interruptions.
        """
        market = self.market
        per = np.array([kind.per_machine for kind in market.kinds])
        width = most_devices + 1
        rate = np.full((3, len(per), width), np.inf)
        fixed = np.full(len(per), np.inf)
        terms = np.array([0.0, *sorted({float(term) for term in market.term_s if term > 0.0})])
        for kind in range(len(per)):
            tenders = np.arange(market.first[kind], market.first[kind + 1])
            if not len(tenders):
                continue
            fixed[kind] = 0.0 if objective != "cost" else float(np.min(market.fixed_usd[tenders]))
            machines = np.arange(1, most_devices // int(per[kind]) + 1)
            tender, many = (one.reshape(-1) for one in np.meshgrid(tenders, machines, indexing="ij"))
            second = self._second(objective, tender, many)
            if not undisturbed:
                factor, every = self.slowed(tender, many)
                # A commitment's time is its term, which interruptions do not stretch.
                slow = (every < self.least_work_s) & (market.term_s[tender] == 0.0)
                second = second * np.where(slow, factor, 1.0)
            second = np.where(many <= market.most_machines[tender], second, np.inf).reshape(len(tenders), -1)
            term = np.searchsorted(terms, market.term_s[tenders])
            for place in range(len(terms)):
                mine = second[term == place]
                if len(mine):
                    rate[place, kind, 1 : len(machines) + 1] = mine.min(axis=0)
        return Floors(rate=rate, fixed=fixed, terms=terms if objective == "cost" else np.zeros_like(terms))

    def _second(self, objective: Objective, tender: np.ndarray, machines: np.ndarray) -> np.ndarray:
        """Of the objective, for each second that the job takes."""
        market = self.market
        if objective == "cost":
            # Of a commitment, what is paid to its end is in the rate, as the floor of its time is the term.
            return np.asarray(market.usd_per_s(tender, machines))
        if objective == "carbon":
            return market.carbon_kg(tender, machines, np.ones(len(tender)))
        return np.ones(len(tender))

    def priced(self, asked: Asked, tender: np.ndarray, machines: np.ndarray, work_s: np.ndarray) -> Priced:
        """What jobs take and cost, and whether they keep what is asked."""
        market = self.market
        time = self.duration(tender, machines, work_s)
        cost = market.cost_usd(tender, machines, time.mean_s)
        carbon = market.carbon_kg(tender, machines, time.mean_s)
        limit = np.minimum(asked.deadline_s, market.longest_s(tender, machines, asked.budget_usd))
        value = {"cost": cost, "time": time.mean_s, "carbon": carbon}[asked.objective]
        kept = self.within(tender, time, work_s, limit)
        good = (
            (kept >= asked.confidence) & (machines <= market.most_machines[tender]) & np.isfinite(time.mean_s)
        )
        return Priced(value=value, cost_usd=cost, mean_s=time.mean_s, carbon_kg=carbon, kept=kept, good=good)

    def within(
        self, tender: np.ndarray, time: Duration, work_s: np.ndarray, limit_s: np.ndarray
    ) -> np.ndarray:
        """The probability that a job ends in time, its speed and its interruptions both uncertain; (n,).

        The product of the log-normal error of the prediction and of the time with interruptions is taken as
        log-normal; it is never likelier to be in time than without interruptions.
        """
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            centre, alone = self._of_prediction(tender)
            middle, deviation = self._uncertain(tender, time)
            limit = np.log(np.maximum(limit_s, 1e-9))
            interrupted = normal_share((limit - middle) / deviation)
            undisturbed = normal_share((limit - np.log(work_s) - centre) / np.maximum(alone, 1e-9))
        kept = np.where(np.isfinite(time.mean_s), np.minimum(interrupted, undisturbed), 0.0)
        return np.where(limit_s > 0.0, np.nan_to_num(kept), 0.0)

    def late_s(self, tender: np.ndarray, time: Duration, work_s: np.ndarray, level: float) -> np.ndarray:
        """The limit that is kept with a probability `level`: the inverse of `within`."""
        middle, deviation = self._uncertain(tender, time)
        interrupted = np.exp(middle + NormalDist().inv_cdf(level) * deviation)
        return np.asarray(np.maximum(interrupted, work_s * self.late(level)[self.market.kind[tender]]))

    def late(self, level: float) -> np.ndarray:
        """(kinds,) what the likely time of work is multiplied by to be kept in a share `level` of cases."""
        return np.array([spread.factor(level) for spread in self.spreads])

    def _of_prediction(self, tender: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation of the logarithm of what the prediction misses by."""
        kind = self.market.kind[tender]
        both = np.array([(spread.centre, spread.deviation) for spread in self.spreads])
        return both[kind, 0], both[kind, 1]

    def _uncertain(self, tender: np.ndarray, time: Duration) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation of the logarithm of the time that a job takes."""
        centre, alone = self._of_prediction(tender)
        extra = np.log1p((time.deviation_s / time.mean_s) ** 2)
        deviation = np.maximum(np.sqrt(alone**2 + extra), 1e-9)
        return np.log(time.mean_s) - 0.5 * extra + centre, deviation


@dataclass(frozen=True)
class Floors:
    """Least values by kind and number of machines."""

    rate: np.ndarray
    """(terms, kinds, machines) of the objective per second of work."""
    fixed: np.ndarray
    terms: np.ndarray

    def least(self, kind: np.ndarray, machines: np.ndarray, work_s: np.ndarray) -> np.ndarray:
        """No tender of the kind gives less for so much work."""
        best: np.ndarray = np.full(np.broadcast_shapes(kind.shape, work_s.shape), np.inf)
        for place, term in enumerate(self.terms):
            best = np.minimum(best, self.rate[place, kind, machines] * np.maximum(work_s, term))
        return np.asarray(best + self.fixed[kind])

    def least_of(self, kind: int, machines: np.ndarray, work_s: np.ndarray) -> np.ndarray:
        """`least` of one kind."""
        best: np.ndarray | float = np.inf
        for place, term in enumerate(self.terms):
            rate = self.rate[place, kind]
            if np.isfinite(rate).any():
                best = np.minimum(best, rate[machines] * (np.maximum(work_s, term) if term else work_s))
        return np.broadcast_to(np.asarray(best + self.fixed[kind]), work_s.shape)

    def cheapest_second(self, kind: np.ndarray, per: np.ndarray) -> np.ndarray:
        """The least for a second of one device, at any number of machines and without terms."""
        counts = np.arange(self.rate.shape[2])
        with np.errstate(divide="ignore", invalid="ignore"):
            each = np.min(self.rate, axis=0)[:, 1:] / counts[1:]
        return np.asarray(np.min(each, axis=1)[kind] / per)


@dataclass(frozen=True)
class Priced:
    """Columns (n,): the value of the objective, what is behind it, and whether all is kept."""

    value: np.ndarray
    cost_usd: np.ndarray
    mean_s: np.ndarray
    carbon_kg: np.ndarray
    kept: np.ndarray
    good: np.ndarray


class Mesh(NamedTuple):
    """One layout, in full."""

    shape: Shape
    pipeline: int
    virtual_stages: int
    data: int
    accumulation: int
    zero_stage: int
    checkpointing: int
    """A place in CHECKPOINTINGS."""
    inside: int = 0
    """Devices over which ZeRO shards; 0: the whole data and context dimensions."""


@dataclass(frozen=True)
class Layouts:
    """Layouts whose step is known, as columns (n,)."""

    kind: np.ndarray
    machines: np.ndarray
    step_s: np.ndarray
    work_s: np.ndarray
    """Of all steps, without saves and interruptions."""
    mesh: Callable[[int], Mesh]
    """Of one row."""


@dataclass(frozen=True)
class Found:
    """One layout on one tender."""

    value: float
    tender: int
    machines: int
    kind: int
    mesh: Mesh
    step_s: float
    work_s: float
    cost_usd: float
    mean_s: float
    carbon_kg: float
    kept: float


class Incumbent:
    """The best that is known."""

    def __init__(self) -> None:
        self.found: Found | None = None

    def cut(self, value: np.ndarray, time_s: np.ndarray) -> np.ndarray:
        """What cannot be better, by floors of its value and its time."""
        return np.asarray(value >= self.bound())

    def bound(self) -> float:
        """What a floor must stay below."""
        return self.found.value if self.found else math.inf

    def add(self, found: Found) -> None:
        """Keeps it if it is better."""
        if self.found is None or found.value < self.found.value:
            self.found = found


class Front:
    """Candidates of which none is better in cost and in time by a share `apart` at once, up to a cost."""

    def __init__(self, apart: float, most_usd: float) -> None:
        self.apart = 1.0 + apart
        self.most_usd = most_usd
        self.kept: list[Found] = []
        self._times = np.zeros(0)
        self._costs = np.zeros(0)

    def cut(self, value: np.ndarray, time_s: np.ndarray) -> np.ndarray:
        """What a known candidate is as good as, but for the share."""
        cheapest = np.concatenate([[np.inf], np.minimum.accumulate(self._costs)])
        rank = np.searchsorted(self._times, time_s * self.apart, side="right")
        return np.asarray((cheapest[rank] <= value * self.apart) | (value > self.most_usd))

    def bound(self) -> float:
        """No cell can be left out by its cost alone below this."""
        return self.most_usd

    def add(self, found: Found) -> None:
        """Keeps it unless it is cut, and drops what it beats."""
        if bool(self.cut(np.array([found.cost_usd]), np.array([found.mean_s]))[0]):
            return
        self.kept = [one for one in self.kept if one.cost_usd < found.cost_usd or one.mean_s < found.mean_s]
        self.kept.append(found)
        self.kept.sort(key=lambda one: one.mean_s)
        self._times = np.array([one.mean_s for one in self.kept])
        self._costs = np.array([one.cost_usd for one in self.kept])


@dataclass
class Tally:
    """How far a search went."""

    timed: int = 0
    """Layouts whose step was computed."""
    priced: int = 0
    """Layouts on tenders whose interruptions were computed."""


def price(
    market: Market,
    pricing: Pricing,
    asked: Asked,
    best: Incumbent | Front,
    layouts: Layouts,
    some: np.ndarray,
    tally: Tally,
) -> None:
    """Puts into `best` what some layouts are on each tender of their kind, where a floor does not exclude it."""
    kind = layouts.kind[some]
    number = np.diff(market.first)[kind]
    layout = np.repeat(some, number)
    tender = np.repeat(market.first[kind] - (np.cumsum(number) - number), number) + np.arange(len(layout))
    many, work = layouts.machines[layout], layouts.work_s[layout]
    factor, every = pricing.slowed(tender, many)
    mean = work * np.where(every < work, factor, 1.0)
    if asked.objective == "cost":
        floor = market.cost_usd(tender, many, mean)
    elif asked.objective == "carbon":
        floor = market.carbon_kg(tender, many, mean)
    else:
        floor = mean
    hopeful = np.nonzero(~best.cut(floor, mean) & (market.most_machines[tender] >= many))[0]
    if not len(hopeful):
        return
    layout, tender, many, work = layout[hopeful], tender[hopeful], many[hopeful], work[hopeful]
    tally.priced += len(layout)
    priced = pricing.priced(asked, tender, many.astype(np.float64), work)
    good = np.nonzero(priced.good)[0]
    for place in good[np.argsort(priced.value[good], kind="stable")].tolist():
        if bool(best.cut(priced.value[place : place + 1], priced.mean_s[place : place + 1])[0]):
            continue
        row = int(layout[place])
        best.add(
            Found(
                value=float(priced.value[place]),
                tender=int(tender[place]),
                machines=int(many[place]),
                kind=int(layouts.kind[row]),
                mesh=layouts.mesh(row),
                step_s=float(layouts.step_s[row]),
                work_s=float(work[place]),
                cost_usd=float(priced.cost_usd[place]),
                mean_s=float(priced.mean_s[place]),
                carbon_kg=float(priced.carbon_kg[place]),
                kept=float(priced.kept[place]),
            )
        )


def price_all(
    market: Market,
    pricing: Pricing,
    asked: Asked,
    best: Incumbent | Front,
    layouts: Layouts,
    floors: Floors,
    tally: Tally,
) -> None:
    """`price` of all layouts that may be best, the most promising first."""
    late = pricing.late(asked.confidence)[layouts.kind]
    value = floors.least(layouts.kind, layouts.machines, layouts.work_s)
    intime = layouts.work_s * late <= asked.deadline_s
    chosen = np.nonzero(intime & np.isfinite(value) & ~best.cut(value, layouts.work_s))[0]
    chosen = chosen[np.argsort(value[chosen], kind="stable")]
    size, start = 8, 0
    while start < len(chosen):
        some = chosen[start : start + size]
        some = some[~best.cut(value[some], layouts.work_s[some])]
        if not len(some) and isinstance(best, Incumbent):
            return
        price(market, pricing, asked, best, layouts, some, tally)
        start += size
        size = min(2 * size, _BATCH)
