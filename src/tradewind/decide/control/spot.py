"""Spot, on demand, or wait: what a job with a deadline should run on now.

A policy is a function of the job and of what is known now; `choices` puts the safety net under any of them:
when only just enough time is left to finish on demand, the job runs on demand to the end, so a deadline that
could be met at the start is met. Everything works on arrays of n runs, one number each; `decide` is the same for
one run, in words.

Time is in hours and moves in steps of `step_h`, at which availability is looked at. Each change to a running
state costs `restart_h`, paid, without progress.

>>> job = Job(work_h=48.0, deadline_h=60.0, restart_h=0.1)
>>> now = State.start(job, available=True, step_h=0.1)
>>> decide(uniform, job, now)
'spot'
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np

__all__ = [
    "POLICIES",
    "Choice",
    "Job",
    "Outcome",
    "Policy",
    "Seen",
    "State",
    "best_policy",
    "choices",
    "decide",
    "feasible",
    "greedy",
    "least_usd",
    "must_run",
    "only_on_demand",
    "planned",
    "seen_before",
    "simulate",
    "sliced",
    "synthetic",
    "uniform",
]

Choice = Literal["spot", "on_demand", "wait"]
WAIT: Final = 0
SPOT: Final = 1
ON_DEMAND: Final = 2
_WORDS: Final[tuple[Choice, ...]] = ("wait", "spot", "on_demand")
_SLICES: Final = 4
_ROUNDING: Final = 1e-9


@dataclass(frozen=True)
class Job:
    """What is to be done, and by when; hours of machines that run."""

    work_h: float
    """Without interruptions, saves included."""
    deadline_h: float
    restart_h: float
    """From the decision to run until the job works: machines, start, reading the checkpoint."""
    loss_h: float = 0.0
    """Work that an interruption undoes: nothing where the notice suffices to save."""
    spot_usd_per_hour: float = 0.3
    on_demand_usd_per_hour: float = 1.0


@dataclass(frozen=True)
class State:
    """What is known of n runs now; (n,) each but for the step."""

    elapsed_h: np.ndarray
    done_h: np.ndarray
    available: np.ndarray
    """Whether spot machines can be had now."""
    on: np.ndarray
    """What runs since the step before: 0 nothing, 1 spot, 2 on demand."""
    starting_h: np.ndarray
    """What is left of its start."""
    step_h: float
    up_h: np.ndarray
    """For how long spot was seen available, and `down_h` not."""
    down_h: np.ndarray
    losses: np.ndarray
    """How often it was seen to go away, and `gains` to come back."""
    gains: np.ndarray

    @classmethod
    def start(cls, job: Job, *, available: bool | np.ndarray, step_h: float) -> State:
        """Before anything was done or seen."""
        there = np.atleast_1d(np.asarray(available, dtype=bool))
        none = np.zeros(len(there))
        return cls(none, none, there, none.astype(int), none, step_h, none, none, none, none)


Policy = Callable[[Job, State], np.ndarray]
"""What n runs should run on: 0 nothing, 1 spot, 2 on demand. Spot only where it is available."""


def feasible(job: Job) -> bool:
    """Whether the deadline can be kept for certain: by running on demand from the start."""
    return job.deadline_h >= job.work_h + job.restart_h


def must_run(job: Job, state: State) -> np.ndarray:
    """Where only on demand for good keeps the deadline: two restarts and two steps are left beside the work.

    One restart is that on demand; the other, and what an interruption undoes, may still befall a spot machine
    in the step that comes; the steps are how late that is noticed.
    """
    left_h = job.deadline_h - state.elapsed_h
    need_h = job.work_h - state.done_h + 2.0 * job.restart_h + 2.0 * state.step_h + job.loss_h
    return np.asarray(left_h <= need_h + _ROUNDING)


def choices(policy: Policy, job: Job, state: State) -> np.ndarray:
    """What n runs should run on, the safety net included."""
    return np.where(must_run(job, state), ON_DEMAND, policy(job, state))


def decide(policy: Policy, job: Job, state: State) -> Choice:
    """What one run should run on now."""
    return _WORDS[int(choices(policy, job, state)[0])]


def only_on_demand(job: Job, state: State) -> np.ndarray:
    """Never spot: what everything is compared with."""
    return np.full(len(state.done_h), ON_DEMAND)


def greedy(job: Job, state: State) -> np.ndarray:
    """Spot whenever there is some, else wait: best where there is much time."""
    return np.where(state.available, SPOT, WAIT)


def sliced(job: Job, state: State) -> np.ndarray:
    """Four parts of the time with a quarter of the work each, every one with a deadline of its own."""
    part_h = job.deadline_h / _SLICES
    part = np.floor(state.elapsed_h / part_h + _ROUNDING)
    need_h = (part + 1.0) * job.work_h / _SLICES - state.done_h
    late = (part + 1.0) * part_h - state.elapsed_h <= need_h + job.restart_h + state.step_h
    return np.where((need_h > 0.0) & late, ON_DEMAND, np.where(state.available, SPOT, WAIT))


def uniform(job: Job, state: State) -> np.ndarray:
    """Work at the pace that the deadline asks for: on demand when behind and there is no spot.

    Uniform Progress, Wu et al., "Can't Be Late", NSDI 2024: needs no forecast. On demand is left only when ahead
    by two restarts, so that each stay pays for its restart.
    """
    pace = job.work_h / job.deadline_h
    ahead_h = state.done_h - state.elapsed_h * pace
    stays = state.on == ON_DEMAND
    with_spot = np.where(stays & (ahead_h < 2.0 * job.restart_h * pace), ON_DEMAND, SPOT)
    without = (ahead_h < 0.0) | (stays & (ahead_h < 2.0 * job.restart_h))
    return np.where(state.available, with_spot, np.where(without, ON_DEMAND, WAIT))


@dataclass(frozen=True)
class Outcome:
    """How n runs went; (n,) each."""

    usd: np.ndarray
    finished_h: np.ndarray
    """Infinite where the series ended first."""
    spot_h: np.ndarray
    on_demand_h: np.ndarray
    restarts: np.ndarray


def simulate(policy: Policy, job: Job, available: np.ndarray, step_h: float) -> Outcome:
    """How the job goes under a policy while spot is available as in (n, ticks); one row is one run.

    Money is paid by the second. Where the series ends before the work does, the run is not finished.
    """
    runs, ticks = available.shape
    state = State.start(job, available=available[:, 0], step_h=step_h)
    finished = np.full(runs, np.inf)
    spot_h, on_demand_h, restarts = np.zeros(runs), np.zeros(runs), np.zeros(runs)
    for tick in range(ticks):
        there = available[:, tick]
        if tick:
            state = _seen(state, there)
        taken = (state.on == SPOT) & ~there
        state = replace(
            state,
            elapsed_h=np.full(runs, tick * step_h),
            done_h=np.where(taken, np.maximum(state.done_h - job.loss_h, 0.0), state.done_h),
            on=np.where(taken, WAIT, state.on),
            starting_h=np.where(taken, 0.0, state.starting_h),
        )
        choice = choices(policy, job, state)
        choice = np.where((choice == SPOT) & ~there, WAIT, choice)
        open_ = np.isinf(finished)
        changed = (choice != state.on) & (choice != WAIT)
        pending = np.where(choice == WAIT, 0.0, np.where(changed, job.restart_h, state.starting_h))
        need_h = pending + job.work_h - state.done_h
        ran_h = np.where((choice != WAIT) & open_, np.minimum(need_h, step_h), 0.0)
        worked_h = np.maximum(ran_h - pending, 0.0)
        pending = np.where(choice == WAIT, 0.0, np.maximum(pending - ran_h, 0.0))
        ends = open_ & (choice != WAIT) & (need_h <= step_h + _ROUNDING)
        finished = np.where(ends, tick * step_h + ran_h, finished)
        spot_h += np.where(choice == SPOT, ran_h, 0.0)
        on_demand_h += np.where(choice == ON_DEMAND, ran_h, 0.0)
        restarts += changed & open_
        state = replace(state, done_h=state.done_h + worked_h, on=choice, starting_h=pending)
        if np.isfinite(finished).all():
            break
    usd = spot_h * job.spot_usd_per_hour + on_demand_h * job.on_demand_usd_per_hour
    return Outcome(usd, finished, spot_h, on_demand_h, restarts)


def least_usd(
    work_h: np.ndarray | float,
    deadline_h: np.ndarray | float,
    share: np.ndarray | float,
    spot_usd_per_hour: np.ndarray | float,
    on_demand_usd_per_hour: np.ndarray | float,
) -> np.ndarray:
    """What no policy goes below on average where spot is there for a share of the time; arrays that broadcast.

    All hours of spot until the deadline are used, the rest is on demand, and starts cost nothing. For ranking very
    many machines before any is simulated.

    >>> float(least_usd(48.0, 60.0, 0.5, 0.3, 1.0))
    27.0
    """
    work = np.asarray(work_h, float)
    with_spot = np.minimum(work, np.asarray(share, float) * deadline_h)
    usd = with_spot * spot_usd_per_hour + (work - with_spot) * on_demand_usd_per_hour
    return np.asarray(np.minimum(usd, work * on_demand_usd_per_hour))


def _seen(state: State, there: np.ndarray) -> State:
    """The counts after one more step, at the end of which spot is there or not."""
    was = state.available
    return replace(
        state,
        available=there,
        up_h=state.up_h + was * state.step_h,
        down_h=state.down_h + ~was * state.step_h,
        losses=state.losses + (was & ~there),
        gains=state.gains + (~was & there),
    )


_STEPS: Final = 300
"""Into how many steps a plan divides the time to the deadline: finer ones change the cost by under 0.5 %."""
_UP_H: Final = (0.4, 1.0, 2.5, 6.0, 20.0)
_DOWN_H: Final = (0.2, 0.5, 1.2, 3.0, 8.0, 30.0)
"""Mean hours that spot stays and stays away, for which plans are made; the nearest to what was seen is followed."""


@dataclass(frozen=True)
class Seen:
    """What was seen of spot before the job began, or is believed, as if it had been seen."""

    losses: float = 1.0
    up_h: float = 2.0
    gains: float = 1.0
    down_h: float = 1.5


def planned(job: Job, step_h: float, seen: Seen | None = None) -> Policy:
    """The policy with the least expected cost if spot comes and goes at random (a two-state Markov chain).

    Found by dynamic programming over time x work left x what runs x availability, for a grid of rates; while the
    job runs, the plan is followed that is for the rates seen so far. Before anything was seen, spot is
    believed to stay 2 hours and to stay away 1.5: the middle of what traces of accelerators in single zones show
    (V100 on AWS, 2023: 0.7 to 3.2 and 0.8 to 3.6).
    """
    before = seen or Seen()
    grid_h = max(step_h, job.deadline_h / _STEPS)
    up, down = (axis.ravel() for axis in np.meshgrid(_UP_H, _DOWN_H, indexing="ij"))
    table = _plans(job, grid_h, step_h, up, down)
    ups, downs = np.log(_UP_H), np.log(_DOWN_H)

    def policy(of: Job, state: State) -> np.ndarray:
        up_h = (before.up_h + state.up_h) / (before.losses + state.losses)
        down_h = (before.down_h + state.down_h) / (before.gains + state.gains)
        row = np.abs(np.log(up_h)[:, None] - ups).argmin(axis=1) * len(downs)
        row += np.abs(np.log(down_h)[:, None] - downs).argmin(axis=1)
        tick = np.minimum(np.rint(state.elapsed_h / grid_h).astype(int), table.shape[0] - 1)
        left_h = of.work_h - state.done_h + state.starting_h
        left = np.clip(np.rint(left_h / grid_h).astype(int), 1, table.shape[-1] - 1)
        return np.asarray(table[tick, row, state.on, state.available.astype(int), left], dtype=int)

    return policy


def _plans(job: Job, grid_h: float, step_h: float, up_h: np.ndarray, down_h: np.ndarray) -> np.ndarray:
    """What to do, by (time, rates, what runs, availability, work left): (T, K, 3, 2, W) of 0, 1, 2.

    What is left of a start counts as work left.
    """
    ticks = int(np.ceil(job.deadline_h / grid_h))
    most_h = job.work_h + job.restart_h + job.loss_h
    work_h = np.arange(int(np.ceil(most_h / grid_h)) + 2) * grid_h
    # Chances that spot changes within a step: of a chain in continuous time.
    total = 1.0 / up_h + 1.0 / down_h
    mixed = -np.expm1(-total * grid_h) / total
    goes, comes = ((mixed / hours)[:, None, None] for hours in (up_h, down_h))
    shape = (len(up_h), 3, 2, len(work_h))
    actions = np.zeros((ticks, *shape), dtype=np.int8)
    price = np.array([0.0, job.spot_usd_per_hour, job.on_demand_usd_per_hour])
    on = np.arange(3)
    finish_h = work_h + job.restart_h * (on[:, None] != ON_DEMAND)
    safe = np.broadcast_to((finish_h * price[ON_DEMAND])[None, :, None, :], shape)
    value = safe.copy()
    gain_h = np.array([grid_h, grid_h - job.restart_h])
    costs = np.empty((3, *shape))
    for tick in reversed(range(ticks)):
        # Of what comes: with spot lost, and averaged over availability; (K, 3, W) and by availability now.
        lost = value[:, :, 0, :]
        kept = value[:, :, 1, :]
        now_up = goes * lost + (1.0 - goes) * kept
        now_down = (1.0 - comes) * lost + comes * kept
        # Spot that goes leaves nothing running and undoes the loss.
        undone = _at(lost[:, WAIT, None, :], work_h + job.loss_h, grid_h)
        with_spot = goes * undone + (1.0 - goes) * kept[:, SPOT, None, :]
        costs[WAIT, :, :, 0] = now_down[:, WAIT, None]
        costs[WAIT, :, :, 1] = now_up[:, WAIT, None]
        costs[SPOT, :, :, 0] = np.inf
        for running in on:
            for choice, there, coming in (
                (SPOT, 1, with_spot[:, 0]),
                (ON_DEMAND, 0, now_down[:, ON_DEMAND]),
                (ON_DEMAND, 1, now_up[:, ON_DEMAND]),
            ):
                starts = int(running != choice)
                need_h = work_h + job.restart_h * starts
                after = _at(coming, np.maximum(work_h - gain_h[starts], 0.0), grid_h)
                paid = np.minimum(need_h, grid_h) * price[choice]
                costs[choice, :, running, there] = paid + np.where(need_h <= grid_h, 0.0, after)
        best = costs.argmin(axis=0)
        least = np.take_along_axis(costs, best[None], axis=0)[0]
        left_h = job.deadline_h - tick * grid_h
        must = left_h <= work_h + 2.0 * job.restart_h + 2.0 * step_h + job.loss_h
        value = np.where(must, safe, least)
        value[..., 0] = 0.0
        actions[tick] = np.where(must, ON_DEMAND, best)
    return actions


def _at(values: np.ndarray, work_h: np.ndarray, grid_h: float) -> np.ndarray:
    """Values (..., W) at other amounts of work left, between those of the grid."""
    place = np.clip(work_h / grid_h, 0.0, values.shape[-1] - 1.0)
    low = np.minimum(place.astype(int), values.shape[-1] - 2)
    share = place - low
    return np.asarray(values[..., low] * (1.0 - share) + values[..., low + 1] * share)


def seen_before(available: np.ndarray, step_h: float, before: Seen | None = None) -> Seen:
    """What a series (or several, one a row) of availability shows, added to what was believed before it.

    >>> seen_before(np.array([1, 1, 0, 1], dtype=bool), 1.0, Seen(0.0, 0.0, 0.0, 0.0))
    Seen(losses=1.0, up_h=2.0, gains=1.0, down_h=1.0)
    """
    rows = np.atleast_2d(np.asarray(available, dtype=bool))
    now, then = rows[:, :-1], rows[:, 1:]
    prior = before or Seen()
    return Seen(
        losses=prior.losses + float((now & ~then).sum()),
        up_h=prior.up_h + float(now.sum()) * step_h,
        gains=prior.gains + float((~now & then).sum()),
        down_h=prior.down_h + float((~now).sum()) * step_h,
    )


def synthetic(seen: Seen, step_h: float, hours: float, runs: int, rng: np.random.Generator) -> np.ndarray:
    """Availability as it may come: (runs, ticks) of independent two-state chains, each begun at random."""
    gone, back = seen.losses / seen.up_h, seen.gains / seen.down_h
    mixed = -np.expm1(-(gone + back) * step_h)
    ticks = int(np.ceil(hours / step_h)) + 1
    chance = rng.random((runs, ticks))
    found = np.empty((runs, ticks), dtype=bool)
    share = back / (gone + back)
    found[:, 0] = chance[:, 0] < share
    for tick in range(1, ticks):
        stays = np.where(found[:, tick - 1], 1.0 - (1.0 - share) * mixed, share * mixed)
        found[:, tick] = chance[:, tick] < stays
    return found


POLICIES: Final[dict[str, Callable[[Job, float, Seen], Policy]]] = {
    "on_demand": lambda job, step_h, seen: only_on_demand,
    "greedy": lambda job, step_h, seen: greedy,
    "sliced": lambda job, step_h, seen: sliced,
    "uniform": lambda job, step_h, seen: uniform,
    "planned": planned,
}
"""By name: each is made for a job, a step, and what was seen of spot before."""


def best_policy(
    job: Job, seen: Seen, rng: np.random.Generator, *, step_h: float = 0.1, runs: int = 100
) -> tuple[str, dict[str, Outcome]]:
    """The policy that costs least on average where spot comes and goes as was seen, and how all of them went.

    All are simulated on the same series, so their differences are known far better than their costs.
    """
    hours = max(job.deadline_h, job.work_h + job.restart_h) + 2.0 * step_h
    series = synthetic(seen, step_h, hours, runs, rng)
    found = {name: simulate(make(job, step_h, seen), job, series, step_h) for name, make in POLICIES.items()}
    return min(found, key=lambda name: (float(found[name].usd.mean()), name)), found
