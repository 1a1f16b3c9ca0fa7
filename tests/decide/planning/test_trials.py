"""Hyperparameter search: the least cost by brute force, probabilities by simulation, laws."""

import heapq
import math
from statistics import NormalDist

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tradewind.decide.planning.trials import (
    Machines,
    Rung,
    Search,
    finish_probability,
    halving,
    least_machines,
    machines_of,
    plan_search,
    plan_trials,
    trial_duration,
)
from tradewind.decide.prediction.fitted import with_defaults
from tradewind.domain.errors import InputError, NoPlan
from tradewind.domain.offer import Offer, Offers
from tradewind.domain.trials import Trials, TrialsGoal, Where
from tradewind.files import sheets


def machines(*rows):
    """Of (name, trial_h, usd, taken, failures, start_h, quota)."""
    names, *columns = zip(*rows, strict=True)
    trial, usd, taken, failures, start, quota = (np.array(column, float) for column in columns)
    return Machines(names, trial, usd, taken, failures, np.full(len(names), 30.0), start, quota)


SPOT = ("spot", 1.0, 0.3, 0.1, 0.0, 0.1, math.inf)
FIRM = ("firm", 1.0, 1.0, 0.0, 0.0, 0.1, math.inf)


def plain(trials, deadline_h, confidence=0.9, save_s=math.inf):
    return Search((Rung(trials, 1.0),), deadline_h, confidence, save_s)


# By hand


def test_without_interruptions_it_is_a_matter_of_counting():
    # 2.0 hours less 0.1 to start: one trial a machine; 2.1: two.
    for deadline_h, expected in ((2.0, 10), (2.1001, 5), (3.1001, 4), (10.1001, 1)):
        only = machines(FIRM)
        assert least_machines(plain(10, deadline_h), only, 10, 0.9).tolist() == [expected]
    plan = plan_trials(plain(10, 2.1001), machines(FIRM))
    assert plan.pools[0].machines == 5
    assert plan.expected_usd == pytest.approx(10 * 1.0 + 5 * 0.1)
    assert plan.probability == 1.0


def test_a_rare_interruption_makes_spot_the_cheapest():
    plan = plan_trials(plain(100, 8.0), machines(SPOT, FIRM))
    assert plan.pools[0].offer == "spot"
    # e^(0.01) (e^0.1 - 1) / 0.1 hours a trial.
    hours = math.exp(0.01) * math.expm1(0.1) / 0.1
    assert plan.way == "one offer"
    assert plan.expected_usd == pytest.approx(0.3 * (100 * hours + 0.1 * plan.pools[0].machines), rel=1e-6)


def test_a_quota_of_spot_is_filled_and_the_rest_is_done_on_demand():
    few = ("spot", 1.0, 0.3, 0.001, 0.0, 0.1, 2.0)
    plan = plan_trials(plain(20, 4.2), machines(few, ("firm", 1.0, 1.0, 0.0, 0.0, 0.1, math.inf)))
    assert plan.way == "two offers"
    by_offer = {pool.offer: pool for pool in plan.pools}
    assert by_offer["spot"].machines == 2
    assert by_offer["spot"].trials == 8
    assert by_offer["firm"].trials == 12
    assert plan.probability >= 0.9


def test_long_trials_begin_on_spot_and_end_on_demand():
    # A trial of 5 hours is interrupted with 1 - e^-1.5: too often for spot alone, often enough spared to try.
    plan = plan_trials(
        plain(20, 11.0),
        machines(
            ("spot", 5.0, 0.3, 0.1, 0.0, 0.1, math.inf),
            ("firm", 5.0, 1.0, 0.0, 0.0, 0.1, math.inf),
        ),
    )
    assert plan.way == "spot, then on demand"
    assert plan.fallback == "firm"
    assert plan.switch_h == pytest.approx(11.0 - 5.1)
    assert plan.expected_usd < 0.8 * 20 * 5.0


