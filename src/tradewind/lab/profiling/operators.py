"""What the operators of an exported program cost for one row, counted from shapes without running it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

from tradewind.lab.profiling.tally import NORMALIZATION_FLOPS_PER_VALUE, Tally

if TYPE_CHECKING:
    from pathlib import Path

    from tradewind.domain.profile import OperatorCost, OperatorKind

__all__ = ["count_operators"]

GEMMS: Final = frozenset(
    {"linear", "mm", "addmm", "bmm", "baddbmm", "matmul", "mv", "addmv", "dot", "einsum", "bilinear"}
)
RECURRENT: Final = frozenset({"lstm", "gru", "rnn_tanh", "rnn_relu"})
CONVOLUTIONS: Final = frozenset(
    {f"conv{transposed}{d}d" for d in (1, 2, 3) for transposed in ("", "_transpose")}
    | {"convolution", "_convolution"}
)
NORMALIZATIONS: Final = frozenset(
    {
        "layer_norm",
        "native_layer_norm",
        "rms_norm",
        "group_norm",
        "native_group_norm",
        "batch_norm",
        "_native_batch_norm_legit_no_training",
        "instance_norm",
        "softmax",
        "_softmax",
        "log_softmax",
        "_log_softmax",
    }
)
EMBEDDINGS: Final = frozenset({"embedding", "embedding_bag", "_embedding_bag_forward_only"})
MOVES: Final = frozenset(
    {
        *(
            "cat",
            "stack",
            "clone",
            "contiguous",
            "copy",
            "repeat",
            "gather",
            "index",
            "index_select",
            "index_put",
        ),
        *(
            "scatter",
            "roll",
            "flip",
            "constant_pad_nd",
            "pad",
            "to",
            "_to_copy",
            "full",
            "full_like",
            "zeros",
        ),
        *(
            "new_ones",
            "new_zeros",
            "new_full",
            "zeros_like",
            "ones",
            "ones_like",
            "arange",
            "scalar_tensor",
            "empty",
            "where",
            "select_scatter",
        ),
        *("slice_scatter", "sort", "topk", "argmax", "argmin", "tril", "triu", "masked_fill"),
    }
)
"""Operators that move or make values without computing on them: bytes, but no FLOPs."""


def count_operators(pt2_path: Path) -> tuple[OperatorCost, ...]:
    """The operators of an exported program at batch 1, summed by name, in the order in which they first occur.

    A multiplication with its addition is two FLOPs. Element-wise operators count one per value,
    normalizations five; reshaping is free. Weights are what the program stores: each is read once per
    call, however often it is used. Both branches of a condition count.
    """
    import torch

    program = torch.export.load(pt2_path)
    return _Counter(program).count()


class _Counter:
    """Walks the graphs of a program and keeps what belongs to which operator."""

    def __init__(self, program: Any) -> None:
        self._program = program
        self._tally = Tally()
        # The value of each node that holds weights, by node: the names of the stored tensors.
        self._stored: dict[Any, str] = {}

    def count(self) -> tuple[OperatorCost, ...]:
        import torch

        inputs = {spec.arg.name: spec for spec in self._program.graph_signature.input_specs}
        kind = torch.export.graph_signature.InputKind
        for node in self._program.graph_module.graph.nodes:
            if node.op == "placeholder" and inputs[node.name].kind is not kind.USER_INPUT:
                self._stored[node] = inputs[node.name].target
        self._walk(self._program.graph_module, dict(self._stored))
        return self._tally.operators()

    def _walk(self, module: Any, stored: dict[Any, str]) -> None:
        for node in module.graph.nodes:
            if node.op != "call_function":
                continue
            if _is_view(node):
                # A view of a weight is still the weight; other views cost nothing.
                origin = node.all_input_nodes[0] if node.all_input_nodes else None
                if origin in stored:
                    stored[node] = stored[origin]
                continue
            for inner, arguments in _inner_graphs(node, module):
                places = [n for n in inner.graph.nodes if n.op == "placeholder"]
                self._walk(
                    inner,
                    {
                        place: stored[given]
                        for place, given in zip(places, arguments, strict=False)
                        if given in stored
                    },
                )
            if hasattr(node.target, "_schema"):
                self._add(node, stored)

    def _add(self, node: Any, stored: dict[Any, str]) -> None:
        name = node.target._schema.name.rpartition("::")[2]
        outputs = _tensors(node)
        if not outputs:
            # Assertions and sizes.
            return
        weights = {stored[n]: _bytes(n) for n in node.all_input_nodes if n in stored}
        activations = [tensor for n in node.all_input_nodes if n not in stored for tensor in _tensors(n)]
        moved = sum(map(_size_bytes, outputs)) + sum(map(_size_bytes, activations))
        kind = _kind(name)
        if kind == "embedding":
            # Only the rows that are looked up are read, as many as are written.
            moved += sum(map(_size_bytes, outputs))
            weights = {}
        self._tally.add(name, kind, _flops(name, kind, node, outputs), moved, weights)


def _kind(name: str) -> OperatorKind:
    if name in GEMMS or name in RECURRENT:
        return "gemm"
    if name in CONVOLUTIONS:
        return "convolution"
    if "scaled_dot_product" in name and "attention" in name:
        return "attention"
    if name in NORMALIZATIONS:
        return "normalization"
    if name in EMBEDDINGS:
        return "embedding"
    return "other" if name in MOVES else "elementwise"


def _flops(name: str, kind: OperatorKind, node: Any, outputs: list[Any]) -> float:
    if kind in ("other", "embedding"):
        return 0.0
    if kind == "attention":
        query, key, value = (_shape(node.args[place]) for place in range(3))
        # Scores (rows x keys x width), then the weighted sum (rows x keys x width of the values).
        return 2.0 * math.prod(query[:-1]) * key[-2] * (query[-1] + value[-1])
    if kind == "convolution":
        return _convolution_flops(name, node, outputs)
    if name in RECURRENT:
        return _recurrent_flops(node)
    if kind == "gemm":
        return _gemm_flops(name, node, outputs)
    read = max((math.prod(_sizes(tensor)) for n in node.all_input_nodes for tensor in _tensors(n)), default=0)
    written = sum(math.prod(_sizes(tensor)) for tensor in outputs)
    if kind == "normalization":
        return NORMALIZATION_FLOPS_PER_VALUE * written
    # A reduction works on each value that it reads.
    return float(max(read, written)) if _reduces(name) else float(written)


def _reduces(name: str) -> bool:
    return name in {
        "sum",
        "mean",
        "amax",
        "amin",
        "max",
        "min",
        "var",
        "std",
        "prod",
        "any",
        "all",
        "norm",
    } or ("pool" in name)


def _gemm_flops(name: str, node: Any, outputs: list[Any]) -> float:
    written = math.prod(_sizes(outputs[0]))
    if name == "einsum":
        return _einsum_flops(node)
    if name == "bilinear":
        weight = _shape(node.args[2])
        return 2.0 * written * weight[1] * weight[2]
    first = node.args[1] if name in ("addmm", "baddbmm", "addmv") else node.args[0]
    return 2.0 * written * _shape(first)[-1]


def _einsum_flops(node: Any) -> float:
    equation, operands = node.args[0], node.args[1]
    sizes: dict[str, int] = {}
    terms = equation.replace(" ", "").partition("->")[0].split(",")
    for term, operand in zip(terms, operands, strict=True):
        shape = _shape(operand)
        letters = term.replace("...", "." * (len(shape) - len(term.replace("...", ""))))
        for place, letter in enumerate(letters):
            key = letter if letter != "." else f".{len(letters) - place}"
            sizes[key] = max(sizes.get(key, 1), shape[place])
    # Operands are contracted pair by pair; this is exact for two.
    return 2.0 * math.prod(sizes.values()) * max(len(terms) - 1, 0.5)


def _convolution_flops(name: str, node: Any, outputs: list[Any]) -> float:
    weight = _shape(node.args[1])
    transposed = "transpose" in name or (name.endswith("convolution") and bool(node.args[6]))
    # Each output value takes a window of all channels of its group; transposed, each input value gives one.
    positions = _shape(node.args[0]) if transposed else _sizes(outputs[0])
    return 2.0 * math.prod(positions) * math.prod(weight[1:])


def _recurrent_flops(node: Any) -> float:
    """Every step multiplies with each matrix once; `batch_first` decides which dimension is the step."""
    sequence = _shape(node.args[0])
    matrices = [shape for n in node.all_input_nodes[1:] if len(shape := _shape(n)) == 2]
    rows = math.prod(sequence[:-1])
    return 2.0 * rows * sum(math.prod(shape) for shape in matrices)


def _is_view(node: Any) -> bool:
    """Whether an operator only looks at its input in another shape."""
    schema = getattr(node.target, "_schema", None)
    if schema is None:
        # Python's getitem on a tuple of tensors; higher-order operators have a namespace but no schema.
        return not hasattr(node.target, "namespace")
    infos = [value.alias_info for value in schema.returns]
    if any(info is not None and not info.is_write for info in infos):
        return True
    return schema.name in ("aten::reshape", "aten::flatten", "aten::dropout", "aten::alias")


def _inner_graphs(node: Any, module: Any) -> list[tuple[Any, list[Any]]]:
    """The graphs that a higher-order operator calls, each with the nodes that it is given."""
    found = []
    for place, argument in enumerate(node.args):
        if getattr(argument, "op", None) == "get_attr":
            inner = module.get_submodule(argument.target) if _has(module, argument.target) else None
            if inner is not None and hasattr(inner, "graph"):
                rest = node.args[place + 1 :]
                found.append((inner, _flat_nodes(rest)))
    return found


def _has(module: Any, target: str) -> bool:
    return target in dict(module.named_modules())


def _flat_nodes(arguments: Any) -> list[Any]:
    nodes = []
    for argument in arguments:
        if isinstance(argument, tuple | list):
            nodes += _flat_nodes(argument)
        elif hasattr(argument, "op") and argument.op != "get_attr":
            nodes.append(argument)
    return nodes


def _tensors(node: Any) -> list[Any]:
    """The tensors that a node stands for."""
    value = node.meta.get("val")
    values = value if isinstance(value, tuple | list) else [value]
    return [tensor for tensor in values if hasattr(tensor, "element_size")]


def _shape(node: Any) -> tuple[int, ...]:
    return _sizes(_tensors(node)[0])


def _sizes(tensor: Any) -> tuple[int, ...]:
    """The shape with the batch, and whatever else is free, set to 1."""
    return tuple(size if isinstance(size, int) else _at_one(size) for size in tensor.shape)


def _at_one(size: Any) -> int:
    expression = size.node.expr
    return int(expression.subs(dict.fromkeys(expression.free_symbols, 1)))


def _size_bytes(tensor: Any) -> float:
    return float(math.prod(_sizes(tensor)) * tensor.element_size())


def _bytes(node: Any) -> float:
    return sum(map(_size_bytes, _tensors(node)))
