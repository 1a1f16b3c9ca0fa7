"""The simulation against closed forms, against the real queue, and the tables of the queue against the simulation.

Loads and times are in units of one service. M/M/1 and Erlang C (Erlang 1917), M/D/1 (Erlang 1909), M/D/c
(Crommelin 1932, in the form of Franx 2001).
"""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradewind.decide.control.batching import LatencyCurve
from tradewind.decide.control.simulating import poisson_arrivals_s, sample_of, serve, simulate
from tradewind.decide.prediction.queueing import tabulate

ONE = np.ones(1)
MANY = 200_000


def waits(load: float, engines: int, *, random: bool = False, seed: int = 0) -> np.ndarray:
    """Waiting times before a service of length 1, of batches of one; its length exponential if random."""
    generator = np.random.default_rng(seed)
    arrivals = poisson_arrivals_s(load * engines, MANY, generator)
    stretch = generator.exponential(1.0, MANY) if random else ONE
    latency = simulate(arrivals, ONE, engines=engines, stretch=stretch)
    return (latency - stretch)[MANY // 20 :]


def erlang_c(load: float, engines: int) -> float:
    """The probability that a request waits in M/M/c."""
    offered = load * engines
    terms = [offered**k / math.factorial(k) for k in range(engines)]
    last = offered**engines / math.factorial(engines) / (1.0 - load)
    return last / (sum(terms) + last)


@pytest.mark.parametrize("load", [0.3, 0.6, 0.85])
@pytest.mark.parametrize("engines", [1, 2, 7])
def test_random_services_wait_as_erlang_c_says(load: float, engines: int) -> None:
    found = waits(load, engines, random=True, seed=engines)
    probability = erlang_c(load, engines)
    chance = (
        0.01 if load < 0.8 else 0.025
    )  # busy times of a busy queue are long, so the sample has few of them
    assert np.mean(found > 1e-9) == pytest.approx(probability, abs=chance)
    for time in (0.5, 2.0):
        # Those who wait do so for an exponential time of mean 1 / (c - load c).
        tail = probability * math.exp(-engines * (1.0 - load) * time)
        assert np.mean(found > time) == pytest.approx(tail, abs=chance)
    if engines == 1:
        assert probability == pytest.approx(load)


def m_d_c(load: float, engines: int, waits_at_most: float) -> float:
    """P(W <= x) of M/D/c with services of length 1: Franx 2001, with Crommelin's chain of the number in it."""
    rate, states = load * engines, 60 * engines
    arrivals = np.array([math.exp(k * math.log(rate) - rate - math.lgamma(k + 1)) for k in range(states + 1)])
    moves = np.zeros((states + 1, states + 1))
    for state in range(states + 1):
        left = max(0, state - engines)
        moves[state, left:] = arrivals[: states + 1 - left]
    moves[:, -1] += 1.0 - moves.sum(axis=1)
    number = np.linalg.matrix_power(moves, 4096)[0]
    at_most = np.cumsum(number)[engines:]  # at_most[n]: no more than n wait
    k = int(waits_at_most) + 1
    mean = rate * (k - waits_at_most)
    return sum(
        at_most[k * engines - 1 - j] * math.exp(-mean + j * math.log(mean) - math.lgamma(j + 1))
        for j in range(k * engines)
    )


@pytest.mark.parametrize("load", [0.4, 0.7, 0.9])
@pytest.mark.parametrize("engines", [1, 2, 5])
def test_services_of_one_length_wait_as_crommelin_says(load: float, engines: int) -> None:
    found = waits(load, engines, seed=10 + engines)
    for time in (0.05, 0.4, 1.1, 2.3):
        assert np.mean(found <= time) == pytest.approx(m_d_c(load, engines, time), abs=0.015)


@pytest.mark.parametrize("load", [0.4, 0.8])
def test_one_engine_waits_as_erlang_said_in_1909(load: float) -> None:
    found = waits(load, 1, seed=3)
    for time in (0.3, 1.5, 3.2):
        exact = (1.0 - load) * sum(
            (load * (k - time)) ** k / math.factorial(k) * math.exp(-load * (k - time))
            for k in range(int(time) + 1)
        )
        assert exact == pytest.approx(m_d_c(load, 1, time), abs=1e-6)
        assert np.mean(found <= time) == pytest.approx(exact, abs=0.012)
    # Pollaczek and Khinchine: the mean wait of M/D/1.
    assert found.mean() == pytest.approx(load / (2.0 * (1.0 - load)), rel=0.06)


SHAPES = {
    "one by one": np.ones(1),
    "a line": 1.0 + 0.25 * np.arange(8),
    "as long for four as for one": np.ones(4),
    "bent": np.interp(np.arange(1, 25), [1, 4, 24], [1.0, 1.1, 4.0]),
}


@pytest.mark.parametrize("shape", list(SHAPES))
@pytest.mark.parametrize(
    "load", [0.12, 0.53, 0.9]
)  # at 0.1 and 0.5 the last who need not wait are a percentile
@pytest.mark.parametrize("wake", [0.0, 0.8])
def test_the_tables_of_the_queue_agree_within_5_percent_and_3_errors(
    shape: str, load: float, wake: float
) -> None:
    # Without batches few distinct latencies have much of the probability, which straight lines between loads blur.
    allowed = 0.08 if shape == "one by one" else 0.05
    service = SHAPES[shape]
    queue = tabulate(service, wake_s=wake)
    rate = load * queue.max_rate_rps
    arrivals = poisson_arrivals_s(rate, MANY // 2, np.random.default_rng(5))
    latency = simulate(arrivals, service, wake_s=wake)
    for level in (0.5, 0.9, 0.95, 0.99):
        seen, told = sample_of(latency, level), queue.percentile_s(rate, level)
        assert abs(seen.value_s - told) <= allowed * told + 3.0 * seen.error_s, (level, seen, told)


@pytest.mark.parametrize("shape", ["a line", "bent"])
@pytest.mark.parametrize("load", [0.3, 0.7])
def test_without_pressing_deadlines_the_server_does_the_same(shape: str, load: float) -> None:
    service = 1e-3 * SHAPES[shape]
    curve = LatencyCurve({b: float(s) for b, s in enumerate(service, start=1)}, len(service))
    service = service[: curve.preferred]
    curve = LatencyCurve({b: float(s) for b, s in enumerate(service, start=1)}, len(service))
    rate = load * len(service) / float(service[-1])
    arrivals = poisson_arrivals_s(rate, 4000, np.random.default_rng(1))
    assert serve(arrivals, curve, 10.0) == pytest.approx(simulate(arrivals, service))


def test_under_too_much_load_the_server_refuses_and_keeps_the_others_in_time() -> None:
    curve = LatencyCurve({1: 1e-3, 8: 2e-3}, 8)
    arrivals = poisson_arrivals_s(1.5 * 4000.0, 6000, np.random.default_rng(1))
    kept = serve(arrivals, curve, 0.02)
    answered = kept[np.isfinite(kept)]
    assert 0.55 < len(answered) / len(kept) < 0.75
    assert answered.max() <= 0.02
    assert np.quantile(simulate(arrivals, np.array(curve._table[1:])), 0.99) > 0.2


services = st.lists(st.floats(0.0, 1.0), min_size=1, max_size=6).map(lambda more: 0.2 + np.cumsum(more))


@given(service=services, engines=st.integers(1, 3), rate=st.floats(0.1, 20.0), seed=st.integers(0, 99))
def test_nothing_is_faster_than_its_service_and_more_engines_hurt_nobody(
    service: np.ndarray, engines: int, rate: float, seed: int
) -> None:
    arrivals = poisson_arrivals_s(rate, 300, np.random.default_rng(seed))
    latency = simulate(arrivals, service, engines=engines)
    assert (latency >= service[0] - 1e-9).all()
    one_by_one = simulate(arrivals, service[:1], engines=engines)
    more = simulate(arrivals, service[:1], engines=engines + 1)
    assert (more <= one_by_one + 1e-9).all()
    # In order: nobody is answered before one who came a whole service earlier at a single engine.
    if engines == 1:
        ends = arrivals + latency
        assert all(b >= a - 1e-9 for a, b in pairwise(ends))


def test_the_same_seed_gives_the_same_run() -> None:
    first, again, other = (
        simulate(poisson_arrivals_s(0.7, 1000, np.random.default_rng(seed)), ONE) for seed in (4, 4, 5)
    )
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_the_error_of_a_sample_is_what_other_seeds_show() -> None:
    samples = [
        sample_of(simulate(poisson_arrivals_s(0.7, 40_000, np.random.default_rng(seed)), ONE), 0.99)
        for seed in range(12)
    ]
    spread = float(np.std([sample.value_s for sample in samples], ddof=1))
    assert 0.4 < spread / float(np.mean([sample.error_s for sample in samples])) < 2.5
    assert samples[0].above(1.0)
    assert not samples[0].above(samples[0].value_s - samples[0].error_s)
