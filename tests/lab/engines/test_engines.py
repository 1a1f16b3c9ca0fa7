from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import msgspec
import numpy as np
import onnx
import openvino
import pytest
import torch
from onnx import TensorProto, helper

from tradewind.domain.errors import CannotMeasure, MissingExtra
from tradewind.domain.variant import Runtime
from tradewind.lab.engines import ENGINES, Engine, load, read_golden, verify_golden
from tradewind.lab.models import keep_variant


@pytest.fixture(scope="module")
def family(mlp, tmp_path_factory):
    """The same small network as a variant of each engine, by engine and format: (variant, folder)."""
    original, place, _ = mlp
    variants = tmp_path_factory.mktemp("variants")
    state = torch.export.load(place / "model.pt2").state_dict
    weights = {name.replace(".", "_"): value.detach().numpy() for name, value in state.items()}
    names = list(weights)
    graph = helper.make_graph(
        [
            helper.make_node("Gemm", ["renamed", names[0], names[1]], ["h"], transB=1),
            helper.make_node("Relu", ["h"], ["r"]),
            helper.make_node("Gemm", ["r", names[2], names[3]], ["answer"], transB=1),
        ],
        "mlp",
        [helper.make_tensor_value_info("renamed", TensorProto.FLOAT, ["batch", 6])],
        [helper.make_tensor_value_info("answer", TensorProto.FLOAT, ["batch", 2])],
        [onnx.numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    build = tmp_path_factory.mktemp("build")
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), build / "m.onnx"
    )
    openvino.save_model(openvino.Core().read_model(build / "m.onnx"), build / "m.xml", compress_to_fp16=False)
    inputs, outputs = read_golden(place, original)

    def keep(engine, payload_format, files, precision="fp32"):
        variant = keep_variant(
            variants,
            build,
            files,
            name=f"{engine}-{payload_format}",
            parent_id=original.id,
            recipe=(),
            payload_format=payload_format,
            runtime=Runtime(engine=engine, engine_version=ENGINES[engine].version(), precision=precision),
            parameters=original.parameters,
            golden_inputs=inputs,
            golden_outputs=outputs,
            build_s=0.0,
        )
        return variant, variants / variant.id

    return {
        ("torch", "pt2"): (original, place),
        ("onnxruntime", "onnx"): keep("onnxruntime", "onnx", ["m.onnx"]),
        ("openvino", "openvino"): keep("openvino", "openvino", ["m.xml", "m.bin"]),
        ("openvino", "onnx"): keep("openvino", "onnx", ["m.onnx"]),
        ("openvino", "bf16"): keep("openvino", "openvino", ["m.xml", "m.bin"], precision="bf16"),
    }


KEYS = [("torch", "pt2"), ("onnxruntime", "onnx"), ("openvino", "openvino"), ("openvino", "onnx")]


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("threads", [1, 2])
def test_all_engines_answer_the_same_at_any_batch(family, mlp, key, threads):
    variant, folder = family[key]
    session = load(folder, variant, threads=threads)
    verify_golden(folder, variant, session)
    rows = mlp[2]["x"]
    reference = load(*reversed(family["torch", "pt2"]), threads=1)
    for batch in (1, 2, 7, 64):
        answered = session.run({"x": rows[:batch]})["output"]
        np.testing.assert_allclose(answered, reference.run({"x": rows[:batch]})["output"], atol=1e-5)
    session.close()


@pytest.mark.parametrize("key", KEYS)
def test_inputs_in_another_type_or_order_of_memory_are_taken(family, mlp, key):
    variant, folder = family[key]
    session = load(folder, variant, threads=1)
    rows = mlp[2]["x"][:8]
    expected = session.run({"x": rows})["output"].copy()
    read_only = rows.copy()
    read_only.flags.writeable = False
    for given in (rows.astype(np.float64), np.asfortranarray(rows), rows[::-1][::-1], read_only):
        np.testing.assert_allclose(session.run({"x": given})["output"], expected, atol=1e-6)


@pytest.mark.parametrize("key", KEYS)
def test_an_answer_stays_when_the_next_one_comes(family, mlp, key):
    variant, folder = family[key]
    session = load(folder, variant, threads=1)
    first = session.run({"x": mlp[2]["x"][:4]})["output"]
    kept = first.copy()
    session.run({"x": mlp[2]["x"][4:8]})
    np.testing.assert_array_equal(first, kept)


@pytest.mark.parametrize("key", KEYS)
def test_a_session_runs_in_another_thread_than_it_was_loaded_in(family, mlp, key):
    variant, folder = family[key]
    session = load(folder, variant, threads=2)
    found = []
    worker = threading.Thread(target=lambda: found.append(session.run({"x": mlp[2]["x"][:3]})))
    worker.start()
    worker.join()
    assert found[0]["output"].shape == (3, 2)


