"""Calibration learns from a rehearsal, and only as much as it says."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tradewind.decide.prediction import calibrate, default_calibration, predict
from tradewind.decide.prediction.calibrating import fit
from tradewind.domain.estimate import Calibration, Estimate, Observation
from tradewind.domain.layout import Layout
from tradewind.domain.noun import Range
from tradewind.domain.plan import Rehearsal

CALIBRATION = default_calibration()
LAYOUT = Layout(instances=1, replicas_per_instance=1, threads=1, max_batch=16)
LOAD = 1500.0


def rehearsed(make: SimpleNamespace, calibration: Calibration = CALIBRATION) -> Rehearsal:
    estimate = predict(make.profile(), make.host, LAYOUT, calibration, load_rps=LOAD, serve=make.goal().serve)
    return Rehearsal(load_rps=LOAD, layout=LAYOUT, estimate=estimate, because="a test")


def observed(estimate: Estimate, *, cpu: float = 1.0, latency: float = 1.0, **fields: Any) -> Observation:
    """What was predicted, times a factor."""
    given: dict[str, Any] = {
        "load_rps": LOAD,
        "latency_s": {
            name: Range(
                low=0.98 * latency * value.likely,
                likely=latency * value.likely,
                high=1.02 * latency * value.likely,
            )
            for name, value in estimate.latency_s.items()
        },
        "throughput_rps": Range.exactly(LOAD),
        "cpu_s_per_request": Range.exactly(cpu * estimate.cpu_s_per_request.likely),  # type: ignore[union-attr]
        "memory_bytes": estimate.memory_bytes,
        "started_at": "2026-01-02T03:04:05Z",
        "window_s": 10.0,
        "sent": 15_000,
        "answered": 15_000,
        "refused": 0,
        "failed": 0,
        "late": 0,
    }
    return Observation(**{**given, **fields})


def test_what_was_predicted_changes_no_value_and_narrows_errors(make: SimpleNamespace) -> None:
    rehearsal = rehearsed(make)
    after = calibrate(CALIBRATION, rehearsal, observed(rehearsal.estimate))
    for name, constant in after.constants.items():
        assert constant.value == pytest.approx(CALIBRATION[name].value, rel=1e-6), name
        assert constant.standard_error <= CALIBRATION[name].standard_error, name
    assert (
        after["front_cpu_s_per_request"].standard_error
        < CALIBRATION["front_cpu_s_per_request"].standard_error
    )


@given(cpu=st.floats(0.5, 4.0))
@settings(derandomize=True, deadline=None, max_examples=12)
def test_the_next_prediction_is_closer(make: SimpleNamespace, cpu: float) -> None:
    rehearsal = rehearsed(make)
    observation = observed(rehearsal.estimate, cpu=cpu)
    corrected = fit(CALIBRATION, rehearsal, observation, lambda tried: rehearsed(make, tried).estimate)
    again = rehearsed(make, corrected)
    measured = observation.cpu_s_per_request.likely  # type: ignore[union-attr]
    before = abs(rehearsal.estimate.cpu_s_per_request.likely / measured - 1.0)  # type: ignore[union-attr]
    after = abs(again.estimate.cpu_s_per_request.likely / measured - 1.0)  # type: ignore[union-attr]
    assert after <= before + 1e-9
    assert after < 0.1
    assert f"{cpu - 1.0:+.0%}" in corrected["front_cpu_s_per_request"].fitted_on


@pytest.mark.parametrize("latency", [0.5, 2.0, 6.0])
def test_delays_are_learned_from_latencies(make: SimpleNamespace, latency: float) -> None:
    rehearsal = rehearsed(make)
    seen = observed(rehearsal.estimate, latency=latency)
    after = fit(CALIBRATION, rehearsal, seen, lambda tried: rehearsed(make, tried).estimate)
    assert (after["jitter_s"].value > CALIBRATION["jitter_s"].value) == (latency > 1.0)
    assert after["jitter_s"].value > 0.0
    again = rehearsed(make, after).estimate.latency_s["p99"].likely
    aim = latency * rehearsal.estimate.latency_s["p99"].likely
    assert abs(again - aim) < abs(rehearsal.estimate.latency_s["p99"].likely - aim)


def test_surprises_go_to_the_constant_that_was_least_known(make: SimpleNamespace) -> None:
    rehearsal = rehearsed(make)
    after = calibrate(CALIBRATION, rehearsal, observed(rehearsal.estimate, cpu=2.0))
    front = after["front_cpu_s_per_request"].value / CALIBRATION["front_cpu_s_per_request"].value
    wake = after["wake_cpu_s"].value / CALIBRATION["wake_cpu_s"].value
    assert wake > front > after["service_time_ratio"].value > 1.0


def test_percentiles_of_the_few_that_were_not_refused_say_nothing(make: SimpleNamespace) -> None:
    rehearsal = rehearsed(make)
    seen = observed(rehearsal.estimate, latency=5.0, answered=5000, refused=10_000)
    assert calibrate(CALIBRATION, rehearsal, seen)["jitter_s"] == CALIBRATION["jitter_s"]


def test_what_was_not_observed_changes_nothing(make: SimpleNamespace) -> None:
    rehearsal = rehearsed(make)
    seen = observed(rehearsal.estimate, latency_s={}, cpu_s_per_request=None, memory_bytes=None)
    assert calibrate(CALIBRATION, rehearsal, seen) == CALIBRATION


def test_memory_moves_towards_what_was_kept(make: SimpleNamespace) -> None:
    rehearsal = rehearsed(make)
    memory = rehearsal.estimate.memory_bytes
    assert memory is not None
    seen = observed(rehearsal.estimate, memory_bytes=Range.exactly(1.5 * memory.likely))
    after = calibrate(CALIBRATION, rehearsal, seen)
    assert 1.3 < after["memory_ratio"].value < 1.9
    assert "+50%" in after["memory_ratio"].fitted_on
    assert after["memory_ratio"].residuals == pytest.approx((0.5,))


def test_a_constant_keeps_the_history_of_its_residuals(make: SimpleNamespace) -> None:
    calibration = CALIBRATION
    for cpu in (2.0, 1.0):
        rehearsal = rehearsed(make, calibration)
        calibration = calibrate(calibration, rehearsal, observed(rehearsal.estimate, cpu=cpu))
    assert calibration["front_cpu_s_per_request"].residuals == pytest.approx((1.0, 0.0), abs=1e-9)
    assert msgspec.structs.asdict(calibration["jitter_s"])["residuals"]
