from __future__ import annotations

import numpy as np
import pytest

from tradewind.domain.errors import DataError
from tradewind.lab.models import load_data

WHOLE = """
import numpy as np

def split(rows, **changes):
    x = np.arange(rows * 2, dtype=np.float32).reshape(rows, 2)
    return {{"inputs": x, "labels": np.arange(rows) % 2, "slices": {{"side": np.arange(rows) % 3}}}} | changes

def load():
    {body}
"""


def test_three_splits_come_back_named_and_hashed(make_goal, project):
    folder = project()
    data = load_data(make_goal(slices="[side]"), folder)
    assert (data.train.rows, data.calibration.rows, data.test.rows) == (40, 20, 70)
    assert list(data.test.inputs) == ["x"]
    assert data.test.inputs["x"].dtype == np.float32
    assert load_data(make_goal(), folder).sha256 == data.sha256
    assert set(data.test.slices["side"]) == {"a", "b"}


def test_the_hash_follows_the_test_split_only(make_goal, project):
    first = load_data(make_goal(), project(data=WHOLE.format(body=SAME))).sha256
    other_train = SAME.replace("'train': split(9)", "'train': split(10)")
    assert load_data(make_goal(), project(data=WHOLE.format(body=other_train))).sha256 == first
    other_test = SAME.replace("'test': split(9)", "'test': split(9, labels=np.arange(9) % 3)")
    assert load_data(make_goal(), project(data=WHOLE.format(body=other_test))).sha256 != first


SAME = "return {'train': split(9), 'calibration': split(9), 'test': split(9)}"


def test_a_pair_and_several_named_inputs_are_fine(make_goal, project):
    body = """
    pair = lambda n: ({"a": np.zeros((n, 2)), "b": np.zeros(n, dtype=np.int64)}, [i % 2 for i in range(n)])
    return {"train": pair(3), "calibration": pair(2), "test": pair(4)}"""
    data = load_data(make_goal(), project(data=WHOLE.format(body=body)))
    assert {name: array.shape for name, array in data.test.inputs.items()} == {"a": (4, 2), "b": (4,)}
    assert data.test.take(np.array([3, 0])).labels.tolist() == [1, 0]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("return 3", "returned int; return a dict with train, calibration, test"),
        ("return {'train': split(3), 'test': split(3)}", "returned no 'calibration' split, only train, test"),
        ("return {'train': split(3), 'calibration': split(3), 'test': split(0)}", "the test split is empty"),
        (
            "return {'train': split(3), 'calibration': split(3), 'test': split(4, labels=[0, 1])}",
            "input 'x' of the test split has 4 rows, its labels have 2",
        ),
        (
            "s = split(5); s['inputs'][3, 1] = np.nan; s['inputs'][4] = np.inf\n"
            "    return {'train': s, 'calibration': s, 'test': s}",
            "input 'x' of the train split has 3 values that are not finite (NaN or infinity), first in row 3",
        ),
        (
            "return {k: split(4, labels=np.ones(4, dtype=int)) for k in ('train', 'calibration', 'test')}",
            "the labels of the test split are all 1, one class in 4 rows; accuracy needs at least two",
        ),
        (
            "return {k: split(4, labels=np.array([0, 1, 0, None])) for k in ('train', 'calibration', 'test')}",
            "labels of the train split has dtype object",
        ),
        (
            "return {k: split(2, inputs=np.array(['a', 'b'])) for k in ('train', 'calibration', 'test')}",
            "input 'x' of the train split has dtype <U1; convert it to numbers",
        ),
        ("return {k: 7 for k in ('train', 'calibration', 'test')}", "the train split is int; write a dict"),
        (
            "return {k: split(2, label=1) for k in ('train', 'calibration', 'test')}",
            "the train split has unknown 'label'; its keys are inputs, labels, slices",
        ),
        (
            "return {'train': split(3, inputs=np.zeros((3, 5))), 'calibration': split(3), 'test': split(3)}",
            "a row of input 'x' is float64 [5] in the train split and float32 [2] in the test split",
        ),
        ("raise ValueError('no\\nfile')", "small.data:load raised ValueError: no file (small/data.py:9)"),
    ],
)
def test_bad_data_is_refused_in_one_line(make_goal, project, body, message):
    with pytest.raises(DataError) as error:
        load_data(make_goal(), project(data=WHOLE.format(body=body)))
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_regression_may_have_equal_labels(make_goal, project):
    body = "return {k: split(4, labels=np.ones(4)) for k in ('train', 'calibration', 'test')}"
    folder = project(data=WHOLE.format(body=body))
    assert load_data(make_goal(metric="neg_mean_squared_error"), folder).test.rows == 4


def test_an_unknown_slice_column_names_the_nearest(make_goal, project):
    with pytest.raises(DataError, match=r"no slice column 'sid'; did you mean side\?"):
        load_data(make_goal(slices="[sid]"), project())
