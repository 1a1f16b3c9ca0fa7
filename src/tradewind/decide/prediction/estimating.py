"""What a service is expected to do on an offer or a host, with an interval."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from tradewind.decide.prediction.constants import LEVEL
from tradewind.decide.prediction.papers import predict_on_paper
from tradewind.decide.prediction.queueing import MAX_LOAD, Queue, tabulate
from tradewind.decide.prediction.service import Service, service_on, work_of
from tradewind.domain import units
from tradewind.domain.errors import InputError
from tradewind.domain.estimate import Estimate
from tradewind.domain.generating import Generate
from tradewind.domain.goal import PERCENTILES, Serve
from tradewind.domain.host import Host
from tradewind.domain.layout import Layout
from tradewind.domain.noun import Range

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tradewind.domain.device import Device
    from tradewind.domain.estimate import Calibration
    from tradewind.domain.generating import GenerationLayout
    from tradewind.domain.layout import TrainingLayout
    from tradewind.domain.offer import Offer
    from tradewind.domain.profile import Profile

__all__ = [
    "STEP",
    "Replica",
    "Tables",
    "energy_kwh_per_month",
    "estimate",
    "log_deviation",
    "predict",
    "replica_memory_bytes",
    "replica_of",
]

_ODDS: Final = 1.2815515655446004
"""Standard deviations that hold LEVEL of a normal distribution: the 90th percentile, both sides."""
_BUFFERS: Final = 0.5
"""Share of a process's peak memory that buffers for the rows of a batch may be."""
_WORST: Final = 4.0
"""Standard deviations beyond which confidence is not told apart: 99.997 %."""


STEP: Final = 0.04
"""Logarithmic step to which shapes are rounded: to within 2 %."""


class Tables:
    """Queues that were solved, by the shape of their service time.

    Machines of like kind have curves of the same shape; shapes are rounded, to far below what the
    prediction knows, so that they share a table. The content depends on what was asked, never the answers.
    """

    def __init__(self) -> None:
        self._queues: dict[tuple[int, ...], Queue] = {}

    def queue(self, service_s: np.ndarray, wake_s: float) -> Queue:
        """The queue of a curve whose batch of one takes 1; multiply by its first entry (`scale`)."""
        rested_s = service_s[0] + wake_s
        knots = _knots(service_s)
        steps = np.round(np.log(np.append(service_s[knots], rested_s) / service_s[0]) / STEP).astype(int)
        key = (*knots.tolist(), *steps.tolist())
        if key not in self._queues:
            rounded = np.exp(STEP * steps)
            shape = np.interp(np.arange(len(service_s)), knots, rounded[:-1])
            self._queues[key] = tabulate(np.maximum.accumulate(shape), wake_s=float(rounded[-1]) - 1.0)
        return self._queues[key]


def _knots(service_s: np.ndarray) -> np.ndarray:
    """Where a curve bends, its ends included: between measured batches it is straight, so these say it all."""
    bends = np.abs(np.diff(service_s, 2)) > 1e-9 * service_s[-1]
    return np.unique(np.concatenate([[0], 1 + np.nonzero(bends)[0], [len(service_s) - 1]]))


