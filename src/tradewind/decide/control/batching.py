"""Which requests are accepted, which run together, and what a learned latency curve says about it.

In: arrivals with their deadlines, batches with their measured times. Out: tickets or refusals, batches, and
tickets that were given up. Nothing here knows a clock: the time is an argument, and only differences count.

The rules, in the order in which a request meets them:

1. *Admission.* A request is accepted only if its predicted completion is within its deadline, and if taking
   it makes no accepted one late. A refusal at once is worth more to a caller than a late answer.
2. *Order.* Earliest deadline first; equal deadlines in the order of arrival.
3. *Batching.* A free engine never waits. It takes what waits, up to the number of rows with the best rate on
   the measured curve, and no more than lets the first of the batch keep its deadline.
4. *Giving up.* What can no longer keep its deadline is given up before it costs the engine anything.
"""

from __future__ import annotations

import math
from bisect import bisect_right, insort
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Generic, Literal, TypeVar

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence

__all__ = ["Batch", "BatchQueue", "LatencyCurve", "Refusal", "Release", "Ticket"]

PayloadT = TypeVar("PayloadT")

Release = Literal["idle", "full", "deadline", "shape"]
"""Why a batch was no larger: nothing else waited; it had the best size; the deadline of its first request
allowed no more; the others that waited have another shape."""

LEARN_AFTER: Final = 32
"""Observations that are taken into the curve at once; their median is what counts, so outliers do not."""
LEARN_AFTER_S: Final = 0.02
"""Or earlier, when they add up to this time: a slow network must not be learned slowly."""
LEARNING_RATE: Final = 0.1
"""Weight of one observation; the first ones of a size weigh more."""
FOLLOWING_RATE: Final = 0.05
"""For sizes that were not seen among the last ones, the less they are known: they follow the others slowly,
because what makes one size slower (a neighbour, heat) mostly makes all slower."""
MOST_TRUST: Final = 200.0
"""Observations after which a size is not trusted more; the calibration counts as one."""
EXPLORE_EVERY: Final = 32
"""Every so many full batches one is tried a step larger: a calibration that was disturbed would otherwise
never be corrected for sizes that are never run."""
GOOD_ENOUGH: Final = 0.98
"""The smallest size within this share of the best rate is preferred: rate is equal, latency is less."""
MARGIN_QUANTILE: Final = 0.9
"""The margin covers the error of this share of the predictions."""
MARGIN_STEP: Final = 0.005
MOST_MARGIN: Final = 0.4
"""Both as shares of the usual time to the deadline."""
DOUBT_S: Final = 0.5
"""An idle engine that refuses forgets half of its margin in this time."""
MAX_CURVES: Final = 256
"""Shapes whose curves are remembered."""


