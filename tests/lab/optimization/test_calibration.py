from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tradewind.lab.models import Split
from tradewind.lab.optimization.calibration import choose, load, save


@given(
    labels=st.lists(st.integers(0, 4), min_size=1, max_size=80),
    rows=st.integers(1, 60),
    seed=st.integers(0, 9),
)
def test_no_class_has_more_rows_than_another_while_that_has_some_left(labels, rows, seed):
    truth = np.array(labels)
    split = Split({"row": np.arange(len(truth))}, truth)
    chosen = choose(split, rows, seed).inputs["row"]
    assert len(chosen) == len(set(chosen.tolist())) == min(rows, len(truth))
    taken = {label: int((truth[chosen] == label).sum()) for label in set(labels)}
    for label, count in taken.items():
        if count < (truth == label).sum():
            assert max(taken.values()) <= count + 1, f"class {label} had more rows to give: {taken}"


@given(seed=st.integers(0, 9))
def test_the_seed_decides_the_rows(seed):
    split = Split({"x": np.arange(50.0)}, np.linspace(0.0, 1.0, 50))
    assert choose(split, 20, seed).sha256 == choose(split, 20, seed).sha256
    assert choose(split, 20, seed).sha256 != choose(split, 20, seed + 1).sha256


def test_rows_come_back_from_the_file(tmp_path):
    inputs = {"file": np.arange(6, dtype=np.int64).reshape(3, 2), "x": np.ones((3, 1), dtype=np.float32)}
    calibration = choose(Split(inputs, np.zeros(3)), 3, 0)
    save(tmp_path / "rows.npz", calibration)
    back = load(tmp_path / "rows.npz")
    assert back.sha256 == calibration.sha256
    assert back.rows == 3
    assert {name: array.dtype for name, array in back.inputs.items()} == {"file": np.int64, "x": np.float32}
