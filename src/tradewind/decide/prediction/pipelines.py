"""Pipelines: how long a step takes under each schedule, its timeline, and how to cut layers into stages.

Legend: p stages, v stages per device (chunks), m micro-batches; F, B, W seconds that one device needs for the forward
pass of one micro-batch, its gradients towards inputs, and its gradients towards weights.

Sources: Huang et al. 2019 (GPipe), Narayanan et al. 2021 (1F1B, interleaved), Qi et al. 2023 (zero bubble: ZB-H1 with
the memory of 1F1B, ZB-H2 with that of 2 p - 1 micro-batches).
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Literal

import numpy as np

from tradewind.domain.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tradewind.decide.prediction.transformers import Column

__all__ = [
    "PipelineSchedule",
    "Task",
    "bubble_s",
    "idle_share",
    "simulated",
    "stage_in_flight",
    "stages_of",
    "step_s",
    "stretch_s",
]

PipelineSchedule = Literal["gpipe", "1f1b", "interleaved", "zb_h1", "zb_h2"]
Kind = Literal["forward", "backward", "weight"]


@dataclass(frozen=True)
class Task:
    """One bar of a step's timeline. A `backward` is towards the inputs only where the schedule splits it."""

    stage: int
    """The device, from 0."""
    chunk: int
    """Which of the device's stages, from 0."""
    micro_batch: int
    kind: Kind
    start_s: float
    end_s: float


def bubble_s(
    schedule: PipelineSchedule,
    stages: Column | float,
    virtual_stages: Column | float,
    forward_s: Column | float,
    backward_s: Column | float,
    weight_s: Column | float,
) -> Column:
    """Seconds that each device of equal stages waits in a step, (n,).

    GPipe and 1F1B: (p - 1)(F + B + W); interleaved: a v-th of it; ZB-H1: (p - 1)(F + B - W); ZB-H2:
    (p - 1)(F + B - 2 W), both never below zero. As shares of the work: (p - 1) / m and (p - 1) / (v m).

    >>> float(bubble_s("1f1b", 4, 1, 1.0, 1.0, 1.0)), float(bubble_s("zb_h1", 4, 1, 1.0, 1.0, 1.0))
    (9.0, 3.0)
    """
    f, b, w = np.asarray(forward_s), np.asarray(backward_s), np.asarray(weight_s)
    waits = {
        "gpipe": f + b + w,
        "1f1b": f + b + w,
        "interleaved": (f + b + w) / virtual_stages,
        "zb_h1": np.maximum(f + b - w, 0.0),
        "zb_h2": np.maximum(f + b - 2.0 * w, 0.0),
    }
    bubble: Column = (np.asarray(stages, dtype=np.float64) - 1.0) * waits[schedule]
    return bubble


def step_s(
    schedule: PipelineSchedule,
    forward_s: Column,
    backward_s: Column,
    weight_s: Column,
    micro_batches: Column | float,
    *,
    virtual_stages: Column | float = 1.0,
) -> Column:
    """Seconds of a step, without the optimizer, from each stage's times.

    The times are (..., p): the last axis is the stages, which may differ. Filling and draining pass through every
    stage; the micro-batches between pass at the pace of the slowest. GPipe: exact. 1F1B: exact for equal stages and
    where the last one is the slowest, else the longest of two kinds of paths, a lower bound (the simulation is 0 %
    above it in the median and 8 % at most where stages differ up to threefold). Interleaved and zero bubble: exact
    for equal stages, with T_F >= T_W of zero bubble; else the slowest stage's work and the others' share of filling.
    """
    f, b, w = (np.asarray(each, dtype=np.float64) for each in (forward_s, backward_s, weight_s))
    m, p = np.asarray(micro_batches, dtype=np.float64), f.shape[-1]
    both = f + b + w
    slowest = both.max(axis=-1)
    if schedule == "gpipe":
        back = b + w
        whole: Column = both.sum(axis=-1) + (m - 1.0) * (f.max(axis=-1) + back.max(axis=-1))
        return whole
    if schedule == "1f1b":
        # A stage fills, works and drains; or its warm-up hides some of its own passes while the first returns.
        m = m[..., None]
        through = both.cumsum(axis=-1) + (m - 1.0) * both
        hidden = np.minimum(np.arange(p - 1.0, -1.0, -1.0), m - 1.0) * np.minimum(f, b + w)
        around = both.sum(axis=-1, keepdims=True) + (m - 1.0) * both - hidden
        steady: Column = np.maximum(through, around).max(axis=-1)
        return steady
    if schedule == "interleaved":
        filled: Column = m * slowest + (both.sum(axis=-1) - slowest) / virtual_stages
        return filled
    wait = bubble_s(schedule, p, 1.0, f.mean(axis=-1), b.mean(axis=-1), w.mean(axis=-1))
    worked: Column = m * slowest + wait
    return worked


