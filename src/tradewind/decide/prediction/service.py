"""How long one call takes on a machine: a measured latency curve, split by what bounds it, and scaled.

Of the time at each (batch, threads), the roofline of the measuring host explains a part as arithmetic and
a part as memory traffic; the rest is overhead per call and inefficiency. Each part is scaled by what it
depends on. What is not known makes the interval wider, never the prediction better.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from tradewind.decide.prediction.machine import Machine, machine_of, precision_gain
from tradewind.domain import units
from tradewind.domain.host import Host

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tradewind.domain.estimate import Calibration
    from tradewind.domain.offer import Offer
    from tradewind.domain.profile import LatencyPoint, Profile

__all__ = [
    "Scaled",
    "Service",
    "Speeds",
    "Work",
    "front_s_per_request",
    "scale",
    "service_on",
    "speeds_of",
    "thread_counts",
    "work_of",
]

_VECTOR_KINDS: Final = frozenset({"gemm", "convolution", "attention"})
"""Operators whose arithmetic runs in wide vectors; the others are bound by memory or by their calls."""


@dataclass(frozen=True)
class Work:
    """The measured time of one call by batch, at one thread count, split by what bounds it.

    Shapes: every array is (n,), for the n measured batches. The four parts add up to `total_s`.
    """

    threads: int
    batches: np.ndarray
    total_s: np.ndarray
    arithmetic_s: np.ndarray
    memory_s: np.ndarray
    overhead_s: np.ndarray
    """What a call costs beside arithmetic and memory at batch 1: dispatch, allocation, scalar code."""
    inefficiency_s: np.ndarray
    """What grows with the batch and the roofline does not explain."""
    cpu_s: np.ndarray
    deviation: float
    """Standard deviation of the logarithm of the measured time."""
    measured: bool
    """False when this thread count is extrapolated from others by Amdahl's law."""


@dataclass(frozen=True)
class Service:
    """What one call costs inside the server on a machine, for every batch from 1 to the largest measured.

    Shapes: `service_s` and `cpu_s` are (batches,), entry b - 1 for batch b; `shares` is (4, measured).
    """

    service_s: np.ndarray
    """From taking a batch to having answered it: the network, and the front's work for each request."""
    cpu_s: np.ndarray
    """CPU time of the same."""
    front_s: float
    """The front's part for one request."""
    wake_s: float
    """What a batch takes longer that wakes a server at rest."""
    deviation: float
    """Standard deviation of the logarithm of `service_s`: one factor for all batches."""
    work: Work
    machine: Machine
    shares: np.ndarray
    """Of a call's time at each measured batch: arithmetic, memory, overhead, inefficiency."""
    speed: np.ndarray
    """How many times as fast as measured, at each measured batch."""
    instructions: str
    here: bool
    """Whether the machine is the one that measured."""

    def because(self, max_batch: int) -> tuple[str, ...]:
        """What dominates the time of a full batch and what is not known, in words."""
        at = int(np.searchsorted(self.work.batches, max_batch).clip(0, len(self.work.batches) - 1))
        names = (
            "arithmetic",
            "memory traffic",
            "overhead per call",
            "work that the roofline does not explain",
        )
        order = np.argsort(-self.shares[:, at], kind="stable")
        split = ", ".join(f"{self.shares[i, at]:.0%} {names[i]}" for i in order if self.shares[i, at] >= 0.05)
        where = "this host" if self.here else f"{self.machine.processor.name} ({self.instructions})"
        total_s = float(self.service_s[max_batch - 1])
        network_s = total_s - max_batch * self.front_s
        lines = [
            f"a call with {max_batch} rows takes {units.show(network_s, 'time')} on {self.work.threads} of the"
            f" cores of {where}, {self.speed[at]:.2f} times as fast as measured: {split}",
            f"the HTTP front takes {1.0 - network_s / total_s:.0%} of the time of a full batch",
        ]
        if not self.work.measured:
            lines.append(f"{self.work.threads} threads were not measured: extrapolated by Amdahl's law")
        return (*lines, *self.machine.doubts)


def thread_counts(profile: Profile) -> tuple[int, ...]:
    """Thread counts to plan with: the measured ones, and doublings up to 8 if two were measured."""
    measured = sorted({point.threads for point in profile.curve})
    extra = [threads for threads in (2, 4, 8) if len(measured) > 1 and threads > measured[-1]]
    return tuple(measured + extra)


