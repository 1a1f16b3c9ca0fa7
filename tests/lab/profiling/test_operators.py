from __future__ import annotations

import msgspec
import numpy as np
import onnx
import openvino
import pytest
import torch
from onnx import TensorProto, helper
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from tradewind.domain.errors import CannotMeasure
from tradewind.lab.models.exporting import export
from tradewind.lab.profiling import count_operators
from tradewind.lab.profiling.counting import count_payload
from tradewind.lab.profiling.onnx_operators import count_onnx_operators
from tradewind.lab.profiling.openvino_operators import count_openvino_operators

MULTIPLYING = ("gemm", "convolution", "attention")


class Convolutional(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(1, 8, 3, padding=1)
        self.norm = nn.BatchNorm2d(8)
        self.second = nn.Conv2d(8, 16, 3, stride=2, groups=2)
        self.up = nn.ConvTranspose2d(16, 4, 2, stride=2)
        self.head = nn.Linear(4, 10)

    def forward(self, x):
        x = torch.relu(self.norm(self.first(x)))
        return self.head(self.up(torch.relu(self.second(x))).mean((2, 3)))


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(100, 32)
        self.mix = nn.Linear(32, 96)
        self.out = nn.Linear(32, 32)
        self.norm = nn.LayerNorm(32)

    def forward(self, ids):
        x = self.embed(ids)
        q, k, v = self.mix(x).view(-1, 10, 3, 4, 8).permute(2, 0, 3, 1, 4)
        y = nn.functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(-1, 10, 32)
        return self.norm(x + self.out(y)).mean(1)


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.cells = nn.LSTM(5, 7, batch_first=True)

    def forward(self, x):
        return self.cells(x)[0][:, -1]


class Tied(nn.Module):
    """One matrix, used twice, once transposed; and a product that is written with letters."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(6, 6))

    @torch.no_grad()
    def forward(self, x):
        return torch.einsum("...i,io->...o", x @ self.weight, self.weight.t())


IMAGES = {"x": np.random.default_rng(0).standard_normal((64, 1, 12, 12)).astype(np.float32)}
TOKENS = {"ids": np.random.default_rng(0).integers(0, 100, (64, 10))}
STEPS = {"x": np.random.default_rng(0).standard_normal((64, 6, 5)).astype(np.float32)}
VECTORS = {"x": np.random.default_rng(0).standard_normal((64, 6)).astype(np.float32)}


def count(network, rows, folder):
    network.eval()
    export(network, rows, folder, model="test", folder=folder)
    return {operator.name: operator for operator in count_operators(folder / "model.pt2")}


def peer_flops(network, rows):
    with (
        FlopCounterMode(display=False) as counter,
        sdpa_kernel(SDPBackend.MATH),  # the counter does not know the fused kernel of the CPU
    ):
        network(*[torch.from_numpy(array[:1]) for array in rows.values()])
    return counter.get_total_flops()


def total(operators):
    return sum(operator.flops for operator in operators if operator.kind in MULTIPLYING)


def test_a_perceptron_costs_its_closed_form(mlp):
    variant, folder, _ = mlp
    operators = {operator.name: operator for operator in count_operators(folder / "model.pt2")}
    linear = operators["linear"]
    assert (linear.kind, linear.calls) == ("gemm", 2)
    assert linear.flops == 2 * (6 * 16 + 16 * 2)
    assert linear.weight_bytes == 4 * variant.parameters
    assert linear.activation_bytes == 4 * (6 + 16 + 16 + 2)
    assert operators["relu"].flops == 16
    assert set(operators) == {"linear", "relu"}


def test_a_convolutional_network_costs_its_closed_form_and_what_the_peer_counts(tmp_path):
    network = Convolutional()
    operators = count(network, IMAGES, tmp_path)
    first, second = 2 * 8 * 12 * 12 * 9, 2 * 16 * 5 * 5 * 4 * 9
    assert operators["conv2d"].flops == first + second
    assert operators["conv_transpose2d"].flops == 2 * 16 * 5 * 5 * 4 * 4
    assert operators["batch_norm"].kind == "normalization"
    assert total(operators.values()) == peer_flops(network, IMAGES)


def test_attention_costs_its_closed_form_and_what_the_peer_counts(tmp_path):
    network = Attention()
    operators = count(network, TOKENS, tmp_path)
    assert operators["scaled_dot_product_attention"].flops == 4 * 10 * 10 * 32
    assert operators["linear"].flops == 2 * 10 * 32 * (96 + 32)
    assert operators["layer_norm"].flops == 5 * 10 * 32
    embedding = operators["embedding"]
    assert (embedding.kind, embedding.flops, embedding.weight_bytes) == ("embedding", 0.0, 0.0)
    assert embedding.activation_bytes == 10 * 8 + 2 * 10 * 32 * 4, "only the rows that are looked up"
    assert total(operators.values()) == peer_flops(network, TOKENS)


def test_a_recurrent_network_multiplies_with_its_matrices_at_every_step(tmp_path):
    operators = count(Recurrent(), STEPS, tmp_path)
    assert operators["lstm"].flops == 2 * 6 * (4 * 7 * 5 + 4 * 7 * 7)


def test_a_weight_that_is_used_twice_counts_once_and_inner_graphs_count(tmp_path):
    operators = count(Tied(), VECTORS, tmp_path)
    assert total(operators.values()) == 2 * 2 * 6 * 6
    assert sum(operator.weight_bytes for operator in operators.values()) == 6 * 6 * 4


@pytest.fixture(scope="module")
def convolution_onnx(tmp_path_factory):
    """A convolution, a pooling and a matrix, with a free batch, as ONNX and OpenVINO files."""
    folder = tmp_path_factory.mktemp("onnx")
    weights = {
        "w": np.ones((8, 3, 3, 3), np.float32),
        "b": np.ones(8, np.float32),
        "m": np.ones((8, 4), np.float32),
    }
    graph = helper.make_graph(
        [
            helper.make_node("Conv", ["x", "w", "b"], ["c"], pads=[1, 1, 1, 1], strides=[2, 2]),
            helper.make_node("Relu", ["c"], ["r"]),
            helper.make_node("GlobalAveragePool", ["r"], ["p"]),
            helper.make_node("Flatten", ["p"], ["f"]),
            helper.make_node("MatMul", ["f", "m"], ["y"]),
        ],
        "small",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 3, 10, 10])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 4])],
        [onnx.numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), folder / "n.onnx"
    )
    openvino.save_model(
        openvino.Core().read_model(folder / "n.onnx"), folder / "n.xml", compress_to_fp16=False
    )
    return folder


CONVOLUTION_FLOPS = 2 * 8 * 5 * 5 * 3 * 9
MATRIX_FLOPS = 2 * 8 * 4


def test_onnx_operators_are_counted_as_they_are_executed(convolution_onnx):
    row = {"x": np.zeros((1, 3, 10, 10), np.float32)}
    operators = {o.name: o for o in count_onnx_operators(convolution_onnx / "n.onnx", row)}
    assert operators["FusedConv"].flops == CONVOLUTION_FLOPS, "the rectifier is fused into the convolution"
    assert operators["MatMul"].flops == MATRIX_FLOPS
    assert operators["FusedConv"].weight_bytes == 4 * (8 * 27 + 8)
    assert total(operators.values()) == CONVOLUTION_FLOPS + MATRIX_FLOPS


def test_openvino_operators_are_counted_from_their_shapes(convolution_onnx):
    operators = {o.name: o for o in count_openvino_operators(convolution_onnx / "n.xml")}
    assert operators["Convolution"].flops == CONVOLUTION_FLOPS
    assert operators["Convolution"].weight_bytes == 4 * 8 * 27
    assert operators["MatMul"].flops == MATRIX_FLOPS
    assert operators["Relu"].flops == 8 * 5 * 5


FLOAT = TensorProto.FLOAT


@pytest.mark.parametrize(
    ("node", "inputs", "weights", "flops"),
    [
        (helper.make_node("Gemm", ["x", "w"], ["y"], transB=1), {"x": (1, 6)}, {"w": (4, 6)}, 2 * 6 * 4),
        (helper.make_node("MatMul", ["x", "z"], ["y"]), {"x": (1, 3, 5), "z": (1, 5, 7)}, {}, 2 * 3 * 5 * 7),
        (
            helper.make_node("Einsum", ["x", "w"], ["y"], equation="bi,io->bo"),
            {"x": (1, 6)},
            {"w": (6, 4)},
            48,
        ),
        (
            helper.make_node("ConvTranspose", ["x", "w"], ["y"], strides=[2, 2]),
            {"x": (1, 3, 5, 5)},
            {"w": (3, 4, 2, 2)},
            2 * 3 * 5 * 5 * 4 * 4,
        ),
        (
            helper.make_node("LSTM", ["x", "w", "r"], ["y"], hidden_size=7),
            {"x": (6, 1, 5)},
            {"w": (1, 28, 5), "r": (1, 28, 7)},
            2 * 6 * 28 * (5 + 7),
        ),
        (
            helper.make_node(
                "MultiHeadAttention", ["x", "k", "v"], ["y"], num_heads=2, domain="com.microsoft"
            ),
            {"x": (1, 9, 8), "k": (1, 5, 8), "v": (1, 5, 8)},
            {},
            2 * 9 * 5 * (8 + 8),
        ),
        (
            helper.make_node("Attention", ["x", "w", "b"], ["y"], num_heads=2, domain="com.microsoft"),
            {"x": (1, 9, 8)},
            {"w": (8, 24), "b": (24,)},
            2 * 9 * 8 * 24 + 4 * 9 * 9 * 8,
        ),
        (helper.make_node("Gather", ["w", "i"], ["y"]), {}, {"w": (50, 8)}, 0),
        (helper.make_node("Softmax", ["x"], ["y"]), {"x": (1, 6)}, {}, 0),
    ],
    ids=lambda value: value.op_type if isinstance(value, onnx.NodeProto) else "",
)
def test_each_kind_of_onnx_operator_costs_its_closed_form(tmp_path, node, inputs, weights, flops):
    given = {name: np.zeros(shape, np.float32) for name, shape in inputs.items()}
    values = [helper.make_tensor_value_info(name, FLOAT, shape) for name, shape in inputs.items()]
    if "i" in node.input:
        given["i"] = np.zeros((1, 3), np.int64)
        values.append(helper.make_tensor_value_info("i", TensorProto.INT64, [1, 3]))
    graph = helper.make_graph(
        [node],
        "one",
        values,
        [helper.make_tensor_value_info("y", FLOAT, None)],
        [onnx.numpy_helper.from_array(np.ones(shape, np.float32), name) for name, shape in weights.items()],
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), tmp_path / "one.onnx")
    operators = count_onnx_operators(tmp_path / "one.onnx", given)
    assert total(operators) == flops
    kinds = {"Gather": "embedding", "Softmax": "normalization"}
    if node.op_type in kinds:
        assert [operator.kind for operator in operators] == [kinds[node.op_type]]


def test_a_quantized_network_has_the_flops_of_the_original_and_a_quarter_of_the_weights(
    convolution_onnx, tmp_path
):
    from onnxruntime.quantization import quantize_dynamic

    quantize_dynamic(convolution_onnx / "n.onnx", tmp_path / "q.onnx")
    row = {"x": np.zeros((1, 3, 10, 10), np.float32)}
    original = count_onnx_operators(convolution_onnx / "n.onnx", row)
    quantized = count_onnx_operators(tmp_path / "q.onnx", row)
    assert total(quantized) == total(original)
    sizes = [sum(operator.weight_bytes for operator in found) for found in (original, quantized)]
    assert sizes[1] < sizes[0] / 3


def test_each_kind_of_openvino_operator_costs_its_closed_form(tmp_path):
    from openvino import opset13 as op

    def zeros(*shape):
        return op.constant(np.zeros(shape, np.float32))

    def parameter(*shape):
        return op.parameter([-1, *shape], np.float32)

    image, steps, words, tokens = parameter(4, 5, 5), parameter(6, 5), parameter(9, 8), parameter(3)
    state = op.broadcast(zeros(1), [1, 1, 7])
    cells = op.lstm_sequence(
        *(steps, state, state, op.constant(np.array([6])), zeros(1, 28, 5), zeros(1, 28, 7), zeros(1, 28)),
        hidden_size=7,
        direction="forward",
    )
    results = [
        op.group_convolution(image, zeros(2, 3, 2, 3, 3), [1, 1], [0, 0], [0, 0], [1, 1]),
        op.convolution_backprop_data(image, zeros(4, 3, 2, 2), [2, 2]),
        cells,
        op.scaled_dot_product_attention(words, words, words),
        op.softmax(words, 1),
        op.gather(zeros(50, 8), op.convert(tokens, "i64"), op.constant(np.array(0))),
        op.einsum([parameters := parameter(6), zeros(6, 4)], "bi,io->bo"),
    ]
    model = openvino.Model(
        [node.output(0) for node in results], [image, steps, words, tokens, parameters], "kinds"
    )
    openvino.save_model(model, tmp_path / "kinds.xml", compress_to_fp16=False)
    operators = {operator.name: operator for operator in count_openvino_operators(tmp_path / "kinds.xml")}
    assert operators["GroupConvolution"].flops == 2 * 6 * 3 * 3 * 2 * 9
    assert operators["ConvolutionBackpropData"].flops == 2 * 4 * 5 * 5 * 3 * 4
    assert operators["LSTMSequence"].flops == 2 * 6 * 28 * (5 + 7)
    assert operators["ScaledDotProductAttention"].flops == 2 * 9 * 9 * 16
    assert operators["Softmax"].flops == 5 * 9 * 8
    assert (operators["Gather"].kind, operators["Gather"].weight_bytes) == ("embedding", 0.0)
    assert operators["Einsum"].flops == 2 * 6 * 4


class Branching(nn.Module):
    def __init__(self):
        super().__init__()
        self.left = nn.Linear(6, 3)
        self.right = nn.Linear(6, 3)

    def forward(self, x):
        return torch.cond(x.sum() > 0, lambda y: self.left(y), lambda y: self.right(y), (x,))


def test_both_branches_of_a_condition_count(tmp_path):
    rows = {"x": np.abs(VECTORS["x"])}
    operators = count(Branching(), rows, tmp_path)
    assert operators["linear"].calls == 2
    assert total(operators.values()) == 2 * 2 * 6 * 3
    assert operators["linear"].weight_bytes == 2 * 4 * (18 + 3)


def test_a_variant_is_counted_by_its_format(mlp):
    variant, folder, _ = mlp
    assert count_payload(variant, folder) == count_operators(folder / "model.pt2")
    with pytest.raises(CannotMeasure, match="format 'aoti' cannot be counted"):
        count_payload(msgspec.structs.replace(variant, format="aoti"), folder)
