"""Small real variants, so that the server and the load generator are tested with a real engine."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from tradewind.domain.variant import PayloadFile, Runtime, TensorSpec, Variant
from tradewind.files import nouns
from tradewind.lab.engines import write_golden

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


def write_variant(
    folder: Path,
    nodes: Sequence[onnx.NodeProto],
    *,
    inputs: Mapping[str, tuple[int, tuple[int | None, ...]]],
    outputs: Mapping[str, tuple[int, tuple[int | None, ...]]],
    golden: Mapping[str, Any],
    weights: Mapping[str, Any] | None = None,
    name: str = "tiny",
) -> Path:
    """A variant folder for the ONNX Runtime engine; its golden outputs are what ONNX Runtime answers."""
    folder.mkdir(parents=True)

    def value(key: str, dtype: int, shape: tuple[int | None, ...]) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(
            key, dtype, [f"{key}_{n}" if s is None else s for n, s in enumerate(shape)]
        )

    graph = helper.make_graph(
        list(nodes),
        name,
        [value(key, *what) for key, what in inputs.items()],
        [value(key, *what) for key, what in outputs.items()],
        [numpy_helper.from_array(np.asarray(array), key) for key, array in (weights or {}).items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    payload = model.SerializeToString()
    (folder / "model.onnx").write_bytes(payload)
    session = onnxruntime.InferenceSession(payload, providers=["CPUExecutionProvider"])
    answered = dict(zip(outputs, session.run(list(outputs), dict(golden)), strict=True))

    def specs(values: Mapping[str, tuple[int, tuple[int | None, ...]]]) -> tuple[TensorSpec, ...]:
        return tuple(
            TensorSpec(name=key, dtype=helper.tensor_dtype_to_np_dtype(dtype).name, shape=shape)
            for key, (dtype, shape) in values.items()
        )

    digest = hashlib.sha256(payload).hexdigest()
    variant = Variant(
        id=digest[:12],
        name=name,
        parent_id=None,
        recipe=(),
        format="onnx",
        files=(PayloadFile(path="model.onnx", sha256=digest, size_bytes=len(payload)),),
        runtime=Runtime(engine="onnxruntime", engine_version=onnxruntime.__version__, precision="fp32"),
        inputs=specs(inputs),
        outputs=specs(outputs),
        parameters=sum(np.asarray(array).size for array in (weights or {}).values()),
        golden=write_golden(folder, dict(golden), answered, "fp32"),
    )
    nouns.write(folder / "manifest.json", variant)
    return folder


@pytest.fixture(scope="session")
def doubling(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """x (rows, 4) float32 -> y (rows, 4) = 2 x + 1: an answer tells which request it belongs to."""
    return write_variant(
        tmp_path_factory.mktemp("variants") / "doubling",
        [helper.make_node("Mul", ["x", "two"], ["d"]), helper.make_node("Add", ["d", "one"], ["y"])],
        inputs={"x": (TensorProto.FLOAT, (None, 4))},
        outputs={"y": (TensorProto.FLOAT, (None, 4))},
        golden={"x": np.arange(32, dtype=np.float32).reshape(8, 4)},
        weights={"two": np.array(2.0, np.float32), "one": np.array(1.0, np.float32)},
        name="doubling",
    )


@pytest.fixture(scope="session")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """ids and mask (rows, length) int64 -> total (rows,) = sum of embedding[ids] x mask: free lengths.

    An id of 100 or more is out of the range of the embedding, which only the engine notices.
    """
    return write_variant(
        tmp_path_factory.mktemp("variants") / "text",
        [
            helper.make_node("Gather", ["embedding", "ids"], ["values"]),
            helper.make_node("Mul", ["values", "mask"], ["kept"]),
            helper.make_node("ReduceSum", ["kept", "last"], ["total"], keepdims=0),
        ],
        inputs={"ids": (TensorProto.INT64, (None, None)), "mask": (TensorProto.INT64, (None, None))},
        outputs={"total": (TensorProto.INT64, (None,))},
        golden={
            "ids": np.arange(24, dtype=np.int64).reshape(4, 6),
            "mask": np.ones((4, 6), np.int64),
        },
        weights={"embedding": np.arange(100, dtype=np.int64) * 3, "last": np.array([1], np.int64)},
        name="text",
    )


@pytest.fixture(scope="session")
def heavy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """x (rows, 4) -> y (rows, 4) = 2 x + 1, after some milliseconds of matrix products for each row."""
    random = np.random.default_rng(0)
    return write_variant(
        tmp_path_factory.mktemp("variants") / "heavy",
        [
            helper.make_node("MatMul", ["x", "widen"], ["h0"]),
            *[helper.make_node("MatMul", [f"h{n}", "square"], [f"h{n + 1}"]) for n in range(4)],
            helper.make_node("MatMul", ["h4", "narrow"], ["zero"]),
            helper.make_node("Mul", ["x", "two"], ["d"]),
            helper.make_node("Add", ["d", "one"], ["e"]),
            helper.make_node("Add", ["e", "zero"], ["y"]),
        ],
        inputs={"x": (TensorProto.FLOAT, (None, 4))},
        outputs={"y": (TensorProto.FLOAT, (None, 4))},
        golden={"x": np.arange(32, dtype=np.float32).reshape(8, 4)},
        weights={
            "widen": random.normal(size=(4, 1024)).astype(np.float32),
            "square": (random.normal(size=(1024, 1024)) / 32).astype(np.float32),
            "narrow": np.zeros((1024, 4), np.float32),
            "two": np.array(2.0, np.float32),
            "one": np.array(1.0, np.float32),
        },
        name="heavy",
    )


@pytest.fixture(scope="session")
def mixing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """x (rows, 4) -> y (1, 4) = the mean over the rows, although the manifest says (rows, 4)."""
    return write_variant(
        tmp_path_factory.mktemp("variants") / "mixing",
        [helper.make_node("ReduceMean", ["x"], ["y"], axes=[0], keepdims=1)],
        inputs={"x": (TensorProto.FLOAT, (None, 4))},
        outputs={"y": (TensorProto.FLOAT, (None, 4))},
        golden={"x": np.arange(32, dtype=np.float32).reshape(8, 4)},
        name="mixing",
    )