class LatencyCurve:
    """The time that one call of the network takes, by its rows: measured once, then learned from every batch.

    It is no line: the best size is where the measured rate is best, and larger ones may be worse.

    >>> curve = LatencyCurve({1: 1.0, 8: 2.0, 16: 8.0}, max_rows=16)
    >>> curve.seconds(1), curve.seconds(8), curve.preferred
    (1.0, 2.0, 8)
    >>> curve.drain_s(17)
    5.0
    """

    __slots__ = (
        "_calibrated",
        "_factors",
        "_level",
        "_seen",
        "_seen_s",
        "_sizes",
        "_start",
        "_table",
        "_trust",
        "max_rows",
        "preferred",
    )

    def __init__(self, points: Mapping[int, float], max_rows: int) -> None:
        """`points` are seconds by rows, all positive; rows above the largest cost in proportion to it."""
        if max_rows < 1 or not points:
            raise ValueError("a curve needs at least one point and at least one row")
        if any(rows < 1 or not 0.0 < seconds < math.inf for rows, seconds in points.items()):
            raise ValueError(f"a curve needs positive rows and seconds, got {dict(points)}")
        self.max_rows = max_rows
        self._sizes: list[int] = sorted(points)
        self._calibrated: list[float] = [float(points[rows]) for rows in self._sizes]
        # What is learned are factors on the calibration. They are averages of ratios that were observed, so
        # that they cannot run away.
        self._factors = [1.0] * len(points)
        self._trust = [1.0] * len(points)
        self._level = 1.0
        self._seen: list[tuple[int, float]] = []
        self._seen_s = 0.0
        self._rebuild()
        self._start: list[float] = self._table
        """The table as calibrated."""

    def seconds(self, rows: int) -> float:
        """The expected time of one call with so many rows, 0 up to `max_rows`; never less for more rows."""
        return self._table[rows]

    def calibrated_s(self, rows: int) -> float:
        """The time of one call as it was measured at first."""
        return self._start[rows]

    def drain_s(self, rows: int) -> float:
        """The expected time until so many rows are done in batches of the preferred size."""
        full, rest = divmod(rows, self.preferred)
        return full * self._table[self.preferred] + self._table[rest]

    def rows_within(self, seconds: float) -> int:
        """The most rows that one call does in the time; 0 if it cannot even do one."""
        return bisect_right(self._table, seconds) - 1 if seconds >= 0.0 else 0

    def step_above(self, rows: int) -> int:
        """The next larger size of the grid, or the largest possible one."""
        place = bisect_right(self._sizes, rows)
        return min(self._sizes[place], self.max_rows) if place < len(self._sizes) else self.max_rows

    def points(self) -> dict[int, float]:
        """What has been learned so far: seconds by rows, at the sizes of the grid."""
        return {rows: self._table[min(rows, self.max_rows)] for rows in self._sizes}

    def scaled(self, factor: float) -> LatencyCurve:
        """A curve of its own for rows that are `factor` times as large, to be learned from there."""
        points = {rows: seconds * factor for rows, seconds in self.points().items()}
        return LatencyCurve(points, self.max_rows)

    def learn(self, rows: int, seconds: float) -> None:
        """Takes in the measured time of one call."""
        self._seen.append((rows, seconds))
        self._seen_s += seconds
        if len(self._seen) >= LEARN_AFTER or self._seen_s >= LEARN_AFTER_S:
            self._absorb()

    def fade(self) -> None:
        """Moves what was learned towards the calibration, where it is above it.

        For when predictions refuse everything: without calls nothing could show that they are wrong.
        """
        if max(self._factors) <= 1.001:
            return
        self._factors = [
            factor + 0.25 * (1.0 - factor) if factor > 1.0 else factor for factor in self._factors
        ]
        self._level = min(self._level, 1.0)
        self._rebuild()

    def _absorb(self) -> None:
        by_place: dict[int, list[float]] = {}
        everything: list[float] = []
        for rows, seconds in self._seen:
            ratio = seconds / self._start[rows]
            everything.append(ratio)
            place = bisect_right(self._sizes, rows) - 1
            if place >= 0:
                by_place.setdefault(place, []).append(ratio)
            if place + 1 < len(self._sizes) and (place < 0 or self._sizes[place] != rows):
                by_place.setdefault(place + 1, []).append(ratio)
        self._level = _towards(self._level, everything, _weight(len(everything)))
        for place, factor in enumerate(self._factors):
            seen = by_place.get(place)
            trust = self._trust[place]
            if seen is None:
                self._factors[place] = _towards(factor, [self._level], FOLLOWING_RATE / trust)
                self._trust[place] = max(1.0, 0.98 * trust)
            else:
                gain = max(_weight(len(seen)), len(seen) / (len(seen) + trust))
                self._factors[place] = _towards(factor, seen, gain)
                self._trust[place] = min(MOST_TRUST, trust + len(seen))
        self._seen.clear()
        self._seen_s = 0.0
        self._rebuild()

    def _rebuild(self) -> None:
        learned = [low * factor for low, factor in zip(self._calibrated, self._factors, strict=True)]
        # More rows are never faster: where it looks so, the sizes are averaged by how well they are known.
        fitted = _not_falling(learned, self._trust)
        rows = np.arange(1, self.max_rows + 1)
        table = np.interp(rows, self._sizes, fitted)
        beyond = rows > self._sizes[-1]
        table[beyond] = fitted[-1] * rows[beyond] / self._sizes[-1]
        self._table: list[float] = [0.0, *table.tolist()]
        sizes = [size for size in self._sizes if size <= self.max_rows] or [self.max_rows]
        best = max(size / self._table[size] for size in sizes)
        self.preferred: int = next(size for size in sizes if size / self._table[size] >= GOOD_ENOUGH * best)