def work_of(profile: Profile, threads: int, calibration: Calibration, *, disturbed: bool = False) -> Work:
    """The time of one call at a thread count, split by what bounds it on the host that measured it.

    `disturbed` takes the median as it was measured, for a prediction on that host as it is; otherwise the
    time lies between the low quantile (an undisturbed machine) and the median.
    Errors: ValueError when the profile has no curve or too little to extrapolate from.
    """
    points, measured = _points(profile, threads)
    low, median = _column(points, "low_s"), _column(points, "median_s")
    high = _column(points, "high_s")
    total = median if disturbed else np.sqrt(low * median)
    total = np.maximum.accumulate(np.maximum(total, 1e-7))
    spread = np.log(np.maximum(median / np.maximum(low, 1e-9), 1.0))
    # The p90 is 1.28 standard deviations above the median if disturbances are log-normal.
    tail = np.log(np.maximum(high / np.maximum(median, 1e-9), 1.0)) / 1.2816
    deviation = math.hypot(float(np.median(tail if disturbed else 0.5 * spread)), profile.noise)
    if not measured:
        known = max(point.threads for point in profile.curve)
        doublings = math.log2(threads / known)
        deviation = math.hypot(deviation, doublings * calibration["unmeasured_threads_ratio"].standard_error)
    batches = np.array([point.batch for point in points])
    arithmetic, memory = _roofline(profile, batches, threads, calibration)
    explained = arithmetic + memory
    fitted = np.minimum(1.0, total / np.maximum(explained, 1e-12))  # no part can exceed the whole
    arithmetic, memory = arithmetic * fitted, memory * fitted
    rest = total - arithmetic - memory
    overhead = np.minimum(rest, rest[0])
    return Work(
        threads=threads,
        batches=batches,
        total_s=total,
        arithmetic_s=arithmetic,
        memory_s=memory,
        overhead_s=overhead,
        inefficiency_s=rest - overhead,
        cpu_s=np.maximum.accumulate(_column(points, "cpu_s")),
        deviation=deviation,
        measured=measured,
    )


def _points(profile: Profile, threads: int) -> tuple[list[LatencyPoint], bool]:
    """The curve at a thread count by rising batch; extrapolated when it was not measured."""
    curves: dict[int, dict[int, LatencyPoint]] = {}
    for point in profile.curve:
        curves.setdefault(point.threads, {})[point.batch] = point
    if not curves:
        raise ValueError(f"{profile.variant.name}: no latency curve")
    if threads in curves:
        return [curves[threads][batch] for batch in sorted(curves[threads])], True
    if len(curves) < 2:
        raise ValueError(f"{profile.variant.name}: {threads} threads cannot be told from one thread count")
    first, second = sorted(curves)[-2:]
    common = sorted(curves[first].keys() & curves[second].keys())
    if not common:
        raise ValueError(
            f"{profile.variant.name}: no batch was measured at both {first} and {second} threads"
        )
    return [_amdahl(curves[first][batch], curves[second][batch], threads) for batch in common], False


def _amdahl(one: LatencyPoint, other: LatencyPoint, threads: int) -> LatencyPoint:
    """A point at another thread count, if the time is a serial part plus a part that threads divide."""
    import msgspec

    share = 1.0 / one.threads - 1.0 / other.threads

    def at(name: str) -> float:
        first, second = float(getattr(one, name)), float(getattr(other, name))
        parallel = min(max((first - second) / share, 0.0), first * one.threads)
        return first - parallel / one.threads + parallel / threads

    return msgspec.structs.replace(
        other, threads=threads, low_s=at("low_s"), median_s=at("median_s"), high_s=at("high_s"), runs=0
    )


def _column(points: list[LatencyPoint], name: str) -> np.ndarray:
    return np.array([float(getattr(point, name)) for point in points])


