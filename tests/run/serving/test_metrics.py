"""Histograms count everything once, and the page can be read by anything that reads Prometheus."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from tradewind.run.serving.metrics import Histogram, Metrics, memory_bytes, render

LINE = re.compile(r'[a-z_]+(\{[a-z]+="(?:[^"\\\n]|\\.)*"(,[a-z]+="(?:[^"\\\n]|\\.)*")*\})? [-+0-9.e]+')


@given(st.lists(st.floats(0.0, 100.0)))
def test_every_value_is_counted_once_at_or_below_its_bound(values: list[float]) -> None:
    bounds = (0.5, 1.0, 10.0)
    histogram = Histogram(bounds)
    for value in values:
        histogram.observe(value)
    samples = list(histogram.samples())
    buckets = [count for suffix, _, count in samples if suffix == "_bucket"]
    assert buckets == [sum(value <= bound for value in values) for bound in (*bounds, float("inf"))]
    assert samples[-1] == ("_count", {}, len(values))
    assert samples[-2][2] == sum(values)


@given(st.text(max_size=20), st.floats(allow_nan=False, allow_infinity=False))
def test_any_label_and_number_make_a_line(label: str, number: float) -> None:
    page = render([("a_total", "counter", "What.", [("", {"key": label}, number)])]).decode()
    *comments, line = page.removesuffix("\n").split("\n")
    assert comments == ["# HELP a_total What.", "# TYPE a_total counter"]
    assert LINE.fullmatch(line)
    assert float(line.rpartition(" ")[2]) == number


def test_batches_up_to_the_largest_are_counted_apart() -> None:
    for max_rows in (1, 7, 16, 100):
        metrics = Metrics(max_rows)
        metrics.batch_rows.observe(max_rows)
        buckets = [
            (labels["le"], count)
            for suffix, labels, count in metrics.batch_rows.samples()
            if suffix == "_bucket"
        ]
        assert buckets[-2:] == [(str(max_rows), 1), ("+Inf", 1)]


def test_memory_is_that_of_a_python_process() -> None:
    assert 2**20 < memory_bytes() < 2**40