@dataclass(frozen=True)
class Replica:
    """One server process on one machine, its speed known up to a factor and its jitter likewise.

    `odds` is how many standard deviations slower than likely everything is taken to be.
    """

    service: Service
    max_batch: int
    queue: Queue
    jitter_s: float
    jitter_deviation: float
    """Standard deviation of the logarithm of the jitter."""
    wake_deviation: float
    """The same of the time to wake up."""

    @property
    def unit_s(self) -> float:
        """The likely time of a batch of one."""
        return float(self.service.service_s[0])

    def _slow(self, odds: float) -> dict[str, float]:
        return {
            "scale": self.unit_s * math.exp(odds * self.service.deviation),
            "jitter_s": self.jitter_s * math.exp(odds * self.jitter_deviation),
        }

    def later_s(self, odds: float) -> float:
        """What waking up takes longer than likely: added whole, as if every request woke the server."""
        return self.service.wake_s * math.expm1(odds * self.wake_deviation)

    def capacity_rps(self, bound_s: float, level: float, odds: float) -> float:
        """The largest rate at which the percentile stays within the bound."""
        return self.queue.capacity_rps(bound_s - self.later_s(odds), level, **self._slow(odds))

    def scaled_capacity_rps(
        self, bound_s: float, level: float, odds: float, *, factor: float, wake_s: float
    ) -> float:
        """The same if every batch took `factor` times as long, and waking up `wake_s`."""
        slow = self._slow(odds)
        slow["scale"] *= factor
        later_s = wake_s * math.expm1(odds * self.wake_deviation)
        return self.queue.capacity_rps(bound_s - later_s, level, **slow)

    def percentile_s(self, rate_rps: float, level: float, odds: float) -> float:
        """The latency that a share of `level` of the requests does not exceed."""
        return self.queue.percentile_s(rate_rps, level, **self._slow(odds)) + self.later_s(odds)

    def percentile_range_s(self, rate_rps: float, level: float) -> Range:
        """The same with its interval: the errors of speed, jitter and waking combine in quadrature."""
        likely = self.percentile_s(rate_rps, level, 0.0)
        fast, slow = (math.exp(odds * self.service.deviation) for odds in (-_ODDS, _ODDS))
        calm, rough = (math.exp(odds * self.jitter_deviation) for odds in (-_ODDS, _ODDS))
        waking = self.queue.wake_share(rate_rps, scale=self.unit_s)

        def at(scale: float, jitter: float) -> float:
            scale_s, jitter_s = self.unit_s * scale, self.jitter_s * jitter
            return self.queue.percentile_s(rate_rps, level, scale=scale_s, jitter_s=jitter_s)

        down = math.hypot(likely - at(fast, 1.0), likely - at(1.0, calm), waking * self.later_s(-_ODDS))
        up = math.hypot(at(slow, 1.0) - likely, at(1.0, rough) - likely, waking * self.later_s(_ODDS))
        return Range(low=max(likely - down, 0.1 * likely), likely=likely, high=likely + up)

    def cpu_s_per_request(self, rate_rps: float, factor: float = 1.0) -> float:
        """CPU time per request at a rate, if everything but waking up takes a factor longer."""
        each = self.queue.per_request(rate_rps, self.service.cpu_s, scale=self.unit_s * factor)
        return factor * each + self.waking_s(rate_rps, factor)

    def waking_s(self, rate_rps: float, factor: float = 1.0) -> float:
        """The part of waking up in the CPU time per request."""
        return self.service.wake_s * self.queue.wake_share(rate_rps, scale=self.unit_s * factor)

    def confidence(self, rate_rps: float, bound_s: float, level: float) -> float:
        """The probability that the percentile stays within the bound up to a rate."""
        low, high = -_WORST, _WORST
        if not self._holds(rate_rps, bound_s, level, low):
            return _normal(low)
        if self._holds(rate_rps, bound_s, level, high):
            return _normal(high)
        for _ in range(18):
            middle = 0.5 * (low + high)
            low, high = (middle, high) if self._holds(rate_rps, bound_s, level, middle) else (low, middle)
        return _normal(low)

    def _holds(self, rate_rps: float, bound_s: float, level: float, odds: float) -> bool:
        slow = self._slow(odds)
        if rate_rps * slow["scale"] > MAX_LOAD * self.queue.max_rate_rps * (1.0 + 1e-9):
            return False
        late = self.queue.exceedance(rate_rps, bound_s - self.later_s(odds), **slow)
        return late <= (1.0 - level) * (1.0 + 1e-6)


def replica_of(service: Service, max_batch: int, calibration: Calibration, tables: Tables) -> Replica:
    """A server process that forms batches of at most `max_batch` with this service time.

    A batch that answers less per second than a smaller one is never formed.
    """
    rates = np.arange(1, max_batch + 1) / service.service_s[:max_batch]
    max_batch = 1 + int(np.argmax(rates))
    return Replica(
        service=service,
        max_batch=max_batch,
        queue=tables.queue(service.service_s[:max_batch], service.wake_s),
        jitter_s=max(calibration["jitter_s"].value, 1e-6),
        jitter_deviation=log_deviation(calibration, "jitter_s"),
        wake_deviation=log_deviation(calibration, "wake_cpu_s"),
    )