def test_what_cannot_be_done_in_time_says_who_comes_nearest():
    with pytest.raises(
        NoPlan, match=r"no machines do 5 trials in 0.5 h with 90%: firm does so with 0%"
    ) as error:
        plan_trials(plain(5, 0.5), machines(FIRM))
    assert error.value.plan.pools[0].machines == 5
    with pytest.raises(NoPlan, match="none can run it"):
        plan_trials(plain(5, 0.5), machines(("big", math.nan, 1.0, 0.0, 0.0, 0.1, math.inf)))


def test_saving_makes_long_trials_cheaper_on_spot():
    row = ("spot", 10.0, 0.3, 0.2, 0.0, 0.1, math.inf)
    again, on = (
        trial_duration(plain(1, 1.0, save_s=save_s), machines(row)).mean_s[0] / 3600
        for save_s in (math.inf, 20.0)
    )
    assert again == pytest.approx(math.exp(0.02) * math.expm1(2.0) / 0.2)
    assert 10.0 < on < 10.6


def test_halving_is_hyperbands_bracket():
    # Li et al., Hyperband, JMLR 18(185), table 1: 81 configurations of 1, 27 of 3, 9 of 9, 3 of 27, 1 of 81.
    rungs = halving(81, reduction=3, least_share=1 / 81)
    assert [rung.trials for rung in rungs] == [81, 27, 9, 3, 1]
    reached = np.cumsum([rung.share for rung in rungs]) * 81
    assert reached.tolist() == pytest.approx([1, 3, 9, 27, 81])


@given(st.integers(1, 300), st.integers(2, 5), st.floats(0.01, 1.0))
def test_halving_never_takes_more_than_all_whole_trials(trials, reduction, least):
    rungs = halving(trials, reduction=reduction, least_share=least)
    assert sum(rung.trials * rung.share for rung in rungs) <= trials + 1e-9
    assert sum(rung.share for rung in rungs) <= 1.0 + 1e-9
    assert all(rung.share > 0.0 for rung in rungs)


def test_successive_halving_is_planned_rung_by_rung():
    search = Search(halving(27), deadline_h=3.0)
    plan = plan_trials(search, machines(FIRM))
    number = plan.pools[0].machines
    waits = sum(math.ceil(rung.trials / number) * rung.share for rung in search.rungs)
    fewer = sum(math.ceil(rung.trials / (number - 1)) * rung.share for rung in search.rungs)
    assert waits <= 2.9 < fewer
    hours = sum(rung.trials * rung.share for rung in search.rungs)
    assert plan.expected_usd == pytest.approx(hours + 0.1 * number)


# By simulation


def taken_h(rng, trial_h, rate, start_h):
    spent = 0.0
    while (until := rng.exponential(1 / rate)) < trial_h:
        spent += until
        while (away := rng.exponential(1 / rate)) < start_h:
            spent += away
        spent += start_h
    return spent + trial_h


def simulated(rng, rungs, number, trial_h, rate, start_h, deadline_h, runs):
    """The share of searches that a common queue finishes in time, and the mean hours that they take of machines."""
    in_time, hours = 0, 0.0
    for _ in range(runs):
        now = start_h
        for rung in rungs:
            free = [now] * number
            for _ in range(rung.trials):
                spent = taken_h(rng, trial_h * rung.share, rate, start_h)
                hours += spent
                heapq.heapreplace(free, free[0] + spent)
            now = max(free)
        in_time += now <= deadline_h
    return in_time / runs, hours / runs


