from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from tradewind.domain import codec
from tradewind.domain.goal import Goal
from tradewind.lab.models import load_data, original

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tradewind.domain.variant import Variant

TEXT = """
name: small
model: small.model:build
data: small.data:load
metric: {metric}
serve: {{p99: 20 ms, load: 10 rps}}
budget: 5 usd/month
quality: {{slices: {slices}}}
data_files: {data_files}
"""

MLP = """
import torch

def build():
    return torch.nn.Sequential(torch.nn.Linear(6, 16), torch.nn.ReLU(), torch.nn.Linear(16, 2))
"""

ROWS = """
import numpy as np

def load():
    generator = np.random.default_rng(0)
    def split(rows):
        x = generator.standard_normal((rows, 6)).astype(np.float32)
        return {"inputs": x, "labels": (x[:, 0] > 0).astype(int), "slices": {"side": np.where(x[:, 1] > 0, "a", "b")}}
    return {"train": split(40), "calibration": split(20), "test": split(70)}
"""


@pytest.fixture
def make_goal() -> Callable[..., Goal]:
    def make(metric: str = "accuracy", slices: str = "[]", data_files: str = "[]", **changes: str) -> Goal:
        text = TEXT.format(metric=metric, slices=slices, data_files=data_files)
        for key, value in changes.items():
            text = "\n".join(f"{key}: {value}" if x.startswith(f"{key}:") else x for x in text.splitlines())
        return codec.decode(text, Goal, source="goal.yaml")

    return make


@pytest.fixture
def project(tmp_path: Path) -> Callable[..., Path]:
    """Writes a project: the sources of small/model.py, small/data.py and whatever else is given."""

    def write(model: str = MLP, data: str = ROWS, **others: str) -> Path:
        for name, source in {"model": model, "data": data, **others}.items():
            path = tmp_path / "small" / f"{name}.py"
            path.parent.mkdir(exist_ok=True)
            path.write_text(textwrap.dedent(source))
        return tmp_path

    return write


@pytest.fixture(scope="session")
def mlp(tmp_path_factory: pytest.TempPathFactory) -> tuple[Variant, Path, dict[str, np.ndarray]]:
    """An original variant that tests only read: the variant, its folder, and rows of inputs."""
    folder = tmp_path_factory.mktemp("mlp")
    (folder / "small").mkdir()
    (folder / "small/model.py").write_text(MLP)
    return _keep(folder, TEXT)


@pytest.fixture(scope="session")
def linear(tmp_path_factory: pytest.TempPathFactory) -> tuple[Variant, Path, dict[str, np.ndarray]]:
    """Another original variant that tests only read: an ONNX file, which loads much faster than torch."""
    folder = tmp_path_factory.mktemp("linear")
    (folder / "small").mkdir()
    _write_onnx(folder / "net.onnx")
    return _keep(folder, TEXT.replace("small.model:build", "net.onnx"))


def _keep(folder: Path, text: str) -> tuple[Variant, Path, dict[str, np.ndarray]]:
    (folder / "small/data.py").write_text(ROWS)
    text = text.format(metric="accuracy", slices="[]", data_files="[]")
    goal = codec.decode(text, Goal, source="goal.yaml")
    data = load_data(goal, folder)
    variant = original(goal, folder, data, folder / "variants")
    return variant, folder / "variants" / variant.id, data.test.inputs


@pytest.fixture
def write_onnx() -> Callable[..., None]:
    """Writes a linear network of six features, summed over the inputs, as an ONNX file."""
    return _write_onnx


def _write_onnx(path, *, batch="batch", inputs=("anything",), weight=None, external=False):
    weight = np.arange(12, dtype=np.float32).reshape(6, 2) if weight is None else weight
    graph = helper.make_graph(
        [helper.make_node("Sum", list(inputs), ["sum"]), helper.make_node("MatMul", ["sum", "w"], ["y"])],
        "linear",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, [batch, 6]) for name in inputs],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [batch, 2])],
        [onnx.numpy_helper.from_array(weight, "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    if external:
        onnx.save(model, path, save_as_external_data=True, location="weights.bin", size_threshold=0)
    else:
        onnx.save(model, path)