def stage_in_flight(
    schedule: PipelineSchedule, stages: int, micro_batches: int, virtual_stages: int = 1
) -> list[float]:
    """Micro-batches whose activations each device holds at its peak, in units of all its layers.

    >>> stage_in_flight("1f1b", 4, 8)
    [4.0, 3.0, 2.0, 1.0]
    """
    p, m, v = stages, micro_batches, virtual_stages
    held = {
        "gpipe": [float(m)] * p,
        "1f1b": [float(p - rank) for rank in range(p)],
        "interleaved": [(2 * (p - rank - 1) + (v - 1) * p + 1) / v for rank in range(p)],
        "zb_h1": [float(p)] * p,
        "zb_h2": [float(2 * p - 1)] * p,
    }
    return [min(one, float(m)) for one in held[schedule]]


Order = list[tuple[Kind, int, int]]
"""What a device does, in order: kind, chunk, micro-batch."""


def simulated(
    schedule: PipelineSchedule,
    forward_s: Sequence[float],
    backward_s: Sequence[float],
    weight_s: Sequence[float],
    micro_batches: int,
    *,
    virtual_stages: int = 1,
    send_s: float = 0.0,
) -> list[Task]:
    """The timeline of one step, ordered by start; exact for the schedule's order of work.

    The times are each device's for one micro-batch through all its chunks. `send_s` passes between two devices and
    occupies neither. GPipe, 1F1B and interleaved do B and W at once, as one `backward`. Interleaved needs m to be a
    multiple of p.

    >>> tasks = simulated("1f1b", [1, 1], [1, 1], [1, 1], 2)
    >>> stretch_s(tasks), [(task.kind, task.micro_batch) for task in tasks if task.stage == 0]
    (9.0, [('forward', 0), ('forward', 1), ('backward', 0), ('backward', 1)])
    """
    p = len(forward_s)
    split = schedule in ("zb_h1", "zb_h2")
    v = virtual_stages if schedule == "interleaved" else 1
    whole = [b + w for b, w in zip(backward_s, weight_s, strict=True)]
    lengths: dict[Kind, Sequence[float]] = {
        "forward": forward_s,
        "backward": backward_s if split else whole,
        "weight": weight_s,
    }
    orders = [_order(schedule, rank, p, v, micro_batches) for rank in range(p)]
    ends: dict[tuple[Kind, int, int], float] = {}
    free = [0.0] * p
    done = [0] * p
    tasks: list[Task] = []
    moved = True
    while moved:
        moved = False
        for rank, order in enumerate(orders):
            while done[rank] < len(order):
                kind, chunk, micro = order[done[rank]]
                ready = _ready(kind, chunk * p + rank, micro, p * v, ends, send_s if p > 1 else 0.0)
                if ready is None:
                    break
                length = lengths[kind][rank]
                start = max(free[rank], ready)
                end = start + length / v
                ends[kind, chunk * p + rank, micro] = free[rank] = end
                tasks.append(Task(rank, chunk, micro, kind, start, end))
                done[rank] += 1
                moved = True
    assert all(count == len(order) for count, order in zip(done, orders, strict=True)), (
        "the order of work deadlocks"
    )
    return sorted(tasks, key=lambda task: (task.start_s, task.stage))


