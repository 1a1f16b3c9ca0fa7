"""What an observation of a rehearsal says about the constants of the cost model.

Each constant moves towards what was seen by as much as its own error is larger than that of the
measurement, so a surprise moves what was assumed and hardly what was measured.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import msgspec

from tradewind.domain.estimate import Calibration, Constant

if TYPE_CHECKING:
    from collections.abc import Callable

    from tradewind.domain.estimate import Estimate, Observation
    from tradewind.domain.plan import Rehearsal

__all__ = ["calibrate", "fit"]

_CPU_ERROR: Final = 0.05
"""Relative error of CPU time per request over some seconds: ticks of the kernel, the pages of metrics."""
_MEMORY_ERROR: Final = 0.03
_JITTER_ERROR: Final = 0.3
"""Relative error of taking the delays of this host for those of a cloud's, beside that of the percentiles."""
_LEAST_JITTER_S: Final = 20e-6
"""Waking up a process: no machine adds less."""
_LEAST: Final = {"front_cpu_s_per_request": 2e-6, "wake_cpu_s": 2e-6, "service_time_ratio": 0.2}
"""No surprise makes a constant less than this."""
_ROUNDS: Final = 12
"""Predictions at most; fewer when they agree."""
_SETTLED: Final = 0.01
"""Relative difference at which they do."""
_MOST_REFUSED: Final = 0.02
"""Share of refusals above which the percentiles of the answered say nothing about the others."""


def calibrate(calibration: Calibration, rehearsal: Rehearsal, observation: Observation) -> Calibration:
    """The calibration after a rehearsal: CPU of front and waking up, time of the network, jitter, memory.

    `rehearsal` must have been predicted with `calibration`, and `observation` be of its layout and load.
    Figures that were not observed change nothing. The constants are taken to act on the figures one by one,
    which holds for small surprises; `fit` predicts again and holds for large ones.
    """
    return _corrected(calibration, rehearsal, observation, _seen(rehearsal, observation))


def fit(
    calibration: Calibration,
    rehearsal: Rehearsal,
    observation: Observation,
    predicted: Callable[[Calibration], Estimate],
) -> Calibration:
    """As `calibrate`, for surprises of any size.

    `predicted` gives the estimate of the rehearsal by other constants. Dearer requests wait for each other
    and share more of a batch, so twice the constant is not twice the time: what the prediction by the
    corrected constants leaves over or short is aimed at again (an iterated Kalman filter).
    """
    seen = _seen(rehearsal, observation)
    corrected = _corrected(calibration, rehearsal, observation, seen)
    for _ in range(_ROUNDS):
        again = predicted(corrected)
        aim = _aim(calibration, corrected, rehearsal.estimate, again, seen)
        corrected = _corrected(calibration, rehearsal, observation, aim)
        if _agree(again, seen):
            break
    return corrected


def _agree(estimate: Estimate, seen: _Figures) -> bool:
    """Whether CPU time is explained; the latencies follow it."""
    cpu = estimate.cpu_s_per_request
    return cpu is None or seen.cpu_s is None or abs(cpu.likely / seen.cpu_s - 1.0) < _SETTLED


@dataclass(frozen=True)
class _Figures:
    """What the constants are to explain."""

    cpu_s: float | None
    latency_s: dict[str, float]
    waking: float
    """Share of the requests that find the server at rest: how much waking up counts."""


def _seen(rehearsal: Rehearsal, observation: Observation) -> _Figures:
    cpu = observation.cpu_s_per_request
    return _Figures(
        cpu_s=None if cpu is None else cpu.likely,
        latency_s={name: value.likely for name, value in observation.latency_s.items()},
        waking=_waking(rehearsal.estimate),
    )


