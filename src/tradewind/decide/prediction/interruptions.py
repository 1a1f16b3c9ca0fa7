"""What interruptions take from a long job: when to save, what is lost, how long it takes in the end.

A job works, saves every `interval_s` of work, and is interrupted at random. Some interruptions come with a
notice that is long enough to save (spot machines that are taken back): they cost the save and the restart, and
no work. The others (hardware that fails, notices that are too short) cost the work since the last save as well.

All functions take numbers or arrays that broadcast, and return arrays. Rates are those of the whole cluster:
`cluster_rate_per_s` turns what holds for one machine into it. Interruptions are taken to be independent and
equally likely at any moment (Poisson); clouds take machines of one kind away in bursts, which makes fewer
interruptions of many machines at once, so a cluster's rate is never too low.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

__all__ = [
    "ACCELERATOR_FAILURES_PER_HOUR",
    "MACHINE_FAILURES_PER_HOUR",
    "NOTICE_S",
    "Duration",
    "Interruptions",
    "Saving",
    "cluster_rate_per_s",
    "daly_interval_s",
    "duration",
    "failures_per_hour",
    "interval_s",
    "normal_share",
    "save_s",
    "slowdown",
    "unsaved",
    "young_interval_s",
]

Numbers = np.ndarray | float

NOTICE_S: Final = {"aws": 120.0, "azure": 30.0, "gcp": 30.0}
"""How long before it takes a spot machine back a cloud says so: AWS "spot instance termination notices", Azure
"scheduled events" (Preempt), Google "spot VMs" (preemption process); at best, none of them promises it."""

_LLAMA3_HOURS: Final = 54.0 * 24.0
_LLAMA3_INTERRUPTIONS: Final = 419.0
_LLAMA3_ACCELERATORS: Final = 16384.0
_LLAMA3_OF_ACCELERATORS: Final = 0.587
# The Llama 3 Herd of Models (2407.21783), section 3.3.4: 419 unexpected interruptions in 54 days of 16,384 H100 in
# machines of 8; 58.7 % of them the accelerators', the rest hosts, network and software.
ACCELERATOR_FAILURES_PER_HOUR: Final = (
    _LLAMA3_OF_ACCELERATORS * _LLAMA3_INTERRUPTIONS / (_LLAMA3_ACCELERATORS * _LLAMA3_HOURS)
)
"""Of one accelerator: 1.2e-5 an hour, one in ten years."""
MACHINE_FAILURES_PER_HOUR: Final = (
    (1.0 - _LLAMA3_OF_ACCELERATORS) * _LLAMA3_INTERRUPTIONS / (_LLAMA3_ACCELERATORS / 8.0 * _LLAMA3_HOURS)
)
"""Of one machine beside its accelerators, network and software included: 6.5e-5 an hour, one in 1.8 years."""

_NEVER: Final = 1e-15
"""A rate per second that stands for never, once in thirty million years: keeps the closed forms finite."""
_WORST_EXPONENT: Final = 200.0
"""Beyond e^200 a job does not end; the closed forms would overflow."""


def failures_per_hour(accelerators: Numbers) -> np.ndarray:
    """Failures without notice of one machine with so many accelerators; of its own, whatever the purchase option.

    >>> round(float(failures_per_hour(8) * 2048 * 54 * 24))  # the cluster that they were counted on
    419
    """
    return np.asarray(MACHINE_FAILURES_PER_HOUR + np.asarray(accelerators) * ACCELERATOR_FAILURES_PER_HOUR)


def cluster_rate_per_s(per_machine_hour: Numbers, machines: Numbers) -> np.ndarray:
    """Interruptions per second of a job that needs all of its machines: each one's interruption stops all.

    >>> float(1.0 / cluster_rate_per_s(0.01, 10) / 3600.0)  # a mean time between interruptions of 10 hours
    10.0
    """
    return np.asarray(np.asarray(per_machine_hour) * np.asarray(machines) / 3600.0)


def save_s(size_bytes: Numbers, bytes_per_s: Numbers, machines: Numbers = 1.0) -> np.ndarray:
    """How long a checkpoint takes to write, or to read: each machine moves its share at `bytes_per_s`.

    >>> float(save_s(400e9, 1e9, machines=8))
    50.0
    """
    return np.asarray(np.asarray(size_bytes) / (np.asarray(bytes_per_s) * np.asarray(machines)))


def young_interval_s(saving_s: Numbers, between_s: Numbers) -> np.ndarray:
    """Work between saves that loses least: sqrt(2 C M). Young, CACM 17(9), 1974.

    C is the time that a save takes, M the mean time between interruptions. Good while C is far below M.

    >>> float(young_interval_s(50.0, 3600.0))
    600.0
    """
    return np.asarray(np.sqrt(2.0 * np.asarray(saving_s) * np.asarray(between_s)))


def daly_interval_s(saving_s: Numbers, between_s: Numbers) -> np.ndarray:
    """Work between saves that loses least, of higher order: Daly, FGCS 22(3), 2006.

    sqrt(2CM) (1 + 1/3 sqrt(C/2M) + 1/9 C/2M) - C below C = 2M, and M from there on.

    >>> round(float(daly_interval_s(50.0, 3600.0)), 1)
    567.1
    """
    saving, between = np.broadcast_arrays(np.asarray(saving_s, float), np.asarray(between_s, float))
    small = saving < 2.0 * between
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = np.where(small, saving / (2.0 * between), 0.0)
        young = np.sqrt(2.0 * saving * between)
        return np.where(small, young * (1.0 + np.sqrt(ratio) / 3.0 + ratio / 9.0) - saving, between)


@dataclass(frozen=True)
class Saving:
    """How a job saves and starts again; numbers or arrays that broadcast."""

    save_s: Numbers
    """From the call until the checkpoint is complete."""
    restart_s: Numbers
    """From an interruption until the job works again: a new machine, start, and reading the checkpoint."""
    stall_share: Numbers = 1.0
    """Share of `save_s` in which the job stands still: 1 when it waits for the write, 0.1 to 0.2 when a copy in
    memory is written behind its back."""
    margin_s: Numbers = 5.0
    """By how much a notice must exceed `save_s` for a save on notice to be tried: notices are polled for."""

    def fits(self, notice_s: Numbers) -> np.ndarray:
        """Whether a checkpoint can be written after the notice.

        >>> saving = Saving(save_s=40.0, restart_s=300.0)
        >>> bool(saving.fits(NOTICE_S["aws"])), bool(saving.fits(NOTICE_S["gcp"]))
        (True, False)
        """
        return np.asarray(np.asarray(self.save_s) + np.asarray(self.margin_s) < np.asarray(notice_s))


@dataclass(frozen=True)
class Interruptions:
    """How often the whole job is interrupted; numbers or arrays that broadcast."""

    taken_per_s: Numbers = 0.0
    """Machines taken back, with a notice."""
    failures_per_s: Numbers = 0.0
    """Failures, without one."""
    notice_s: Numbers = 0.0

    def told(self, saving: Saving) -> tuple[np.ndarray, np.ndarray]:
        """Rates of interruptions before which the job can save, and of those before which it cannot."""
        fits = saving.fits(self.notice_s)
        taken = np.asarray(self.taken_per_s, float)
        saved = np.where(fits, taken, 0.0)
        return saved, np.asarray(self.failures_per_s, float) + (taken - saved)


def interval_s(saving: Saving, interruptions: Interruptions) -> np.ndarray:
    """Seconds of work between saves: Daly's for the interruptions that come without a usable notice.

    Infinite when there are none. Never below what keeps one save from running into the next.
    """
    _, lost = interruptions.told(saving)
    stall = np.asarray(saving.save_s, float) * saving.stall_share
    with np.errstate(divide="ignore", invalid="ignore"):
        between = np.where(lost > 0.0, 1.0 / np.maximum(lost, _NEVER), np.inf)
        best = np.where(lost > 0.0, daly_interval_s(stall, between), np.inf)
    behind = np.asarray(saving.save_s, float) - stall
    return np.asarray(np.maximum(best, np.maximum(behind, 1e-3)))


@dataclass(frozen=True)
class Duration:
    """How long a job takes: a time that it takes at least, and what interruptions add at random; arrays.

    With probability `untouched` nothing is added; else a gamma distribution is taken that has the mean and the
    deviation of what is added.
    """

    least_s: np.ndarray
    mean_s: np.ndarray
    deviation_s: np.ndarray
    untouched: np.ndarray
    interval_s: np.ndarray
    """Seconds of work between saves."""

    def times(self, number: Numbers) -> Duration:
        """The sum of so many independent ones, one after the other."""
        count = np.asarray(number, float)
        return Duration(
            least_s=self.least_s * count,
            mean_s=self.mean_s * count,
            deviation_s=self.deviation_s * np.sqrt(count),
            untouched=self.untouched**count,
            interval_s=self.interval_s,
        )

    def __add__(self, then: Duration) -> Duration:
        """One after the other, independent of each other."""
        return Duration(
            least_s=self.least_s + then.least_s,
            mean_s=self.mean_s + then.mean_s,
            deviation_s=np.hypot(self.deviation_s, then.deviation_s),
            untouched=self.untouched * then.untouched,
            interval_s=np.minimum(self.interval_s, then.interval_s),
        )

    def _added(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Of what is added if anything is: probability, gamma's shape, gamma's scale in seconds."""
        touched = np.maximum(1.0 - self.untouched, 1e-12)
        mean = np.maximum(self.mean_s - self.least_s, 0.0) / touched
        square = (self.deviation_s**2 + (self.mean_s - self.least_s) ** 2) / touched
        variance = np.maximum(square - mean**2, 1e-12 * mean**2 + 1e-300)
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            shape = np.where(mean > 0.0, mean**2 / variance, 1.0)
            scale = np.where(mean > 0.0, variance / np.maximum(mean, 1e-300), 0.0)
        return touched, shape, scale

    def within(self, limit_s: Numbers) -> np.ndarray:
        """The probability that it takes at most so long; never falls when the limit rises."""
        touched, shape, scale = self._added()
        spare = np.asarray(limit_s, float) - self.least_s
        with np.errstate(invalid="ignore", divide="ignore"):
            share = np.where(scale > 0.0, np.maximum(spare, 0.0) / np.maximum(scale * shape, 1e-300), np.inf)
            # Wilson and Hilferty, PNAS 17(12), 1931: the cube root of a gamma variable is nearly normal.
            odds = 3.0 * np.sqrt(shape) * (np.cbrt(share) - 1.0 + 1.0 / (9.0 * shape))
            added = np.where(share > 0.0, normal_share(odds), 0.0)
        added = np.where(np.isfinite(self.mean_s), added, 0.0)
        return np.where(spare >= 0.0, np.minimum(self.untouched + touched * added, 1.0), 0.0)

    def quantile_s(self, level: Numbers) -> np.ndarray:
        """The time that a share `level` of such jobs does not exceed.

        >>> job = duration(36000.0, Saving(save_s=60.0, restart_s=300.0), Interruptions(failures_per_s=1e-4))
        >>> bool(job.least_s < job.mean_s < job.quantile_s(0.9))
        True
        """
        touched, shape, scale = self._added()
        left = (np.asarray(level, float) - self.untouched) / touched
        odds = _odds(np.clip(left, 1e-12, 1.0 - 1e-12))
        with np.errstate(invalid="ignore"):
            root = np.maximum(1.0 - 1.0 / (9.0 * shape) + odds / (3.0 * np.sqrt(shape)), 0.0)
            return np.where(left > 0.0, self.least_s + scale * shape * root**3, self.least_s)


