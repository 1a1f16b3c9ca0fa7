"""Laws of the queue, closed forms where there are some, and a simulation where there are none."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tradewind.decide.prediction.queueing import MAX_LOAD, Queue, tabulate

SHAPES = {
    "one by one": np.ones(1),
    "a line": 1.0 + 0.25 * np.arange(8),
    "as long for four as for one": np.ones(4),
    "bent": np.interp(np.arange(1, 25), [1, 4, 24], [1.0, 1.1, 4.0]),
}


@pytest.fixture(scope="module", params=list(SHAPES))
def queue(request: pytest.FixtureRequest) -> Queue:
    return tabulate(SHAPES[request.param])


def simulated(
    service_s: np.ndarray, rate: float, requests: int, seed: int, wake_s: float = 0.0
) -> np.ndarray:
    """Latencies of a free engine that takes all that wait, at most as many as fit a batch."""
    arrivals = np.cumsum(np.random.default_rng(seed).exponential(1.0 / rate, requests))
    latency_s = np.empty(requests)
    head, free = 0, 0.0
    while head < requests:
        start = max(free, arrivals[head])
        last = min(int(np.searchsorted(arrivals, start, "right")), head + len(service_s))
        woken_s = wake_s if arrivals[head] >= free else 0.0
        free = start + service_s[last - head - 1] + woken_s
        latency_s[head:last] = free - arrivals[head:last]
        head = last
    return latency_s[1000:]


@pytest.mark.parametrize("shape", list(SHAPES))
@pytest.mark.parametrize("load", [0.2, 0.8])
def test_percentiles_are_those_of_a_simulation(shape: str, load: float) -> None:
    service_s = SHAPES[shape]
    found = tabulate(service_s)
    rate = load * found.max_rate_rps
    sample = np.concatenate([simulated(service_s, rate, 50_000, seed) for seed in (1, 2)])
    for level in (0.5, 0.9, 0.99):
        seen = float(np.quantile(sample, level))
        assert found.percentile_s(rate, level) == pytest.approx(seen, rel=0.06, abs=0.15), (level, seen)


@pytest.mark.parametrize("load", [0.4, 0.58, 0.72, 0.82, 0.9])
def test_batches_of_one_are_the_queue_m_d_1(load: float) -> None:
    def waits_at_most(wait: float) -> float:
        # Erlang 1909; the terms alternate, but are few for waits up to some service times.
        terms = range(int(wait) + 1)
        return (1.0 - load) * sum(
            (load * (k - wait)) ** k / math.factorial(k) * math.exp(-load * (k - wait)) for k in terms
        )

    found = tabulate(np.ones(1))
    for level in (0.7, 0.9, 0.95):
        latency = found.percentile_s(load, level)
        if 1.05 < latency < 13.0:
            assert waits_at_most(latency - 1.0) == pytest.approx(level, abs=0.012)


def test_huge_batches_make_the_latency_uniform_between_one_and_two_services() -> None:
    # The engine never rests, and whoever arrives is in the next batch: the rest of one service, and one.
    found = tabulate(np.ones(64))
    for level in (0.1, 0.5, 0.9, 0.99):
        assert found.percentile_s(30.0, level) == pytest.approx(1.0 + level, rel=0.02)


def test_without_load_a_request_takes_a_batch_of_one_and_the_delay(queue: Queue) -> None:
    assert queue.percentile_s(0.0, 0.99) == pytest.approx(1.0)
    assert queue.percentile_s(0.0, 0.99, jitter_s=0.5) == pytest.approx(1.0 + 0.5 * math.log(100.0), rel=1e-3)


def test_the_delay_adds_like_an_independent_exponential(queue: Queue) -> None:
    rate = 0.6 * queue.max_rate_rps
    sample = simulated(queue.service_s, rate, 100_000, seed=5)
    delayed = sample + np.random.default_rng(6).exponential(0.7, len(sample))
    for level in (0.5, 0.99):
        assert queue.percentile_s(rate, level, jitter_s=0.7) == pytest.approx(
            float(np.quantile(delayed, level)), rel=0.05
        )


def test_with_batches_of_one_the_engine_rests_as_often_as_the_load_leaves_it() -> None:
    found = tabulate(np.ones(1))
    for load in (0.1, 0.5, 0.9):
        assert found.wake_share(load) == pytest.approx(1.0 - load, abs=0.015)
        assert found.per_request(load, np.array([3.0])) == pytest.approx(3.0)
        assert found.per_request(load, np.array([3.0]), 2.0) == pytest.approx(5.0 - 2.0 * load, abs=0.04)


@pytest.mark.parametrize(("shape", "wake"), [("one by one", 0.5), ("a line", 2.0), ("bent", 5.0)])
@pytest.mark.parametrize("load", [0.05, 0.72])
def test_waking_up_takes_its_time_from_rest_only(shape: str, wake: float, load: float) -> None:
    service_s = SHAPES[shape]
    found = tabulate(service_s, wake_s=wake)
    rate = load * found.max_rate_rps
    sample = simulated(service_s, rate, 60_000, seed=3, wake_s=wake)
    for level in (0.9, 0.99):
        seen = float(np.quantile(sample, level))
        assert found.percentile_s(rate, level) == pytest.approx(seen, rel=0.06, abs=0.15)
    assert found.percentile_s(0.0, 0.5) == pytest.approx(1.0 + wake)


def test_a_server_that_is_slow_from_rest_has_no_capacity_below_that() -> None:
    found = tabulate(SHAPES["a line"], wake_s=10.0)
    assert found.percentile_s(0.8 * found.max_rate_rps, 0.5) < 9.0
    assert found.capacity_rps(9.0, 0.5) == 0.0


def test_under_full_load_batches_are_full(queue: Queue) -> None:
    size = len(queue.service_s)
    cpu = np.arange(1, size + 1) + 5.0
    lowest = (size + 5.0) / size
    assert queue.per_request(0.0, cpu) == pytest.approx(6.0)
    assert lowest - 1e-9 <= queue.per_request(MAX_LOAD * queue.max_rate_rps, cpu) <= lowest * 1.15


@given(scale=st.floats(0.01, 100.0), load=st.floats(0.0, 0.94), level=st.sampled_from([0.5, 0.9, 0.99]))
@settings(derandomize=True, deadline=None, max_examples=50)
def test_slower_service_is_the_same_queue_in_slow_motion(scale: float, load: float, level: float) -> None:
    found = LINE
    rate = load * found.max_rate_rps
    slow = found.percentile_s(rate / scale, level, scale=scale)
    assert slow == pytest.approx(scale * found.percentile_s(rate, level), rel=1e-9)


LINE = tabulate(SHAPES["a line"])


@given(
    bounds=st.tuples(st.floats(0.5, 50.0), st.floats(0.5, 50.0)),
    level=st.sampled_from([0.5, 0.9, 0.95, 0.99]),
    jitter=st.sampled_from([0.0, 0.05, 0.5]),
    scale=st.floats(0.2, 5.0),
)
@settings(derandomize=True, deadline=None, max_examples=80)
def test_capacity_rises_with_the_bound_and_keeps_it(
    bounds: tuple[float, float], level: float, jitter: float, scale: float
) -> None:
    def capacity(bound: float, slow: float = 1.0, late: float = 1.0) -> float:
        return LINE.capacity_rps(bound, level, scale=scale * slow, jitter_s=jitter * late)

    low, high = sorted(bounds)
    assert capacity(low) <= capacity(high)
    assert capacity(high, slow=1.1) <= capacity(high)
    assert capacity(high, late=1.1) <= capacity(high) * (1.0 + 1e-9)
    found = capacity(high)
    assert found <= MAX_LOAD * LINE.max_rate_rps / scale
    if found > 0.0:
        at_capacity = LINE.percentile_s(found, level, scale=scale, jitter_s=jitter)
        assert at_capacity <= high * 1.002


@given(rates=st.tuples(st.floats(0.0, 2.0), st.floats(0.0, 2.0)), level=st.sampled_from([0.5, 0.99]))
@settings(derandomize=True, deadline=None, max_examples=50)
def test_latency_rises_with_the_load_and_stays_finite(rates: tuple[float, float], level: float) -> None:
    low, high = (LINE.percentile_s(rate * LINE.max_rate_rps, level) for rate in sorted(rates))
    assert low <= high * (1.0 + 1e-9) < math.inf
