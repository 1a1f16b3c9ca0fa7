"""Laws of a load over time: nothing is lost, machines come before their load, noise is no burst."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradewind.decide.planning.loads import LATE_SHARE, MOST_LEVELS, Trace, cold_start_s, curve_of, loaded
from tradewind.decide.prediction import default_calibration
from tradewind.domain import codec
from tradewind.domain.errors import CodecError, InputError
from tradewind.domain.goal import Goal, Hour, Load, Serve
from tradewind.domain.plan import LoadCurve

CALIBRATION = default_calibration()


def by_day(*hours: tuple[float, float], cold_s: float = 360.0) -> LoadCurve:
    profile = tuple(Hour(rate_rps=rate, from_hour=hour) for hour, rate in hours)
    return curve_of(Serve(load=Load(profile=profile), p99_s=0.1), cold_s)


def of_trace(counts: np.ndarray, *, p99_s: float = 0.02, start_s: float = 0.0) -> LoadCurve:
    goal = msgspec_goal(p99_s)
    trace = Trace(counts, start_s)
    profile = [type("P", (), {"load_s": 0.5})()]
    return loaded(goal, {"a.csv": trace}, profile, CALIBRATION)[1]  # type: ignore[arg-type]


def msgspec_goal(p99_s: float) -> Goal:
    return Goal(
        name="example",
        model="a:b",
        data="a:c",
        metric="accuracy",
        serve=Serve(load=Load(trace="a.csv"), p99_s=p99_s),
        budget_usd_per_month=1.0,
    )


GOAL_FILE = """\
name: example
model: a:b
data: a:c
metric: accuracy
serve: {p99: 20 ms, load: LOAD}
budget: 100 usd/month
"""


@pytest.mark.parametrize(
    ("written", "peak", "day"),
    [
        ("2000 rps", 2000.0, ()),
        ("{rate: 2000 rps}", 2000.0, ()),
        (
            "{profile: [{from: 8, rate: 300 rps}, {from: 20.5, rate: 10 rps}]}",
            300.0,
            ((0.0, 10.0), (8.0, 300.0), (20.5, 10.0)),
        ),
        (
            f"{{profile: [{', '.join(f'{100 + hour} rps' for hour in range(24))}]}}",
            123.0,
            tuple((float(hour), 100.0 + hour) for hour in range(24)),
        ),
    ],
)
def test_a_load_is_read_and_written(written: str, peak: float, day: tuple[tuple[float, float], ...]) -> None:
    goal = codec.decode(GOAL_FILE.replace("LOAD", written), Goal, source="goal.yaml")
    assert goal.serve.load.rate_rps == peak
    assert goal.serve.load.day == day
    assert codec.decode(codec.encode(goal), Goal, source="again") == goal


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("{profile: [1 rps, 2 rps]}", "needs 24 rates"),
        ("{profile: [{from: 8, rate: 1 rps}, {from: 7, rate: 2 rps}]}", "rising order"),
        ("{profile: [{from: 8, rate: 1 rps}], trace: a.csv}", "not both"),
        ("{profile: [{from: 8, rate: 1 rps}], rate: 5 rps}", "leave out the rate"),
        ("{profile: [{from: 8, rate: 0 rps}]}", "load is 0"),
        ("{}", "load is 0"),
    ],
)
def test_a_wrong_load_says_what_to_write(written: str, said: str) -> None:
    with pytest.raises(CodecError, match=said):
        codec.decode(GOAL_FILE.replace("LOAD", written), Goal, source="goal.yaml")


steps_of_day = st.lists(
    st.tuples(st.integers(0, 47).map(lambda half: half / 2.0), st.floats(0.0, 1e4)),
    min_size=1,
    max_size=12,
    unique_by=lambda step: step[0],
).map(sorted)


@given(day=steps_of_day, cold_s=st.floats(0.0, 4000.0), times=st.lists(st.floats(0.0, 86_399.0), min_size=4))
def test_machines_are_up_for_the_highest_rate_until_one_that_starts_is_up(
    day: list[tuple[float, float]], cold_s: float, times: list[float]
) -> None:
    if not any(rate for _, rate in day):
        return
    curve = by_day(*day, cold_s=cold_s)

    def rate_at(time_s: float) -> float:
        hour = time_s % 86_400.0 / 3600.0
        return max((step for step in day if step[0] <= hour), default=day[-1])[1]

    assert sum(curve.shares) == pytest.approx(1.0)
    assert list(curve.rates_rps) == sorted(set(curve.rates_rps))
    assert curve.peak_rps == max(rate for _, rate in day)
    # The mean of what machines are up for is above that of what arrives, by no more than the start-ups.
    up = float(np.dot(curve.rates_rps, curve.shares))
    changes = sum(abs(a[1] - b[1]) for a, b in zip(day, day[1:] + day[:1], strict=True))
    assert curve.mean_rps - 1e-6 <= up <= curve.mean_rps + changes * cold_s / 86_400.0 + 1e-6
    for time_s in times:
        seen = max(rate_at(time_s + cold_s * part / 16.0) for part in range(17))
        assert seen <= curve.hours_rps[int(time_s // 3600.0)] + 1e-9


def test_a_longer_start_never_lowers_the_curve() -> None:
    day = ((0.0, 1.0), (8.0, 50.0), (9.0, 5.0), (18.0, 80.0), (20.0, 0.0))
    means = [
        float(np.dot(curve.rates_rps, curve.shares))
        for curve in (by_day(*day, cold_s=cold_s) for cold_s in (0.0, 60.0, 900.0, 7200.0, 1e6))
    ]
    assert means == sorted(means)
    assert means[0] == pytest.approx(by_day(*day).mean_rps)
    assert means[-1] == 80.0


def test_hours_without_load_need_no_machine_but_for_its_start() -> None:
    curve = by_day((8.0, 100.0), (20.0, 0.0), cold_s=3600.0)
    assert curve.rates_rps == (0.0, 100.0)
    assert curve.shares == pytest.approx((11 / 24, 13 / 24))
    assert curve.hours_rps == (0.0,) * 7 + (100.0,) * 13 + (0.0,) * 4


def test_a_constant_rate_is_one_level() -> None:
    assert curve_of(Serve(load=Load(rate_rps=7.0), p99_s=1.0), 300.0) == LoadCurve.flat(7.0)
    same = by_day((0.0, 7.0), (5.0, 7.0))
    assert (same.rates_rps, same.shares, same.mean_rps) == ((7.0,), (1.0,), 7.0)


def test_chance_is_no_burst() -> None:
    counts = np.random.default_rng(1).poisson(50.0, 7200)
    curve = of_trace(counts)
    assert curve.mean_rps == pytest.approx(counts.mean())
    assert curve.peak_rps < 53.0


def test_bursts_raise_the_rate_up_to_what_was_seen() -> None:
    chance = np.random.default_rng(1)
    rate = np.where(chance.random(7200) < 0.05, 500.0, 50.0)
    counts = chance.poisson(rate)
    curve = of_trace(counts)
    assert 300.0 < curve.peak_rps <= counts.max()


def test_what_comes_unforeseen_keeps_a_machine_up_unless_hardly_anything_waits_for_it() -> None:
    day = np.zeros(86_400)
    day[30_000:60_000] = 20.0
    often = np.tile(np.repeat([0.0, 5.0], 1800), 24)
    rare, kept, patient = of_trace(day), of_trace(often), of_trace(often, p99_s=1000.0)
    # One start a day of 300.5 s, of 30,000 s in which something comes: 1 % are late, a tenth of which is allowed.
    assert rare.rates_rps[0] > 0.0
    assert "stays up without load" in rare.because
    assert kept.rates_rps[0] > 0.0
    assert patient.rates_rps[0] == 0.0
    week = np.concatenate([np.full(86_400 * 2, 20.0), np.zeros(40_000), np.full(86_400 * 5, 20.0)])
    rested = of_trace(week)
    assert rested.rates_rps[0] == 0.0
    assert LATE_SHARE * 0.01 > 300.0 / (86_400 * 7)
    assert rested.shares[0] == pytest.approx(40_000 / len(week), rel=0.03)


def test_hours_of_a_trace_are_those_of_the_day() -> None:
    counts = np.zeros(7200)
    counts[:3600] = 9.0
    curve = of_trace(counts, start_s=23.0 * 3600.0, p99_s=1e4)
    assert curve.hours_rps[23] == 9.0
    assert curve.hours_rps[1:23] == (0.0,) * 22


@given(seed=st.integers(0, 50))
def test_many_rates_are_rounded_up_to_few(seed: int) -> None:
    chance = np.random.default_rng(seed)
    rates = np.repeat(chance.uniform(0.0, 1000.0, 200), 300)
    curve = of_trace(rates.round())
    assert len(curve.rates_rps) <= MOST_LEVELS + 1
    up = float(np.dot(curve.rates_rps, curve.shares))
    ahead = np.maximum(rates, np.roll(rates, -300))
    assert ahead.mean() * 0.99 <= up <= np.maximum(ahead, np.roll(ahead, -300)).mean() + 1000.0 / 40


def test_a_trace_must_have_been_read_and_hold_something() -> None:
    profile = [type("P", (), {"load_s": 0.5})()]
    with pytest.raises(InputError, match="was not read"):
        loaded(msgspec_goal(0.1), {}, profile, CALIBRATION)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="nothing arrives"):
        loaded(msgspec_goal(0.1), {"a.csv": Trace(np.zeros(10))}, profile, CALIBRATION)  # type: ignore[arg-type]
    goal, curve = loaded(msgspec_goal(0.1), {"a.csv": Trace(np.full(900, 3.0))}, profile, CALIBRATION)  # type: ignore[arg-type]
    assert goal.serve.load.rate_rps == curve.peak_rps == 3.0
    assert curve.cold_start_s == cold_start_s(profile, CALIBRATION) == 300.5  # type: ignore[arg-type]


def test_another_peak_scales_everything() -> None:
    curve = by_day((8.0, 100.0), (20.0, 10.0))
    half = curve.at_peak(50.0)
    assert half.rates_rps == (5.0, 50.0)
    assert half.shares == curve.shares
    assert half.mean_rps == pytest.approx(0.5 * curve.mean_rps)
    assert math.isclose(max(half.hours_rps), 50.0)