def slowdown(interval_s: Numbers, saving: Saving, interruptions: Interruptions) -> np.ndarray:
    """Expected time over work: 1 is a job that neither saves nor is interrupted.

    Exact for Poisson interruptions; when none can be saved from it is e^(R/M) (e^((T+C)/M) - 1) M/T (Daly 2006),
    of which 1 + C/T + (T/2 + R)/M is the first order. Interruptions during restarts count. A
    checkpoint that is written behind the job's back is of use only when it is complete: what was done meanwhile
    is done again, as a longer restart.

    >>> saving, failing = Saving(save_s=50.0, restart_s=120.0), Interruptions(failures_per_s=1 / 36000)
    >>> round(float(slowdown(1900.0, saving, failing)), 4), round(1 + 50 / 1900 + (1900 / 2 + 120) / 36000, 4)
    (1.0581, 1.056)
    """
    return _renewal(interval_s, saving, interruptions)[0]


def duration(work_s: Numbers, saving: Saving, interruptions: Interruptions) -> Duration:
    """How long a job takes that works for `work_s` seconds and saves as often as is best.

    Mean and variance are those of a renewal process whose parts are the attempts from one start or save to the
    next (Smith 1958: the variance grows as that of time less mean x progress).
    """
    work = np.asarray(work_s, float)
    every = np.minimum(interval_s(saving, interruptions), np.maximum(work, 1e-3))
    mean, variance_per_s, rate, stall = _renewal(every, saving, interruptions)
    # A job that ends before its first save stalls for none.
    saves = np.where(every < work, 1.0, 0.0)
    if not saves.all():
        mean = np.where(saves > 0.0, mean, _renewal(every, _free(saving), interruptions)[0])
    least = work * (1.0 + saves * stall / every)
    with np.errstate(over="ignore", invalid="ignore"):
        return Duration(
            least_s=least,
            mean_s=np.where(rate > 0.0, np.maximum(work * mean, least), least),
            deviation_s=np.where(rate > 0.0, np.sqrt(work * variance_per_s), 0.0),
            untouched=np.exp(-rate * least),
            interval_s=np.where(saves > 0.0, every, np.inf),
        )


