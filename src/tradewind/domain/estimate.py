"""Estimate and Observation: what is expected, and what happened. They have the same figures."""

from __future__ import annotations

import msgspec

from tradewind.domain.noun import Noun, Origin, Range

__all__ = ["Calibration", "Comparison", "Constant", "Estimate", "Figures", "Observation"]


class Figures(Noun, frozen=True, kw_only=True):
    """The figures of a service, expected or observed. None means that it was not (or cannot be) known."""

    load_rps: float
    """The rate of arrivals that the figures are for."""
    latency_s: dict[str, Range]
    """By percentile: p50, p90, p95, p99; from the arrival of a request to its answer."""
    throughput_rps: Range
    """Requests answered per second at this load."""
    capacity_rps: Range | None = None
    """The largest load at which the goal's percentile stays within its bound."""
    utilization: Range | None = None
    """Share of the time in which the replicas are busy, 0 to 1."""
    memory_bytes: Range | None = None
    """Resident memory of one replica."""
    cpu_s_per_request: Range | None = None
    cost_usd_per_month: Range | None = None
    energy_kwh_per_month: Range | None = None
    carbon_kgco2e_per_month: Range | None = None


class Estimate(Figures, frozen=True, kw_only=True):
    """What is expected, with an interval that holds the outcome in `level` of cases."""

    level: float
    because: tuple[str, ...]
    """The dominating terms, most important first, one line each."""
    step_s: Range | None = None
    """Of one step of training; the rates are then of samples."""
    cost_usd_per_step: Range | None = None
    tokens_per_s: Range | None = None
    """Trained on, or answered."""
    first_token_s: dict[str, Range] = msgspec.field(default_factory=dict)
    """Of a language model that answers, by percentile: from the arrival of a request to its first token."""
    token_s: dict[str, Range] = msgspec.field(default_factory=dict)
    """Between two tokens of a request, averaged over its answer."""


class Observation(Figures, frozen=True, kw_only=True):
    """What happened over a window of time."""

    started_at: str
    """ISO date and time, UTC."""
    window_s: float
    sent: int
    answered: int
    refused: int
    failed: int
    late: int
    """Answered, but after the goal's bound."""
    origin: Origin = "measured"


class Comparison(Noun, frozen=True, kw_only=True):
    """One figure, predicted against measured."""

    figure: str
    """Such as latency_p99_s or throughput_rps."""
    predicted: Range
    measured: float
    within: bool

    @property
    def error(self) -> float:
        """Relative error of the likely value: predicted / measured - 1."""
        return self.predicted.likely / self.measured - 1.0 if self.measured else float("inf")


class Constant(Noun, frozen=True, kw_only=True):
    """One constant of the cost model."""

    value: float
    standard_error: float
    """Relative for `scale` constants (names that end in _ratio), else in the unit of the name."""
    fitted_on: str
    """What the value stems from: a measurement, a table, or "assumed" with the reason."""
    residuals: tuple[float, ...] = ()


class Calibration(Noun, frozen=True, kw_only=True):
    """The constants of the cost model, by name (units at the end of the name)."""

    constants: dict[str, Constant]
    seen: tuple[str, ...] = ()
    """What the fit knew, as "kind|device" and "kind|family of networks": predictions of others are less sure."""

    def __getitem__(self, name: str) -> Constant:
        return self.constants[name]
