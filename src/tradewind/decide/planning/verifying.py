"""The choice, simulated request by request before it is promised.

Closed forms size a plan, because millions of ways are compared; a simulation has no tables and no rounding, so it
judges the one that is chosen. When it contradicts, the way is taken to carry so much less that it needs one machine
more, and the cheapest is sought again: that is the next machine or the next candidate, whichever costs less.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np

from tradewind.decide.control.simulating import Sample, poisson_arrivals_s, sample_of, simulate
from tradewind.domain import units
from tradewind.domain.goal import PERCENTILES
from tradewind.domain.noun import Range
from tradewind.domain.plan import Simulated

if TYPE_CHECKING:
    from tradewind.decide.planning.search import Answer, Search
    from tradewind.decide.prediction.estimating import Replica

__all__ = ["simulated", "verified"]

_REQUESTS: Final = 30_000
"""Enough for 300 above the 99th percentile."""
_ROUNDED: Final = 1.03
"""Shapes of curves are rounded by up to 2 %, latencies are in bins of 1 %: what a bound may be passed by."""
_MOST_TRIES: Final = 6
"""Choices that are simulated before the last one is returned with what contradicts it."""


def verified(search: Search, answer: Answer, seed: int) -> tuple[Answer, Simulated]:
    """The answer, or the cheapest other one that a simulation does not contradict, and what that says."""
    said = simulated(answer, np.random.default_rng(seed))
    for _ in range(_MOST_TRIES):
        if said.agrees:
            break
        search.correct(answer)
        other = search.answer(answer.question)
        if other is None:
            break
        answer = other
        said = simulated(answer, np.random.default_rng(seed))
    return answer, said


def simulated(answer: Answer, generator: np.random.Generator) -> Simulated:
    """One replica of an answer at its highest load, at the likely speed and as slow as the confidence asks."""
    space, chosen, serve = answer.costs.space, answer.sized, answer.question.serve
    replica = space.replica(space.fleet.machine_at(chosen.cell.row), chosen.cell.column)
    rate = answer.costs.load_rps / chosen.replicas
    likely_s = _latencies_s(replica, rate, 0.0, generator)
    slow_s = _latencies_s(replica, rate, space.odds, generator)
    samples = {name: sample_of(likely_s, float(name[1:]) / 100.0) for name in PERCENTILES}
    slow = sample_of(slow_s, space.level)
    promised = replica.percentile_range_s(rate, space.level)
    mine = samples[serve.percentile]
    over = [
        f"{name} {units.show(sample.value_s, 'time')} is over {units.show(bound_s, 'time')}"
        for name, sample, bound_s in (
            ("as slow as the confidence supposes", slow, serve.latency_s),
            ("at the likely speed", mine, promised.high),
        )
        if sample.above(bound_s * _ROUNDED)
    ]
    told = (
        f"{serve.percentile} {units.show(mine.value_s, 'time')} +- {units.show(3.0 * mine.error_s, 'time')} at the"
        f" likely speed, promised {units.show(promised.low, 'time')} to {units.show(promised.high, 'time')};"
        f" {units.show(slow.value_s, 'time')} as slow as the confidence supposes, the bound is"
        f" {units.show(serve.latency_s, 'time')}"
    )
    return Simulated(
        requests=_REQUESTS,
        load_rps=rate,
        latency_s={name: _range(sample) for name, sample in samples.items()},
        slow_s=_range(slow),
        bound_s=serve.latency_s,
        agrees=not over,
        because="; ".join([told, *over]),
    )


def _latencies_s(
    replica: Replica, rate_rps: float, odds: float, generator: np.random.Generator
) -> np.ndarray:
    """Latencies of one replica, everything so many standard deviations slower than likely."""
    service = replica.service
    slow = math.exp(odds * service.deviation)
    arrivals_s = poisson_arrivals_s(rate_rps, _REQUESTS, generator)
    latency_s = simulate(
        arrivals_s,
        slow * service.service_s[: replica.max_batch],
        wake_s=slow * service.wake_s + replica.later_s(odds),
    )
    jitter_s = replica.jitter_s * math.exp(odds * replica.jitter_deviation)
    return np.asarray(latency_s + generator.exponential(jitter_s, _REQUESTS))


def _range(sample: Sample) -> Range:
    wide_s = 3.0 * sample.error_s
    return Range(low=max(sample.value_s - wide_s, 0.0), likely=sample.value_s, high=sample.value_s + wide_s)