def unsaved(work_s: Numbers, restart_s: Numbers, rate_per_s: Numbers) -> Duration:
    """How long a job takes that never saves: each interruption starts it anew.

    Mean and variance are exact: the mean is e^(R/M) (e^(W/M) - 1) M.

    >>> import math
    >>> found = unsaved(3600.0, 0.0, 1 / 3600.0)
    >>> round(float(found.mean_s)) == round(3600.0 * (math.e - 1.0))
    True
    """
    work = np.asarray(work_s, float)
    saving, failing = Saving(0.0, restart_s), Interruptions(failures_per_s=rate_per_s)
    mean, variance_per_s, rate, _ = _renewal(np.maximum(work, 1e-3), saving, failing)
    with np.errstate(over="ignore", invalid="ignore"):
        return Duration(
            least_s=work,
            mean_s=np.where(rate > 0.0, np.maximum(work * mean, work), work),
            deviation_s=np.where(rate > 0.0, np.sqrt(work * variance_per_s), 0.0),
            untouched=np.exp(-rate * work),
            interval_s=np.full(np.shape(work * mean), np.inf),
        )


def _free(saving: Saving) -> Saving:
    """The same without a stall for a planned save; a save on notice takes what it took."""
    return Saving(saving.save_s, saving.restart_s, 0.0, saving.margin_s)


