from __future__ import annotations

import numpy as np
import pytest

from tradewind.domain.errors import ModelError
from tradewind.lab.engines import load, verify_golden
from tradewind.lab.models import load_data, original


@pytest.mark.parametrize("external", [False, True])
def test_the_file_is_kept_as_it_is(make_goal, project, write_onnx, external):
    folder = project()
    write_onnx(folder / "net.onnx", external=external)
    goal = make_goal(model="net.onnx")
    data = load_data(goal, folder)
    variant = original(goal, folder, data, folder / "variants")
    place = folder / "variants" / variant.id
    assert (variant.format, variant.runtime.engine, variant.runtime.precision) == (
        "onnx",
        "onnxruntime",
        "fp32",
    )
    assert variant.parameters == 12
    assert [file.path for file in variant.files] == ["model.onnx", *(["weights.bin"] if external else [])]
    assert [spec.name for spec in variant.inputs] == ["x"], (
        "a single input bears the name that the data gives it"
    )
    session = load(place, variant, threads=1)
    verify_golden(place, variant, session)
    x = data.test.inputs["x"]
    expected = x @ np.arange(12, dtype=np.float32).reshape(6, 2)
    np.testing.assert_allclose(session.run({"x": x})["y"], expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"batch": 1},
            "the batch of input 'anything' is fixed at 1; export it with a dynamic first dimension",
        ),
        ({"inputs": ("a", "b")}, "takes the inputs a, b, the data has x; name them alike"),
        (
            {"weight": np.full((6, 2), np.nan, np.float32)},
            "output 'y' holds NaN or infinity on the test rows",
        ),
    ],
)
def test_a_file_that_cannot_be_used_is_one_line(make_goal, project, write_onnx, changes, message):
    folder = project()
    write_onnx(folder / "net.onnx", **changes)
    goal = make_goal(model="net.onnx")
    with pytest.raises(ModelError, match=message) as error:
        original(goal, folder, load_data(goal, folder), folder / "variants")
    assert "\n" not in str(error.value)


def test_a_damaged_file_is_one_line(make_goal, project):
    folder = project()
    (folder / "net.onnx").write_bytes(b"\x08\x09garbage")
    goal = make_goal(model="net.onnx")
    with pytest.raises(ModelError, match="is no valid ONNX file") as error:
        original(goal, folder, load_data(goal, folder), folder / "variants")
    assert "\n" not in str(error.value)
