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

from tradewind.decide.catalog.selection import is_accelerator
from tradewind.decide.prediction.interruptions import (
    NOTICE_S,
    Duration,
    Interruptions,
    Saving,
    duration,
    failures_per_hour,
    unsaved,
)
from tradewind.domain import units
from tradewind.domain.errors import InputError, NoPlan, nearest
from tradewind.domain.noun import Rejected
from tradewind.domain.plan import Miss
from tradewind.domain.trials import TrialsOther, TrialsPlan, TrialsPool

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tradewind.domain.estimate import Calibration
    from tradewind.domain.offer import Offers
    from tradewind.domain.trials import TrialsGoal

__all__ = [
    "Machines",
    "Pool",
    "Rung",
    "Search",
    "TrialPlan",
    "finish_probability",
    "halving",
    "least_machines",
    "machines_of",
    "plan_search",
    "plan_trials",
    "search_of",
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


# ---- From a goal and offers to a plan


_PREPAID: Final = " (paid for already)"
_OTHERS: Final = 5
_LATEST_H: Final = 1e6
"""No deadline further away than a century is advised."""


def search_of(goal: TrialsGoal) -> Search:
    """The search that a goal means.

    >>> from tradewind.domain.trials import Trials, TrialsGoal, Where
    >>> trials = Trials(count=9, on=(Where(each_s=60.0, vcpus=8),), deadline_s=7200.0)
    >>> search_of(TrialsGoal(name="nine", trials=trials, budget_usd=1.0)).rungs
    (Rung(trials=9, share=1.0),)
    """
    asked, cut = goal.trials, goal.trials.halving
    return Search(
        rungs=(Rung(asked.count, 1.0),)
        if cut is None
        else halving(asked.count, reduction=cut.reduction, least_share=cut.least_share),
        deadline_h=asked.deadline_s / _HOUR_S,
        confidence=goal.confidence,
        save_s=float("inf") if asked.save_s is None else asked.save_s,
    )


def machines_of(
    goal: TrialsGoal, offers: Offers, calibration: Calibration
) -> tuple[Machines, np.ndarray, int]:
    """The offers on which a trial can run, the row of each among `offers`, and how many they stand for.

    Of machines of one type, purchase option and rate of interruption without a quota only the cheapest is in it:
    the others take as long and cost more. Machines that a commitment pays for already are rows of their own, at
    no cost and as many as are paid for; as one commitment may stand for several offers, only the one that does
    the most trials is taken. Commitments that are yet to be made are left out: they outlive any search.

    Errors: InputError for an accelerator that no machine among the offers has.
    """
    trial_h = _trial_h(goal, offers)
    purchase, options = offers.coded("purchase")
    spot = np.array([option == "spot" for option in options])[purchase]
    committed = np.array([str(option).startswith("commit") for option in options])[purchase]
    rows = np.flatnonzero(np.isfinite(trial_h) & ~committed)

    def known(name: str, otherwise: np.ndarray | float) -> np.ndarray:
        column = offers[name][rows]
        return np.asarray(np.where(np.isnan(column), otherwise, column))

    accelerators = known("accelerator_count", 0.0)
    kind, names = offers.coded("accelerator")
    slices = np.array([str(name).startswith("TPU") for name in names])[kind[rows]]
    # A slice of TPUs has a computer for each 8 chips (Google Cloud, TPU v5e and v6e).
    hosts = np.where(slices, np.maximum(1.0, accelerators / 8.0), 1.0)
    with_one, without = (
        calibration[name].value
        for name in ("spot_accelerator_interruptions_per_hour", "spot_interruptions_per_hour")
    )
    prior = np.where(accelerators > 0.0, with_one, without) * hosts
    cloud, clouds = offers.coded("cloud")
    notice_s = np.array([NOTICE_S.get(str(name), 0.0) for name in clouds])[cloud[rows]]
    columns = {
        "trial_h": trial_h[rows],
        "usd_per_hour": offers["price_usd_per_hour"][rows] * known("managed_ratio", 1.0),
        "taken_per_hour": np.where(spot[rows], known("interruptions_per_hour", prior), 0.0),
        "failures_per_hour": hosts * failures_per_hour(accelerators / hosts),
        "notice_s": np.where(spot[rows], notice_s, 0.0),
        "start_h": np.full(len(rows), calibration["spot_replacement_s"].value / _HOUR_S),
        "most_machines": np.floor(known("most_machines", np.inf)),
    }
    prepaid = np.floor(known("prepaid_machines", 0.0))
    free = int((prepaid / columns["trial_h"]).argmax()) if len(rows) and prepaid.any() else None
    if free is not None:
        columns = {name: np.append(column, column[free]) for name, column in columns.items()}
        columns["usd_per_hour"][-1] = 0.0
        columns["most_machines"][free] = max(columns["most_machines"][free] - prepaid[free], 0.0)
        columns["most_machines"][-1] = prepaid[free]
        rows = np.append(rows, rows[free])
    kept = _cheapest_of_a_type(offers, rows, columns)
    places = [offers[name][rows[kept]] for name in ("cloud", "region", "instance_type", "purchase", "zone")]
    keys = ["/".join(words) + (f"@{zone}" if zone else "") for *words, zone in zip(*places, strict=True)]
    if free is not None:
        keys = [
            key + (_PREPAID if row == len(rows) - 1 else "")
            for key, row in zip(keys, kept.tolist(), strict=True)
        ]
    found = Machines(name=tuple(keys), **{name: column[kept] for name, column in columns.items()})
    return found, rows[kept], len(rows)


def _trial_h(goal: TrialsGoal, offers: Offers) -> np.ndarray:
    """(n,) the least time of a trial by any of the goal's lines, NaN where none allows the machine."""
    kind, names = offers.coded("accelerator")
    count, vcpus = offers["accelerator_count"], offers["vcpus"]
    shared = np.array([bool(value) for value in offers.coded("shared_cpu")[1]])[offers.coded("shared_cpu")[0]]
    found = np.full(len(offers), np.inf)
    for where in goal.trials.on:
        if where.accelerator:
            meant = np.array(
                [name is not None and is_accelerator(where.accelerator, str(name)) for name in names], bool
            )
            if not meant.any():
                known = sorted(str(name) for name in names if name)
                like = nearest(where.accelerator, known)
                raise InputError(
                    f"trials.on: no machine that the goal allows has {where.accelerator!r}; "
                    + (f"did you mean {like}?" if like else f"there are {', '.join(known) or 'none'}")
                )
            fits = meant[kind] & (count >= where.accelerators) & (vcpus >= where.vcpus)
        else:
            # Burstable machines do not bear hours of work; those with accelerators are paid for these.
            fits = (vcpus >= where.vcpus) & ~(count > 0.0) & ~shared
        found = np.where(fits, np.minimum(found, where.each_s / _HOUR_S), found)
    return np.where(np.isfinite(found), found, np.nan)


def _cheapest_of_a_type(offers: Offers, rows: np.ndarray, columns: dict[str, np.ndarray]) -> np.ndarray:
    """Positions among the rows: all with a quota, and the cheapest of each type, option and rate."""
    order = np.argsort(columns["usd_per_hour"], kind="stable")
    limited = np.isfinite(columns["most_machines"][order])
    words = [offers.coded(name)[0][rows[order]] for name in ("cloud", "instance_type", "purchase")]
    numbers = [columns[name][order] for name in ("trial_h", "taken_per_hour", "failures_per_hour")]
    alike = np.stack([*(word.astype(float) for word in words), *numbers], axis=1)
    _, first = np.unique(alike[~limited], axis=0, return_index=True)
    return np.sort(np.concatenate([order[limited], order[~limited][first]]))


def plan_search(goal: TrialsGoal, offers: Offers, calibration: Calibration, *, today: str) -> TrialsPlan:
    """The least expected cost that does all trials by the deadline with the goal's confidence; else the nearest.

    Where the deadline cannot be kept it is the offer that is the likeliest to, and the advice says which deadline
    can. Errors: InputError when no machine can run a trial; NoPlan when no deadline can be kept.
    """
    # A trial that never ends takes e^200 hours, which overflows where it is divided.
    with np.errstate(over="ignore"):
        return _planned(goal, offers, calibration, today)


def _planned(goal: TrialsGoal, offers: Offers, calibration: Calibration, today: str) -> TrialsPlan:
    search = search_of(goal)
    machines, rows, priced = machines_of(goal, offers, calibration)
    if not len(machines):
        raise InputError(
            "trials.on: no machine that the goal allows can run a trial: it has too few accelerators or vCPUs, or can"
            " only be committed for years; name other machines, regions or purchase options"
        )
    misses: list[Miss] = []
    try:
        found = plan_trials(search, machines)
    except NoPlan as error:
        if not isinstance(error.plan, TrialPlan):
            raise InputError(
                "overlay: its quotas leave no machine that can run a trial; allow some"
            ) from None
        found = error.plan
        misses.append(_late(search, machines))
    if found.expected_usd > goal.budget_usd:
        misses.append(_dear(goal, search, machines, found))
    row_of = {name: int(row) for name, row in zip(machines.name, rows.tolist(), strict=True)}
    at = {name: place for place, name in enumerate(machines.name)}
    first = machines.take(np.array([at[found.pools[0].offer]]))
    return TrialsPlan(
        goal=goal,
        way=found.way,
        pools=tuple(
            TrialsPool(
                offer=offers.offer(row_of[pool.offer]),
                machines=pool.machines,
                trials=pool.trials,
                prepaid=pool.offer.endswith(_PREPAID),
            )
            for pool in found.pools
        ),
        fallback=None if found.fallback is None else offers.offer(row_of[found.fallback]),
        switch_s=None if found.switch_h is None else found.switch_h * _HOUR_S,
        trial_s=float(trial_duration(search, first).mean_s[0]),
        cost_usd=found.expected_usd,
        confidence=found.probability,
        meets_goal=not misses,
        misses=tuple(misses),
        others=_others(search, machines, rows, offers, found),
        rejected=_left_out(offers, priced),
        priced=priced,
        because=_because(search, first, found),
        snapshot=offers.snapshot,
        today=today,
    )


def _because(search: Search, first: Machines, found: TrialPlan) -> tuple[str, ...]:
    lines = [found.because]
    if first.taken_per_hour[0] > 0.0:
        goes_on = "begins again" if np.isinf(search.save_s) else "goes on from its last save"
        rate = float(first.taken_per_hour[0])
        lines.append(
            f"a spot machine is taken back every {1.0 / rate:,.3g} h on average; its trial {goes_on} on another one"
        )
    if len(search.rungs) > 1:
        rungs = ", ".join(f"{rung.trials} x {rung.share:.3g}" for rung in search.rungs)
        lines.append(f"successive halving: {rungs} of a whole trial, each rung after the one before")
    lines.append(
        f"a new machine works after {units.show(float(first.start_h[0]) * _HOUR_S, 'time')} (assumed), which is paid"
    )
    return tuple(lines)


def _late(search: Search, machines: Machines) -> Miss:
    """The earliest deadline that can be kept, and what keeping it costs."""
    offers = machines.take(_cheapest_of_a_kind(machines))
    number = np.minimum(offers.most_machines, search.trials).astype(int)

    def kept(deadline_h: float) -> bool:
        sure = finish_probability(replace(search, deadline_h=deadline_h), offers, number, search.trials)
        return bool(sure.max() >= search.confidence)

    low, high = search.deadline_h, search.deadline_h * 2.0
    while high < _LATEST_H and not kept(high):
        low, high = high, high * 2.0
    asked = units.show(search.deadline_h * _HOUR_S, "time")
    if high >= _LATEST_H:
        raise NoPlan(
            f"no deadline can be kept with {search.confidence:.0%}: trials of"
            f" {float(offers.trial_h.min()):.3g} h begin again at every interruption and never end; let them save"
            " (save), or allow on_demand",
            None,
        )
    while high / low > 1.001:
        middle = (low * high) ** 0.5
        low, high = (low, middle) if kept(middle) else (middle, high)
    then = plan_trials(replace(search, deadline_h=high), machines)
    pools = " and ".join(f"{pool.machines} x {pool.offer}" for pool in then.pools)
    return Miss(
        constraint="deadline",
        asked=search.deadline_h * _HOUR_S,
        got=high * _HOUR_S,
        unit="s",
        advice=f"deadline {asked} cannot be kept with {search.confidence:.0%}; the earliest is"
        f" {units.show(high * _HOUR_S, 'time')}, on {pools} for {then.expected_usd:,.0f} usd",
    )


_PATIENT: Final = 10.0


def _dear(goal: TrialsGoal, search: Search, machines: Machines, found: TrialPlan) -> Miss:
    advice = f"allow budget = {_money(found.expected_usd)}, or fewer or shorter trials"
    try:
        patient = plan_trials(replace(search, deadline_h=search.deadline_h * _PATIENT), machines)
    except NoPlan:
        patient = found
    if patient.expected_usd < 0.99 * found.expected_usd:
        advice += f"; with {_PATIENT:.0f} times the time it would cost {_money(patient.expected_usd)}"
    return Miss(constraint="budget", asked=goal.budget_usd, got=found.expected_usd, unit="usd", advice=advice)


def _money(usd: float) -> str:
    return f"{np.ceil(usd * 100.0) / 100.0:,.2f} usd"


def _others(
    search: Search, machines: Machines, rows: np.ndarray, offers: Offers, found: TrialPlan
) -> tuple[TrialsOther, ...]:
    """The best offer of each of a few other machine types."""
    number = least_machines(search, machines, search.trials, search.confidence)
    usd = _usd(search, machines, number, search.trials)
    chosen = {machines.name.index(pool.offer) for pool in found.pools}
    seen = {offers["instance_type"][rows[place]] for place in chosen}
    others: list[TrialsOther] = []
    for place in np.argsort(usd, kind="stable").tolist():
        offer_type = offers["instance_type"][rows[place]]
        if len(others) == _OTHERS or not np.isfinite(usd[place]):
            break
        if offer_type in seen:
            continue
        seen.add(offer_type)
        sure = finish_probability(
            search, machines.take(np.array([place])), number[place : place + 1], search.trials
        )
        others.append(
            TrialsOther(
                offer=offers.offer(int(rows[place])),
                machines=int(number[place]),
                cost_usd=float(usd[place]),
                confidence=float(sure[0]),
            )
        )
    return tuple(others)


def _left_out(offers: Offers, priced: int) -> tuple[Rejected, ...]:
    purchase, options = offers.coded("purchase")
    committed = int(np.array([str(option).startswith("commit") for option in options])[purchase].sum())
    out = []
    if committed:
        reason = "a commitment is paid for years, whatever a search takes"
        out.append(Rejected(name="commitments", reason=reason, count=committed))
    rest = len(offers) - committed - priced
    if rest > 0:
        reason = "not the machines that trials.on names, or too small, or with shared processors"
        out.append(Rejected(name="other machines", reason=reason, count=rest))
    return tuple(out)
