"""A Profile of a network that nobody has built yet: its work, counted from the published architecture."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from tradewind.decide.prediction.transformers import transformer_columns
from tradewind.domain.architecture import Counted, Transformer
from tradewind.domain.host import Host
from tradewind.domain.profile import OperatorCost, Profile
from tradewind.domain.variant import Golden, Runtime, TensorSpec, Variant

if TYPE_CHECKING:
    from tradewind.domain.architecture import Architecture, Recommender
    from tradewind.domain.noun import Precision
    from tradewind.domain.profile import OperatorKind

__all__ = ["NOWHERE", "PAPER_ENGINE", "profile_of"]

PAPER_ENGINE: Final = "paper"
"""`Runtime.engine` of a Variant that has no payload."""
NOWHERE: Final = Host(
    cpu_model="none",
    cpu_vendor="none",
    cpu_architecture="none",
    physical_cores=0,
    logical_cores=0,
    ghz=None,
    isa=(),
    memory_bytes=0,
    memory_bandwidth_bytes_per_s=0.0,
    gemm_flops_per_s_per_core=0.0,
)
"""The Host of a Profile that was derived, not measured."""
_BYTES: Final = {"fp32": 4, "bf16": 2, "fp16": 2, "int8": 1}
_JSON_BYTES_PER_ID: Final = 6.0
"""A token's or row's number and its comma: vocabularies have 5 digits."""
_JSON_BYTES_PER_FLOAT: Final = 8.0
"""Six digits, the point and the comma."""
_ANSWER_FLOATS: Final = 1000.0
"""An answer is a list of scores, as many as ImageNet has classes."""
_FLOPS_PER_NORM: Final = 5.0
"""Per element: mean, variance, difference, scale and shift."""


def profile_of(architecture: Architecture, *, tokens: int = 512, precision: Precision = "bf16") -> Profile:
    """The work of one forward pass of one row, by operator; marked with origin "predicted" and its architecture.

    A row of a transformer is a sample of `tokens` tokens, each of which gets its logits; `tokens` says nothing about
    other networks. Weights and activations have the width of `precision`. Nothing was run: the curve is empty.

    >>> from tradewind.domain.architecture import Counted
    >>> net = Counted(name="ResNet-50", family="resnet", style="cnn", parameters=25.6e6, macs=4.1e9, activations=11.1e6,
    ...     calls=174, input="224 x 224 image")
    >>> found = profile_of(net)
    >>> found.flops, found.origin
    (8200000000.0, 'predicted')
    """
    width = _BYTES[precision]
    if isinstance(architecture, Transformer):
        operators, parameters, live = _transformer(architecture, tokens, width)
        asked, answered = tokens * _JSON_BYTES_PER_ID, _ANSWER_FLOATS * _JSON_BYTES_PER_FLOAT
        inputs = TensorSpec(name="tokens", dtype="int64", shape=(None, tokens))
    elif isinstance(architecture, Counted):
        operators, parameters, live = _counted(architecture, width)
        side = re.match(r"(\d+) x (\d+) image", architecture.input)
        floats = 3.0 * float(side[1]) * float(side[2]) if side else 0.0
        asked, answered = floats * _JSON_BYTES_PER_FLOAT, _ANSWER_FLOATS * _JSON_BYTES_PER_FLOAT
        shape = (None, 3, int(side[2]), int(side[1])) if side else (None,)
        inputs = TensorSpec(name="sample", dtype="float32", shape=shape)
    else:
        operators, parameters, live = _recommender(architecture, width)
        ids = len(architecture.table_rows) * architecture.lookups_per_table
        asked, answered = ids * _JSON_BYTES_PER_ID, _JSON_BYTES_PER_FLOAT
        inputs = TensorSpec(name="rows", dtype="int64", shape=(None, round(ids)))
    return Profile(
        variant=_variant(architecture.name, round(parameters), precision, inputs),
        host=NOWHERE,
        operators=tuple(operators),
        curve=(),
        weight_bytes=parameters * width,
        peak_memory_bytes=parameters * width + live,
        load_s=0.0,
        request_bytes=asked,
        response_bytes=answered,
        noise=0.0,
        measured_at="",
        origin="predicted",
        architecture=architecture,
    )


def _variant(name: str, parameters: int, precision: Precision, inputs: TensorSpec) -> Variant:
    return Variant(
        id=f"paper-{re.sub(r'[^a-z0-9]+', '-', name.lower()).strip('-')}-{precision}",
        name=f"{name} {precision}",
        parent_id=None,
        recipe=(),
        format="paper",
        files=(),
        runtime=Runtime(engine=PAPER_ENGINE, engine_version="", precision=precision),
        inputs=(inputs,),
        outputs=(TensorSpec(name="scores", dtype="float32", shape=(None, None)),),
        parameters=parameters,
        golden=Golden(inputs="", outputs="", absolute_tolerance=0.0, relative_tolerance=0.0),
    )


def _operator(
    name: str, kind: OperatorKind, calls: float, flops: float, moved: float, weights: float, width: int
) -> OperatorCost:
    return OperatorCost(
        name=name,
        kind=kind,
        calls=round(calls),
        flops=flops,
        activation_bytes=moved * width,
        weight_bytes=weights * width,
    )


def _transformer(network: Transformer, tokens: int, width: int) -> tuple[list[OperatorCost], float, float]:
    """Operators, weights, and bytes of activations that are alive at once."""
    columns = transformer_columns([network])
    counts = {name: float(getattr(columns, name)[0]) for name in _COUNTS}
    hidden, layers, all_layers = float(network.hidden), counts["layers"], counts["all_layers"]
    heads, kv = network.heads * network.head_dim, network.kv_heads * network.head_dim
    keys = network.latent_rank + network.rope_dim if network.latent_rank else 2 * kv
    matrices, mixers = counts["matrices"], counts["state_space_layers"]
    plain, mixed = counts["plain_mlp_layers"], counts["expert_layers"]
    inner, spread = network.state_space_inner, network.state_space_state
    visited, chosen = network.experts_per_token, 0.0
    if network.experts:
        # Experts that at least one of the tokens visits, when each visits some at random.
        chosen = network.experts * (1.0 - (1.0 - visited / network.experts) ** tokens)
    attention = float(columns.attention_flops_per_token(float(tokens))[0])

    def product(
        name: str, count: float, each: float, moved: float, read: float, calls: float
    ) -> OperatorCost:
        weights = count * each
        return _operator(
            name, "gemm", count * calls, 2.0 * tokens * weights, count * tokens * moved, read, width
        )

    expert = counts["expert_weights"]
    found = [
        _operator("embedding", "embedding", 1, 0.0, 2.0 * tokens * hidden, 0.0, width),
        product(
            "projections", layers, counts["attention_weights"], 2 * hidden + 2 * heads + 2 * kv,
            layers * counts["attention_weights"], 2.0,
        ),
        _operator(
            "attention", "attention", layers + mixers, tokens * attention,
            tokens * (layers * (2.0 * heads + keys) + mixers * (3.0 * inner + 2.0 * spread)), 0.0, width,
        ),
        product(
            "state space", mixers, counts["state_space_weights"], 2 * hidden + 3.0 * inner + 16.0 * spread,
            mixers * counts["state_space_weights"], 2.0,
        ),
        product(
            "mlp", plain, counts["mlp_weights"], 2 * hidden + matrices * network.ffn,
            plain * counts["mlp_weights"], matrices,
        ),
        product(
            "experts", mixed, visited * expert, visited * (2 * hidden + matrices * network.expert_ffn),
            mixed * chosen * expert, matrices,
        ),
        product(
            "shared", mixed, counts["shared_weights"], 2 * hidden + matrices * network.shared_ffn,
            mixed * counts["shared_weights"], matrices + 1.0,
        ),
        _operator(
            "norms", "normalization", 2 * all_layers + 1, _FLOPS_PER_NORM * tokens * hidden * (2 * all_layers + 1),
            2.0 * tokens * hidden * (2 * all_layers + 1), 0.0, width,
        ),
        _operator(
            "activations and residuals", "elementwise", 3 * all_layers,
            tokens * (2 * hidden * all_layers + plain * network.ffn + mixed * visited * network.expert_ffn),
            tokens * (6 * hidden * all_layers + 3.0 * (plain * network.ffn + mixed * visited * network.expert_ffn)),
            0.0, width,
        ),
        product(
            "head", 1.0, counts["head_weights"], hidden + network.vocab, counts["head_weights"], 1.0,
        ),
    ]  # fmt: skip
    live = (
        tokens
        * width
        * (3.0 * hidden + max(float(matrices * network.ffn), heads + 2.0 * kv, float(network.vocab)))
    )
    return [one for one in found if one.calls], counts["parameters"], live


_COUNTS: Final = (
    *("layers", "all_layers", "state_space_layers", "plain_mlp_layers", "expert_layers", "matrices"),
    *(
        "attention_weights",
        "mlp_weights",
        "expert_weights",
        "shared_weights",
        "state_space_weights",
        "head_weights",
    ),
    "parameters",
)


def _counted(network: Counted, width: int) -> tuple[list[OperatorCost], float, float]:
    kind: OperatorKind = "convolution" if network.style in {"cnn", "depthwise", "diffusion"} else "gemm"
    # Each element is written by one product and read by the next.
    every = _operator(
        "products",
        kind,
        network.calls,
        2.0 * network.macs,
        2.0 * network.activations,
        network.parameters,
        width,
    )
    return [every], network.parameters, network.activations * width


def _recommender(network: Recommender, width: int) -> tuple[list[OperatorCost], float, float]:
    rows, tables = sum(network.table_rows), len(network.table_rows)
    read = tables * network.lookups_per_table * network.embedding_dim
    dense = [float(one) * other for one, other in zip(network.dense, network.dense[1:], strict=False)]
    moved = float(sum(network.dense) + sum(network.dense[1:-1]))
    found = [
        _operator("tables", "embedding", tables, read, read + tables * network.embedding_dim, 0.0, width),
        _operator("dense", "gemm", len(dense), 2.0 * sum(dense), moved, sum(dense), width),
    ]
    return found, rows * network.embedding_dim + sum(dense), moved * width