@pytest.mark.parametrize(
    ("rungs", "number", "rate"),
    [
        ((Rung(20, 1.0),), 5, 0.05),
        ((Rung(20, 1.0),), 20, 0.3),
        ((Rung(60, 1.0),), 6, 0.2),
        (halving(27), 5, 0.2),
    ],
)
def test_the_probability_is_a_lower_bound_and_the_cost_the_mean_of_simulated_searches(rungs, number, rate):
    rng = np.random.default_rng(2)
    row = ("spot", 1.0, 0.3, rate, 0.0, 0.1, math.inf)
    whole = sum(math.ceil(rung.trials / number) * rung.share for rung in rungs)
    for more in (1.05, 1.3, 1.7, 2.5):
        deadline_h = 0.1 + whole * more
        search = Search(rungs, deadline_h)
        sure = finish_probability(search, machines(row), np.array([number]), rungs[0].trials)[0]
        found, hours = simulated(rng, rungs, number, 1.0, rate, 0.1, deadline_h, 300)
        assert sure <= found + 0.04, (more, sure, found)
        if found == 1.0 and more >= 1.7:
            assert sure >= 0.9, (more, sure)
    expected = sum(
        rung.trials * trial_duration(search, machines(row), rung.share).mean_s[0] / 3600 for rung in rungs
    )
    assert hours == pytest.approx(expected, rel=0.05)


