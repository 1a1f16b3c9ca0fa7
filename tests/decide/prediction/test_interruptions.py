"""When to save, and how long an interrupted job takes: laws, published closed forms, and a simulation."""

import math
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tradewind.decide.prediction.interruptions import (
    ACCELERATOR_FAILURES_PER_HOUR,
    NOTICE_S,
    Interruptions,
    Saving,
    _odds,
    cluster_rate_per_s,
    daly_interval_s,
    duration,
    failures_per_hour,
    interval_s,
    normal_share,
    save_s,
    slowdown,
    unsaved,
    young_interval_s,
)

saves = st.floats(1.0, 600.0)
restarts = st.floats(10.0, 1800.0)
rates = st.floats(1e-8, 1e-3)
works = st.floats(600.0, 1e6)
shares = st.floats(0.05, 1.0)

# Closed forms


def test_young_1974():
    assert young_interval_s(50.0, 3600.0) == pytest.approx(math.sqrt(2 * 50 * 3600))


def test_daly_2006_is_young_of_higher_order_and_ends_at_the_mean_time_between_interruptions():
    saving, between = 300.0, 86400.0
    x = math.sqrt(saving / (2 * between))
    expected = math.sqrt(2 * saving * between) * (1 + x / 3 + x * x / 9) - saving
    assert daly_interval_s(saving, between) == pytest.approx(expected)
    assert daly_interval_s(300.0, 100.0) == 100.0
    # Continuous enough at C = 2M: the two branches meet within 12 % (Daly's own approximation).
    assert daly_interval_s(199.999, 100.0) == pytest.approx(100.0, rel=0.2)


@pytest.mark.parametrize(("between_min", "published_min"), [(24 * 60, 117), (6 * 60, 57), (15, 9.1)])
def test_the_intervals_that_daly_published(between_min, published_min):
    # Daly, FGCS 22(3), 2006, figures 3 to 5: a save takes 5 minutes, a restart 10.
    assert daly_interval_s(5.0, between_min) == pytest.approx(published_min, rel=0.006)


@given(saves, st.floats(1e-7, 1e-4))
def test_daly_is_within_a_hundredth_of_the_best_interval_of_the_exact_time(saving_s, failures):
    saving, failing = Saving(saving_s, 120.0), Interruptions(failures_per_s=failures)
    grid = np.geomspace(1.0, 1e7, 4000)
    best = slowdown(grid, saving, failing).min()
    assert slowdown(daly_interval_s(saving_s, 1 / failures), saving, failing) <= 1.01 * best


@given(saves, restarts, rates, st.floats(10.0, 1e4))
def test_without_notice_the_slowdown_is_that_of_daly_2006(saving_s, restart_s, failures, every):
    found = slowdown(every, Saving(saving_s, restart_s), Interruptions(failures_per_s=failures))
    exact = math.exp(failures * restart_s) * math.expm1(failures * (every + saving_s)) / (failures * every)
    assert found == pytest.approx(exact, rel=1e-6)


def test_the_first_order_is_the_textbooks():
    saving_s, restart_s, between, every = 30.0, 60.0, 1e6, 7000.0
    first = 1 + saving_s / every + (every / 2 + restart_s) / between
    found = slowdown(every, Saving(saving_s, restart_s), Interruptions(failures_per_s=1 / between))
    assert found == pytest.approx(first, abs=1e-4)


def test_with_a_long_notice_only_the_save_and_the_restart_are_lost():
    # No work is lost, so no planned save is needed: time per work is 1 + rate x (C + R), first order.
    saving, taken = Saving(30.0, 300.0), Interruptions(taken_per_s=1e-5, notice_s=NOTICE_S["aws"])
    assert np.isinf(interval_s(saving, taken))
    assert duration(1e6, saving, taken).mean_s / 1e6 == pytest.approx(1 + 1e-5 * 330.0, rel=1e-4)


