"""Laws of the latency curve and of the queue: what is admitted, in which order, in which batches."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradewind.decide.control.batching import Batch, BatchQueue, LatencyCurve, Refusal, Ticket

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_ROWS = 32

seconds = st.floats(1e-6, 1.0)
curves = st.dictionaries(st.integers(1, MAX_ROWS), seconds, min_size=1, max_size=8).map(
    lambda points: LatencyCurve(points, MAX_ROWS)
)
rising_curves = st.lists(seconds, min_size=4, max_size=4).map(
    lambda values: LatencyCurve(dict(zip((1, 4, 12, MAX_ROWS), sorted(values), strict=True)), MAX_ROWS)
)


@dataclass(frozen=True)
class Arrival:
    after_s: float
    rows: int
    group: str
    allowed_s: float


arrivals = st.lists(
    st.builds(
        Arrival,
        after_s=st.sampled_from([0.0, 0.0, 0.001, 0.02]),
        rows=st.integers(1, 5),
        group=st.sampled_from(["a", "a", "b"]),
        allowed_s=st.sampled_from([0.005, 0.05, 0.05, 0.5, 5.0]),
    ),
    max_size=40,
)


def offer(queue: BatchQueue[int], now_s: float, number: int, arrival: Arrival) -> Ticket[int] | Refusal:
    return queue.admit(
        now_s,
        number,
        rows=arrival.rows,
        group=arrival.group,
        weight=1.0 if arrival.group == "a" else 3.0,
        deadline_s=now_s + arrival.allowed_s,
    )


class TestLatencyCurve:
    @given(rising_curves, st.lists(st.tuples(st.integers(1, MAX_ROWS), seconds), max_size=120))
    def test_more_rows_never_take_less_time_whatever_is_learned(
        self, curve: LatencyCurve, observed: list[tuple[int, float]]
    ) -> None:
        for rows, taken_s in observed:
            curve.learn(rows, taken_s)
        times = [curve.seconds(rows) for rows in range(MAX_ROWS + 1)]
        assert times[0] == 0.0
        assert all(before <= after for before, after in itertools.pairwise(times))
        drains = [curve.drain_s(rows) for rows in range(4 * MAX_ROWS)]
        assert all(before <= after + 1e-12 for before, after in itertools.pairwise(drains))
        assert 1 <= curve.preferred <= MAX_ROWS

    @given(curves, seconds)
    def test_rows_within_is_the_inverse_of_seconds(self, curve: LatencyCurve, allowed_s: float) -> None:
        rows = curve.rows_within(allowed_s)
        assert curve.seconds(rows) <= allowed_s
        assert rows == MAX_ROWS or curve.seconds(rows + 1) > allowed_s

    @given(curves)
    def test_no_size_of_the_grid_has_a_much_better_rate_than_the_preferred(self, curve: LatencyCurve) -> None:
        rate = curve.preferred / curve.seconds(curve.preferred)
        assert all(rows / curve.seconds(rows) <= rate / 0.97 for rows in curve.points() if rows <= MAX_ROWS)

    @given(st.integers(1, MAX_ROWS), st.floats(0.05, 20.0))
    def test_a_steady_truth_is_learned(self, rows: int, factor: float) -> None:
        curve = LatencyCurve({1: 1e-4, 8: 2e-4, 32: 5e-4}, MAX_ROWS)
        truth_s = factor * curve.seconds(rows)
        for _ in range(2000):
            curve.learn(rows, truth_s)
        assert curve.seconds(rows) == pytest.approx(truth_s, rel=0.3)

    def test_all_sizes_follow_when_the_machine_becomes_slower(self) -> None:
        curve = LatencyCurve({1: 1e-4, 8: 2e-4, 32: 5e-4}, MAX_ROWS)
        for _ in range(3000):
            curve.learn(8, 6e-4)
        assert curve.seconds(32) == pytest.approx(1.5e-3, rel=0.1)
        assert curve.seconds(1) == pytest.approx(3e-4, rel=0.1)

    def test_an_outlier_hardly_matters(self) -> None:
        curve = LatencyCurve({1: 1e-4, 8: 2e-4}, MAX_ROWS)
        for number in range(320):
            curve.learn(8, 1.0 if number % 10 == 0 else 2e-4)
        assert curve.seconds(8) < 4e-4

    def test_fading_returns_to_the_calibration(self) -> None:
        curve = LatencyCurve({1: 1e-4, 8: 2e-4}, MAX_ROWS)
        for _ in range(500):
            curve.learn(8, 1.0)
        assert curve.seconds(8) > 0.1
        for _ in range(100):
            curve.fade()
        assert curve.seconds(8) == pytest.approx(2e-4, rel=0.01)

    def test_a_curve_that_bends_prefers_its_best_size(self) -> None:
        # The measured curve of a network whose weights just fit the cache.
        curve = LatencyCurve({1: 639e-6, 12: 817e-6, 24: 2253e-6, 64: 8939e-6}, 64)
        assert curve.preferred == 12

    @pytest.mark.parametrize(
        "points", [{}, {1: 0.0}, {1: -1.0}, {0: 1.0}, {1: float("nan")}, {1: float("inf")}]
    )
    def test_impossible_points_are_refused(self, points: dict[int, float]) -> None:
        with pytest.raises(ValueError, match="needs"):
            LatencyCurve(points, 8)


class TestAdmission:
    @given(rising_curves, arrivals)
    def test_nothing_is_admitted_that_by_its_own_prediction_is_late(
        self, curve: LatencyCurve, asked: list[Arrival]
    ) -> None:
        queue = BatchQueue[int](curve, bound_s=0.05)
        for number, arrival in enumerate(asked):
            outcome = offer(queue, 0.0, number, arrival)
            if isinstance(outcome, Ticket):
                assert outcome.predicted_s + queue.margin_s <= outcome.deadline_s
            elif not outcome.displaces:
                assert outcome.predicted_s + queue.margin_s > arrival.allowed_s

    @given(rising_curves, arrivals, st.floats(0.0, 5.0))
    def test_a_later_deadline_is_never_refused_where_an_earlier_one_is_admitted(
        self, curve: LatencyCurve, asked: list[Arrival], later_s: float
    ) -> None:
        tight, loose = BatchQueue[int](curve, bound_s=0.05), BatchQueue[int](curve, bound_s=0.05)
        for number, arrival in enumerate(asked[1:]):
            offer(tight, 0.0, number, arrival)
            offer(loose, 0.0, number, arrival)
        for arrival in asked[:1]:
            relaxed = Arrival(0.0, arrival.rows, arrival.group, arrival.allowed_s + later_s)
            if isinstance(offer(tight, 0.0, -1, arrival), Ticket):
                assert isinstance(offer(loose, 0.0, -1, relaxed), Ticket)

    @given(rising_curves, arrivals, st.integers(1, 5))
    def test_fewer_rows_are_never_refused_where_more_are_admitted(
        self, curve: LatencyCurve, asked: list[Arrival], fewer: int
    ) -> None:
        large, small = BatchQueue[int](curve, bound_s=0.05), BatchQueue[int](curve, bound_s=0.05)
        for number, arrival in enumerate(asked[1:]):
            offer(large, 0.0, number, arrival)
            offer(small, 0.0, number, arrival)
        for arrival in asked[:1]:
            less = Arrival(0.0, min(fewer, arrival.rows), arrival.group, arrival.allowed_s)
            if isinstance(offer(large, 0.0, -1, arrival), Ticket):
                assert isinstance(offer(small, 0.0, -1, less), Ticket)

    @given(rising_curves, arrivals)
    def test_what_waits_longer_is_predicted_later(self, curve: LatencyCurve, asked: list[Arrival]) -> None:
        queue = BatchQueue[int](curve, bound_s=0.05)
        predicted: list[float] = []
        for number, arrival in enumerate(asked):
            outcome = offer(queue, 0.0, number, Arrival(0.0, arrival.rows, "a", 1e6))
            assert isinstance(outcome, Ticket)
            predicted.append(outcome.predicted_s)
        assert predicted == sorted(predicted)

    def test_an_urgent_request_goes_first_if_nobody_becomes_late(self) -> None:
        queue = BatchQueue[str](LatencyCurve({1: 1.0}, 1), bound_s=10.0)
        for name, deadline_s in (("slow", 10.0), ("quick", 2.0)):
            assert isinstance(
                queue.admit(0.0, name, rows=1, group=(), weight=1.0, deadline_s=deadline_s), Ticket
            )
        assert taken(queue, 0.0) == ["quick"]

    def test_an_urgent_request_is_refused_if_an_accepted_one_would_become_late(self) -> None:
        queue = BatchQueue[str](LatencyCurve({1: 1.0}, 1), bound_s=10.0)
        queue.admit(0.0, "first", rows=1, group=(), weight=1.0, deadline_s=3.0)
        queue.admit(0.0, "second", rows=1, group=(), weight=1.0, deadline_s=3.0)
        queue.admit(0.0, "third", rows=1, group=(), weight=1.0, deadline_s=3.0)
        outcome = queue.admit(0.0, "urgent", rows=1, group=(), weight=1.0, deadline_s=2.0)
        assert isinstance(outcome, Refusal)
        assert outcome.displaces

    def test_a_prediction_that_refuses_everything_does_not_last(self) -> None:
        queue = BatchQueue[int](LatencyCurve({1: 0.001}, 1), bound_s=0.01)

        def refusals(count: int, taken_s: float) -> int:
            refused = 0
            for _ in range(count):
                queue.admit(0.0, 0, rows=1, group=(), weight=1.0, deadline_s=0.01)
                batch, _ = queue.take(0.0)
                if batch is None:
                    refused += 1
                else:
                    queue.finish(batch, taken_s)
                    queue.answered(batch, taken_s)
            return refused

        assert refusals(300, taken_s=0.1) > 0, "calls that take ten times the bound must be noticed"
        refusals(100, taken_s=0.001)
        assert refusals(100, taken_s=0.001) == 0, "and must be forgotten when they are over"

    def test_a_curve_over_the_bound_refuses_all(self) -> None:
        queue = BatchQueue[int](LatencyCurve({1: 1.0}, 8), bound_s=0.01)
        outcomes = [queue.admit(0.0, n, rows=1, group=(), weight=1.0, deadline_s=0.01) for n in range(500)]
        assert all(isinstance(outcome, Refusal) for outcome in outcomes)

    def test_shapes_beyond_the_remembered_ones_are_served(self) -> None:
        queue = BatchQueue[int](LatencyCurve({1: 1e-6}, 8), bound_s=1.0)
        for length in range(1000):
            outcome = queue.admit(0.0, length, rows=1, group=(length,), weight=1.0 + length, deadline_s=1e3)
            assert isinstance(outcome, Ticket)
            if length % 3 == 0:
                batch, _ = queue.take(0.0)
                assert batch is not None
                queue.finish(batch, 1e-6)
        drained = drain(queue, 0.0)
        assert len(queue) == 0
        assert sum(len(batch.tickets) for batch in drained) == 1000 - 334


def taken(queue: BatchQueue[str], now_s: float) -> list[str]:
    batch, _ = queue.take(now_s)
    assert batch is not None
    return [ticket.payload for ticket in batch.tickets]


def drain(queue: BatchQueue[int], now_s: float) -> list[Batch[int]]:
    batches: list[Batch[int]] = []
    while True:
        batch, _ = queue.take(now_s)
        if batch is None:
            return batches
        batches.append(batch)
        queue.finish(batch, now_s + batch.predicted_s)


class TestBatches:
    @given(rising_curves, arrivals, st.lists(st.floats(0.5, 2.0), min_size=1, max_size=5))
    def test_every_admitted_request_runs_once_or_is_given_up(
        self, curve: LatencyCurve, asked: list[Arrival], speeds: list[float]
    ) -> None:
        """One engine, whose calls take `speeds` times what is predicted, in simulated time."""
        queue = BatchQueue[int](curve, bound_s=0.05)
        waiting: dict[int, Ticket[int]] = {}
        seen: list[int] = []
        speed = itertools.cycle(speeds)
        running: Batch[int] | None = None
        now_s = free_s = 0.0

        def work(until_s: float) -> None:
            nonlocal running, free_s
            while running is not None and free_s <= until_s:
                queue.finish(running, free_s)
                queue.answered(running, free_s)
                running = None
                start(free_s)

        def start(at_s: float) -> None:
            nonlocal running, free_s
            if running is not None:
                return
            curve_of = {number: queue._curve_of(ticket.group, 1.0) for number, ticket in waiting.items()}
            batch, given_up = queue.take(at_s)
            for ticket in given_up:
                assert (
                    at_s + queue.delivery_s + curve_of[ticket.payload].seconds(ticket.rows)
                    > ticket.deadline_s - 1e-9
                )
                seen.append(ticket.payload)
                del waiting[ticket.payload]
            if batch is None:
                assert not waiting
                return
            self.check_batch(batch, waiting, at_s)
            for ticket in batch.tickets:
                seen.append(ticket.payload)
                del waiting[ticket.payload]
            running, free_s = batch, at_s + next(speed) * batch.predicted_s

        for number, arrival in enumerate(asked):
            now_s += arrival.after_s
            work(now_s)
            outcome = offer(queue, now_s, number, arrival)
            if isinstance(outcome, Ticket):
                waiting[number] = outcome
            assert len(queue) == len(waiting)
            assert queue.rows == sum(ticket.rows for ticket in waiting.values())
            if running is None and waiting:
                start(now_s)
        work(float("inf"))
        assert not waiting
        assert len(queue) == queue.rows == 0
        assert len(seen) == len(set(seen))

    def check_batch(self, batch: Batch[int], waiting: dict[int, Ticket[int]], now_s: float) -> None:
        tickets: Sequence[Ticket[int]] = batch.tickets
        assert 1 <= batch.rows <= MAX_ROWS
        assert batch.rows == sum(ticket.rows for ticket in tickets)
        assert {ticket.group for ticket in tickets} == {batch.group}
        left = [ticket for ticket in waiting.values() if ticket not in tickets]
        assert all(tickets[0].deadline_s <= ticket.deadline_s for ticket in waiting.values())
        same = [ticket for ticket in left if ticket.group == batch.group]
        assert all(ticket.deadline_s >= tickets[-1].deadline_s for ticket in same)
        deadlines = [ticket.deadline_s for ticket in tickets]
        assert deadlines == sorted(deadlines)
        # If the call takes what is predicted, no answer of the batch is late.
        assert now_s + batch.predicted_s <= tickets[0].deadline_s + 1e-12
        assert (batch.release == "idle") == (not left)
        assert (batch.release == "shape") == (bool(left) and not same)

    def test_equal_deadlines_keep_the_order_of_arrival(self) -> None:
        queue = BatchQueue[int](LatencyCurve({1: 1.0, 4: 1.0}, 4), bound_s=100.0)
        for number in range(10):
            queue.admit(0.0, number, rows=1, group=(), weight=1.0, deadline_s=100.0)
        batches = drain(queue, 0.0)
        assert [[ticket.payload for ticket in batch.tickets] for batch in batches] == [
            [0, 1, 2, 3],
            [4, 5, 6, 7],
            [8, 9],
        ]
        assert [batch.release for batch in batches] == ["full", "full", "idle"]

    def test_a_batch_stops_where_the_first_would_become_late(self) -> None:
        queue = BatchQueue[int](LatencyCurve({1: 1.0, 2: 2.0, 3: 2.1, 4: 2.2}, 4), bound_s=100.0)
        for number in range(3):
            queue.admit(0.0, number, rows=1, group=(), weight=1.0, deadline_s=10.0)
        batch, _ = queue.take(8.5)
        assert batch is not None
        assert batch.rows == 1
        assert batch.release == "deadline"

    def test_what_cannot_be_in_time_any_more_is_given_up(self) -> None:
        queue = BatchQueue[str](LatencyCurve({1: 1.0, 4: 1.0}, 4), bound_s=100.0)
        queue.admit(0.0, "early", rows=1, group=(), weight=1.0, deadline_s=5.0)
        queue.admit(0.0, "late", rows=1, group=(), weight=1.0, deadline_s=50.0)
        batch, given_up = queue.take(4.5)
        assert [ticket.payload for ticket in given_up] == ["early"]
        assert batch is not None
        assert [ticket.payload for ticket in batch.tickets] == ["late"]

    def test_a_better_size_is_found_after_a_disturbed_calibration(self) -> None:
        def truth_s(rows: int) -> float:
            return 1e-3 + 1e-5 * rows

        points = {rows: truth_s(rows) for rows in (1, 2, 3, 4)} | {8: 9e-3, 16: 20e-3}
        queue = BatchQueue[int](LatencyCurve(points, 16), bound_s=1e6)
        assert queue.curve.preferred == 4
        for number in range(40_000):
            queue.admit(0.0, number, rows=1, group=(), weight=1.0, deadline_s=1e6)
        while len(queue):
            batch, _ = queue.take(0.0)
            assert batch is not None
            queue.finish(batch, truth_s(batch.rows))
        assert queue.curve.preferred == 16

    def test_the_margin_grows_with_late_answers_and_shrinks_with_early_ones(self) -> None:
        queue = BatchQueue[int](LatencyCurve({1: 0.001}, 1), bound_s=1.0)
        margins = []
        for delay_s in [0.05] * 40 + [0.0] * 2000:
            queue.admit(0.0, 0, rows=1, group=(), weight=1.0, deadline_s=1.0)
            batch, _ = queue.take(0.0)
            assert batch is not None
            queue.finish(batch, 0.001)
            queue.answered(batch, 0.001 + delay_s)
            margins.append(queue.margin_s)
        assert max(margins) > 0.01
        assert max(margins) <= 0.4
        assert margins[-1] < 0.02
