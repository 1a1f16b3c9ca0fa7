from __future__ import annotations

import numpy as np
import pytest

from tradewind.domain.errors import CannotMeasure
from tradewind.lab.engines import load
from tradewind.lab.optimization import evaluation
from tradewind.lab.optimization.evaluation import ROWS_PER_CALL, answers


def test_the_answers_are_those_of_the_batches_in_order(linear):
    variant, folder, inputs = linear
    rows = {name: np.tile(array, (3, 1))[: 2 * ROWS_PER_CALL + 5] for name, array in inputs.items()}
    got = answers(folder, variant, rows, threads=1)
    session = load(folder, variant, threads=1)
    np.testing.assert_allclose(got, session.run(rows)["y"], rtol=1e-6)
    assert len(got) == 2 * ROWS_PER_CALL + 5


def test_an_engine_that_fails_on_a_batch_is_a_result(linear):
    variant, folder, inputs = linear
    wrong = {name: array[:, :3] for name, array in inputs.items()}
    with pytest.raises(CannotMeasure, match=r"original: fails on a batch: .*") as caught:
        answers(folder, variant, wrong, threads=1)
    assert "\n" not in str(caught.value)


def test_an_answer_for_another_number_of_rows_is_a_result(linear, monkeypatch):
    variant, folder, inputs = linear

    class Short:
        def run(self, given):
            return {"y": np.zeros((1, 2))}

        def close(self):
            pass

    monkeypatch.setattr(evaluation, "load", lambda *args, **kwargs: Short())
    with pytest.raises(CannotMeasure, match=r"asked 64 rows, answered the shape \[1, 2\]"):
        answers(folder, variant, inputs, threads=1)
