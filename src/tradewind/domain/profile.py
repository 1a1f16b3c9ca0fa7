"""Profile: the work of a Variant on a Host, measured or derived from a published architecture."""

from __future__ import annotations

from typing import Literal

from tradewind.domain.architecture import Architecture
from tradewind.domain.host import Host
from tradewind.domain.noun import Noun, Origin, Rejected
from tradewind.domain.variant import Variant

__all__ = ["Front", "LatencyPoint", "OperatorCost", "OperatorKind", "Profile"]

OperatorKind = Literal[
    "gemm", "convolution", "attention", "normalization", "elementwise", "embedding", "other"
]


class OperatorCost(Noun, frozen=True, kw_only=True):
    """What one operator costs for one row (batch 1), counted from shapes, not measured."""

    name: str
    kind: OperatorKind
    calls: int
    flops: float
    activation_bytes: float
    """Read and written, without weights; grows with the batch."""
    weight_bytes: float
    """Read once per batch."""


class LatencyPoint(Noun, frozen=True, kw_only=True):
    """How long one call takes at one batch size and thread count, over many interleaved runs.

    `low_s` is a low quantile (the machine undisturbed), `median_s` and `high_s` (the 90th percentile)
    show the spread that a noisy machine adds. `cpu_s` is the CPU time of the process per call.
    """

    batch: int
    threads: int
    low_s: float
    median_s: float
    high_s: float
    cpu_s: float
    runs: int


class Profile(Noun, frozen=True, kw_only=True):
    """The work of one Variant on one Host.

    Derived from a published `architecture` nothing was run: `origin` is "predicted", the curve is empty, the host is
    one without cores, and times, noise and date are zero or empty.
    """

    variant: Variant
    host: Host
    operators: tuple[OperatorCost, ...]
    curve: tuple[LatencyPoint, ...]
    """Sorted by threads, then batch."""
    weight_bytes: float
    peak_memory_bytes: float
    """Of the process that runs it at the largest measured batch."""
    load_s: float
    """From nothing to the first answer, the payload being on the local disk."""
    request_bytes: float
    """One row as a request in JSON (Open Inference Protocol), and its response."""
    response_bytes: float
    noise: float
    """Relative difference of two interleaved measurements of the same thing: what is below it is no difference."""
    measured_at: str
    """ISO date and time, UTC."""
    origin: Origin = "measured"
    architecture: Architecture | None = None
    """What the profile was derived from, when nobody has built the network yet."""

    @property
    def flops(self) -> float:
        """Floating-point operations for one row."""
        return sum(operator.flops for operator in self.operators)

    def latency_s(self, batch: int, threads: int) -> float:
        """The low quantile at a measured point. Errors: KeyError when it was not measured."""
        for point in self.curve:
            if point.batch == batch and point.threads == threads:
                return point.low_s
        raise KeyError((batch, threads))


class Front(Noun, frozen=True, kw_only=True):
    """What optimization found: every variant that was measured, and every one that failed."""

    profiles: tuple[Profile, ...]
    """All measured variants, the original first."""
    pareto: tuple[str, ...]
    """Ids of the variants that no other beats in quality, latency, throughput, memory and size at once."""
    lost: tuple[Rejected, ...]
    """Measured variants that are outside the quality budget or beaten in everything, with the reason."""
    failed: tuple[Rejected, ...]
    """Variants that could not be built or run here, with the reason."""

    def profile(self, variant_id: str) -> Profile:
        """The profile of a variant. Errors: KeyError when there is none."""
        for profile in self.profiles:
            if profile.variant.id == variant_id:
                return profile
        raise KeyError(variant_id)