def test_the_cluster_of_llama_3():
    # The Llama 3 Herd of Models (2407.21783) 3.3.4: 419 interruptions in 54 days; over 90 % effective training time.
    per_s = cluster_rate_per_s(failures_per_hour(8), 2048)
    assert per_s * 54 * 86400 == pytest.approx(419)
    years = 1 / ACCELERATOR_FAILURES_PER_HOUR / 8760
    assert years == pytest.approx(9.86, abs=0.05)
    # 405e9 parameters x 14 bytes through the 2 TB/s that their storage sustains.
    written = save_s(405e9 * 14, 2e12)
    saving = Saving(written, restart_s=600.0)
    month = duration(30 * 86400.0, saving, Interruptions(failures_per_s=per_s))
    assert 0.9 < 30 * 86400.0 / month.mean_s < 0.97


# Against a simulation


def simulated_s(rng, runs, work, every, saving, told, lost):
    rate, found = told + lost, np.zeros(runs)
    for run in range(runs):
        time, done = 0.0, 0.0
        while done < work:
            part = min(every, work - done)
            length = part + (saving.save_s * saving.stall_share if done + part < work else 0.0)
            until = rng.exponential(1 / rate)
            if until >= length:
                time, done = time + length, done + part
                continue
            time += until
            if rng.random() < told / rate:
                time, done = time + saving.save_s, done + min(until, part)
            while (until := rng.exponential(1 / rate)) < saving.restart_s:
                time += until
            time += saving.restart_s
        found[run] = time
    return found


@pytest.mark.parametrize(
    ("told", "lost", "save", "restart", "work"),
    [
        (0.0, 1 / 3600, 60.0, 300.0, 36000.0),
        (0.5 / 3600, 1e-5, 30.0, 300.0, 86400.0),
        (1 / 3600, 0.0, 30.0, 600.0, 36000.0),
        (0.0, 1e-5, 60.0, 600.0, 3e5),
        (0.1 / 3600, 1e-5, 90.0, 900.0, 50000.0),
    ],
)
def test_mean_deviation_and_quantiles_are_those_of_a_simulation(told, lost, save, restart, work):
    rng = np.random.default_rng(7)
    saving = Saving(save, restart)
    expected = duration(work, saving, Interruptions(told, lost, notice_s=120.0))
    found = simulated_s(rng, 1500, work, float(expected.interval_s), saving, told, lost)
    added = found.mean() - work
    assert expected.mean_s - work == pytest.approx(added, rel=0.06)
    assert expected.deviation_s == pytest.approx(found.std(), rel=0.1)
    for level in (0.5, 0.9, 0.99):
        assert expected.quantile_s(level) == pytest.approx(np.quantile(found, level), rel=0.02)
        # Restarts of one length make steps, which the gamma distribution smooths.
        assert expected.within(np.quantile(found, level)) == pytest.approx(level, abs=0.1)


def test_a_rare_interruption_leaves_the_ninetieth_percentile_untouched():
    short = duration(3600.0, Saving(30.0, 600.0), Interruptions(taken_per_s=0.01 / 3600, notice_s=120.0))
    assert short.untouched == pytest.approx(math.exp(-0.01))
    assert short.quantile_s(0.9) == 3600.0
    assert short.quantile_s(0.999) > 3600.0


# Laws


@given(works, saves, restarts, shares, rates, rates)
def test_an_interrupted_job_never_takes_less_than_its_work(work, saving_s, restart_s, share, taken, failures):
    found = duration(work, Saving(saving_s, restart_s, share), Interruptions(taken, failures, 120.0))
    assert work <= found.least_s <= found.mean_s
    assert found.least_s <= found.quantile_s(0.9)
    assert 0.0 <= found.untouched <= 1.0


@given(works, saves, restarts, rates, st.floats(1.0, 10.0))
def test_more_interruptions_never_make_it_shorter(work, saving_s, restart_s, failures, factor):
    saving = Saving(saving_s, restart_s)
    few, many = (duration(work, saving, Interruptions(failures_per_s=failures * f)) for f in (1.0, factor))
    assert few.mean_s <= many.mean_s * (1 + 1e-6)


@given(works, restarts, rates, rates, st.floats(1.0, 100.0))
def test_a_notice_that_suffices_never_makes_it_longer(work, restart_s, taken, failures, saving_s):
    # Where saving takes less than the work that would be lost: Daly's range.
    saving = Saving(saving_s, restart_s)
    if saving_s > 0.2 / (taken + failures):
        return
    told, untold = (duration(work, saving, Interruptions(taken, failures, notice)) for notice in (120.0, 0.0))
    assert told.mean_s <= untold.mean_s + (taken * saving_s) * work * 1.01


