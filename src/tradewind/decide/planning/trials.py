"""Hyperparameter search as a workload: many trials, each on one machine, all to be done by a deadline.

A trial that loses its machine begins again, or goes on from its last save. Machines take the next trial when they
are free and are given back when none is left, so what is paid is what the trials take, and the start of each
machine: more machines finish earlier and cost hardly more. The plan rents as few as keep the deadline with the
confidence that is asked for, of the offer (or two) where that costs least. Three ways are compared:

| way | trials |
|---|---|
| one offer | all on machines of one offer |
| two offers | as many as its quota allows on one, the rest on another |
| spot, then on demand | all begin on spot; those not done when only on demand can still finish them move there |

A search by successive halving is a sequence of rungs: many short trials, then fewer longer ones, each going on
from the rung before.

The probability to finish is a lower bound, the greater of two. Handing out fixed lists: every machine must be done
with its own. A common queue (Graham 1966): while a trial waits all k machines work, so nothing starts after s
unless the trials before it took over k s together; and none may take longer than what is left after s.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import reduce
from statistics import NormalDist
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from tradewind.decide.prediction.interruptions import Duration, Interruptions, Saving, duration, unsaved
from tradewind.domain.errors import NoPlan

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = [
    "Machines",
    "Pool",
    "Rung",
    "Search",
    "TrialPlan",
    "finish_probability",
    "halving",
    "least_machines",
    "plan_trials",
    "trial_duration",
]

_HOUR_S: Final = 3600.0


@dataclass(frozen=True)
class Rung:
    """Trials that run beside each other, each for a share of a whole trial."""

    trials: int
    share: float


def halving(trials: int, *, reduction: int = 3, least_share: float = 1 / 27) -> tuple[Rung, ...]:
    """Rungs of successive halving (Jamieson and Talwalkar 2016; ASHA, Li et al. 2020).

    All trials run for `least_share` of a whole one; of each rung the best 1/`reduction` go on until they have run
    `reduction` times as long, up to a whole trial.

    >>> [(rung.trials, round(rung.share, 3)) for rung in halving(27)]
    [(27, 0.037), (9, 0.074), (3, 0.222), (1, 0.667)]
    """
    rungs, number, reached = [], trials, 0.0
    until = least_share
    while number >= 1 and reached < 1.0:
        until = min(until, 1.0)
        rungs.append(Rung(number, until - reached))
        reached, until, number = until, until * reduction, number // reduction
    return tuple(rungs)


@dataclass(frozen=True)
class Search:
    """The trials, by when they are to be done, and how sure that must be."""

    rungs: tuple[Rung, ...]
    """One rung for plain (random, grid or Bayesian) search."""
    deadline_h: float
    confidence: float = 0.9
    save_s: float = float("inf")
    """How long a trial takes to save; infinite when trials do not save and begin again."""

    @property
    def trials(self) -> int:
        """Of the first rung."""
        return self.rungs[0].trials


@dataclass(frozen=True)
class Machines:
    """n offers as columns; (n,) each."""

    name: tuple[str, ...]
    trial_h: np.ndarray
    """Of one whole trial alone on one machine, without interruptions; infinite or NaN where it cannot run."""
    usd_per_hour: np.ndarray
    taken_per_hour: np.ndarray
    """How often a machine is taken back; 0 on demand."""
    failures_per_hour: np.ndarray
    notice_s: np.ndarray
    start_h: np.ndarray
    """Until a new machine works."""
    most_machines: np.ndarray
    """The quota; infinite without one."""

    def __len__(self) -> int:
        return len(self.name)

    def take(self, rows: np.ndarray) -> Machines:
        """Some of the offers, by indices."""
        columns = {key: column[rows] for key, column in self.__dict__.items() if key != "name"}
        return Machines(name=tuple(self.name[int(row)] for row in rows), **columns)


def trial_duration(search: Search, machines: Machines, share: float = 1.0) -> Duration:
    """How long a trial (or a share of one) takes on a machine of each offer, in seconds; (n,)."""
    work_s = machines.trial_h * share * _HOUR_S
    taken, failing = machines.taken_per_hour / _HOUR_S, machines.failures_per_hour / _HOUR_S
    restart_s = machines.start_h * _HOUR_S
    if np.isinf(search.save_s):
        return unsaved(work_s, restart_s, taken + failing)
    return duration(
        work_s, Saving(search.save_s, restart_s), Interruptions(taken, failing, machines.notice_s)
    )


_DOUBTS: Final = np.array([0.5, 0.3, 0.2, 0.1, 0.05, 0.02, 0.01, 0.003])
"""How likely the last trials may be to take longer than the time that is kept for them: the bound holds for each,
the best is taken."""


def finish_probability(search: Search, machines: Machines, number: np.ndarray, trials: int) -> np.ndarray:
    """The probability, at least, that so many machines (n,) do the search in time, begun with `trials` trials.

    Never falls when there are more machines or more time.
    """
    rungs = _scaled(search.rungs, trials)
    pieces = [trial_duration(search, machines, rung.share) for rung in rungs]
    left_s = (search.deadline_h - machines.start_h) * _HOUR_S
    count = np.maximum(np.asarray(number, float), 1.0)
    # A machine beyond the first rung's trials has nothing to do.
    count = np.minimum(count, max(rung.trials for rung in rungs))
    lists = _by_lists(rungs, pieces, left_s, count)
    found = np.maximum(lists, _by_queue(rungs, pieces, left_s, count))
    return np.where(np.asarray(number) >= 1, found, 0.0)


def _by_lists(
    rungs: Sequence[Rung], pieces: Sequence[Duration], left_s: np.ndarray, count: np.ndarray
) -> np.ndarray:
    """Each machine has its own list in each rung, and each rung its part of the time."""
    longest = [np.ceil(rung.trials / count) for rung in rungs]
    times = [number * piece.least_s for number, piece in zip(longest, pieces, strict=True)]
    total = np.maximum(sum(times), 1e-300)
    found = np.ones_like(count)
    for rung, piece, number, time_s in zip(rungs, pieces, longest, times, strict=True):
        until = left_s * time_s / total
        full = rung.trials - (number - 1.0) * count  # machines with the longest list
        found = found * piece.times(number).within(until) ** np.minimum(full, count)
        fewer = np.maximum(number - 1.0, 0.0)
        found = found * np.where(fewer > 0.0, piece.times(fewer).within(until) ** (count - full), 1.0)
    return found


def _by_queue(
    rungs: Sequence[Rung], pieces: Sequence[Duration], left_s: np.ndarray, count: np.ndarray
) -> np.ndarray:
    """All machines share a queue; (n,) the best over how much time is kept for the last trials of the rungs."""
    wide = [_widened(piece) for piece in pieces]
    # Each rung waits for its last trial: of each one trial need not have begun.
    busy = reduce(
        Duration.__add__,
        [piece.times(max(rung.trials - 1, 0)) for rung, piece in zip(rungs, wide, strict=True)],
    )
    kept_s, last = np.zeros(1), np.ones(1)
    for rung, piece in zip(rungs, wide, strict=True):
        longest_s = piece.quantile_s((1.0 - _DOUBTS / len(rungs)) ** (1.0 / rung.trials))
        kept_s = kept_s + longest_s
        last = last * piece.within(longest_s) ** rung.trials
    begun = busy.within(count[..., None] * (left_s[..., None] - kept_s))
    return np.asarray(np.maximum(begun + last - 1.0, 0.0).max(axis=-1))


def _widened(piece: Duration) -> Duration:
    """With an axis more, of length 1, at the end."""
    columns = {key: np.asarray(column)[..., None] for key, column in piece.__dict__.items()}
    return Duration(**columns)


def _scaled(rungs: Sequence[Rung], trials: int) -> tuple[Rung, ...]:
    """The same rungs begun with another number of trials."""
    return tuple(replace(rung, trials=max(1, rung.trials * trials // rungs[0].trials)) for rung in rungs)


def least_machines(search: Search, machines: Machines, trials: int, confidence: float) -> np.ndarray:
    """How few machines of each offer (n,) do it in time with that confidence; 0 where its quota does not suffice."""
    most = np.minimum(machines.most_machines, float(trials)).astype(int)
    low, high = np.zeros(len(machines), dtype=int), np.maximum(most, 0)
    can = (high >= 1) & (finish_probability(search, machines, high, trials) >= confidence)
    while ((high - low) > 1).any():
        middle = (low + high) // 2
        enough = finish_probability(search, machines, middle, trials) >= confidence
        low, high = np.where(enough, low, middle), np.where(enough, middle, high)
    return np.where(can, high, 0)


def _usd(search: Search, machines: Machines, number: np.ndarray, trials: int) -> np.ndarray:
    """What the trials are expected to take on machines of each offer, and their starts; infinite without machines."""
    rungs = _scaled(search.rungs, trials)
    hours = sum(rung.trials * trial_duration(search, machines, rung.share).mean_s / _HOUR_S for rung in rungs)
    with np.errstate(invalid="ignore"):
        usd = machines.usd_per_hour * (hours + number * machines.start_h)
    return np.where((np.asarray(number) >= 1) & np.isfinite(usd), usd, np.inf)


@dataclass(frozen=True)
class Pool:
    """Machines of one offer and the trials that they take."""

    offer: str
    machines: int
    trials: int


@dataclass(frozen=True)
class TrialPlan:
    """Which machines do a search, what it is expected to cost, and how surely it is done in time."""

    way: Literal["one offer", "two offers", "spot, then on demand"]
    pools: tuple[Pool, ...]
    fallback: str | None
    """The offer on which trials end that are not done at `switch_h`."""
    switch_h: float | None
    expected_usd: float
    probability: float
    """At least, that all trials are done by the deadline."""
    because: str


def plan_trials(search: Search, machines: Machines) -> TrialPlan:
    """The plan with the least expected cost that finishes in time with the confidence asked for.

    Exact over the ways and offers: all offers alone, all pairs of an offer whose quota binds with another, all
    pairs of a spot offer with one on demand. Errors: NoPlan when none finishes in time, with the plan that is the
    likeliest to.

    >>> spot, firm = 0.3, 1.0
    >>> machines = Machines(
    ...     ("spot", "on demand"), np.array([1.0, 1.0]), np.array([spot, firm]), np.array([0.05, 0.0]),
    ...     np.zeros(2), np.array([120.0, 0.0]), np.array([0.1, 0.1]), np.array([np.inf, np.inf]))
    >>> plan = plan_trials(Search((Rung(100, 1.0),), deadline_h=8.0), machines)
    >>> plan.pools[0].offer, plan.probability >= 0.9
    ('spot', True)
    """
    offers = machines.take(_cheapest_of_a_kind(machines))
    ways: list[TrialPlan] = []
    if len(offers):
        ways += _alone(search, offers)
        if len(search.rungs) == 1:
            ways += _paired(search, offers)
            ways += _rescued(search, offers)
    if not ways:
        nearest = _likeliest(search, offers)
        best = (
            f"{nearest.pools[0].offer} does so with {nearest.probability:.0%}"
            if nearest
            else "none can run it"
        )
        raise NoPlan(
            f"no machines do {search.trials} trials in {search.deadline_h:g} h with {search.confidence:.0%}: {best};"
            " allow more time, more machines, fewer trials or less confidence",
            nearest,
        )
    return min(ways, key=lambda plan: (plan.expected_usd, plan.pools[0].offer))


def _cheapest_of_a_kind(machines: Machines) -> np.ndarray:
    """The offers that can run a trial, less those without a quota that differ from a cheaper one in price only."""
    able = np.flatnonzero(np.isfinite(machines.trial_h) & (machines.most_machines >= 1))
    able = able[np.argsort(machines.usd_per_hour[able], kind="stable")]
    columns = ("trial_h", "taken_per_hour", "failures_per_hour", "notice_s", "start_h", "most_machines")
    kinds = np.stack([getattr(machines, name)[able] for name in columns], axis=1)
    # Two quotas of one kind are more than one.
    limited = np.isfinite(machines.most_machines[able])
    _, first = np.unique(kinds[~limited], axis=0, return_index=True)
    return np.sort(np.concatenate([able[limited], able[~limited][first]]))


def _alone(search: Search, offers: Machines) -> list[TrialPlan]:
    number = least_machines(search, offers, search.trials, search.confidence)
    usd = _usd(search, offers, number, search.trials)
    row = int(usd.argmin())
    return [_one(search, offers, row, int(number[row]), float(usd[row]))] if np.isfinite(usd[row]) else []


def _one(search: Search, offers: Machines, row: int, number: int, usd: float) -> TrialPlan:
    only = offers.take(np.array([row]))
    sure = float(finish_probability(search, only, np.array([number]), search.trials)[0])
    each = float(trial_duration(search, only).mean_s[0]) / _HOUR_S
    return TrialPlan(
        way="one offer",
        pools=(Pool(offers.name[row], number, search.trials),),
        fallback=None,
        switch_h=None,
        expected_usd=usd,
        probability=sure,
        because=f"{number} x {offers.name[row]}: a whole trial takes {each:.3g} h there on average, interruptions"
        f" included ({offers.trial_h[row]:.3g} h without)",
    )


_SPLITS: Final = 64
"""Into how many parts the trials are divided at most when they are shared between two offers."""
_PARTNERS: Final = 50


def _paired(search: Search, offers: Machines) -> list[TrialPlan]:
    """Shared between an offer whose quota binds and another; each must finish with the root of the confidence."""
    trials = search.trials
    confidence = search.confidence**0.5
    splits = np.unique(np.linspace(0, trials, min(trials, _SPLITS) + 1).astype(int))[1:-1]
    if not len(splits) or not np.isfinite(offers.most_machines).any():
        return []
    each = _usd(search, offers, np.ones(len(offers)), trials)
    rows = np.argsort(each, kind="stable")[:_PARTNERS]
    some = offers.take(rows)
    number = np.array([least_machines(search, some, int(part), confidence) for part in splits])
    usd = np.array([_usd(search, some, count, int(part)) for count, part in zip(number, splits, strict=True)])
    # (splits, offers, offers): the first takes a part, the second the rest, which is a split as well when
    # trials divide evenly; else the next larger one, which does no less.
    rest = np.searchsorted(splits, trials - splits)
    rest = np.minimum(rest, len(splits) - 1)
    valid = splits[rest] >= trials - splits
    both = usd[:, :, None] + usd[rest][:, None, :]
    both[~valid] = np.inf
    both[:, np.arange(len(some)), np.arange(len(some))] = np.inf
    split, first, second = (int(index) for index in np.unravel_index(int(both.argmin()), both.shape))
    if not np.isfinite(both[split, first, second]):
        return []
    pools, sure = [], 1.0
    for row, at in ((first, split), (second, int(rest[split]))):
        only = some.take(np.array([row]))
        part, count = int(splits[at]), int(number[at, row])
        part = part if row == first else trials - int(splits[split])
        pools.append(Pool(some.name[row], count, part))
        sure *= float(finish_probability(search, only, np.array([count]), part)[0])
    return [
        TrialPlan(
            way="two offers",
            pools=tuple(pools),
            fallback=None,
            switch_h=None,
            expected_usd=float(both[split, first, second]),
            probability=sure,
            because=f"no more than {some.most_machines[first]:g} machines of {some.name[first]} may be rented",
        )
    ]


def _rescued(search: Search, offers: Machines) -> list[TrialPlan]:
    """All trials begin on spot; those that are not done when it is late end on demand."""
    risky = np.flatnonzero(offers.taken_per_hour > 0.0)
    firm = np.flatnonzero(offers.taken_per_hour <= 0.0)
    trials = search.trials
    if not len(risky) or not len(firm):
        return []
    spot = offers.take(risky)
    one = _widened(trial_duration(search, spot, search.rungs[0].share))
    many = one.times(np.arange(1, trials + 1))
    # Machines (k) have q or q + 1 trials each.
    count = np.arange(1, trials + 1)
    short, longer = trials // count, trials % count
    last = trials // np.maximum(count, 1) + 1
    odds = NormalDist().inv_cdf(0.5 + 0.5 * search.confidence)
    found: list[TrialPlan] = []
    for row in _worth(search, offers, firm):
        only = offers.take(np.array([row]))
        whole = trial_duration(search, only, search.rungs[0].share)
        # With half of the doubt that is allowed, and as many as all trials at once.
        slowest = float(whole.quantile_s(1.0 - 0.5 * (1.0 - search.confidence) / trials)[0])
        switch_s = search.deadline_h * _HOUR_S - float(only.start_h[0]) * _HOUR_S - slowest
        left_s = switch_s - spot.start_h * _HOUR_S
        if switch_s <= 0.0:
            continue
        done = np.where(left_s[:, None] > 0.0, many.within(left_s[:, None]), 0.0)
        missing = np.concatenate([np.zeros((len(spot), 1)), np.cumsum(1.0 - done, axis=1)], axis=1)
        after = np.minimum(last, trials)
        undone = longer * missing[:, after] + (count - longer) * missing[:, short]
        # Lists are independent of each other, and one holds at most `last` trials that may all be undone.
        most = np.minimum(undone + odds * np.sqrt(last * undone) + 0.5, trials)
        mean_s = np.maximum(left_s, 0.0)[:, None]
        hours = longer * np.minimum(last * one.mean_s, mean_s)
        hours = (hours + (count - longer) * np.minimum(short * one.mean_s, mean_s)) / _HOUR_S
        begun = count * spot.start_h[:, None]
        rescue = float(whole.mean_s[0]) / _HOUR_S + float(only.start_h[0])
        usd = spot.usd_per_hour[:, None] * (hours + begun) + undone * rescue * float(only.usd_per_hour[0])
        allowed = (count <= spot.most_machines[:, None]) & (most <= float(only.most_machines[0]))
        usd = np.where(allowed & (left_s > 0.0)[:, None], usd, np.inf)
        best, column = (int(index) for index in np.unravel_index(int(usd.argmin()), usd.shape))
        if np.isfinite(usd[best, column]):
            found.append(
                TrialPlan(
                    way="spot, then on demand",
                    pools=(Pool(spot.name[best], int(count[column]), trials),),
                    fallback=only.name[0],
                    switch_h=switch_s / _HOUR_S,
                    expected_usd=float(usd[best, column]),
                    probability=search.confidence,
                    because=f"about {undone[best, column]:.2g} trials are not done after {switch_s / _HOUR_S:.3g} h"
                    f" and end on {only.name[0]}",
                )
            )
    return found


def _worth(search: Search, offers: Machines, firm: np.ndarray) -> Iterable[int]:
    """The offers on demand to end on: those that no other beats in price per trial, time and quota at once."""
    some = offers.take(firm)
    whole = trial_duration(search, some)
    usd = some.usd_per_hour * (whole.mean_s / _HOUR_S + some.start_h)
    time_s = whole.quantile_s(1.0 - 0.5 * (1.0 - search.confidence) / search.trials) + some.start_h * _HOUR_S
    order = np.lexsort((-some.most_machines, time_s, usd))
    kept: list[int] = []
    for index in order:
        beaten = any(
            time_s[other] <= time_s[index]
            and min(some.most_machines[other], search.trials) >= min(some.most_machines[index], search.trials)
            for other in kept
        )
        if not beaten:
            kept.append(int(index))
    return [int(firm[index]) for index in kept]


def _likeliest(search: Search, offers: Machines) -> TrialPlan | None:
    """The single offer whose whole quota is the likeliest to finish in time."""
    if not len(offers):
        return None
    number = np.minimum(offers.most_machines, search.trials).astype(int)
    sure = finish_probability(search, offers, number, search.trials)
    row = int(sure.argmax())
    usd = _usd(search, offers, number, search.trials)
    return _one(search, offers, row, int(number[row]), float(usd[row]))