def _ready(
    kind: Kind, stage: int, micro: int, stages: int, ends: dict[tuple[Kind, int, int], float], send_s: float
) -> float | None:
    """When the input of a piece of work is there; None: not known yet."""
    if kind == "weight":
        return ends.get(("backward", stage, micro))
    if kind == "forward":
        if stage == 0:
            return 0.0
        before = ends.get(("forward", stage - 1, micro))
    elif stage == stages - 1:
        return ends.get(("forward", stage, micro))
    else:
        before = ends.get(("backward", stage + 1, micro))
    return None if before is None else before + send_s


def _order(schedule: PipelineSchedule, rank: int, p: int, v: int, m: int) -> Order:
    if schedule == "gpipe":
        forwards: Order = [("forward", 0, micro) for micro in range(m)]
        return forwards + [("backward", 0, micro) for micro in range(m)]
    if schedule in ("zb_h1", "zb_h2"):
        return _zero_bubble_order(schedule, rank, p, m)
    # Megatron's order: groups of p micro-batches pass through one chunk after the other.
    units = m * v
    places = [(unit // p % v, unit // (p * v) * p + unit % p) for unit in range(units)]
    if v == 1:
        places = [(0, micro) for micro in range(m)]
    elif m % p:
        raise InputError(
            f"interleaved: {m} micro-batches are no multiple of {p} stages; nearest: {-(-m // p) * p}"
        )
    warm = min(p - rank - 1 if v == 1 else 2 * (p - rank - 1) + (v - 1) * p, units)
    order: Order = []
    for unit in range(units + warm):
        if unit < units:
            chunk, micro = places[unit]
            order.append(("forward", chunk, micro))
        if unit >= warm:
            chunk, micro = places[unit - warm]
            order.append(("backward", v - 1 - chunk, micro))
    return order


def _zero_bubble_order(schedule: PipelineSchedule, rank: int, p: int, m: int) -> Order:
    """1F1B whose W comes as many micro-batches after its B as memory allows: rank of them, or twice that."""
    warm, delay = (p - rank - 1, rank) if schedule == "zb_h1" else (2 * (p - rank - 1), 2 * rank)
    order: Order = [("forward", 0, micro) for micro in range(min(warm, m))]
    for micro in range(m):
        if micro + warm < m:
            order.append(("forward", 0, micro + warm))
        order.append(("backward", 0, micro))
        if micro >= delay:
            order.append(("weight", 0, micro - delay))
    return order + [("weight", 0, micro) for micro in range(max(m - delay, 0), m)]


def stretch_s(tasks: Sequence[Task]) -> float:
    """Seconds from the first start to the last end of the busiest device.

    Zero-bubble steps overlap (each device starts the next one as soon as it has ended this one), so that this, and
    not the time from the first device's start to the last device's end, is what a step takes. For the other schedules
    both are the same: the first device starts first and ends last.
    """
    ranks = {task.stage for task in tasks}
    return max(
        max(task.end_s for task in tasks if task.stage == rank)
        - min(task.start_s for task in tasks if task.stage == rank)
        for rank in ranks
    )


def idle_share(tasks: Sequence[Task]) -> float:
    """Waiting of the busiest device over its work, such as (p - 1) / m of 1F1B."""
    work: dict[int, float] = {}
    for task in tasks:
        work[task.stage] = work.get(task.stage, 0.0) + task.end_s - task.start_s
    most = max(work.values())
    return stretch_s(tasks) / most - 1.0


def stages_of(
    layer_s: Sequence[float],
    state_bytes: Sequence[float],
    activation_bytes: Sequence[float],
    *,
    in_flight: Sequence[float],
    limit_bytes: float,
    first_s: float = 0.0,
    last_s: float = 0.0,
    first_bytes: float = 0.0,
    last_bytes: float = 0.0,
) -> tuple[int, ...] | None:
    """Layers of each stage such that the slowest stage is as fast as can be and each fits; None if no cut fits.

    `first_s` and `first_bytes` are the embedding's, `last_s` and `last_bytes` the head's. A stage holds its layers'
    `state_bytes` and `in_flight` (one number a stage: `stage_in_flight`) times their `activation_bytes`. Of equally
    fast cuts, the one whose later stages are the fullest: they hold the fewest micro-batches.

    For a given pace, filling stages from the last one as full as they go reaches as far as any cut can; the best pace
    is one of the sums of neighbouring layers and is found by bisection.

    >>> stages_of([1.0] * 10, [1.0] * 10, [0.0] * 10, in_flight=[4, 3, 2, 1], limit_bytes=9.0, last_s=1.5)
    (3, 3, 3, 1)
    """
    n, p = len(layer_s), len(in_flight)
    if n < p:
        return None
    cut = _Cut(
        times=[0.0, *accumulate(layer_s)],
        states=[0.0, *accumulate(state_bytes)],
        activations=[0.0, *accumulate(activation_bytes)],
        in_flight=in_flight,
        extra_s=[first_s, *[0.0] * (p - 2), last_s] if p > 1 else [first_s + last_s],
        room=[
            limit_bytes - (first_bytes if k == 0 else 0.0) - (last_bytes if k == p - 1 else 0.0)
            for k in range(p)
        ],
    )
    if not cut.starts(float("inf")):
        return None
    # Without a bound on memory, no stage need take more than an even share and one more layer.
    bound = (cut.times[-1] + first_s + last_s) / p + max(layer_s) + max(first_s, last_s)
    paces = _paces(cut.times, layer_s, p, first_s, last_s, bound if cut.starts(bound) else float("inf"))
    best = bisect_left(paces, True, key=lambda pace: bool(cut.starts(pace)))
    starts = cut.starts(paces[best])
    return tuple(end - start for start, end in zip(starts, [*starts[1:], n], strict=True))


@dataclass(frozen=True)
class _Cut:
    """Sums of the layers up to each (n + 1,), and each stage's bounds (p,)."""

    times: list[float]
    states: list[float]
    activations: list[float]
    in_flight: Sequence[float]
    extra_s: list[float]
    room: list[float]

    def starts(self, pace: float) -> list[int]:
        """Where each stage starts if none is slower than the pace, filled from the last one; empty: impossible."""
        p = len(self.room)
        starts = [0] * p
        end = len(self.times) - 1
        for stage in range(p - 1, -1, -1):
            # Sums of the same layers differ by rounding.
            reach = self.times[end] + self.extra_s[stage] - pace
            start = bisect_left(self.times, reach - 1e-12 * (self.times[end] + self.extra_s[stage]))
            start = max(start, stage)  # at least one layer for each stage before it
            if start < end and not self._fits(stage, start, end):
                start = bisect_left(range(end), True, lo=start, key=lambda at: self._fits(stage, at, end))
            if start >= end:
                return []
            starts[stage] = end = start
        return starts if end == 0 else []

    def _fits(self, stage: int, start: int, end: int) -> bool:
        states = self.states[end] - self.states[start]
        held = self.in_flight[stage] * (self.activations[end] - self.activations[start])
        return states + held <= self.room[stage] * (1 + 1e-12)


def _paces(
    times: list[float], layer_s: Sequence[float], p: int, first_s: float, last_s: float, bound_s: float
) -> list[float]:
    """All times that a slowest stage can have, ascending; those of equal layers are few."""
    equal = max(layer_s) == min(layer_s)
    sums = np.asarray(times[1:]) if equal else np.subtract.outer(times, times).ravel()
    ends = {first_s + last_s} if p == 1 else {0.0, first_s, last_s}
    # Nothing is faster than an even cut or than the slowest layer.
    least = max(times[-1] / p, max(layer_s)) * (1.0 - 1e-9)
    sums = np.concatenate([sums[(sums >= least - end) & (sums <= bound_s - end)] + end for end in ends])
    paces: list[float] = np.unique(sums).tolist()
    return paces