def _renewal(
    interval_s: Numbers, saving: Saving, interruptions: Interruptions
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Time per work, variance of the time per work (s), rate of interruptions, and stall of one save.

    An attempt begins at a save or a restart, and ends at the next save or interruption; t is the time until the
    next interruption, T the interval, L = T + stall:

    | | time X | progress Y |
    |---|---|---|
    | t >= L | L | T |
    | t < L, a save on notice | t + C + Z | min(t, T) |
    | t < L, none | t + Z | 0 |

    Z is the time of a restart, itself interrupted. Attempts are independent, so time per work is E X / E Y.
    """
    work, save, share = (np.asarray(x, float) for x in (interval_s, saving.save_s, saving.stall_share))
    saved, lost = interruptions.told(saving)
    rate = np.maximum(saved + lost, _NEVER)
    told = saved / rate
    stall = save * share
    until = work + stall
    # What a save behind the job's back had not yet secured is done again.
    again = np.asarray(saving.restart_s, float) + (1.0 - told) * (save - stall)
    grown = np.minimum(rate * again, _WORST_EXPONENT)
    restart = np.expm1(grown) / rate
    restart_square = (
        np.maximum(np.expm1(2.0 * grown) - 2.0 * grown * np.exp(grown), 0.0) / rate**2 + restart**2
    )
    # Moments of t where it is below T (a) and between T and L (b): of order 0, 1 and 2.
    a0, a1, a2 = _moments(rate, work)
    b0, b1, b2 = (whole - below for whole, below in zip(_moments(rate, until), (a0, a1, a2), strict=True))
    none = np.exp(-np.minimum(rate * until, 700.0))
    none_until = np.where(np.isfinite(until), none * np.where(np.isfinite(until), until, 0.0), 0.0)
    none_work = np.where(np.isfinite(work), none * np.where(np.isfinite(work), work, 0.0), 0.0)
    between = np.where(np.isfinite(work), b0 * np.where(np.isfinite(work), work, 0.0), 0.0)
    time = none_until + a1 + b1 + (a0 + b0) * (restart + told * save)
    progress = none_work + told * (a1 + between)
    with np.errstate(divide="ignore", over="ignore"):
        mean = time / np.maximum(progress, 1e-300)
    finite = np.where(np.isfinite(work), work, 0.0)

    def squared(
        slope: Numbers, shift: Numbers, moments: tuple[np.ndarray, ...], extra: Numbers
    ) -> np.ndarray:
        """E (slope t + shift + extra + Z)^2 over an interval."""
        zero, one, two = moments
        first = np.asarray(shift) + np.asarray(extra)
        return np.asarray(
            slope**2 * two
            + 2.0 * slope * one * (first + restart)
            + zero * (first**2 + 2.0 * first * restart + restart_square)
        )

    below, above = (a0, a1, a2), (b0, b1, b2)
    with np.errstate(over="ignore", invalid="ignore"):
        saving_part = squared(1.0 - mean, 0.0, below, save) + squared(1.0, -mean * finite, above, save)
        losing_part = squared(1.0, 0.0, below, 0.0) + squared(1.0, 0.0, above, 0.0)
        whole = none * (np.where(np.isfinite(until), until, 0.0) - mean * finite) ** 2
        spread = whole + told * saving_part + (1.0 - told) * losing_part
        variance = spread / np.maximum(progress, 1e-300)
    return mean, variance, np.asarray(saved + lost), stall


def _moments(rate: np.ndarray, until: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The integrals of t^k x rate e^(-rate t) from 0 to `until`, which may be infinite, for k = 0, 1, 2."""
    x = np.minimum(rate * until, 700.0)
    gone = np.exp(-x)
    # 1 - e^-x (1 + x + x^2/2), as a series where it would cancel: e^-x (x^3/6 + ... + x^11/11!).
    series = np.full_like(x, 1.0 / 11.0)
    for power in range(10, 3, -1):
        series = (1.0 + x * series) / power
    cube = x**3 / 6.0
    third = np.where(x < 0.5, gone * cube * (1.0 + x * series), 1.0 - gone * (1.0 + x + 0.5 * x**2))
    second = third + gone * 0.5 * x**2
    first = second + gone * x
    return np.asarray(first), np.asarray(second / rate), np.asarray(2.0 * third / rate**2)


def normal_share(odds: Numbers) -> np.ndarray:
    """The share of a standard normal distribution below `odds`, to 1e-7 (Abramowitz and Stegun 26.2.17).

    >>> [round(float(normal_share(odds)), 4) for odds in (-1.2816, 0.0, 1.2816)]
    [0.1, 0.5, 0.9]
    """
    z = np.asarray(odds, float)
    size = np.minimum(np.abs(z), 38.0)
    t = 1.0 / (1.0 + 0.2316419 * size)
    powers = t * (0.319381530 + t * (-0.356563782 + t * (1.781477937 + t * (-1.821255978 + t * 1.330274429))))
    above = powers * np.exp(-0.5 * size**2) / math.sqrt(2.0 * math.pi)
    return np.asarray(np.where(z < 0.0, above, 1.0 - above))


def _odds(share: np.ndarray) -> np.ndarray:
    """The inverse of `normal_share`, to a relative 1e-8 (the rational approximation of P. J. Acklam)."""
    p = np.asarray(share, float)
    near = np.minimum(p, 1.0 - p)
    with np.errstate(divide="ignore", invalid="ignore"):
        q = np.sqrt(-2.0 * np.log(near))
        tail = _polynomial(_TAIL_OVER, q) / (_polynomial(_TAIL_UNDER, q) * q + 1.0)
        r = (p - 0.5) ** 2
        middle = (p - 0.5) * _polynomial(_MIDDLE_OVER, r) / (_polynomial(_MIDDLE_UNDER, r) * r + 1.0)
    return np.asarray(np.where(near < 0.02425, np.where(p < 0.5, tail, -tail), middle))


def _polynomial(coefficients: tuple[float, ...], x: np.ndarray) -> np.ndarray:
    """Horner's scheme, the highest power first."""
    total = np.full_like(x, coefficients[0])
    for coefficient in coefficients[1:]:
        total = total * x + coefficient
    return total


_MIDDLE_OVER: Final = (
    -3.969683028665376e01,
    2.209460984245205e02,
    -2.759285104469687e02,
    1.383577518672690e02,
    -3.066479806614716e01,
    2.506628277459239e00,
)
_MIDDLE_UNDER: Final = (
    -5.447609879822406e01,
    1.615858368580409e02,
    -1.556989798598866e02,
    6.680131188771972e01,
    -1.328068155288572e01,
)
_TAIL_OVER: Final = (
    -7.784894002430293e-03,
    -3.223964580411365e-01,
    -2.400758277161838e00,
    -2.549732539343734e00,
    4.374664141464968e00,
    2.938163982698783e00,
)
_TAIL_UNDER: Final = (
    7.784695709041462e-03,
    3.224671290700398e-01,
    2.445134137142996e00,
    3.754408661907416e00,
)