def _roofline(
    profile: Profile, batches: np.ndarray, threads: int, calibration: Calibration
) -> tuple[np.ndarray, np.ndarray]:
    """Seconds of arithmetic and of memory traffic at each batch on the measuring host, at its best speed."""
    host = profile.host
    machine = machine_of(host, calibration)
    gain = precision_gain(machine, profile.variant.runtime.precision, calibration)
    # An emulated precision converts to fp32 and back: no gain.
    flops_per_s = machine.fp32_flops_per_s * (gain.ratio if gain else 1.0) * threads
    # One thread draws more than its share of the bandwidth while the other cores rest.
    bandwidth = host.memory_bandwidth_bytes_per_s * math.sqrt(min(1.0, threads / machine.cores))
    weight_bytes = sum(operator.weight_bytes for operator in profile.operators)
    largest = max((operator.activation_bytes for operator in profile.operators), default=0.0)
    working_set = weight_bytes + largest * batches
    cached = calibration["cache_bytes_per_core"].value * threads / np.maximum(working_set, 1.0)
    missed = 1.0 - np.minimum(1.0, cached)
    arithmetic, memory = np.zeros(len(batches)), np.zeros(len(batches))
    for operator in profile.operators:
        compute_s = np.zeros(len(batches))
        if operator.kind in _VECTOR_KINDS:
            compute_s = operator.flops * batches / flops_per_s
        moved = missed * (operator.weight_bytes + operator.activation_bytes * batches)
        transfer_s = moved / max(bandwidth, 1e8)
        arithmetic += np.where(compute_s >= transfer_s, compute_s, 0.0)
        memory += np.where(compute_s >= transfer_s, 0.0, transfer_s)
    return arithmetic, memory


def front_s_per_request(profile: Profile, calibration: Calibration) -> float:
    """CPU seconds that the HTTP front spends on one request and its answer, on the measuring host."""
    size = profile.request_bytes + profile.response_bytes
    return calibration["front_cpu_s_per_request"].value + calibration["front_cpu_s_per_byte"].value * size


@dataclass(frozen=True)
class Speeds:
    """How much faster machines do each kind of work than the measuring host, and how sure that is.

    Shapes: (K,) for K machines. Variances are of the logarithm of the speed.
    """

    arithmetic: np.ndarray
    memory: np.ndarray
    scalar: np.ndarray
    variance: np.ndarray
    """Of the machine as a whole."""
    arithmetic_variance: np.ndarray
    """Of its arithmetic besides: wider vectors, other instructions."""
    memory_variance: np.ndarray
    refusals: tuple[str | None, ...]
    """Why a precision cannot run there, in words."""


def speeds_of(
    profile: Profile, machines: Sequence[Machine], calibration: Calibration, *, here: bool = False
) -> Speeds:
    """How machines compare with the host of a profile, for its precision. `here`: they are that host."""
    reference = machine_of(profile.host, calibration)
    precision = profile.variant.runtime.precision
    source = precision_gain(reference, precision, calibration)
    rows, refusals = [], []
    for machine in machines:
        target = source if here else precision_gain(machine, precision, calibration)
        refusals.append(None if here or target else _refusal(machine, precision))
        ratio = machine.fp32_flops_per_s / reference.fp32_flops_per_s
        variance = 0.0
        if source and target:
            ratio *= target.ratio / source.ratio
            if source.instructions != target.instructions:
                variance += source.deviation**2 + target.deviation**2
        elif target:  # emulated where it was measured: what native instructions bring is not known
            variance += 1.0
        if machine.processor.avx512 != reference.processor.avx512:
            variance += calibration["avx512_efficiency_ratio"].standard_error ** 2
        rows.append(
            (
                ratio,
                machine.bandwidth_bytes_per_s / reference.bandwidth_bytes_per_s,
                machine.scalar_speed / reference.scalar_speed,
                0.0 if here else _distance(reference, machine, calibration),
                variance,
                0.0 if here else calibration["bandwidth_ratio"].standard_error ** 2,
            )
        )
    arithmetic, memory, scalar, whole, extra, traffic = np.array(rows, dtype=np.float64).reshape(-1, 6).T
    return Speeds(
        arithmetic=arithmetic,
        memory=memory,
        scalar=scalar,
        variance=whole,
        arithmetic_variance=extra,
        memory_variance=traffic,
        refusals=tuple(refusals),
    )


def _refusal(machine: Machine, precision: str) -> str:
    known = ", ".join(machine.isa) if machine.isa else "its instructions are not listed"
    return f"{precision} needs instructions that it does not promise ({known})"


def _distance(reference: Machine, machine: Machine, calibration: Calibration) -> float:
    """Variance of the logarithm of the speed of everything, from how unlike the machines are."""
    same = machine.processor.name == reference.processor.name
    names = ["same_processor_ratio" if same else "other_processor_ratio"]
    if reference.certainty != "model":
        names.append("guessed_processor_ratio")
    if machine.processor.architecture != reference.processor.architecture:
        names.append("other_architecture_ratio")
    elif machine.processor.vendor != reference.processor.vendor:
        names.append("other_vendor_ratio")
    return machine.deviation**2 + sum(calibration[name].standard_error ** 2 for name in names)


