"""The load over time: from a rate, a day that repeats or a trace, to how long which rate must be served.

A machine that is started answers only after a while, so it has to be up that much before its load comes. For a
day that repeats the clock says when. For a trace it is assumed that a forecast, or that much headroom of an
autoscaler, says so; only what comes after a spell without any load nobody foresees.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING, Final

import msgspec
import numpy as np

from tradewind.domain import units
from tradewind.domain.errors import InputError
from tradewind.domain.plan import LoadCurve

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tradewind.domain.estimate import Calibration
    from tradewind.domain.goal import Goal, Serve
    from tradewind.domain.profile import Profile

__all__ = ["Trace", "cold_start_s", "curve_of", "loaded"]

DAY_S: Final = 86_400.0
WINDOW_S: Final = 300
"""A trace is read in windows of this length: machines are not started and stopped more often."""
LATE_SHARE: Final = 0.1
"""Of the requests that may be late, those that the shape of a load may use up: bursts and cold starts."""
MOST_LEVELS: Final = 48
"""Different rates of a curve; of more each is rounded up to the next of as many."""


@dataclass(frozen=True)
class Trace:
    """What arrived once: (seconds,) requests in each second, and the second of the day at which it begins."""

    counts: np.ndarray
    start_s: float = 0.0


def cold_start_s(profiles: Sequence[Profile], calibration: Calibration) -> float:
    """From ordering a machine to its first answer: the machine itself, and loading the slowest network."""
    return calibration["spot_replacement_s"].value + max(profile.load_s for profile in profiles)


def loaded(
    goal: Goal, traces: Mapping[str, Trace], profiles: Sequence[Profile], calibration: Calibration
) -> tuple[Goal, LoadCurve]:
    """The goal with the highest rate of its load, and the load over time.

    Errors: InputError for a trace that is not among those read, or in which nothing arrives.
    """
    serve = goal.serve
    cold_s = cold_start_s(profiles, calibration)
    if serve.load.trace is None:
        return goal, curve_of(serve, cold_s)
    trace = traces.get(serve.load.trace)
    if trace is None:
        raise InputError(
            f"the trace {serve.load.trace} was not read: give it to the planner, or write a rate"
        )
    if not trace.counts.any():
        raise InputError(f"nothing arrives in the trace {serve.load.trace}: write a rate, or another trace")
    curve = _of_trace(serve, trace, cold_s)
    load = msgspec.structs.replace(serve.load, rate_rps=curve.peak_rps)
    return msgspec.structs.replace(goal, serve=msgspec.structs.replace(serve, load=load)), curve


def curve_of(serve: Serve, cold_s: float) -> LoadCurve:
    """The load over time of a rate, or of a day that repeats.

    >>> from tradewind.domain.goal import Hour, Load, Serve
    >>> day = (Hour(rate_rps=0.0, from_hour=0.0), Hour(rate_rps=10.0, from_hour=8.0))
    >>> curve = curve_of(Serve(load=Load(profile=day), p99_s=0.1), 360.0)
    >>> curve.rates_rps, [round(24.0 * share, 3) for share in curve.shares]
    ((0.0, 10.0), [7.9, 16.1])
    """
    day = serve.load.day
    if not day:
        return LoadCurve.flat(serve.load.rate_rps)
    starts_s = np.array([3600.0 * hour for hour, _ in day])
    rates = np.array([rate for _, rate in day])
    lengths_s = np.diff(np.append(starts_s, DAY_S))
    return _curve(
        starts_s,
        lengths_s,
        rates,
        cold_s,
        mean_rps=float(rates @ lengths_s / DAY_S),
        because=f"a day that repeats; machines are up {units.show(cold_s, 'time')} before they are needed",
    )


def _of_trace(serve: Serve, trace: Trace, cold_s: float) -> LoadCurve:
    level = float(serve.percentile[1:]) / 100.0
    counts = np.asarray(trace.counts, dtype=np.float64)
    windows = -(-len(counts) // WINDOW_S)
    padded = np.full(windows * WINDOW_S, np.nan)
    padded[: len(counts)] = counts
    by_window = padded.reshape(windows, WINDOW_S)
    requests = np.nansum(by_window, axis=1)
    rates = _sustained(by_window, 1.0 - LATE_SHARE * (1.0 - level))
    unit_s = float(WINDOW_S)
    lengths_s = np.full(windows, unit_s)
    lengths_s[-1] = len(counts) - unit_s * (windows - 1)
    starts_s = unit_s * np.arange(windows)
    # The first requests after a spell without load find no machine up.
    woken = (requests > 0.0) & (np.append(0.0, requests[:-1]) <= 0.0)
    if requests[0] > 0.0:
        woken[0] = False
    reach = max(1, int(np.ceil(cold_s / unit_s)))
    cold = np.convolve(woken, np.ones(reach))[:windows] > 0.0
    late = float(requests[cold].sum() / requests.sum())
    may_rest = late <= LATE_SHARE * (1.0 - level) or serve.latency_s >= cold_s
    words = (
        f"the trace {serve.load.trace}, {units.show(float(len(counts)), 'time')} in windows of {WINDOW_S} s"
    )
    if not rates.all():
        if may_rest:
            words += f"; without load no machine is up, {late:.2%} of the requests wait for a start"
        else:
            rates = np.maximum(rates, 1e-9 * rates.max())
            words += (
                f"; a machine stays up without load: {late:.2%} of the requests would wait for a start of"
                f" {units.show(cold_s, 'time')}"
            )
    return _curve(
        starts_s,
        lengths_s,
        rates,
        cold_s,
        mean_rps=float(counts.mean()),
        because=words,
        begins_s=trace.start_s,
    )


def _sustained(by_window: np.ndarray, level: float) -> np.ndarray:
    """(windows,) the rate that machines must carry, of requests in (windows, seconds), NaN after the end.

    Counts are Poisson round a rate that itself changes from second to second: their variance above their mean
    is that of the rate (Cox 1955). Poisson counts alone are what a queue is planned for, so a window counts
    with the quantile of its rate, as if that were normal, and with no more than was ever seen in a second.
    """
    mean = np.nanmean(by_window, axis=1)
    seconds = np.maximum(np.isfinite(by_window).sum(axis=1), 2)
    variance = np.nanvar(by_window, axis=1) * seconds / (seconds - 1)
    # The variance of Poisson counts is itself uncertain by sqrt(2 / seconds) of it; four of these are no chance.
    above = variance - mean * (1.0 + 4.0 * np.sqrt(2.0 / seconds))
    deviation = np.sqrt(np.maximum(variance - mean, 0.0)) * (above > 0.0)
    rate = mean + NormalDist().inv_cdf(level) * deviation
    return np.asarray(np.maximum(np.minimum(rate, np.nanmax(by_window, axis=1)), mean))


def _curve(
    starts_s: np.ndarray,
    lengths_s: np.ndarray,
    rates: np.ndarray,
    cold_s: float,
    *,
    mean_rps: float,
    because: str,
    begins_s: float = 0.0,
) -> LoadCurve:
    """The curve of rates one after the other, repeated for ever: at each time the highest until `cold_s` later."""
    total_s = float(lengths_s.sum())
    ahead_s = min(cold_s, total_s)
    ends_s = np.append(starts_s, total_s)
    twice = np.concatenate([rates, rates])
    both_s = np.concatenate([starts_s, starts_s + total_s])
    edges_s = np.unique(np.concatenate([ends_s, (ends_s - ahead_s) % total_s]))
    pieces_s = np.diff(edges_s)
    first = np.searchsorted(both_s, edges_s[:-1], side="right") - 1
    # Of a piece between two edges the middle sees the same windows as any other moment of it.
    last = np.searchsorted(both_s, edges_s[:-1] + 0.5 * pieces_s + ahead_s, side="right") - 1
    highest = _highest(twice, first, last)
    levels, shares = _levels(highest, pieces_s / total_s)
    return LoadCurve(
        rates_rps=tuple(levels.tolist()),
        shares=tuple(shares.tolist()),
        mean_rps=mean_rps,
        cold_start_s=cold_s,
        hours_rps=tuple(_by_hour(edges_s + begins_s, highest).tolist()),
        because=because,
    )


def _by_hour(edges_s: np.ndarray, rates: np.ndarray) -> np.ndarray:
    """(24,) the highest rate in each hour of the day, of rates between edges."""
    found = np.zeros(24)
    first = np.floor(edges_s[:-1] / 3600.0).astype(int)
    last = np.ceil(edges_s[1:] / 3600.0).astype(int)
    for step in range(min(24, int((last - first).max()))):
        touched = first + step < last
        np.maximum.at(found, (first[touched] + step) % 24, rates[touched])
    return found


def _highest(values: np.ndarray, first: np.ndarray, last: np.ndarray) -> np.ndarray:
    """The highest of `values[first : last + 1]`, for each pair: by runs of doubling length."""
    runs = [values]
    while 2 ** len(runs) <= int((last - first).max()) + 1:
        before, step = runs[-1], 2 ** (len(runs) - 1)
        runs.append(np.maximum(before[:-step], before[step:]))
    power = np.floor(np.log2(last - first + 1)).astype(int)
    found = np.empty(len(first))
    for place, run in enumerate(runs):
        of = power == place
        found[of] = np.maximum(run[first[of]], run[last[of] + 1 - 2**place])
    return found


def _levels(rates: np.ndarray, shares: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distinct rates, rising, and the share of time at each; rounded up where there are too many."""
    levels = np.unique(rates)
    if len(levels) > MOST_LEVELS:
        steps = np.linspace(0.0, levels[-1], MOST_LEVELS)
        levels = np.unique(np.append(levels[:1], steps[np.searchsorted(steps, levels)]))
    of = np.searchsorted(levels, rates)
    found = np.bincount(of, shares, minlength=len(levels))
    kept = found > 0.0
    return levels[kept], found[kept] / found.sum()