def _weight(observations: int) -> float:
    """What so many observations together weigh."""
    return 1.0 - (1.0 - LEARNING_RATE) ** observations


def _towards(value: float, seen: list[float], weight: float) -> float:
    """The value moved towards the median of what was seen, and never far at once."""
    target = min(max(sorted(seen)[len(seen) // 2], value / 3.0), value * 3.0)
    return value + weight * (target - value)


def _not_falling(values: list[float], weights: list[float]) -> list[float]:
    """The nearest values (least squares, weighted) that do not fall: pool adjacent violators."""
    blocks: list[tuple[float, float, int]] = []
    for value, weight in zip(values, weights, strict=True):
        mean, total, count = value, weight, 1
        while blocks and blocks[-1][0] > mean:
            before, before_total, before_count = blocks.pop()
            mean = (before * before_total + mean * total) / (before_total + total)
            total += before_total
            count += before_count
        blocks.append((mean, total, count))
    return [mean for mean, _, count in blocks for _ in range(count)]


@dataclass(slots=True, eq=False)
class Ticket(Generic[PayloadT]):
    """An accepted request. `group` names what may run together (the shapes of its tensors but for the rows)."""

    payload: PayloadT
    rows: int
    group: Hashable
    deadline_s: float
    predicted_s: float
    """When its answer is expected, without margin."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A request that is not accepted, because it or an accepted one would come too late."""

    predicted_s: float
    """When its answer could be expected."""
    displaces: bool
    """Whether it would keep its own deadline, but make an accepted one late."""


@dataclass(slots=True, eq=False)
class Batch(Generic[PayloadT]):
    """Tickets that run in one call."""

    tickets: Sequence[Ticket[PayloadT]]
    group: Hashable
    rows: int
    release: Release
    started_s: float
    predicted_s: float
    """The expected time of the call."""
    calibrated_s: float
    """The same without what was learned since."""
    finished_s: float = 0.0


class BatchQueue(Generic[PayloadT]):
    """The requests that wait for one engine: admits, orders, batches and learns.

    Not safe for several threads at once; its owner locks.

    >>> queue = BatchQueue[str](LatencyCurve({1: 0.001, 4: 0.002}, max_rows=4), bound_s=0.020)
    >>> for name in ("late", "soon"):
    ...     deadline_s = 0.020 if name == "late" else 0.010
    ...     ticket = queue.admit(0.0, name, rows=1, group=(), weight=1.0, deadline_s=deadline_s)
    >>> batch, given_up = queue.take(0.0)
    >>> [ticket.payload for ticket in batch.tickets], batch.release
    (['soon', 'late'], 'idle')
    """

    def __init__(self, curve: LatencyCurve, *, bound_s: float) -> None:
        """`curve` is of rows of weight 1; `bound_s` is the usual time from arrival to deadline."""
        self.curve = curve
        self.busy = False
        self.margin_s = 0.0
        """Kept free before deadlines: covers most errors of the predictions so far."""
        self.delivery_s = 0.0
        """From the end of a call to its answers, as learned."""
        self._bound_s = bound_s
        self._curves: dict[Hashable, LatencyCurve] = {}
        self._waiting: list[Ticket[PayloadT]] = []
        self._rows: dict[Hashable, int] = {}
        self._free_at_s = 0.0
        self._running: Hashable = None
        self._full_batches = 0
        self._trusted_s = -math.inf
        """When the margin last had a reason."""

    def __len__(self) -> int:
        """How many requests wait."""
        return len(self._waiting)

    @property
    def rows(self) -> int:
        """How many rows wait."""
        return sum(self._rows.values())

    def admit(
        self, now_s: float, payload: PayloadT, *, rows: int, group: Hashable, weight: float, deadline_s: float
    ) -> Ticket[PayloadT] | Refusal:
        """A ticket for the request, or a refusal.

        `rows` is 1 up to the curve's `max_rows`. `weight` is the size of a row relative to those of the
        measured curve; it starts the curve of a group that has not been seen before.
        """
        curve = self._curve_of(group, weight)
        ready_s = self.delivery_s + (max(now_s, self._free_at_s) if self.busy else now_s)
        waiting = self._waiting
        if waiting and deadline_s < waiting[-1].deadline_s:
            return self._admit_between(ready_s, payload, rows, group, deadline_s)
        work_s = curve.drain_s(self._rows.get(group, 0) + rows)
        for other, other_rows in self._rows.items():
            if other != group:
                work_s += self._curves[other].drain_s(other_rows)
        predicted_s = ready_s + work_s
        if predicted_s + self.margin_s > deadline_s:
            if not waiting and not self.busy:
                self._doubt(now_s)
                if work_s + self.delivery_s + self.margin_s > self._bound_s:
                    # Not because the request came late or had a short deadline of its own: all are refused.
                    curve.fade()
            return Refusal(predicted_s, displaces=False)
        ticket = Ticket(payload, rows, group, deadline_s, predicted_s)
        waiting.append(ticket)
        self._rows[group] = self._rows.get(group, 0) + rows
        return ticket

    def hopeless(self, now_s: float, deadline_s: float) -> bool:
        """Whether what waits, or the clock, makes every request with this deadline late, however small it is.

        A cheap question for an overloaded server, which refuses such a request without a look into it.
        """
        waiting = self._waiting
        if not waiting or deadline_s < waiting[-1].deadline_s:
            late = not waiting and now_s + self.delivery_s + self.margin_s > deadline_s
            if late and not self.busy:
                self._doubt(now_s)
            return late
        ready_s = self.delivery_s + (max(now_s, self._free_at_s) if self.busy else now_s)
        return ready_s + self._work_s() + self.margin_s > deadline_s

    def take(self, now_s: float) -> tuple[Batch[PayloadT] | None, Sequence[Ticket[PayloadT]]]:
        """The batch that a free engine runs next (None if nothing waits), and the tickets that are given up."""
        waiting = self._waiting
        given_up: list[Ticket[PayloadT]] = []
        while waiting:
            head = waiting[0]
            curve = self._curves[head.group]
            possible = curve.rows_within(head.deadline_s - now_s - self.delivery_s)
            if head.rows <= possible:
                batch = self._form(now_s, curve, possible)
                self.busy = True
                self._running = batch.group
                self._free_at_s = now_s + batch.predicted_s
                return batch, given_up
            given_up.append(head)
            self._adjust(late=True)
            self._remove([head])
            del waiting[0]
        return None, given_up

    def finish(self, batch: Batch[PayloadT], now_s: float) -> None:
        """Says that the call is over, whether or not it went well, and learns from how long it took."""
        self.busy = False
        batch.finished_s = now_s
        self._curves[batch.group].learn(batch.rows, max(now_s - batch.started_s, 1e-9))

    def answered(self, batch: Batch[PayloadT], now_s: float) -> None:
        """Says that the answers of a finished batch have left, and learns how good its prediction was."""
        self.delivery_s += LEARNING_RATE * (now_s - batch.finished_s - self.delivery_s)
        self._trusted_s = now_s
        self._adjust(late=now_s - batch.tickets[-1].predicted_s > self.margin_s)

    def _adjust(self, *, late: bool) -> None:
        """Makes the margin a little larger or smaller, by whether a prediction was too early.

        A quantile by stochastic approximation: up by q, down by 1-q, so that it rests where the share of
        predictions that are too early is 1-q. It must not come to fill the whole bound.
        """
        change = MARGIN_QUANTILE if late else MARGIN_QUANTILE - 1.0
        step_s = MARGIN_STEP * self._bound_s
        self.margin_s = min(max(self.margin_s + change * step_s, 0.0), MOST_MARGIN * self._bound_s)

    def _doubt(self, now_s: float) -> None:
        """Trusts what was learned a little less, because it has refused a request while nothing ran.

        Without calls nothing could show that it is wrong, and it would refuse for ever.
        """
        share = 0.5 ** min(max((now_s - self._trusted_s) / DOUBT_S, 0.0), 1.0)
        self.margin_s *= share
        self.delivery_s *= share
        self._trusted_s = now_s

    def _admit_between(
        self, ready_s: float, payload: PayloadT, rows: int, group: Hashable, deadline_s: float
    ) -> Ticket[PayloadT] | Refusal:
        """Admission of a request that goes before others: none of them may become late by it."""
        place = bisect_right(self._waiting, deadline_s, key=_deadline)
        ahead: dict[Hashable, int] = {}
        for ticket in self._waiting[:place]:
            ahead[ticket.group] = ahead.get(ticket.group, 0) + ticket.rows
        ahead[group] = ahead.get(group, 0) + rows
        predicted_s = ready_s + sum(self._curves[g].drain_s(r) for g, r in ahead.items())
        if predicted_s + self.margin_s > deadline_s:
            return Refusal(predicted_s, displaces=False)
        done_s = predicted_s
        moved: list[float] = []
        for ticket in self._waiting[place:]:
            curve = self._curves[ticket.group]
            before = ahead.get(ticket.group, 0)
            ahead[ticket.group] = before + ticket.rows
            done_s += curve.drain_s(before + ticket.rows) - curve.drain_s(before)
            # What is late anyway is no reason to refuse.
            if ticket.predicted_s <= ticket.deadline_s - self.margin_s < done_s:
                return Refusal(predicted_s, displaces=True)
            moved.append(done_s)
        for ticket, moved_s in zip(self._waiting[place:], moved, strict=True):
            ticket.predicted_s = max(ticket.predicted_s, moved_s)
        ticket = Ticket(payload, rows, group, deadline_s, predicted_s)
        insort(self._waiting, ticket, key=_deadline)
        self._rows[group] = self._rows.get(group, 0) + rows
        return ticket

    def _form(self, now_s: float, curve: LatencyCurve, possible: int) -> Batch[PayloadT]:
        """The batch round the first of the queue, which may have up to `possible` rows."""
        waiting = self._waiting
        group = waiting[0].group
        target = curve.preferred
        if self._rows[group] > target and (self._full_batches + 1) % EXPLORE_EVERY == 0:
            target = curve.step_above(target)
        limit = min(target, possible)
        taken = [waiting[0]]
        rows = waiting[0].rows
        stopped = False
        for ticket in waiting[1 : limit if len(self._rows) == 1 else len(waiting)]:
            if ticket.group != group:
                continue
            if rows + ticket.rows > limit:
                stopped = True
                break
            taken.append(ticket)
            rows += ticket.rows
        if rows >= target:
            self._full_batches += 1
        release: Release
        if len(taken) == len(waiting):
            release = "idle"
        elif rows == self._rows[group]:
            release = "shape"
        elif limit < target and (stopped or rows >= limit):
            release = "deadline"
        else:
            release = "full"
        if taken[-1] is waiting[len(taken) - 1]:
            del waiting[: len(taken)]
        else:
            gone = set(map(id, taken))
            waiting[:] = [ticket for ticket in waiting if id(ticket) not in gone]
        self._remove(taken)
        return Batch(taken, group, rows, release, now_s, curve.seconds(rows), curve.calibrated_s(rows))

    def _remove(self, tickets: Sequence[Ticket[PayloadT]]) -> None:
        group = tickets[0].group
        left = self._rows[group] - sum(ticket.rows for ticket in tickets)
        if left:
            self._rows[group] = left
        else:
            del self._rows[group]

    def _work_s(self) -> float:
        """The expected time for everything that waits."""
        return sum(self._curves[group].drain_s(rows) for group, rows in self._rows.items())

    def _curve_of(self, group: Hashable, weight: float) -> LatencyCurve:
        curve = self._curves.get(group)
        if curve is None:
            if len(self._curves) >= MAX_CURVES:
                idle = [other for other in self._curves if other not in self._rows and other != self._running]
                for other in idle[: len(idle) // 2]:
                    del self._curves[other]
            # The rows that the curve was measured with share it, so that what is learned is seen outside.
            curve = self._curves[group] = self.curve if weight == 1.0 else self.curve.scaled(weight)
        return curve


def _deadline(ticket: Ticket[PayloadT]) -> float:
    return ticket.deadline_s
