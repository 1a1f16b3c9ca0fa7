"""From requests to an Observation: everything is counted once, and no figure is NaN or infinite."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tradewind.domain import codec
from tradewind.domain.estimate import Observation
from tradewind.run.loadgen.figures import UNANSWERED, Sample, latency_ranges, observation_of
from tradewind.run.loadgen.target import Scrape

statuses = st.sampled_from([200, 200, 200, 503, 429, 400, 500, -1, UNANSWERED])
latencies = st.floats(0.0, 100.0)
scrapes = st.one_of(
    st.none(),
    st.builds(
        Scrape,
        cpu_s=st.floats(0.0, 10.0),
        uptime_s=st.floats(0.0, 10.0),
        threads=st.integers(0, 4).map(float),
        memory_bytes=st.floats(0.0, 1e10),
        answered=st.integers(0, 100).map(float),
    ),
)


@given(st.lists(st.tuples(statuses, latencies), max_size=60), scrapes, scrapes, st.integers(0, 5))
def test_every_request_is_counted_once(
    requests: list[tuple[int, float]], before: Scrape | None, after: Scrape | None, seed: int
) -> None:
    sample = Sample(
        started_at="2026-01-01T00:00:00+00:00",
        status=np.array([status for status, _ in requests], dtype=np.int64),
        latency_s=np.array([latency for _, latency in requests]),
        before=before,
        after=after,
    )
    seen = observation_of(sample, bound_s=1.0, window_s=2.0, seed=seed)
    assert seen.sent == len(requests) == seen.answered + seen.refused + seen.failed
    assert seen.answered == sum(status == 200 for status, _ in requests)
    assert seen.refused == sum(status in (503, 429) for status, _ in requests)
    assert seen.late == sum(status == 200 and latency > 1.0 for status, latency in requests)
    assert seen.throughput_rps.likely * 2.0 == seen.answered
    assert set(seen.latency_s) == (set() if seen.answered == 0 else {"p50", "p90", "p95", "p99"})
    # The codec refuses NaN and infinity.
    assert codec.decode(codec.encode(seen), Observation, source="test") == seen


@given(st.lists(latencies, min_size=1, max_size=300), st.integers(0, 5))
def test_percentiles_are_ordered_and_inside_their_intervals(values: list[float], seed: int) -> None:
    ranges = latency_ranges(np.array(values), seed=seed)
    likely = [ranges[name].likely for name in ("p50", "p90", "p95", "p99")]
    assert likely == sorted(likely)
    for found in ranges.values():
        assert min(values) <= found.low <= found.likely <= found.high <= max(values)
        assert found.likely in values
    assert latency_ranges(np.array(values), seed=seed) == ranges, "the same seed, the same interval"


def test_percentiles_are_nearest_ranks() -> None:
    values = np.random.default_rng(0).permutation(np.arange(1.0, 1001.0))
    likely = {name: found.likely for name, found in latency_ranges(values, seed=0).items()}
    assert likely == {"p50": 500.0, "p90": 900.0, "p95": 950.0, "p99": 990.0}


def test_the_interval_covers_the_truth_most_of_the_time() -> None:
    """Exponential latencies: p90 is ln(10). Of 60 samples about 95 % of the intervals must hold it."""
    generator = np.random.default_rng(3)
    held = sum(
        latency_ranges(generator.exponential(size=1000), seed=seed)["p90"].holds(math.log(10.0))
        for seed in range(60)
    )
    assert held >= 48


def test_a_stall_widens_the_interval() -> None:
    """Twenty blocks of which one is slow: as single requests were independent, the interval would be narrow."""
    calm = np.random.default_rng(4).exponential(0.01, size=4000)
    stalled = calm.copy()
    stalled[1000:1200] += 1.0
    scattered = calm.copy()
    scattered[::20] += 1.0
    width = {
        name: latency_ranges(values, seed=0)["p95"].high - latency_ranges(values, seed=0)["p95"].low
        for name, values in (("stalled", stalled), ("calm", calm))
    }
    assert width["stalled"] > 10 * width["calm"]
