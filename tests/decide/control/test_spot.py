"""Policies for a job with a deadline on machines that may be taken back: laws, formulas by hand, simulation."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tradewind.decide.control.spot import (
    POLICIES,
    Job,
    Seen,
    State,
    best_policy,
    choices,
    decide,
    feasible,
    greedy,
    least_usd,
    only_on_demand,
    planned,
    seen_before,
    simulate,
    sliced,
    synthetic,
    uniform,
)

STEP_H = 0.25
FREE_OF_PLANS = ("on_demand", "greedy", "sliced", "uniform")


def state(job, *, elapsed, done, available=True, on=0, step_h=STEP_H):
    start = State.start(job, available=available, step_h=step_h)
    values = {"elapsed_h": elapsed, "done_h": done, "on": on}
    arrays = {name: np.array([value]) for name, value in values.items()}
    return State(**{**start.__dict__, **arrays})


# By hand

JOB = Job(work_h=40.0, deadline_h=50.0, restart_h=0.25)


def test_the_safety_net_runs_on_demand_when_two_restarts_and_two_steps_are_left():
    edge = 50.0 - (40.0 - 10.0) - 2 * 0.25 - 2 * STEP_H
    for policy in (greedy, sliced, uniform):
        assert decide(policy, JOB, state(JOB, elapsed=edge, done=10.0)) == "on_demand"
    assert decide(greedy, JOB, state(JOB, elapsed=edge - 0.01, done=10.0)) == "spot"


def test_greedy_takes_spot_or_waits():
    assert decide(greedy, JOB, state(JOB, elapsed=1.0, done=1.0)) == "spot"
    assert decide(greedy, JOB, state(JOB, elapsed=1.0, done=1.0, available=False)) == "wait"


def test_uniform_progress_keeps_the_pace():
    job = Job(work_h=40.0, deadline_h=80.0, restart_h=0.25)  # the pace is 0.5
    behind = {"elapsed": 20.0, "done": 9.9}
    ahead = {"elapsed": 20.0, "done": 10.1}
    assert decide(uniform, job, state(job, **behind)) == "spot"
    assert decide(uniform, job, state(job, **behind, available=False)) == "on_demand"
    assert decide(uniform, job, state(job, **ahead, available=False)) == "wait"
    # On demand is left only when two restarts ahead: 0.25 of pace with spot, 0.5 without.
    assert decide(uniform, job, state(job, **ahead, on=2)) == "on_demand"
    assert decide(uniform, job, state(job, elapsed=20.0, done=10.3, on=2)) == "spot"
    assert decide(uniform, job, state(job, elapsed=20.0, done=10.3, available=False, on=2)) == "on_demand"
    assert decide(uniform, job, state(job, elapsed=20.0, done=10.6, available=False, on=2)) == "wait"


def test_sliced_has_a_deadline_for_each_quarter():
    job = Job(work_h=40.0, deadline_h=80.0, restart_h=0.25)  # 10 hours of work in each 20
    assert decide(sliced, job, state(job, elapsed=9.4, done=0.0, available=False)) == "wait"
    assert decide(sliced, job, state(job, elapsed=9.6, done=0.0, available=False)) == "on_demand"
    assert decide(sliced, job, state(job, elapsed=9.6, done=5.0, available=False)) == "wait"


def test_a_simulation_by_hand():
    # Spot for an hour, away for an hour, then back: start, 0.75 h of work, wait, start again, the rest.
    job = Job(1.5, 10.0, 0.25, spot_usd_per_hour=1.0, on_demand_usd_per_hour=3.0)
    series = np.repeat([[True, False, True, True]], 4, axis=1).reshape(1, -1)
    found = simulate(greedy, job, series, 0.25)
    assert found.restarts == 2
    assert found.finished_h == pytest.approx(3.0)
    assert found.usd == pytest.approx(2.0)
    undone = simulate(greedy, Job(1.5, 10.0, 0.25, loss_h=0.5, spot_usd_per_hour=1.0), series, 0.25)
    assert undone.finished_h == pytest.approx(3.5)


def test_without_spot_it_costs_what_on_demand_costs():
    found = simulate(only_on_demand, JOB, np.zeros((1, 400), dtype=bool), STEP_H)
    assert found.usd == pytest.approx(40.25)
    assert found.finished_h == pytest.approx(40.25)


def test_with_spot_always_there_every_policy_but_on_demand_runs_on_spot():
    for name, make in POLICIES.items():
        job = Job(work_h=20.0, deadline_h=30.0, restart_h=0.1)
        found = simulate(make(job, STEP_H, Seen()), job, np.ones((1, 400), dtype=bool), STEP_H)
        assert found.usd == pytest.approx(20.1 * (1.0 if name == "on_demand" else 0.3)), name


# Laws

jobs = st.builds(
    lambda work, slack, restart, loss: Job(work, work * slack + restart, restart, loss),
    st.floats(2.0, 30.0),
    st.floats(1.0, 2.5),
    st.floats(0.0, 0.6),
    st.floats(0.0, 0.5),
)
series = st.lists(st.tuples(st.booleans(), st.integers(1, 40)), min_size=1, max_size=30)


def spelled(runs, ticks):
    row = np.concatenate([np.full(length, there) for there, length in runs])
    return np.resize(row, ticks)[None, :]


@settings(max_examples=60, deadline=None)
@given(jobs, series, st.sampled_from([0.1, 0.25, 0.5]))
def test_no_deadline_is_missed_that_could_be_met_at_the_start(job, runs, step_h):
    assert feasible(job)
    ticks = int(np.ceil(job.deadline_h / step_h)) + 2
    for name in FREE_OF_PLANS:
        found = simulate(POLICIES[name](job, step_h, Seen()), job, spelled(runs, ticks), step_h)
        assert found.finished_h[0] <= job.deadline_h + 1e-6, name


@settings(max_examples=8, deadline=None)
@given(jobs, st.lists(series, min_size=4, max_size=4))
def test_a_plan_misses_none_either(job, several):
    ticks = int(np.ceil(job.deadline_h / STEP_H)) + 2
    rows = np.concatenate([spelled(runs, ticks) for runs in several])
    found = simulate(planned(job, STEP_H), job, rows, STEP_H)
    assert (found.finished_h <= job.deadline_h + 1e-6).all()


@given(jobs, series)
@settings(max_examples=40, deadline=None)
def test_nothing_costs_more_than_starting_everything_on_demand_and_paying_the_spot_hours_too(job, runs):
    ticks = int(np.ceil(job.deadline_h / STEP_H)) + 2
    for name in FREE_OF_PLANS:
        found = simulate(POLICIES[name](job, STEP_H, Seen()), job, spelled(runs, ticks), STEP_H)
        assert found.on_demand_h[0] <= job.deadline_h + 1e-6
        paid_h = found.spot_h + found.on_demand_h
        undone_h = job.loss_h * found.restarts + job.restart_h * found.restarts
        assert paid_h[0] <= job.work_h + undone_h[0] + 1e-6, name


@given(jobs, st.booleans())
def test_spot_is_never_chosen_where_there_is_none(job, available):
    now = State.start(job, available=available, step_h=STEP_H)
    for name in FREE_OF_PLANS:
        choice = choices(POLICIES[name](job, STEP_H, Seen()), job, now)
        assert choice[0] != 1 or available


def test_more_time_never_costs_more_on_average():
    seen, rng = Seen(losses=1.0, up_h=2.0, gains=1.0, down_h=2.0), np.random.default_rng(3)
    longest = synthetic(seen, STEP_H, 62.0, 150, rng)
    for name in ("greedy", "uniform", "planned"):
        usd = []
        for slack in (1.05, 1.2, 1.5, 2.0, 2.5):
            job = Job(24.0, 24.0 * slack, 0.1)
            usd.append(simulate(POLICIES[name](job, STEP_H, seen), job, longest, STEP_H).usd.mean())
        assert (np.diff(usd) <= 0.01 * usd[0]).all(), (name, usd)


@pytest.mark.parametrize("slack", [1.1, 1.3, 1.6, 2.2])
def test_the_plan_costs_least_where_spot_comes_and_goes_as_it_believes(slack):
    # Against each of the others on the same series; a hundredth for the grid of rates and time.
    seen = Seen(losses=10.0, up_h=20.0, gains=10.0, down_h=15.0)
    job = Job(24.0, 24.0 * slack, 0.1)
    name, found = best_policy(job, seen, np.random.default_rng(11), step_h=STEP_H)
    assert name == "planned"
    for other in POLICIES:
        assert found["planned"].usd.mean() <= found[other].usd.mean() * 1.01


def test_no_policy_goes_below_the_bound():
    seen = Seen(losses=10.0, up_h=20.0, gains=10.0, down_h=20.0)
    for slack in (1.1, 1.5, 2.5):
        job = Job(24.0, 24.0 * slack, 0.0)
        _, found = best_policy(job, seen, np.random.default_rng(1), step_h=STEP_H)
        least = least_usd(24.0, job.deadline_h, 0.5, 0.3, 1.0)
        for name, outcome in found.items():
            assert outcome.usd.mean() >= least * 0.98, (name, slack)


def test_without_slack_the_best_is_to_run_on_demand():
    name, found = best_policy(Job(24.0, 24.2, 0.1), Seen(), np.random.default_rng(0), step_h=STEP_H, runs=5)
    assert [float(outcome.usd.mean()) for outcome in found.values()] == pytest.approx([24.1] * len(found))
    assert name in POLICIES


def test_synthetic_series_come_and_go_as_they_should():
    seen = Seen(losses=1.0, up_h=3.0, gains=1.0, down_h=1.0)
    found = synthetic(seen, 0.05, 400.0, 20, np.random.default_rng(5))
    counted = seen_before(found, 0.05, Seen(0.0, 0.0, 0.0, 0.0))
    assert found.mean() == pytest.approx(0.75, abs=0.02)
    assert counted.up_h / counted.losses == pytest.approx(3.0, rel=0.1)
    assert counted.down_h / counted.gains == pytest.approx(1.0, rel=0.1)
