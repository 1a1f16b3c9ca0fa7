"""Which rule speaks, and that none does when all fits."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from tradewind.decide.diagnosis import diagnose
from tradewind.decide.planning import plan
from tradewind.decide.prediction import default_calibration
from tradewind.domain.estimate import Observation
from tradewind.domain.noun import Range
from tradewind.domain.offer import Offers
from tradewind.domain.plan import Advice, Plan


@pytest.fixture(scope="module")
def found(make: SimpleNamespace) -> Plan:
    offers = Offers.of([make.offer()], storage=make.storage, transfer=make.transfer, snapshot="by hand")
    goal = make.goal(load_rps=60_000.0)
    calibration = default_calibration()
    return plan(goal, make.front(), offers, calibration, host=make.host, today="2026-02-03", seed=7)


def advised(found: Plan, *, cpu: float = 1.0, latency: float = 1.0, **fields: Any) -> tuple[Advice, ...]:
    estimate, load = found.rehearsal.estimate, found.rehearsal.load_rps
    assert estimate.cpu_s_per_request is not None
    given: dict[str, Any] = {
        "load_rps": load,
        "latency_s": {
            name: Range.exactly(latency * value.likely) for name, value in estimate.latency_s.items()
        },
        "throughput_rps": Range.exactly(load),
        "cpu_s_per_request": Range.exactly(cpu * estimate.cpu_s_per_request.likely),
        "memory_bytes": estimate.memory_bytes,
        "started_at": "2026-02-03T04:05:06Z",
        "window_s": 10.0,
        "sent": 10_000,
        "answered": 10_000,
        "refused": 0,
        "failed": 0,
        "late": 0,
    }
    return diagnose(found, Observation(**{**given, **fields}))


def test_when_all_fits_there_is_no_advice(found: Plan) -> None:
    assert advised(found) == ()
    assert advised(found, cpu=1.05, latency=1.1) == ()


def test_dear_requests_are_blamed_on_the_cpu_alone(found: Plan) -> None:
    (advice,) = advised(found, cpu=3.0, latency=3.0)
    assert "CPU" in advice.cause
    assert "3 times" in advice.cause
    assert advice.evidence[0].figure == "cpu_s_per_request"
    assert advice.verdict == "proposed"


def test_cheap_requests_promise_whole_machines(found: Plan) -> None:
    (advice,) = advised(found, cpu=0.3)
    assert advice.gain == "cost_usd_per_month"
    assert advice.predicted_gain is not None
    price = found.choice.offer.price_usd_per_hour * 730.0
    assert advice.predicted_gain.likely % price == pytest.approx(0.0, abs=1e-6)
    assert 0.0 < advice.predicted_gain.likely < found.choice.cost_usd_per_month


def test_latency_without_cpu_points_to_the_machine(found: Plan) -> None:
    (advice,) = advised(found, latency=5.0)
    assert "other work on this machine" in advice.cause
    assert {comparison.figure for comparison in advice.evidence} >= {"latency_p99_s"}
    (calmer,) = advised(found, latency=0.2)
    assert "do not occur" in calmer.cause


def test_a_missed_goal_comes_first(found: Plan) -> None:
    p99 = found.rehearsal.estimate.latency_s["p99"].likely
    advice = advised(found, latency=0.05 / p99)
    assert "over the 20.0 ms of the goal" in advice[0].cause
    assert advice[0].predicted_gain is not None
    assert advice[0].predicted_gain.likely == pytest.approx(0.03)


def test_refusals_and_failures_are_told(found: Plan) -> None:
    load = found.rehearsal.load_rps
    refused = advised(found, answered=8000, refused=2000, throughput_rps=Range.exactly(0.8 * load))
    assert [advice.gain for advice in refused] == ["throughput_rps"]
    assert "20.0% of the requests were refused" in refused[0].cause
    (failed,) = advised(found, answered=9999, failed=1)
    assert "server's log" in failed.action
    assert advised(found, answered=9980, refused=20) == ()


def test_memory_is_an_issue_only_upwards(found: Plan) -> None:
    memory = found.rehearsal.estimate.memory_bytes
    assert memory is not None
    (advice,) = advised(found, memory_bytes=Range.exactly(3.0 * memory.likely))
    assert advice.gain == "memory_bytes"
    assert advised(found, memory_bytes=Range.exactly(0.3 * memory.likely)) == ()