def log_deviation(calibration: Calibration, name: str) -> float:
    """The standard deviation of the logarithm of a constant that is known up to a factor."""
    constant = calibration[name]
    return min(1.0, constant.standard_error / max(constant.value, 1e-9))


def _normal(odds: float) -> float:
    """The share of a standard normal distribution below `odds`."""
    return 0.5 * math.erfc(-odds / math.sqrt(2.0))


def replica_memory_bytes(profile: Profile, calibration: Calibration) -> float:
    """Resident memory of one server process, likely."""
    memory = profile.peak_memory_bytes * calibration["memory_ratio"].value
    return memory + calibration["server_memory_bytes"].value


def predict(
    profile: Profile,
    offer: Offer | Host,
    layout: Layout | TrainingLayout | GenerationLayout,
    calibration: Calibration,
    *,
    load_rps: float = 0.0,
    serve: Serve | Generate | None = None,
    devices: Sequence[Device] = (),
) -> Estimate:
    """What a network is expected to do on an offer, or on the host, at a load.

    Of a measured variant `serve` says which percentile is bounded and how; its load is not used. Of a network that is
    known on paper (`profile_of`) see `predict_on_paper`, which needs the sheets of `devices`. The cost is that of the
    machines alone. Errors: InputError when the network cannot run there, or batch or threads are beyond what was
    measured.
    """
    if profile.origin == "predicted":
        if isinstance(offer, Host):
            raise InputError(
                f"{profile.variant.name} is known on paper: predict it on an offer, or measure it here"
            )
        wish = serve if isinstance(serve, Generate) else None
        return predict_on_paper(profile, offer, layout, calibration, devices, wish=wish, load_rps=load_rps)
    if not isinstance(layout, Layout) or not isinstance(serve, Serve):
        raise InputError(
            f"{profile.variant.name} was measured as a service: give a Layout, and serve with its bound"
        )
    largest = max((point.batch for point in profile.curve), default=0)
    if layout.max_batch > largest:
        raise InputError(
            f"max_batch {layout.max_batch} is over the largest measured batch {largest}: choose at most that,"
            " or measure larger batches"
        )
    here = isinstance(offer, Host) and offer == profile.host
    try:
        work = work_of(profile, layout.threads, calibration, disturbed=here)
    except ValueError as error:
        raise InputError(f"{error}: choose a thread count that was measured") from None
    service = service_on(profile, work, offer, calibration)
    if isinstance(service, str):
        raise InputError(
            f"{profile.variant.name} cannot run there: {service}; choose another variant or offer"
        )
    replica = replica_of(service, layout.max_batch, calibration, Tables())
    return estimate(profile, offer, replica, layout, calibration, load_rps=load_rps, serve=serve)


