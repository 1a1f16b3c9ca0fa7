from __future__ import annotations

import itertools
import random

import numpy as np
import pytest

from tradewind.domain.errors import CannotMeasure
from tradewind.lab.profiling import measure
from tradewind.lab.profiling.timing import FEWEST_BURSTS, _Cell, _run, batch_of


class Recorder:
    """A session that notes who was called, in which order, and with how many rows."""

    def __init__(self, name, calls):
        self.name = name
        self.calls = calls

    def run(self, inputs):
        self.calls.append((self.name, len(inputs["x"])))
        return {}


def run(cells, seconds, seed):
    _run(cells, seconds, random.Random(seed))


def make_cells(calls, count=4):
    rows = {"x": np.zeros((1, 1))}
    return [_Cell(i, 1, 1, Recorder(i, calls), batch_of(rows, 1)) for i in range(count)]


def test_every_cell_is_measured_even_when_there_is_no_time():
    cells = make_cells([])
    run(cells, 0.0, 0)
    assert all(len(cell.cpu_s) == FEWEST_BURSTS for cell in cells)
    assert all(cell.point().runs >= FEWEST_BURSTS for cell in cells)


def test_subjects_are_interleaved_not_measured_one_after_the_other():
    calls = []
    run(make_cells(calls), 0.0, 0)
    order = [name for name, _ in calls]
    turns = sum(1 for one, other in itertools.pairwise(order) if one != other)
    assert turns > len(set(order)), f"each subject should have several turns, got the order {order}"


def test_quantiles_are_ordered_and_counted():
    cell = make_cells([])[0]
    cell.wall_s, cell.cpu_s = list(np.arange(1.0, 101.0)), [3.0, 1.0, 2.0]
    point = cell.point()
    assert (point.low_s, point.median_s, point.high_s) == pytest.approx((10.9, 50.5, 90.1))
    assert point.runs == 100
    assert point.cpu_s == pytest.approx(1.2)


def test_a_batch_repeats_the_sample():
    sample = {"x": np.arange(3), "y": np.arange(6).reshape(3, 2)}
    batch = batch_of(sample, 7)
    assert batch["x"].tolist() == [0, 1, 2, 0, 1, 2, 0]
    assert batch["y"].shape == (7, 2)


def test_curves_come_back_in_order_for_each_subject(linear):
    variant, folder, rows = linear
    curves = measure(
        [(variant, folder), (variant, folder)], rows, batches=(8, 1), threads=(2, 1), seconds=0.2, seed=3
    )
    assert len(curves) == 2
    for curve in curves:
        assert [(p.threads, p.batch) for p in curve] == [(1, 1), (1, 8), (2, 1), (2, 8)]
        assert all(0 < p.low_s <= p.median_s <= p.high_s and p.cpu_s > 0 for p in curve)


def test_a_subject_that_cannot_be_loaded_is_named(linear, tmp_path):
    variant, _, rows = linear
    with pytest.raises(CannotMeasure, match=r"original: .* is missing"):
        measure([(variant, tmp_path)], rows, batches=(1,), threads=(1,), seconds=0.1, seed=0)
