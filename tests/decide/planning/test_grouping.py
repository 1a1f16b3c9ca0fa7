"""Rows that are alike are in one group, by whatever number of columns."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tradewind.decide.planning.grouping import alike

values = st.one_of(st.sampled_from([0.0, 1.0, -2.5]), st.just(float("nan")))
tables = st.integers(1, 4).flatmap(
    lambda width: st.lists(
        st.tuples(*(values for _ in range(width)), st.integers(-3, 3)), min_size=1, max_size=40
    )
)


@given(rows=tables)
@settings(derandomize=True, deadline=None, max_examples=80)
def test_groups_are_those_of_a_dictionary_in_the_order_of_first_rows(rows: list[tuple[Any, ...]]) -> None:
    groups = alike(*(np.array(column) for column in zip(*rows, strict=True)))
    expected: dict[str, list[int]] = {}
    for row, key in enumerate(rows):
        expected.setdefault(repr(tuple(value + 0.0 for value in key)), []).append(row)
    assert [groups.rows(group).tolist() for group in range(len(groups))] == list(expected.values())
    assert groups.first.tolist() == [among[0] for among in expected.values()]


def test_many_columns_of_many_values_do_not_overflow() -> None:
    count = 3000
    columns = [np.random.default_rng(seed).permutation(count).astype(float) for seed in range(12)]
    groups = alike(*(np.tile(column, 2) for column in columns))
    assert groups.of.tolist() == [*range(count), *range(count)]


def test_the_least_of_each_group_is_found_and_no_rows_give_no_groups() -> None:
    groups = alike(np.array([1, 2, 1, 3]))
    assert groups.least(np.array([5.0, 4.0, 3.0, np.inf])).tolist() == [3.0, 4.0, np.inf]
    nothing = alike(np.zeros(0))
    assert len(nothing) == 0
    assert nothing.least(np.zeros(0)).tolist() == []
