"""The time of one training step of a transformer under a layout, part by part.

Everything is columns: n networks on n devices under n layouts are n numbers, computed at once. Legend: T tokens
that one device handles in a micro-batch, h hidden size, t tensor degree, p pipeline stages, m micro-batches.

Sources of the volumes: Korthikanti et al. 2022 (tensor and sequence parallelism, recomputation), Rajbhandari et al.
2020 (ZeRO), Narayanan et al. 2021 (interleaved pipelines), Qi et al. 2023 (zero bubble).
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from tradewind.decide.prediction import collectives, kernels
from tradewind.decide.prediction.transformers import Column

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tradewind.decide.prediction.devices import DeviceColumns
    from tradewind.decide.prediction.layouts import LayoutColumns
    from tradewind.decide.prediction.transformers import TransformerColumns

__all__ = ["ASSUMED", "StepTimes", "TrainingSetting", "step_times"]

ASSUMED: Final[dict[str, tuple[float, float, str]]] = {
    "training_product_ratio": (
        1.0,
        0.08,
        "assumed: products between other kernels take longer than alone: cold caches, lower clocks",
    ),
    "training_energy_ratio": (
        1.1,
        0.2,
        "assumed: memory and links draw power beside the products of a long run, and leave them less",
    ),
    "training_scores_ratio": (
        1.0,
        0.2,
        "assumed: of attention that writes its scores, against kernels alone",
    ),
    "rowwise_ratio": (
        1.6,
        0.2,
        "assumed: products in fp8 with a scale for each row, whose kernels and casts are not the library's",
    ),
    "training_attention_ratio": (
        1.3,
        0.3,
        "assumed: the attention of a framework's day takes longer than the best kernel of today",
    ),
    "npu_training_ratio": (
        1.5,
        0.25,
        "assumed: how much longer products take as compiled for chips for networks only",
    ),
    "npu_elementwise_ratio": (
        3.0,
        0.4,
        "assumed: their few vector lanes are slower than their memory: 128 lanes at 1 to 1.4 GHz",
    ),
    "tpu_training_ratio": (1.1, 0.15, "assumed: the same for TPUs"),
    "masked_share": (0.15, 0.02, "Devlin et al. 2019: encoders are trained on 15 % of their tokens"),
    "training_hidden_passes": (
        14.0,
        5.0,
        "assumed: norms, residuals and dropout of a layer read and write its hidden state so often, fused",
    ),
    "expert_passes": (8.0, 4.0, "assumed: sorting tokens by expert and back, in passes over what is routed"),
    "expert_kernels": (
        4.0,
        2.0,
        "assumed: kernels for each expert at hand in a forward pass: two products, and casts",
    ),
    "training_ffn_passes": (5.0, 2.0, "assumed: the activation of the MLP, likewise"),
    "training_eager_ratio": (1.8, 0.2, "assumed: how much more unfused kernels read and write"),
    "training_vocab_bytes": (
        16.0,
        5.0,
        "assumed: bytes moved for each logit by softmax and loss, forward and backward",
    ),
    "training_layer_kernels": (60.0, 25.0, "assumed: kernels of a layer's forward pass without fusion"),
    "training_launch_s": (12e-6, 4e-6, "assumed: CPU time to launch one kernel from Python"),
    "graph_launch_ratio": (0.3, 0.6, "assumed: what launching costs when kernels are launched as a graph"),
    "training_optimizer_bytes": (
        36.0,
        6.0,
        "Adam in mixed precision: reads 4+4+4+4 and writes 4+4+4+2 for each weight, and clips the gradient",
    ),
    "training_step_s": (4e-3, 2e-3, "assumed: what a step costs beside its work: data, logging, zeroing"),
    "tensor_overlap_ratio": (
        0.15,
        0.4,
        "assumed: share of tensor-parallel traffic behind products of weights",
    ),
    "async_tensor_overlap_ratio": (0.7, 0.2, "assumed: the same where products are decomposed (async TP)"),
    "data_overlap_ratio": (0.75, 0.2, "assumed: share of the computation behind which gradients can travel"),
    "shard_overlap_ratio": (0.75, 0.2, "assumed: the same for gathered weights (ZeRO 3, FSDP)"),
    "expert_overlap_ratio": (0.3, 0.6, "assumed: share of the tokens' exchange that is hidden"),
    "contention_ratio": (0.15, 0.4, "assumed: how much computation slows while collectives run beside it"),
    "jitter_per_doubling": (
        0.004,
        0.002,
        "assumed: waiting for the slowest, for each doubling of the devices",
    ),
    "fp8_quantize_passes": (3.0, 1.0, "assumed: casting and scaling, in passes over inputs of products"),
    "pipeline_overhead_s": (20e-6, 20e-6, "assumed: handing a micro-batch on, beside its transfer"),
}
"""Constants of a training step: value, standard error (relative for ratios), source."""


@dataclass(frozen=True)
class TrainingSetting:
    """What a framework makes of a layout, as columns (n,); flags are 0 or 1."""

    tokens: Column
    """Of one sample."""
    flash: Column
    """Attention without writing its scores."""
    compiled: Column
    """Element-wise operations are fused."""
    async_tensor: Column
    """Tensor-parallel traffic behind decomposed products."""
    graphs: Column
    """Kernels are launched as one graph."""
    gradient_bytes: Column
    """Of one gradient on the wire."""
    products_again: Column
    """Share of the forward products that selective checkpointing computes again."""
    operand_bytes: Column
    """Of one element of the operands of products: 1 in fp8, 0.5 in fp4."""
    rowwise: Column | float = 0.0
    """Products in fp8 have a scale for each row."""

    def take(self, rows: np.ndarray) -> TrainingSetting:
        """The settings of some rows."""
        columns = {field.name: getattr(self, field.name) for field in fields(self)}
        return replace(self, **{name: one[rows] if np.ndim(one) else one for name, one in columns.items()})


@dataclass(frozen=True)
class StepTimes:
    """Where the time of a step goes, in seconds (n,); the parts add up to `total_s`."""

    products_s: Column
    """Matrix products, forward, backward and again."""
    attention_s: Column
    elementwise_s: Column
    vocabulary_s: Column
    launch_s: Column
    """Waiting for the CPU to launch kernels."""
    tensor_s: Column
    """Exposed traffic of each dimension of the mesh."""
    expert_s: Column
    context_s: Column
    bubble_s: Column
    pipeline_s: Column
    data_s: Column
    optimizer_s: Column
    rest_s: Column

    @property
    def total_s(self) -> Column:
        """The whole step."""
        return sum((getattr(self, field.name) for field in fields(self)), np.zeros(1))

    def shares(self, row: int) -> list[tuple[str, float]]:
        """The parts of one row as shares of its step, the largest first."""
        total = float(np.broadcast_to(self.total_s, self.products_s.shape)[row])
        parts = [
            (
                field.name[:-2],
                float(np.broadcast_to(getattr(self, field.name), self.products_s.shape)[row]) / total,
            )
            for field in fields(self)
        ]
        return sorted(parts, key=lambda part: -part[1])


def step_times(
    network: TransformerColumns,
    device: DeviceColumns,
    half: DeviceColumns,
    layout: LayoutColumns,
    setting: TrainingSetting,
    constants: Mapping[str, float],
) -> StepTimes:
    """The parts of one step. `device` has its rates at the precision of the products, `half` at 16 bits.

    Attention, the head and element-wise work stay at 16 bits when the products are in 8 or 4.
    """
    c = constants
    lay, net = layout, network
    t, p, m = lay.tensor, lay.pipeline, lay.accumulation
    tokens = lay.micro_batch * setting.tokens / lay.context
    narrow = (device.peak_flops_per_s > 1.05 * half.peak_flops_per_s).astype(np.float64)
    trained = (lay.lora_rank == 0).astype(np.float64)

    attention = _attention_products(net, lay, tokens)
    plain = _mlp_products(net, net.ffn, lay, tokens)
    shared = _mlp_products(net, net.shared_ffn, lay, tokens)
    mixer = _state_space_products(net, lay, tokens)
    size = setting.operand_bytes
    fwd_attention, bwd_attention = _both(attention, device, size, narrow, trained, c)
    fwd_plain, bwd_plain = _both(plain, device, size, narrow, trained, c)
    fwd_shared, bwd_shared = _both(shared, device, size, narrow, trained, c)
    fwd_mixer, bwd_mixer = _both(mixer, device, size, narrow, trained, c)
    fwd_expert, bwd_expert = _expert_products(net, lay, tokens, device, size, narrow, trained, c)

    stage = 1.0 / p
    forward_products = stage * (
        net.layers * fwd_attention
        + net.plain_mlp_layers * fwd_plain
        + net.expert_layers * (fwd_shared + fwd_expert)
        + net.state_space_layers * fwd_mixer
    )
    backward_products = stage * (
        net.layers * bwd_attention
        + net.plain_mlp_layers * bwd_plain
        + net.expert_layers * (bwd_shared + bwd_expert)
        + net.state_space_layers * bwd_mixer
    )
    rowwise = np.where(np.asarray(setting.rowwise) > 0, c["rowwise_ratio"], 1.0)
    forward_products, backward_products = rowwise * forward_products, rowwise * backward_products
    scores, scores_back = _scores(net, lay, setting, half, c)
    forward_scores, backward_scores = stage * scores, stage * scores_back
    elementwise = stage * _elementwise(net, lay, setting, tokens, half, c)
    elementwise_back = 1.6 * elementwise

    # The last stage has the head and the loss: a pipeline runs at the pace of its slowest stage.
    vocabulary = _vocabulary(net, lay, setting, tokens, half, trained, c)
    again = lay.full + (1.0 - lay.full) * lay.selective * setting.products_again
    recompute_products = again * forward_products
    recompute_scores = (lay.full + lay.selective * (1.0 - setting.flash)) * forward_scores
    recompute_elementwise = again * elementwise

    gpu_s = (
        forward_products
        + backward_products
        + recompute_products
        + forward_scores
        + backward_scores
        + recompute_scores
        + elementwise
        + elementwise_back
        + recompute_elementwise
        + vocabulary
    )
    kernels_run = (
        stage
        * (net.all_layers + net.mlp_count * (net.mlp_layers > 0))
        * c["training_layer_kernels"]
        * (3.0 + lay.full)
        * np.where(setting.compiled > 0, 0.6, 1.0)
    )
    # How many tokens an expert gets is known only when they are routed: graphs cannot hold its kernels.
    of_experts = (
        3.0 * stage * net.expert_layers * c["expert_kernels"] * np.maximum(net.experts / lay.expert, 1.0)
    )
    kernels_run = kernels_run * np.where(setting.graphs > 0, c["graph_launch_ratio"], 1.0) + of_experts
    launch = _excess(kernels_run * c["training_launch_s"], gpu_s)

    layers_of_stage = np.ceil(net.all_layers / (p * lay.virtual_stages)) * lay.virtual_stages
    uneven = layers_of_stage * p / net.all_layers
    tensor = uneven * _tensor_traffic(net, lay, setting, tokens, half, backward_products, c)
    expert = uneven * _expert_traffic(net, lay, tokens, half, c)
    context = uneven * _context_traffic(net, lay, tokens, half, forward_scores + backward_scores, c)

    # What one micro-batch takes on the slowest stage, and on an average one.
    slowest = (gpu_s - vocabulary + launch) * uneven + vocabulary + tensor + expert + context
    average = slowest - vocabulary * (1.0 - 1.0 / p)
    share_of_bubble = np.where(lay.zero_bubble > 0, 1.0 / 3.0, 1.0) / lay.virtual_stages
    bubble = (p - 1.0) * average * share_of_bubble
    bubble = np.where(p > 1, bubble, 0.0)
    sent = 2.0 * tokens * net.hidden / np.where(lay.sequence_parallel > 0, t, 1.0)
    hops = collectives.send_s(sent, lay.tensor * lay.context * lay.data, half, c) + c["pipeline_overhead_s"]
    # Steady state hides the transfer behind the other direction's work; filling and draining do not.
    pipeline = np.where(p > 1, 2.0 * hops * (p - 1.0 + 0.25 * m * lay.virtual_stages), 0.0)

    data, contention = _data_traffic(net, lay, setting, half, slowest, c)
    weights = _weights_per_device(net, lay)
    held = weights / np.where(lay.zero_stage > 0, lay.shard, 1.0)
    held = np.where(lay.lora_rank > 0, 0.01 * held, held)
    optimizer = kernels.memory_bound_s(c["training_optimizer_bytes"] * held, half, c)

    parts = {
        "products_s": m * uneven * (forward_products + backward_products + recompute_products),
        "attention_s": m * uneven * (forward_scores + backward_scores + recompute_scores),
        "elementwise_s": m * uneven * (elementwise + elementwise_back + recompute_elementwise),
        "vocabulary_s": m * vocabulary,
        "launch_s": m * uneven * launch,
        "tensor_s": m * tensor,
        "expert_s": m * expert,
        "context_s": m * context,
        "bubble_s": bubble,
        "pipeline_s": pipeline,
        "data_s": data + contention,
        "optimizer_s": optimizer,
    }
    worked: Column = sum(parts.values(), np.zeros(1))
    waiting = worked * c["jitter_per_doubling"] * np.log2(np.maximum(lay.devices, 1.0))
    shape = worked.shape
    return StepTimes(
        **{name: np.broadcast_to(part, shape) for name, part in parts.items()},
        rest_s=waiting + c["training_step_s"],
    )


Product = tuple[Column, Column, Column]
"""m, k, n of a matrix product."""


def _attention_products(net: TransformerColumns, lay: LayoutColumns, tokens: Column) -> list[Product]:
    t, h = lay.tensor, net.hidden
    width = net.heads * net.head_dim / t
    kept = np.maximum(net.kv_heads / t, 1.0) * net.head_dim
    latent = net.latent_rank > 0
    # Latent attention compresses first; its expansions take the place of keys and values.
    inwards = np.where(latent, net.query_rank + net.latent_rank + net.rope_dim, width + 2.0 * kept)
    expanded = np.where(latent, net.heads * (3.0 * net.head_dim + net.rope_dim) / t, 0.0)
    rank = np.where(latent, np.maximum(net.query_rank, net.latent_rank), 0.0)
    return [(tokens, h, inwards), (tokens, rank, expanded), (tokens, width, h)]


def _mlp_products(net: TransformerColumns, ffn: Column, lay: LayoutColumns, tokens: Column) -> list[Product]:
    width = ffn / lay.tensor
    return [(tokens, net.hidden, (net.matrices - 1.0) * width), (tokens, width, net.hidden)]


def _state_space_products(net: TransformerColumns, lay: LayoutColumns, tokens: Column) -> list[Product]:
    inner = net.state_space_inner / lay.tensor
    states = 16.0 * net.state_space_state / lay.tensor
    return [(tokens, net.hidden, 2.0 * inner + states), (tokens, inner, net.hidden)]


def _both(
    products: list[Product],
    device: DeviceColumns,
    size: Column,
    narrow: Column,
    trained: Column,
    c: Mapping[str, float],
) -> tuple[Column, Column]:
    """Forward seconds, and backward ones: towards the inputs, and towards the weights where they are trained."""
    energy = c["matrix_energy_j_per_flop"] * c["training_energy_ratio"]
    c = {**c, "matrix_energy_j_per_flop": energy}
    forward, backward = np.zeros(1), np.zeros(1)
    slower = np.where(device.is_npu > 0, c["npu_training_ratio"], 1.0)
    slower = np.where(device.is_tpu > 0, c["tpu_training_ratio"], slower)
    slower = slower * c["training_product_ratio"]
    for rows, inner, outer in products:
        exists = (inner > 0) & (outer > 0)
        k, n = np.maximum(inner, 1.0), np.maximum(outer, 1.0)
        one = kernels.gemm_s(rows, k, n, device, c, bytes_a=size, bytes_b=size, bytes_c=2.0)
        to_inputs = kernels.gemm_s(rows, n, k, device, c, bytes_a=size, bytes_b=size, bytes_c=2.0)
        to_weights = kernels.gemm_s(k, rows, n, device, c, bytes_a=size, bytes_b=size, bytes_c=4.0)
        cast = narrow * c["fp8_quantize_passes"] * 2.0 * rows
        casting = kernels.memory_bound_s(cast * k, device, c) * narrow
        casting_back = kernels.memory_bound_s(cast * n, device, c) * narrow
        there = slower * one + casting
        back = slower * (to_inputs + trained * to_weights) + casting_back
        forward = forward + np.where(exists, there, 0.0)
        backward = backward + np.where(exists, back, 0.0)
    return forward, backward


def _expert_products(
    net: TransformerColumns,
    lay: LayoutColumns,
    tokens: Column,
    device: DeviceColumns,
    size: Column,
    narrow: Column,
    trained: Column,
    c: Mapping[str, float],
) -> tuple[Column, Column]:
    """The experts of one device: as many tokens as it sends away, in groups that fill whole tiles."""
    experts = np.maximum(net.experts, 1.0)
    here = np.maximum(experts / lay.expert, 1.0)
    routed = tokens * net.experts_per_token
    of_each = np.maximum(routed / here, 1.0)
    padded = np.ceil(of_each / 64.0) * 64.0 / of_each
    rows = np.maximum(routed * padded, 1.0)
    products = [
        (rows, net.hidden, (net.matrices - 1.0) * net.expert_ffn / lay.tensor),
        (rows, net.expert_ffn / lay.tensor, net.hidden),
    ]
    forward, backward = _both(products, device, size, narrow, trained, c)
    # Every expert's weights are read at least once, which one large product would not show.
    read = kernels.memory_bound_s(2.0 * here * net.expert_weights / lay.tensor, device, c)
    # Permuting tokens to their experts and back, and weighing the results.
    moved = kernels.memory_bound_s(2.0 * c["expert_passes"] * routed * net.hidden, device, c)
    exists = net.experts > 0
    return (
        np.where(exists, np.maximum(forward, read) + moved, 0.0),
        np.where(exists, np.maximum(backward, 3.0 * read) + moved, 0.0),
    )


def _scores(
    net: TransformerColumns,
    lay: LayoutColumns,
    setting: TrainingSetting,
    half: DeviceColumns,
    c: Mapping[str, float],
) -> tuple[Column, Column]:
    """Scores and values of all attention layers and the scans of state-space ones: forward, backward."""
    heads = np.maximum(net.heads / lay.tensor, 1.0)
    kept = np.maximum(net.kv_heads / lay.tensor, 1.0)
    dim = np.where(net.latent_rank > 0, net.head_dim + 0.5 * net.rope_dim, net.head_dim)
    windowed = np.minimum(net.window_layers, net.layers)
    spans = [
        (net.layers - windowed, setting.tokens),
        (windowed, np.where(net.window > 0, np.minimum(2.0 * net.window, setting.tokens), setting.tokens)),
    ]
    inner = net.state_space_inner / lay.tensor
    scanned = lay.micro_batch * setting.tokens / lay.context * inner
    scan = kernels.memory_bound_s(2.0 * 10.0 * scanned, half, c) * (net.state_space_layers > 0)
    sums = [net.state_space_layers * scan, 2.0 * net.state_space_layers * scan]
    for layers, keys in spans:
        for place, backward in enumerate((False, True)):
            one = kernels.attention_s(
                lay.micro_batch,
                heads,
                kept,
                setting.tokens / lay.context,
                keys,
                dim,
                half,
                c,
                causal=net.causal,
                flash=setting.flash,
                backward=backward,
            )
            ratio = np.where(setting.flash > 0, c["training_attention_ratio"], c["training_scores_ratio"])
            one = ratio * one
            sums[place] = sums[place] + np.where(layers > 0, layers * one, 0.0)
    return sums[0], sums[1]


def _elementwise(
    net: TransformerColumns,
    lay: LayoutColumns,
    setting: TrainingSetting,
    tokens: Column,
    half: DeviceColumns,
    c: Mapping[str, float],
) -> Column:
    """Norms, residuals, dropout and activations of all layers, forward."""
    ratio = np.where(setting.compiled > 0, 1.0, c["training_eager_ratio"])
    split = np.where(lay.sequence_parallel > 0, 1.0 / lay.tensor, 0.35 / lay.tensor + 0.65)
    mixers = net.layers + net.state_space_layers
    hidden = 2.0 * c["training_hidden_passes"] * tokens * net.hidden * split
    active = net.experts_per_token * net.expert_ffn + net.shared_ffn
    wide = (net.plain_mlp_layers * net.ffn + net.expert_layers * active) * (net.matrices - 1.0) / lay.tensor
    of_layer = 0.5 * hidden * (mixers + net.mlp_count)
    of_mlp = 2.0 * c["training_ffn_passes"] * tokens * wide
    layers = np.maximum(net.all_layers, 1.0)
    slower = np.where(half.is_npu, c["npu_elementwise_ratio"], 1.0)
    # One kernel moves a part of a layer, so that small layers pay the ramp of small transfers.
    one: Column = kernels.memory_bound_s(ratio * (of_layer + of_mlp) / layers / 8.0, half, c)
    return slower * 8.0 * layers * one


def _vocabulary(
    net: TransformerColumns,
    lay: LayoutColumns,
    setting: TrainingSetting,
    tokens: Column,
    half: DeviceColumns,
    trained: Column,
    c: Mapping[str, float],
) -> Column:
    """Head, softmax, loss and embedding of one micro-batch, forward and backward."""
    words: Column = np.maximum(net.vocab / lay.tensor, 1.0)
    tokens = tokens * np.where(net.causal > 0, 1.0, c["masked_share"])
    head: Column = kernels.gemm_s(tokens, net.hidden, words, half, c)
    back = kernels.gemm_s(tokens, words, net.hidden, half, c)
    weights = trained * kernels.gemm_s(net.hidden, tokens, words, half, c, bytes_c=4.0)
    loss = kernels.memory_bound_s(c["training_vocab_bytes"] * tokens * words, half, c)
    embedding = kernels.memory_bound_s(2.0 * 6.0 * tokens * net.hidden, half, c)
    seconds: Column = head + back + weights + loss + embedding
    return seconds


def _tensor_traffic(
    net: TransformerColumns,
    lay: LayoutColumns,
    setting: TrainingSetting,
    tokens: Column,
    half: DeviceColumns,
    backward_products: Column,
    c: Mapping[str, float],
) -> Column:
    """Exposed traffic of tensor parallelism for one micro-batch on one stage."""
    size = 2.0 * tokens * net.hidden
    per_machine = np.minimum(lay.tensor, half.devices_per_machine)
    one = collectives.all_reduce_s(size, lay.tensor, per_machine, half, c)
    blocks = (net.layers + net.state_space_layers + net.mlp_count) / lay.pipeline
    times = blocks * (2.0 + lay.full) + 2.0 / lay.pipeline
    overlap = np.where(setting.async_tensor > 0, c["async_tensor_overlap_ratio"], c["tensor_overlap_ratio"])
    traffic = times * one
    hidden = np.minimum(overlap * traffic, backward_products)
    return np.where(lay.tensor > 1, traffic - hidden, 0.0)


def _expert_traffic(
    net: TransformerColumns,
    lay: LayoutColumns,
    tokens: Column,
    half: DeviceColumns,
    c: Mapping[str, float],
) -> Column:
    size = 2.0 * tokens * net.experts_per_token * net.hidden / lay.tensor
    per_machine = np.clip(half.devices_per_machine / lay.tensor, 1.0, lay.expert)
    one = collectives.all_to_all_s(size, lay.expert, per_machine, half, c)
    traffic = 4.0 * one * net.expert_layers / lay.pipeline * (1.0 + 0.5 * lay.full)
    return np.where((lay.expert > 1) & (net.experts > 0), traffic * (1.0 - c["expert_overlap_ratio"]), 0.0)


def _context_traffic(
    net: TransformerColumns,
    lay: LayoutColumns,
    tokens: Column,
    half: DeviceColumns,
    scores: Column,
    c: Mapping[str, float],
) -> Column:
    """Keys and values travel round the ring behind the attention of the block before."""
    size = 2.0 * 2.0 * tokens * np.maximum(net.kv_heads / lay.tensor, 1.0) * net.head_dim
    sent = collectives.send_s(size, lay.tensor, half, c) * (lay.context - 1.0)
    traffic = 3.0 * sent * net.layers / lay.pipeline
    return np.where(lay.context > 1, _excess(traffic, 0.8 * scores) + 0.1 * traffic, 0.0)


def _data_traffic(
    net: TransformerColumns,
    lay: LayoutColumns,
    setting: TrainingSetting,
    half: DeviceColumns,
    micro_batch_s: Column,
    c: Mapping[str, float],
) -> tuple[Column, Column]:
    """Exposed traffic of data parallelism for one step, and the computation that it slows."""
    weights = _weights_per_device(net, lay)
    trained = np.where(lay.lora_rank > 0, 0.01, 1.0)
    stride = lay.tensor
    world = lay.data * lay.context
    per_machine = np.clip(half.devices_per_machine / stride, 1.0, world)
    shard = np.minimum(lay.shard, world)
    shard_per_machine = np.clip(half.devices_per_machine / stride, 1.0, shard)
    gather = collectives.all_gather_s(2.0 * weights, shard, shard_per_machine, half, c)
    scatter = collectives.reduce_scatter_s(
        setting.gradient_bytes * weights * trained, shard, shard_per_machine, half, c
    )
    # Hybrid sharding also sums over the groups.
    groups = world / shard
    across = collectives.all_reduce_s(
        setting.gradient_bytes * weights * trained / shard, groups, 1.0, half, c
    ) * (groups > 1)
    summed = collectives.all_reduce_s(setting.gradient_bytes * weights * trained, world, per_machine, half, c)
    # Their compilers sum gradients in one go after the last backward pass.
    overlap = np.where(half.is_npu, 0.0, c["data_overlap_ratio"])
    backward_s = 0.66 * micro_batch_s
    one_layer = 1.0 / np.maximum(net.all_layers / lay.pipeline, 1.0)
    sharded_traffic = 2.0 * gather + scatter
    sharded = (
        lay.accumulation * _excess(sharded_traffic, c["shard_overlap_ratio"] * micro_batch_s)
        + one_layer * (gather + scatter)
        + across
    )
    partly = _excess(scatter + across, overlap * backward_s) + one_layer * scatter
    partly = partly + (1.0 - 0.5 * overlap) * gather
    whole = _excess(summed, overlap * backward_s) + one_layer * summed
    exposed = np.where(lay.zero_stage >= 3, sharded, np.where(lay.zero_stage >= 1, partly, whole))
    traffic = np.where(
        lay.zero_stage >= 3,
        lay.accumulation * sharded_traffic,
        np.where(lay.zero_stage >= 1, gather + scatter, summed),
    )
    behind = np.maximum(traffic - exposed, 0.0)
    many = world > 1
    return np.where(many, exposed, 0.0), np.where(many, c["contention_ratio"] * behind, 0.0)


def _weights_per_device(net: TransformerColumns, lay: LayoutColumns) -> Column:
    """Weights of one device before ZeRO: of the stage with the most, experts spread over their own dimension."""
    experts = net.expert_layers * net.experts * net.expert_weights
    beside = net.parameters - experts
    ends = net.embedding_weights + net.head_weights * (net.tied == 0)
    inner: Column = (beside - ends) / lay.pipeline + np.where(lay.pipeline > 1, 0.5, 1.0) * ends
    return (inner + experts / (lay.pipeline * np.maximum(lay.expert, 1.0))) / lay.tensor


def _excess(longer: Column, shorter: Column) -> Column:
    """What of one thing is not hidden behind another, rounded where they are alike: overlap is never perfect."""
    gap = longer - shorter
    return 0.5 * (gap + np.sqrt(gap * gap + (0.1 * longer) ** 2))
