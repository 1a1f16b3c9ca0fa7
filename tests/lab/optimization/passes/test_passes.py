"""All built-in passes over a small attention network whose mask holds the lowest float."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from tradewind.domain.errors import CannotMeasure
from tradewind.lab.engines import load, read_golden
from tradewind.lab.models import load_data, original
from tradewind.lab.optimization import PASSES, calibration
from tradewind.lab.optimization.building import Limits, Request, build
from tradewind.lab.optimization.candidates import candidates
from tradewind.lab.optimization.passes.onnx_network import count_quantized, weight_nodes
from tradewind.lab.optimization.passes.quantize_static_int8 import layer_errors

WORDS, LENGTH, WIDTH = 500, 12, 32

ATTENTION = f"""
import torch

class Reader(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = torch.nn.Embedding({WORDS}, {WIDTH})
        self.query, self.key, self.value = (torch.nn.Linear({WIDTH}, {WIDTH}) for _ in range(3))
        self.up, self.down = torch.nn.Linear({WIDTH}, 64), torch.nn.Linear(64, {WIDTH})
        self.head = torch.nn.Linear({WIDTH}, 2)
        with torch.no_grad():
            # A few activations that are far larger than all others, as trained attention networks have.
            self.up.weight[0] *= 60.0

    def forward(self, words, mask):
        x = self.embed(words)
        scores = self.query(x) @ self.key(x).mT / {WIDTH}**0.5
        lowest = torch.finfo(torch.float32).min
        hidden = torch.where(mask[:, None, :] > 0, 0.0, lowest)
        x = x + torch.softmax(scores + hidden, dim=-1) @ self.value(x)
        x = x + self.down(torch.nn.functional.gelu(self.up(x)))
        seen = mask[:, :, None].float()
        return self.head((x * seen).sum(1) / seen.sum(1))

def build():
    torch.manual_seed(0)
    return Reader()
"""

SENTENCES = f"""
import numpy as np

def load():
    generator = np.random.default_rng(0)
    def split(rows):
        words = generator.integers(0, {WORDS}, (rows, {LENGTH}))
        mask = (np.arange({LENGTH}) < generator.integers(2, {LENGTH} + 1, (rows, 1))).astype(np.int64)
        return {{"inputs": {{"words": words, "mask": mask}}, "labels": generator.integers(0, 2, rows)}}
    return {{"train": split(8), "calibration": split(120), "test": split(150)}}
"""
LIMITS = Limits(time_s=300.0, memory_bytes=2.0**33)


@pytest.fixture(scope="module")
def family(tmp_path_factory):
    """Every variant of the network by name, (variant, folder), the reasons of those that failed, test inputs."""
    from tradewind.domain import codec
    from tradewind.domain.goal import Goal

    folder = tmp_path_factory.mktemp("attention")
    (folder / "small").mkdir()
    (folder / "small/reader.py").write_text(ATTENTION)
    (folder / "small/sentences.py").write_text(SENTENCES)
    text = "name: reader\nmodel: small.reader:build\ndata: small.sentences:load\nmetric: accuracy\n"
    text += "serve: {p99: 20 ms, load: 10 rps}\nbudget: 5 usd/month\n"
    goal = codec.decode(text, Goal, source="goal.yaml")
    data = load_data(goal, folder)
    variants = folder / "variants"
    first = original(goal, folder, data, variants)
    calibration.save(folder / "rows.npz", calibration.choose(data.calibration, 100, seed=0))
    found, failed = {"original": (first, variants / first.id)}, {}
    for one in candidates(first, PASSES):
        request = Request(
            name=one.name,
            pass_name=one.by.name,
            module=one.by.module,
            version=one.by.version(),
            engine=one.by.engine,
            writes=one.by.writes,
            precision=one.by.precision,
            calibrated=one.by.calibrated,
            parameters=dict(one.by.parameters),
            parent_folder=str(found[one.parent][1]),
            golden_folder=str(variants / first.id),
            calibration=str(folder / "rows.npz"),
            variants=str(variants),
            seed=0,
            threads=1,
        )
        try:
            variant = build(request, LIMITS)
        except CannotMeasure as error:
            failed[one.name] = str(error)
            continue
        found[one.name] = (variant, variants / variant.id)
    return found, failed, data.test.inputs


def answer(family, name):
    variant, folder = family[0][name]
    session = load(folder, variant, threads=1)
    try:
        return session.run(family[2])[variant.outputs[0].name]
    finally:
        session.close()


def error(family, name):
    """How far a variant is from the original, relative to how far the original's answers spread."""
    wanted = answer(family, "original")
    return float(np.abs(answer(family, name) - wanted).mean() / wanted.std())


def test_every_pass_makes_a_variant_or_says_why_not(family):
    found, failed, _ = family
    assert set(found) | set(failed) == {
        "original",
        "onnxruntime-fp32",
        "onnxruntime-int8-dynamic",
        "onnxruntime-int8-static",
        "openvino-fp32",
        "openvino-bf16",
        "openvino-int8",
    }
    assert set(failed) <= {"openvino-bf16"}
    assert all("bf16 is not supported by this CPU" in reason for reason in failed.values())


@pytest.mark.parametrize("name", ["onnxruntime-fp32", "openvino-fp32"])
def test_full_precision_computes_the_same(family, name):
    assert error(family, name) < 1e-4


@pytest.mark.parametrize("name", ["onnxruntime-int8-dynamic", "onnxruntime-int8-static", "openvino-int8"])
def test_int8_survives_the_mask_and_the_large_activations(family, name):
    # A mask within a range leaves nothing of the attention scores: an error of 1.
    assert error(family, name) < 0.25
    assert family[0][name][0].runtime.precision == "int8"


@pytest.mark.parametrize("name", ["onnxruntime-int8-dynamic", "onnxruntime-int8-static", "openvino-int8"])
def test_int8_is_smaller(family, name):
    weights = 4 * family[0]["original"][0].parameters
    full = name.partition("-")[0] + "-fp32"
    # What is not weight (the graph itself) grows by the quantizers.
    assert family[0][full][0].size_bytes - family[0][name][0].size_bytes > 0.4 * weights


def test_the_recipe_tells_the_whole_way_and_can_be_replayed(family):
    recipe = family[0]["openvino-int8"][0].recipe
    assert [step.name for step in recipe] == ["export_onnx", "convert_openvino", "quantize_nncf_int8"]
    assert recipe[0].version.startswith("torch 2.")
    assert recipe[2].version.startswith("nncf 3.")
    assert [step.calibration_rows for step in recipe] == [0, 0, 100]
    assert recipe[2].calibration_sha256 is not None
    assert recipe[2].parameters["model_type"] == "transformer"


def test_the_layer_that_8_bits_ruin_stays_in_floating_point(family):
    variant, folder = family[0]["onnxruntime-int8-static"]
    parameters = variant.recipe[-1].parameters
    kept = str(parameters["kept_in_float"]).split(", ")
    plain = onnx.load(family[0]["onnxruntime-fp32"][1] / "model.onnx")
    down = [node for node in plain.graph.node if any("gelu" in name.lower() for name in node.input)]
    assert down, "the exported network names its activations"
    assert {node.name for node in down if node.op_type in ("MatMul", "Gemm")} <= set(kept)
    assert parameters["quantized_weights"] == count_quantized(folder / "model.onnx") >= 4


def test_no_sum_with_the_mask_is_quantized(family):
    network = onnx.load(family[0]["onnxruntime-int8-static"][1] / "model.onnx")
    scales = {
        node.input[1] for node in network.graph.node if node.op_type in ("QuantizeLinear", "DequantizeLinear")
    }
    values = [onnx.numpy_helper.to_array(one) for one in network.graph.initializer if one.name in scales]
    assert values
    assert max(float(value.max()) for value in values) < 1e3, "a range that holds the lowest float"


def test_golden_inputs_are_those_of_the_original(family):
    wanted, _ = read_golden(family[0]["original"][1], family[0]["original"][0])
    for variant, folder in family[0].values():
        inputs, _ = read_golden(folder, variant)
        for name, array in wanted.items():
            np.testing.assert_array_equal(inputs[name], array)


def network_of(node, weight, activation_shape, activation_type=TensorProto.FLOAT):
    graph = helper.make_graph(
        [node],
        "one",
        [helper.make_tensor_value_info("x", activation_type, activation_shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [onnx.numpy_helper.from_array(weight, "w")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def test_the_error_of_a_layer_is_that_of_its_ordinary_rows():
    generator = np.random.default_rng(0)
    weight = generator.standard_normal((16, 8)).astype(np.float32)
    network = network_of(helper.make_node("MatMul", ["x", "w"], ["y"], name="layer"), weight, ["n", 16])
    nodes = list(weight_nodes(network))
    rows = generator.standard_normal((32, 16)).astype(np.float32)
    (calm,) = layer_errors(network, nodes, {"x": rows}, weight_bits=8).values()
    assert calm < 0.03
    rows[0] *= 200.0
    (spoilt,) = layer_errors(network, nodes, {"x": rows}, weight_bits=8).values()
    assert spoilt > 0.5, "one large row takes the range from 31 others"


@pytest.mark.parametrize(
    ("node", "weight", "rows"),
    [
        (helper.make_node("Gemm", ["x", "w"], ["y"], name="n", transB=1), (8, 16), (4, 16)),
        (helper.make_node("Conv", ["x", "w"], ["y"], name="n"), (8, 3, 3, 3), (4, 3, 6, 6)),
        (helper.make_node("Gather", ["w", "x"], ["y"], name="n"), (50, 8), (4, 5)),
    ],
)
def test_every_kind_of_layer_has_an_error_that_falls_with_the_bits(node, weight, rows):
    generator = np.random.default_rng(0)
    lookup = node.op_type == "Gather"
    feed = generator.integers(0, 50, rows) if lookup else generator.standard_normal(rows).astype(np.float32)
    network = network_of(
        node,
        generator.standard_normal(weight).astype(np.float32),
        ["n", *rows[1:]],
        TensorProto.INT64 if lookup else TensorProto.FLOAT,
    )
    nodes = list(weight_nodes(network))
    coarse, fine = (layer_errors(network, nodes, {"x": feed}, weight_bits=bits)["n"] for bits in (4, 8))
    assert 0.0 < fine < coarse < 0.5


def test_nothing_quantized_is_said(tmp_path):
    network = network_of(
        helper.make_node("MatMul", ["x", "w"], ["y"]), np.ones((4, 4), dtype=np.float32), ["n", 4]
    )
    onnx.save(network, tmp_path / "plain.onnx")
    with pytest.raises(ValueError, match="none of the 1 weights was quantized"):
        count_quantized(tmp_path / "plain.onnx")