@dataclass(frozen=True)
class Scaled:
    """The time of one call on K machines at the n measured batches. Shapes: (K, n), `parts` (4, K, n)."""

    parts_s: np.ndarray
    network_s: np.ndarray
    """Inside the server, without the front."""
    total_s: np.ndarray
    front_s: np.ndarray
    """(K,) of one request."""
    wake_s: np.ndarray
    """(K,) of a batch that wakes a server at rest, besides."""
    deviation: np.ndarray
    """(K,) standard deviation of the logarithm of `total_s`."""


def scale(profile: Profile, work: Work, speeds: Speeds, calibration: Calibration) -> Scaled:
    """The time of a call on machines of these speeds."""
    arithmetic, memory, scalar = (
        ratio[:, None] for ratio in (speeds.arithmetic, speeds.memory, speeds.scalar)
    )
    parts_s = np.stack(
        [
            work.arithmetic_s / arithmetic,
            work.memory_s / memory,
            work.overhead_s / scalar,
            # Poorly used vectors gain from wider ones, scalar code does not: take the middle.
            work.inefficiency_s / np.sqrt(arithmetic * scalar),
        ]
    )
    call_s = parts_s.sum(axis=0)
    shares = parts_s / call_s
    server = calibration["service_time_ratio"]
    undecided = (shares[2] + shares[3]) * 0.5 * np.log(arithmetic / scalar)
    network_variance = (
        work.deviation**2
        + server.standard_error**2
        + shares[0] ** 2 * speeds.arithmetic_variance[:, None]
        + shares[1] ** 2 * speeds.memory_variance[:, None]
        + undecided**2
    )
    front_s = front_s_per_request(profile, calibration) / speeds.scalar
    network_s = np.maximum.accumulate(call_s, axis=1) * server.value
    total_s = network_s + work.batches * front_s[:, None]
    share = network_s / total_s
    # What the machine is like makes network and front slow together.
    variance = (
        speeds.variance[:, None]
        + share**2 * network_variance
        + (1.0 - share) ** 2 * _front_deviation(profile, calibration) ** 2
    )
    return Scaled(
        parts_s=parts_s,
        network_s=network_s,
        total_s=total_s,
        front_s=front_s,
        wake_s=calibration["wake_cpu_s"].value / speeds.scalar,
        deviation=np.sqrt(variance.max(axis=1)),
    )


def service_on(profile: Profile, work: Work, target: Offer | Host, calibration: Calibration) -> Service | str:
    """What a call costs on an offer or a host; or, in words, why the variant cannot run there."""
    here = isinstance(target, Host) and target == profile.host
    machine = machine_of(target, calibration)
    speeds = speeds_of(profile, [machine], calibration, here=here)
    if speeds.refusals[0] is not None:
        return speeds.refusals[0]
    scaled = scale(profile, work, speeds, calibration)
    network_s, front_s = scaled.network_s[0], float(scaled.front_s[0])
    batches = np.arange(1, int(work.batches[-1]) + 1)
    gain = precision_gain(machine, profile.variant.runtime.precision, calibration)
    call_s = scaled.parts_s[:, 0].sum(axis=0)
    return Service(
        service_s=np.interp(batches, work.batches, network_s) + batches * front_s,
        cpu_s=np.interp(batches, work.batches, work.cpu_s * network_s / work.total_s) + batches * front_s,
        front_s=front_s,
        wake_s=float(scaled.wake_s[0]),
        deviation=float(scaled.deviation[0]),
        work=work,
        machine=machine,
        shares=scaled.parts_s[:, 0] / call_s,
        speed=work.total_s / call_s,
        instructions=gain.instructions if gain else "emulated",
        here=here,
    )


def _front_deviation(profile: Profile, calibration: Calibration) -> float:
    per_request, per_byte = calibration["front_cpu_s_per_request"], calibration["front_cpu_s_per_byte"]
    size = profile.request_bytes + profile.response_bytes
    error = math.hypot(per_request.standard_error, per_byte.standard_error * size)
    return error / max(per_request.value + per_byte.value * size, 1e-12)
