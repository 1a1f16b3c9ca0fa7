"""Predicted against measured."""

from __future__ import annotations

from typing import Any

import pytest

from tradewind.decide.diagnosis import compare
from tradewind.domain.estimate import Estimate, Observation
from tradewind.domain.noun import Range


def estimate(**fields: Any) -> Estimate:
    given: dict[str, Any] = {
        "load_rps": 100.0,
        "latency_s": {
            "p50": Range(low=1.0, likely=2.0, high=3.0),
            "p99": Range(low=4.0, likely=5.0, high=6.0),
        },
        "throughput_rps": Range(low=99.0, likely=100.0, high=100.0),
        "utilization": Range(low=0.2, likely=0.3, high=0.4),
        "memory_bytes": Range(low=1e8, likely=2e8, high=3e8),
        "level": 0.8,
        "because": (),
    }
    return Estimate(**{**given, **fields})


def observation(**fields: Any) -> Observation:
    given: dict[str, Any] = {
        "load_rps": 100.0,
        "latency_s": {"p50": Range.exactly(2.5), "p99": Range.exactly(7.0)},
        "throughput_rps": Range.exactly(100.0),
        "utilization": Range.exactly(0.3),
        "started_at": "2026-01-01T00:00:00Z",
        "window_s": 1.0,
        "sent": 100,
        "answered": 100,
        "refused": 0,
        "failed": 0,
        "late": 0,
    }
    return Observation(**{**given, **fields})


def test_what_is_known_on_both_sides_is_compared() -> None:
    found = {comparison.figure: comparison for comparison in compare(estimate(), observation())}
    assert list(found) == ["latency_p50_s", "latency_p99_s", "throughput_rps", "utilization"]
    assert found["latency_p50_s"].within
    assert not found["latency_p99_s"].within
    assert found["latency_p99_s"].error == pytest.approx(5.0 / 7.0 - 1.0)


def test_rates_are_compared_as_at_the_predicted_load() -> None:
    came = observation(load_rps=110.0, throughput_rps=Range.exactly(110.0), utilization=Range.exactly(0.33))
    found = {comparison.figure: comparison for comparison in compare(estimate(), came)}
    assert found["throughput_rps"].measured == pytest.approx(100.0)
    assert found["throughput_rps"].within
    assert found["utilization"].measured == pytest.approx(0.3)


def test_the_ends_of_an_interval_are_inside() -> None:
    for edge in (1.0, 3.0):
        seen = observation(latency_s={"p50": Range.exactly(edge)})
        assert compare(estimate(), seen)[0].within
    assert not compare(estimate(), observation(latency_s={"p50": Range.exactly(3.01)}))[0].within


def test_nothing_answered_leaves_the_rates() -> None:
    nothing = observation(latency_s={}, throughput_rps=Range.exactly(0.0), utilization=None)
    assert [comparison.figure for comparison in compare(estimate(), nothing)] == ["throughput_rps"]
    assert not compare(estimate(), nothing)[0].within