def estimate(
    profile: Profile,
    machine: Offer | Host,
    replica: Replica,
    layout: Layout,
    calibration: Calibration,
    *,
    load_rps: float,
    serve: Serve,
) -> Estimate:
    """What the replicas of a layout are expected to do together at a load."""
    replicas = max(1, layout.replicas)
    rate = load_rps / replicas
    queue, service = replica.queue, replica.service
    factors = [math.exp(odds * service.deviation) for odds in (-_ODDS, 0.0, _ODDS)]
    level = float(serve.percentile[1:]) / 100.0
    largest = [queue.max_rate_rps / (replica.unit_s * factor) * replicas for factor in factors]
    waking = math.expm1(_ODDS * replica.wake_deviation) * replica.waking_s(rate)
    cpu = [replica.cpu_s_per_request(rate, factor) for factor in factors]
    cpu = [
        max(cpu[1] - math.hypot(cpu[1] - cpu[0], 0.5 * waking), 0.1 * cpu[1]),
        cpu[1],
        cpu[1] + math.hypot(cpu[2] - cpu[1], waking),
    ]
    # The share of its cores' time: with one thread also that in which its engine works.
    busy = [min(1.0, rate * spent_s / layout.threads) for spent_s in cpu]
    capacity = [
        replicas * replica.capacity_rps(serve.latency_s, level, odds) for odds in (_ODDS, 0.0, -_ODDS)
    ]
    memory = replica_memory_bytes(profile, calibration)
    memory_factor = math.exp(_ODDS * calibration["memory_ratio"].standard_error)
    # The peak was that of the largest measured batch; smaller ones may leave its buffers out.
    filled = replica.max_batch / max(point.batch for point in profile.curve)
    least_memory = memory * (1.0 - _BUFFERS * (1.0 - filled)) / memory_factor
    cost, energy, carbon = None, None, None
    if not isinstance(machine, Host):
        cost = Range.exactly(machine.price_usd_per_hour * layout.instances * units.HOURS_PER_MONTH)
        energy = _sorted(
            [
                energy_kwh_per_month(machine, layout, share, calibration, power_odds=odds)
                for share, odds in zip(busy, (-_ODDS, 0.0, _ODDS), strict=True)
            ]
        )
        if machine.grid_gco2e_per_kwh is not None:
            per_kwh = machine.grid_gco2e_per_kwh / 1e3
            carbon = _sorted([energy.low * per_kwh, energy.likely * per_kwh, energy.high * per_kwh])
    spread = math.exp(_ODDS * service.deviation) - 1.0
    share = rate / max(capacity[1] / replicas, 1e-12)
    because = (
        f"{replicas} replica{'s' if replicas > 1 else ''} with {units.show(rate, 'rate')} each, {share:.0%} of the"
        f" {units.show(capacity[1] / replicas, 'rate')} at which {serve.percentile} meets"
        f" {units.show(serve.latency_s, 'time')}"
        if capacity[1] > 0.0
        else f"{serve.percentile} misses {units.show(serve.latency_s, 'time')} even without load",
        *service.because(replica.max_batch),
        f"service time is known to +-{spread:.0%}; schedulers and networks add"
        f" {units.show(replica.jitter_s, 'time')} on average",
    )
    return Estimate(
        load_rps=load_rps,
        latency_s={name: replica.percentile_range_s(rate, float(name[1:]) / 100.0) for name in PERCENTILES},
        # A server refuses what it would answer too late: as much as may be late may be refused.
        throughput_rps=Range(
            low=level * min(load_rps, largest[2]),
            likely=min(load_rps, largest[1]),
            high=min(load_rps, largest[0]),
        ),
        capacity_rps=_sorted(capacity),
        utilization=_sorted(busy),
        memory_bytes=Range(low=least_memory, likely=memory, high=memory * memory_factor),
        cpu_s_per_request=_sorted(cpu),
        cost_usd_per_month=cost,
        energy_kwh_per_month=energy,
        carbon_kgco2e_per_month=carbon,
        level=LEVEL,
        because=because,
    )


def energy_kwh_per_month(
    offer: Offer, layout: Layout, busy_share: float, calibration: Calibration, *, power_odds: float = 0.0
) -> float:
    """Energy of all machines of a layout, spare ones and cooling included, in a month.

    `power_odds` is how many standard deviations above likely the power of a busy processor is taken to be.
    """
    vendor = (offer.cpu_vendor or "").lower()
    maker = "arm" if offer.cpu_architecture == "arm64" else "amd" if "amd" in vendor else "intel"
    idle_w, busy = calibration["idle_w_per_vcpu"].value, calibration[f"busy_{maker}_w_per_vcpu"]
    # A busy core keeps both of its hyperthreads from resting.
    used = min(1.0, layout.replicas_per_instance * layout.threads * 2.0 / max(1, offer.vcpus)) * busy_share
    busy_w = max(idle_w, busy.value + power_odds * busy.standard_error)
    memory_w = calibration["memory_w_per_gib"].value * offer.memory_bytes / 2**30
    machine_w = offer.vcpus * (idle_w + used * (busy_w - idle_w)) + memory_w
    pue = calibration[f"pue_{offer.cloud}_ratio"].value
    return machine_w * pue * layout.instances * units.HOURS_PER_MONTH / 1e3


def _sorted(values: list[float]) -> Range:
    low, likely, high = sorted(values)
    return Range(low=low, likely=likely, high=high)
