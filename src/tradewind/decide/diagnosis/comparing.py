"""Predicted against measured, figure by figure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tradewind.domain.estimate import Comparison

if TYPE_CHECKING:
    from tradewind.domain.estimate import Estimate, Observation
    from tradewind.domain.noun import Range

__all__ = ["compare"]


def compare(estimate: Estimate, observation: Observation) -> tuple[Comparison, ...]:
    """Every figure that was both predicted and measured: latencies, throughput, utilization, memory, CPU.

    Arrivals are random, so the load that came is never quite the predicted one: throughput and utilization
    are compared as they would have been at the predicted load.
    """
    found = [
        _compared(f"latency_{name}_s", predicted, observation.latency_s[name].likely)
        for name, predicted in estimate.latency_s.items()
        if name in observation.latency_s
    ]
    came = observation.load_rps / estimate.load_rps if estimate.load_rps > 0.0 else 1.0
    for name, scaled in (
        ("throughput_rps", True),
        ("utilization", True),
        ("memory_bytes", False),
        ("cpu_s_per_request", False),
    ):
        predicted: Range | None = getattr(estimate, name)
        measured: Range | None = getattr(observation, name)
        if predicted is not None and measured is not None:
            value = measured.likely / came if scaled and came > 0.0 else measured.likely
            found.append(_compared(name, predicted, value))
    return tuple(found)


def _compared(figure: str, predicted: Range, measured: float) -> Comparison:
    # A figure at the end of its interval is inside: floats that were divided and multiplied differ there.
    edge = 1e-9 * max(abs(predicted.low), abs(predicted.high))
    within = predicted.low - edge <= measured <= predicted.high + edge
    return Comparison(figure=figure, predicted=predicted, measured=measured, within=within)