@pytest.mark.parametrize("key", KEYS)
def test_a_changed_payload_is_not_loaded(family, tmp_path, key):
    variant, folder = family[key]
    for file in folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    path = tmp_path / variant.files[-1].path
    changed = bytearray(path.read_bytes())
    changed[len(changed) // 2] ^= 1
    path.write_bytes(changed)
    with pytest.raises(CannotMeasure, match="has changed since it was written"):
        load(tmp_path, variant, threads=1)
    path.unlink()
    with pytest.raises(CannotMeasure, match="is missing; build the variant again"):
        load(tmp_path, variant, threads=1)


def test_other_weights_fail_the_golden_check_with_the_largest_deviation(family, tmp_path):
    variant, folder = family["openvino", "openvino"]
    for file in folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    weights = np.frombuffer((tmp_path / "m.bin").read_bytes(), dtype=np.float32).copy()
    (tmp_path / "m.bin").write_bytes((weights * 1.1).tobytes())
    session = ENGINES["openvino"].load(tmp_path, variant, threads=1)
    with pytest.raises(CannotMeasure, match=r"golden output 'output' deviates by up to 0\.\d+, allowed is"):
        verify_golden(tmp_path, variant, session)


def test_a_network_that_answers_nan_or_another_shape_fails_the_golden_check(family):
    variant, folder = family["torch", "pt2"]

    class Broken:
        def __init__(self, answer):
            self.answer = answer

        def run(self, inputs):
            return {"output": self.answer}

    with pytest.raises(CannotMeasure, match="deviates"):
        verify_golden(folder, variant, Broken(np.full((8, 2), np.nan, np.float32)))
    with pytest.raises(CannotMeasure, match=r"has the shape \[8, 2\], got \[8, 3\]"):
        verify_golden(folder, variant, Broken(np.zeros((8, 3), np.float32)))


def test_golden_files_hold_no_pickle_and_damage_is_told(family, tmp_path):
    variant, folder = family["torch", "pt2"]
    (tmp_path / variant.golden.inputs).write_bytes((folder / variant.golden.inputs).read_bytes()[:100])
    (tmp_path / variant.golden.outputs).write_bytes(b"")
    with pytest.raises(CannotMeasure, match="is damaged"):
        read_golden(tmp_path, variant)
    np.savez(tmp_path / "golden_inputs.npz", names=np.array(["x"]), array_0=np.array([{}], dtype=object))
    with pytest.raises(CannotMeasure, match="is damaged"):
        read_golden(tmp_path, variant)


def test_openvino_executes_the_pinned_precision_or_refuses(family):
    variant, folder = family["openvino", "bf16"]
    supported = "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    if supported:
        verify_golden(folder, variant, load(folder, variant, threads=1))
    else:
        with pytest.raises(
            CannotMeasure, match="bf16 is not supported by this CPU: openvino would execute f32"
        ):
            load(folder, variant, threads=1)


def test_an_unknown_engine_or_a_format_that_it_does_not_execute_is_told(family):
    variant, folder = family["torch", "pt2"]
    with pytest.raises(CannotMeasure, match=r"'onnxruntme'; did you mean onnxruntime\?"):
        load(folder, _on(variant, "onnxruntme"), threads=1)
    for engine in ("onnxruntime", "openvino"):
        with pytest.raises(CannotMeasure, match="not pt2"):
            load(folder, _on(variant, engine), threads=1)


def _on(variant, engine):
    return msgspec.structs.replace(variant, runtime=msgspec.structs.replace(variant.runtime, engine=engine))


def test_a_missing_library_says_the_command():
    absent = Engine("absent", "absent_library", "tradewind.lab.engines.absent")
    assert "pip install 'tradewind[lab]'" in absent.unavailable()
    with pytest.raises(MissingExtra, match="absent_library is not installed"):
        absent.load(Path(), None, threads=1)
    assert all(engine.unavailable() is None for engine in ENGINES.values())


def test_only_the_engine_that_is_used_is_imported(family):
    _, folder = family["onnxruntime", "onnx"]
    script = f"""
import sys
from pathlib import Path
from tradewind.domain.variant import Variant
from tradewind.files import nouns
from tradewind.lab import engines, models, profiling
heavy = {{"torch", "onnxruntime", "openvino", "nncf", "onnx"}}
assert not heavy & set(sys.modules), heavy & set(sys.modules)
folder = Path({str(folder)!r})
session = engines.load(folder, nouns.read(folder / "manifest.json", Variant), threads=1)
assert heavy & set(sys.modules) == {{"onnxruntime"}}, heavy & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", script], check=True, cwd="/")


class Counting(torch.nn.Module):
    """A network with a state that a functional program returns before its outputs."""

    def __init__(self):
        super().__init__()
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, x):
        self.calls += 1
        return (x * 2,)


def test_a_functional_program_with_a_state_answers_its_outputs(mlp, tmp_path):
    variant = mlp[0]
    program = torch.export.export(Counting(), (torch.zeros(3, 6),)).run_decompositions()
    assert program.graph_signature.buffers_to_mutate
    torch.export.save(program, tmp_path / "model.pt2")
    session = ENGINES["torch"].load(tmp_path, variant, threads=1)
    x = np.ones((3, 6), np.float32)
    np.testing.assert_array_equal(session.run({"x": x})["output"], 2 * x)


@pytest.mark.parametrize("key", KEYS)
def test_a_file_that_the_library_cannot_read_is_one_line(family, tmp_path, key):
    variant, _ = family[key]
    for file in variant.files:
        (tmp_path / file.path).write_bytes(b"nothing")
    with pytest.raises(CannotMeasure, match="cannot load") as error:
        ENGINES[key[0]].load(tmp_path, variant, threads=1)
    assert "\n" not in str(error.value)


def test_telemetry_is_off_where_openvino_is_used():
    script = """
from tradewind.lab.engines.telemetry import silence_telemetry
silence_telemetry()
import openvino, sys
from openvino.tools.ovc.telemetry_utils import tm
assert sys.modules["openvino_telemetry"] is None
assert tm.Telemetry.__module__ == "openvino.tools.ovc.telemetry_stub", tm.Telemetry.__module__
"""
    subprocess.run([sys.executable, "-c", script], check=True)