@given(works, saves, restarts, rates, rates)
def test_a_save_behind_the_jobs_back_is_never_worse(work, saving_s, restart_s, taken, failures):
    if saving_s * (taken + failures) > 0.05:
        return
    stands, works_on = (
        duration(work, Saving(saving_s, restart_s, share), Interruptions(taken, failures, 0.0))
        for share in (1.0, 0.15)
    )
    assert works_on.mean_s <= stands.mean_s * 1.002 + saving_s


@given(works, saves, restarts, rates, st.floats(0.01, 0.99), st.floats(0.01, 0.99))
def test_quantile_and_probability_agree_and_rise(work, saving_s, restart_s, failures, one, other):
    low, high = sorted((one, other))
    found = duration(work, Saving(saving_s, restart_s), Interruptions(failures_per_s=failures))
    if not np.isfinite(found.deviation_s):
        return
    assert found.quantile_s(low) <= found.quantile_s(high) * (1 + 1e-9)
    assert found.within(found.quantile_s(high) * (1 + 1e-9)) >= high - 1e-3


@given(st.integers(1, 50))
def test_jobs_one_after_the_other_add_up(number):
    one = duration(7200.0, Saving(20.0, 200.0), Interruptions(failures_per_s=1e-4))
    many = one.times(number)
    assert many.mean_s == pytest.approx(number * one.mean_s)
    assert many.deviation_s**2 == pytest.approx(number * one.deviation_s**2)


@settings(max_examples=20)
@given(st.integers(1, 6), st.integers(1, 5))
def test_arrays_broadcast_to_what_numbers_give(rows, columns):
    failures = np.geomspace(1e-7, 1e-4, rows)[:, None]
    work = np.geomspace(1e3, 1e6, columns)
    found = duration(work, Saving(30.0, 100.0), Interruptions(failures_per_s=failures))
    assert found.mean_s.shape == (rows, columns)
    one = duration(float(work[-1]), Saving(30.0, 100.0), Interruptions(failures_per_s=float(failures[0, 0])))
    assert found.mean_s[0, -1] == pytest.approx(one.mean_s)
    assert found.quantile_s(0.9)[0, -1] == pytest.approx(one.quantile_s(0.9))


def test_nothing_happens_to_a_job_that_nothing_interrupts():
    found = duration(3600.0, Saving(60.0, 300.0), Interruptions())
    assert (found.least_s, found.mean_s, found.quantile_s(0.999)) == (3600.0, 3600.0, 3600.0)
    assert found.deviation_s == pytest.approx(0.0, abs=1e-3)
    assert found.within(3599.0) == 0.0
    assert found.within(3600.0) == 1.0


def test_the_normal_share_is_the_error_functions():
    for odds in np.linspace(-6, 6, 25):
        assert normal_share(odds) == pytest.approx(0.5 * math.erfc(-odds / math.sqrt(2)), abs=1e-7)


def test_its_inverse_is_the_standard_librarys():
    shares = np.array([1e-12, 1e-6, 0.01, 0.1, 0.3, 0.5, 0.8, 0.99, 1 - 1e-9])
    assert _odds(shares) == pytest.approx(
        [NormalDist().inv_cdf(share) for share in shares], rel=1e-6, abs=1e-9
    )


@given(st.floats(1.0, 20.0), st.floats(0.0, 2.0), st.floats(1e-3, 0.3))
def test_a_job_that_never_saves_takes_what_renewal_theory_says(work, restart, rate):
    # E S = e^(rR) (e^(rW) - 1) / r; without restarts Var S = (e^(2rW) - 2rW e^(rW) - 1) / r^2.
    found = unsaved(work, restart, rate)
    assert found.mean_s == pytest.approx(math.exp(rate * restart) * math.expm1(rate * work) / rate, rel=1e-6)
    none = unsaved(work, 0.0, rate)
    x = rate * work
    square = (math.exp(2 * x) - 2 * x * math.exp(x) - 1) / rate**2
    assert none.deviation_s**2 == pytest.approx(square, rel=1e-4, abs=1e-9)