def test_a_rescue_on_demand_keeps_the_deadline_and_costs_what_was_said():
    rng = np.random.default_rng(4)
    rows = machines(("spot", 5.0, 0.3, 0.1, 0.0, 0.1, math.inf), ("firm", 5.0, 1.0, 0.0, 0.0, 0.1, math.inf))
    plan = plan_trials(plain(20, 11.0), rows)
    number = plan.pools[0].machines
    usd = []
    for _ in range(500):
        paid, undone = 0.3 * 0.1 * number, 0
        for machine in range(number):
            now = 0.1
            for _ in range(20 // number + (machine < 20 % number)):
                now += taken_h(rng, 5.0, 0.1, 0.1)
                undone += now > plan.switch_h
            paid += 0.3 * (min(now, plan.switch_h) - 0.1)
        usd.append(paid + undone * 5.1)
    # What is spent on spot is bounded from above.
    assert np.mean(usd) == pytest.approx(plan.expected_usd, rel=0.06)


# Against brute force

offers = st.lists(
    st.tuples(
        st.floats(0.3, 3.0),
        st.floats(0.1, 3.0),
        st.sampled_from([0.0, 0.0, 0.02, 0.2]),
        st.sampled_from([0.0, 0.001]),
        st.sampled_from([0.05, 0.2]),
        st.sampled_from([1.0, 2.0, 4.0, math.inf]),
    ),
    min_size=1,
    max_size=4,
)


def brute(search, rows):
    """Every offer and number; every pair and split; every pair, number and rescue: the least expected cost."""
    trials, best = search.trials, math.inf
    alone = {}
    for row in rows:
        only = machines(row)
        _, _, usd, _, _, start_h, quota = row
        mean_h = trial_duration(search, only).mean_s[0] / 3600
        for part in range(1, trials + 1):
            for share in (search.confidence, search.confidence**0.5):
                for number in range(1, int(min(quota, part)) + 1):
                    if finish_probability(search, only, np.array([number]), part)[0] >= share:
                        alone[row, part, share] = usd * (part * mean_h + number * start_h)
                        break
    root = search.confidence**0.5
    for row in rows:
        best = min(best, alone.get((row, trials, search.confidence), math.inf))
        if any(math.isfinite(other[-1]) for other in rows):
            for other in rows:
                for part in range(1, trials):
                    if other is not row:
                        found = alone.get((row, part, root), math.inf)
                        best = min(best, found + alone.get((other, trials - part, root), math.inf))
    for spot in rows:
        for firm in rows:
            if spot[3] > 0.0 and firm[3] == 0.0:
                best = min(best, rescued(search, spot, firm))
    return best


def rescued(search, spot, firm):
    trials, best = search.trials, math.inf
    one = trial_duration(search, machines(spot))
    whole = trial_duration(search, machines(firm))
    slowest_h = whole.quantile_s(1 - 0.5 * (1 - search.confidence) / trials)[0] / 3600
    switch_h = search.deadline_h - firm[5] - slowest_h
    left_h = switch_h - spot[5]
    if left_h <= 0.0:
        return best
    odds = NormalDist().inv_cdf(0.5 + 0.5 * search.confidence)
    for number in range(1, int(min(spot[-1], trials)) + 1):
        undone, hours = 0.0, 0.0
        for machine in range(number):
            own = trials // number + (machine < trials % number)
            undone += sum(1 - one.times(done).within(left_h * 3600)[0] for done in range(1, own + 1))
            hours += min(own * one.mean_s[0] / 3600, left_h)
        longest = trials // number + 1
        if min(undone + odds * math.sqrt(longest * undone) + 0.5, trials) > firm[-1]:
            continue
        usd = spot[2] * (hours + number * spot[5])
        best = min(best, usd + undone * firm[2] * (whole.mean_s[0] / 3600 + firm[5]))
    return best


@settings(max_examples=60, deadline=None)
@given(offers, st.integers(1, 7), st.floats(0.5, 12.0), st.sampled_from([0.8, 0.95]))
def test_the_plan_is_the_least_of_everything(columns, trials, deadline_h, confidence):
    rows = [(f"offer {index}", *column) for index, column in enumerate(columns)]
    search = plain(trials, deadline_h, confidence)
    least = brute(search, rows)
    if math.isinf(least):
        with pytest.raises(NoPlan):
            plan_trials(search, machines(*rows))
        return
    plan = plan_trials(search, machines(*rows))
    assert plan.expected_usd == pytest.approx(least)
    assert plan.probability >= confidence - 1e-9
    assert sum(pool.trials for pool in plan.pools) == trials


# Laws


@settings(max_examples=25, deadline=None)
@given(offers, st.integers(1, 30), st.floats(0.5, 12.0), st.floats(1.0, 3.0))
def test_more_time_or_another_offer_never_cost_more(columns, trials, deadline_h, factor):
    rows = [(f"offer {index}", *column) for index, column in enumerate(columns)]

    def least(deadline, some):
        try:
            return plan_trials(plain(trials, deadline), machines(*some)).expected_usd
        except NoPlan:
            return math.inf

    now = least(deadline_h, rows)
    assert least(deadline_h * factor, rows) <= now * (1 + 1e-9)
    assert least(deadline_h, [*rows, ("another", 0.5, 0.2, 0.1, 0.0, 0.1, 3.0)]) <= now * (1 + 1e-9)


@given(st.integers(1, 60), st.floats(0.5, 20.0), st.floats(0.001, 0.5))
def test_more_machines_never_make_it_less_likely(trials, deadline_h, rate):
    row = ("spot", 1.0, 0.3, rate, 0.0, 0.1, math.inf)
    many = machines(*[row] * trials)
    sure = finish_probability(plain(trials, deadline_h), many, np.arange(1, trials + 1), trials)
    assert (np.diff(sure) >= -1e-9).all()
    assert ((sure >= 0.0) & (sure <= 1.0)).all()


# From offers


def offer(number, **changes):
    facts = {
        "cloud": "aws",
        "region": f"region-{number}",
        "instance_type": "m",
        "purchase": "on_demand",
        "price_usd_per_hour": 1.0,
        "vcpus": 8,
        "memory_bytes": 2.0**34,
        "source": "here",
        "as_of": "2026-01-01",
        "confidence": "A",
    }
    return Offer(**(facts | changes))


def goal(**changes):
    trials = Trials(
        count=changes.pop("count", 30),
        on=(Where(each_s=3600.0, vcpus=8), Where(each_s=1200.0, accelerator="L4")),
        deadline_s=4 * 3600.0,
    )
    return TrialsGoal(name="search", trials=trials, budget_usd=1e6, **changes)


CALIBRATION = with_defaults(sheets.calibration())

offers_drawn = st.lists(
    st.builds(
        dict,
        cloud=st.sampled_from(["aws", "gcp"]),
        instance_type=st.sampled_from(["a", "b"]),
        purchase=st.sampled_from(["on_demand", "spot"]),
        price_usd_per_hour=st.sampled_from([0.1, 0.2, 0.5, 1.0]),
        vcpus=st.sampled_from([4, 8, 16]),
        accelerator=st.sampled_from([None, "L4"]),
        most_machines=st.sampled_from([None, 3.0, 8.0]),
        interruptions_per_hour=st.sampled_from([None, 0.05]),
    ),
    min_size=1,
    max_size=6,
)


@given(offers_drawn)
@settings(max_examples=12, deadline=None)
def test_leaving_out_what_costs_more_loses_nothing(drawn):
    rows = [
        offer(number, **facts, accelerator_count=1.0 if facts["accelerator"] else 0.0)
        for number, facts in enumerate(drawn)
    ]
    able = [one for one in rows if one.accelerator or one.vcpus >= 8]
    if not able or not any(one.accelerator for one in rows):
        return
    alone = []
    for one in able:
        try:
            alone.append(
                plan_search(
                    goal(),
                    Offers.of([offer(99, accelerator="L4", vcpus=1), one]),
                    CALIBRATION,
                    today="2026-01-01",
                )
            )
        except InputError:
            continue
    found = plan_search(goal(), Offers.of(rows), CALIBRATION, today="2026-01-01")
    in_time = [plan.cost_usd for plan in alone if plan.meets_goal]
    assert found.meets_goal or not in_time
    if in_time:
        assert found.cost_usd <= min(in_time) * (1 + 1e-9)
    assert found.priced == len(able)


def test_what_runs_a_trial_is_what_the_goal_names():
    rows = [
        offer(0, vcpus=4),
        offer(1, vcpus=64, shared_cpu=True),
        offer(2, accelerator="L4", accelerator_count=0.5),
        offer(3, accelerator="L4", accelerator_count=1.0),
        offer(4, purchase="commit_1y", price_usd_per_hour=0.01),
        offer(5, vcpus=16, price_usd_per_hour=0.9),
    ]
    found, at, priced = machines_of(goal(), Offers.of(rows), CALIBRATION)
    assert sorted(at.tolist()) == [3, 5]
    assert priced == 2
    assert dict(zip(found.name, found.trial_h.tolist(), strict=True)) == {
        "aws/region-3/m/on_demand": pytest.approx(1 / 3),
        "aws/region-5/m/on_demand": 1.0,
    }


def test_a_budget_or_a_deadline_that_cannot_be_kept_says_which_can():
    rows = Offers.of([offer(0), offer(1, accelerator="L4", accelerator_count=1.0, price_usd_per_hour=9.0)])
    late = msgspec.structs.replace(goal(), trials=msgspec.structs.replace(goal().trials, deadline_s=600.0))
    plan = plan_search(late, rows, CALIBRATION, today="2026-01-01")
    assert [miss.constraint for miss in plan.misses] == ["deadline"]
    # A third of an hour of work, five minutes to start; then the advice itself is asked.
    assert plan.misses[0].got == pytest.approx(1500.0, rel=2e-3)
    advised = msgspec.structs.replace(late.trials, deadline_s=plan.misses[0].got)
    assert plan_search(
        msgspec.structs.replace(late, trials=advised), rows, CALIBRATION, today="2026-01-01"
    ).meets_goal
    poor = msgspec.structs.replace(goal(), budget_usd=1.0)
    missed = plan_search(poor, rows, CALIBRATION, today="2026-01-01").misses
    assert [miss.constraint for miss in missed] == ["budget"]
    allowed = msgspec.structs.replace(poor, budget_usd=missed[0].got)
    assert plan_search(allowed, rows, CALIBRATION, today="2026-01-01").meets_goal