def _aim(
    before: Calibration, after: Calibration, first: Estimate, second: Estimate, seen: _Figures
) -> _Figures:
    """Figures that lead to constants by which the prediction meets what was seen.

    Linear effects of the constants are what the next correction will reckon with; the rest is taken off.
    """
    front_s, wake_s, jitter_s = (
        after[name].value - before[name].value
        for name in ("front_cpu_s_per_request", "wake_cpu_s", "jitter_s")
    )
    slower = after["service_time_ratio"].value / before["service_time_ratio"].value - 1.0
    cpu_s, waking = seen.cpu_s, _waking(second)
    if cpu_s is not None and first.cpu_s_per_request and second.cpu_s_per_request:
        linear_s = front_s + waking * wake_s + slower * _network_s(before, first)
        cpu_s += first.cpu_s_per_request.likely + linear_s - second.cpu_s_per_request.likely
    latency_s = {}
    for name, value in seen.latency_s.items():
        if name in first.latency_s and name in second.latency_s:
            linear_s = front_s + waking * wake_s + jitter_s * _step(name)
            latency_s[name] = value + first.latency_s[name].likely + linear_s - second.latency_s[name].likely
    cpu_s = None if cpu_s is None else max(cpu_s, 1e-6)
    return _Figures(cpu_s=cpu_s, latency_s=latency_s, waking=waking)


def _corrected(
    calibration: Calibration, rehearsal: Rehearsal, observation: Observation, aim: _Figures
) -> Calibration:
    constants = dict(calibration.constants)
    constants.update(_from_cpu(calibration, rehearsal, observation, aim))
    constants.update(_from_latency(calibration, constants, rehearsal, observation, aim))
    constants.update(_from_memory(calibration, rehearsal, observation))
    return Calibration(constants=constants)


def _from_cpu(
    calibration: Calibration, rehearsal: Rehearsal, observation: Observation, aim: _Figures
) -> dict[str, Constant]:
    """Front and network share the surprise about CPU time by how uncertain each was."""
    predicted, seen = rehearsal.estimate.cpu_s_per_request, observation.cpu_s_per_request
    if predicted is None or seen is None or aim.cpu_s is None or predicted.likely <= 0.0:
        return {}
    network_s = _network_s(calibration, rehearsal.estimate)
    server = calibration["service_time_ratio"].value
    effects = {  # seconds of CPU per request, per unit of the constant
        "front_cpu_s_per_request": 1.0,
        "wake_cpu_s": aim.waking,
        "service_time_ratio": network_s / server,
    }
    effects = {name: effect for name, effect in effects.items() if effect > 0.0}
    own = (_CPU_ERROR * seen.likely) ** 2
    variances = {name: (effect * _error(name, calibration)) ** 2 for name, effect in effects.items()}
    surprise_s = aim.cpu_s - predicted.likely
    # A surprise far beyond the errors says that the errors were too small.
    doubt = max(1.0, surprise_s**2 / max(sum(variances.values()) + own, 1e-24))
    values: dict[str, float] = {}
    gains: dict[str, float] = {}
    while len(values) < len(effects):
        rest = [name for name in effects if name not in values]
        total = max(doubt * sum(variances[name] for name in rest) + own, 1e-24)
        gains.update({name: doubt * variances[name] / total for name in rest})
        wanted = {name: calibration[name].value + gains[name] * surprise_s / effects[name] for name in rest}
        low = {name: _LEAST[name] for name in rest if wanted[name] < _LEAST[name]}
        values.update(low or wanted)
        # What a constant at its least cannot explain is left to the others.
        surprise_s -= sum(effects[name] * (_LEAST[name] - calibration[name].value) for name in low)
    residual = seen.likely / predicted.likely - 1.0
    source = (
        f"CPU time per request in the rehearsal of {observation.started_at[:10]}: {residual:+.0%} against the"
        " prediction"
    )
    moved = {}
    for name, value in values.items():
        error = calibration[name].standard_error * math.sqrt(doubt * max(0.0, 1.0 - gains[name]))
        moved[name] = _moved(calibration[name], value, error, source, residual)
    return moved


def _error(name: str, calibration: Calibration) -> float:
    """The standard error of a constant in its own unit."""
    constant = calibration[name]
    return constant.standard_error * (constant.value if name.endswith("_ratio") else 1.0)


def _waking(estimate: Estimate) -> float:
    """Share of the requests that find the server at rest: random arrivals see it as often as it rests."""
    return 1.0 if estimate.utilization is None else max(0.0, 1.0 - estimate.utilization.likely)


def _network_s(calibration: Calibration, estimate: Estimate) -> float:
    """What of the CPU time per request is the network's."""
    assert estimate.cpu_s_per_request is not None
    beside = calibration["front_cpu_s_per_request"].value
    beside += _waking(estimate) * calibration["wake_cpu_s"].value
    return max(estimate.cpu_s_per_request.likely - beside, 0.0)


def _from_latency(
    calibration: Calibration,
    constants: dict[str, Constant],
    rehearsal: Rehearsal,
    observation: Observation,
    aim: _Figures,
) -> dict[str, Constant]:
    """The mean of an exponential delay, by least squares through all percentiles."""
    if observation.refused > _MOST_REFUSED * max(observation.sent, 1):
        return {}
    predicted, seen = rehearsal.estimate.latency_s, observation.latency_s
    names = [name for name in predicted if name in seen and name in aim.latency_s]
    if not names:
        return {}
    jitter = calibration["jitter_s"]
    # What the front and waking up take more or less than predicted is no jitter.
    front_s, wake_s = (
        constants[name].value - calibration[name].value for name in ("front_cpu_s_per_request", "wake_cpu_s")
    )
    known_s = front_s + aim.waking * wake_s
    steps = [_step(name) for name in names]
    delays = [
        aim.latency_s[name] - predicted[name].likely - known_s + jitter.value * step
        for name, step in zip(names, steps, strict=True)
    ]
    errors = [(seen[name].high - seen[name].low) / 3.92 for name in names]
    squares = sum(step**2 for step in steps)
    found_s = sum(step * delay for step, delay in zip(steps, delays, strict=True)) / squares
    found_s = max(found_s, _LEAST_JITTER_S)
    sampling = math.sqrt(sum((s * e) ** 2 for s, e in zip(steps, errors, strict=True))) / squares / found_s
    known = min(1.0, jitter.standard_error / jitter.value)
    # On the logarithm, for a delay is never negative and its error is a factor.
    gain = known**2 / (known**2 + sampling**2 + _JITTER_ERROR**2)
    value = jitter.value * math.exp(gain * math.log(found_s / jitter.value))
    name = max(names, key=_step)
    residual = seen[name].likely / predicted[name].likely - 1.0
    source = f"latency in the rehearsal of {observation.started_at[:10]}: {name} {residual:+.0%} against the prediction"
    return {"jitter_s": _moved(jitter, value, value * known * math.sqrt(1.0 - gain), source, residual)}


def _step(percentile: str) -> float:
    """The percentile of an exponential delay, in units of its mean."""
    return -math.log(1.0 - float(percentile[1:]) / 100.0)


def _from_memory(
    calibration: Calibration, rehearsal: Rehearsal, observation: Observation
) -> dict[str, Constant]:
    predicted, seen = rehearsal.estimate.memory_bytes, observation.memory_bytes
    if predicted is None or seen is None or seen.likely <= 0.0:
        return {}
    memory, server = calibration["memory_ratio"], calibration["server_memory_bytes"].value
    if predicted.likely <= server or seen.likely <= server:
        return {}
    gain = memory.standard_error**2 / (memory.standard_error**2 + _MEMORY_ERROR**2)
    factor = ((seen.likely - server) / (predicted.likely - server)) ** gain
    residual = seen.likely / predicted.likely - 1.0
    day = observation.started_at[:10]
    source = f"memory in the rehearsal of {day}: {residual:+.0%} against the prediction"
    error = memory.standard_error * math.sqrt(1.0 - gain)
    return {"memory_ratio": _moved(memory, memory.value * factor, error, source, residual)}


def _moved(constant: Constant, value: float, error: float, source: str, residual: float) -> Constant:
    return msgspec.structs.replace(
        constant,
        value=value,
        standard_error=error,
        fitted_on=source,
        residuals=(*constant.residuals, residual),
    )
