"""Peak memory of training, per device, part by part, in closed form.

Everything is columns: n networks under n layouts are n numbers for each part. Legend: T tokens of one micro-batch
that a device handles, h hidden size, q width of all heads, k width of keys, f width of the MLP, a heads, s tokens of a
sample, V vocabulary, t tensor degree, p pipeline stages, v stages per device, m micro-batches, d devices that shard.

Two moments can be the peak. At the loss, all activations and the logits are there; when the last layer's gradient
is ready, all gradients. Between them one falls while the other grows, so that one of the two ends is the peak.

Sources: Rajbhandari et al. 2020 (ZeRO, table 1), Korthikanti et al. 2022 (activations, table 2), Narayanan et al.
2021 (interleaved pipelines), Qi et al. 2023 (zero bubble), Megatron-LM's theoretical_memory_usage.py.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tradewind.decide.prediction.layouts import LayoutColumns
    from tradewind.decide.prediction.transformers import Column, TransformerColumns

__all__ = [
    "ASSUMED",
    "ASSUMED_CPU",
    "CONVENTIONS",
    "Convention",
    "MemoryParts",
    "MemorySetting",
    "activation_bytes_per_token",
    "counted_training_memory",
    "memory_setting",
    "micro_batches_in_flight",
    "stage_memory",
    "stage_weights",
    "training_memory",
]

ASSUMED: Final[dict[str, tuple[float, float, str]]] = {
    "memory_fragmentation_ratio": (
        0.05,
        0.03,
        "PyTorch's caching allocator holds 3 to 8 % more than is in use, of what comes and goes",
    ),
    "memory_runtime_bytes": (
        1.5e9,
        0.5e9,
        "CUDA context, kernels, NCCL's and cuBLAS's workspaces: 1 to 2 GiB that no allocator reports",
    ),
    "memory_runtime_error_bytes": (0.3e9, 0.0, "assumed: standard error of the same between machines"),
    "memory_bucket_bytes": (
        200e6,
        100e6,
        "gradients of data parallelism travel in buckets: 25 MiB (DDP) to 500 million elements (DeepSpeed)",
    ),
    "memory_states_error_ratio": (
        0.02,
        0.0,
        "assumed: biases, norms and padding of the vocabulary, left out",
    ),
    "memory_activations_error_ratio": (
        0.12,
        0.0,
        "assumed: kernels differ in what they save; published totals of torchtitan lie within it",
    ),
    "memory_counted_error_ratio": (
        0.25,
        0.0,
        "assumed: networks known by counts only differ in norms and activations",
    ),
    "memory_saved_cnn_ratio": (
        2.0,
        0.3,
        "a convolution's output is the input of its batch norm, whose output is the next one's input (ReLU in place)",
    ),
    "memory_saved_depthwise_ratio": (
        3.0,
        0.4,
        "likewise, and SiLU saves its own input",
    ),
    "memory_saved_vit_ratio": (
        1.9,
        0.3,
        "17 hidden states saved (Korthikanti: 34 s b h bytes) for 9 that products write",
    ),
    "memory_counted_working_ratio": (
        0.1,
        0.5,
        "assumed: gradients of one layer of about twenty, and of its input",
    ),
    "memory_workspace_bytes": (0.4e9, 0.3e9, "assumed: workspaces of convolutions and of the autotuner"),
}
"""Constants of training memory: value, standard error (relative for ratios), source."""

ASSUMED_CPU: Final[dict[str, tuple[float, float, str]]] = {
    "memory_fragmentation_ratio": (
        0.10,
        0.10,
        "blocks below 32 MiB share glibc's heap, which keeps the holes between them (mallopt(3))",
    ),
    "memory_runtime_bytes": (
        48.0 * 2**20,
        48.0 * 2**20,
        "glibc keeps up to 64 MiB at the heap's end: M_TRIM_THRESHOLD grows to twice the largest block of the heap",
    ),
    "memory_runtime_error_bytes": (64.0 * 2**20, 0.0, "assumed: all that the heap's end can hold"),
    "memory_bucket_bytes": (0.0, 0.0, "one process has no buckets"),
    "memory_workspace_bytes": (0.0, 16.0 * 2**20, "oneDNN works in place on the layouts of PyTorch"),
}
"""Those that differ where PyTorch trains on a CPU: its allocator is the C library's."""


@dataclass(frozen=True)
class Convention:
    """What a framework holds for each weight and each logit, in bytes, in 16-bit training with Adam."""

    element: float
    """Of an activation."""
    weights: float
    gradients: float
    optimizer: float
    """Moments and, where `weights` are the 16-bit copy, the 32-bit one."""
    gathered: float
    """Of a weight while its layer computes, where weights are sharded."""
    logit: float
    """Of a logit at the loss."""
    split_logit: float
    """Of one where the vocabulary is split over the tensor dimension."""
    products: bool
    """Selective checkpointing keeps every second product and the attention's output instead of all but the scores."""
    copied: bool = False
    """Gradients of replicas are copied to buckets that stay (DistributedDataParallel as it comes)."""


CONVENTIONS: Final[dict[str, Convention]] = {
    # Gradients are summed in a 32-bit buffer: 18 bytes, 6 + 12 / d with its distributed optimizer. The loss
    # overwrites its 32-bit logits with the softmax; the 16-bit logits and their gradient are there as well.
    "megatron": Convention(
        element=2, weights=2, gradients=4, optimizer=12, gathered=2, logit=8, split_logit=8, products=False
    ),
    # Table 1 of the ZeRO paper: 2 + 2 + 12.
    "deepspeed": Convention(
        element=2, weights=2, gradients=2, optimizer=12, gathered=2, logit=14, split_logit=14, products=False
    ),
    # The sharded weights are the 32-bit ones, of which layers are gathered in 16 bits. 16-bit logits, and the softmax
    # and two gradients in 32; DTensor's split loss holds one more (torch.distributed.tensor.parallel.loss).
    "fsdp": Convention(
        element=2, weights=4, gradients=4, optimizer=8, gathered=2, logit=14, split_logit=18, products=True
    ),
    # Mixed precision by autocast (32-bit weights, copies in 16) on one device or with DistributedDataParallel.
    "autocast": Convention(
        element=2,
        weights=6,
        gradients=4,
        optimizer=8,
        gathered=2,
        logit=14,
        split_logit=14,
        products=False,
        copied=True,
    ),
    # Everything in 16 bits, without 32-bit weights (fine-tuning).
    "bf16": Convention(
        element=2,
        weights=2,
        gradients=2,
        optimizer=4,
        gathered=2,
        logit=14,
        split_logit=14,
        products=False,
        copied=True,
    ),
    # Everything in 32 bits: logits, softmax and two gradients.
    "fp32": Convention(
        element=4,
        weights=4,
        gradients=4,
        optimizer=8,
        gathered=4,
        logit=16,
        split_logit=16,
        products=False,
        copied=True,
    ),
}
"""How frameworks hold weights; by name."""

FUSED_LOSS_BYTES: Final = 4.0
"""Of a logit, beside itself, where the loss is one kernel (compiled): one 32-bit copy that becomes its gradient."""

STEP_COPIES: Final = 2.0
"""Tensors as large as the weights that an eager optimizer updates at a time: the root of the moment and the quotient."""


@dataclass(frozen=True)
class MemorySetting:
    """What a framework makes of a layout, as columns (n,); flags are 0 or 1."""

    tokens: Column
    """Of one sample."""
    flash: Column
    """Attention without writing its scores."""
    compiled: Column
    """Element-wise results are computed again instead of saved."""
    dropout: Column
    element_bytes: Column
    """Of an activation."""
    weight_bytes: Column
    """Of each weight, likewise the next three."""
    gradient_bytes: Column
    optimizer_bytes: Column
    gathered_bytes: Column
    logit_bytes: Column
    split_logit_bytes: Column
    """Of a logit where the vocabulary is split over the tensor dimension."""
    products: Column
    """Selective checkpointing keeps every second product and the attention's output."""
    kept_gradients: Column
    """Gradients live through the whole step, as they do when micro-batches accumulate."""
    copied_gradients: Column | float = 0.0
    """Replicas copy their gradients to buckets that stay."""


def memory_setting(
    conventions: Sequence[str],
    *,
    tokens: Column,
    flash: Column,
    compiled: Column,
    fused_loss: Column,
    loss_chunks: Column,
    dropout: Column,
    kept_gradients: Column,
) -> MemorySetting:
    """The setting of some runs by the names of their conventions (`CONVENTIONS`), one a row.

    `fused_loss`: the loss is one kernel. `loss_chunks`: parts in which head and loss are computed one after the
    other; 1: at once. For what no convention describes, `dataclasses.replace` its bytes.
    """
    chosen = [CONVENTIONS[name] for name in conventions]

    def column(name: str) -> Column:
        return np.array([getattr(one, name) for one in chosen], dtype=np.float64)

    def at_once(bytes_per_logit: Column) -> Column:
        fused = np.minimum(column("element") + FUSED_LOSS_BYTES, bytes_per_logit)
        return np.where(fused_loss > 0, fused, bytes_per_logit) / loss_chunks

    return MemorySetting(
        tokens=tokens,
        flash=flash,
        compiled=compiled,
        dropout=dropout,
        element_bytes=column("element"),
        weight_bytes=column("weights"),
        gradient_bytes=column("gradients"),
        optimizer_bytes=column("optimizer"),
        gathered_bytes=column("gathered"),
        logit_bytes=at_once(column("logit")),
        split_logit_bytes=at_once(column("split_logit")),
        products=column("products"),
        kept_gradients=kept_gradients,
        copied_gradients=column("copied"),
    )


@dataclass(frozen=True)
class MemoryParts:
    """Bytes of one device at the peak, the fullest one's; columns (n,). The parts add up to `total`."""

    weights: Column
    gradients: Column
    """Those that are there at the peak."""
    optimizer: Column
    activations: Column
    """Saved for the backward pass, of all micro-batches in flight."""
    logits: Column
    """Logits, their softmax and their gradients, where the peak has them."""
    working: Column
    """What one layer's backward pass needs besides, and what it computes again, beyond the logits' place."""
    buffers: Column
    """Gathered layers of sharded weights, and buckets of gradients on their way."""
    fragmentation: Column
    runtime: Column
    """Outside the framework's allocator."""
    error: Column
    """Standard error of the total."""

    @property
    def allocated(self) -> Column:
        """What the framework's allocator reports as reserved."""
        parts = [
            getattr(self, field.name) for field in fields(self) if field.name not in ("runtime", "error")
        ]
        return sum(parts, np.zeros(1))

    @property
    def total(self) -> Column:
        """What the device must have."""
        return self.allocated + self.runtime

    def quantile(self, deviations: float) -> Column:
        """The total so many standard errors above (or, negative, below) the likely one; never under the weights."""
        return np.maximum(self.total + deviations * self.error, self.weights)

    @property
    def low(self) -> Column:
        """The lower end of the 80 % interval."""
        return self.quantile(-1.2816)

    @property
    def high(self) -> Column:
        """The upper end of the 80 % interval."""
        return self.quantile(1.2816)

    def fits(self, limit_bytes: Column | float) -> Column:
        """Whether a device of that memory surely suffices (0 or 1): 2.3 standard errors above the likely total do.

        Being wrong costs a run that dies, so the bound is the 99 % quantile and not the interval's end.
        """
        surely: Column = (self.quantile(2.3263) <= limit_bytes).astype(np.float64)
        return surely


def micro_batches_in_flight(layout: LayoutColumns, *, first: bool) -> Column:
    """Micro-batches whose activations the first (or the last) device holds at its peak, in units of all its layers.

    GPipe: all m. 1F1B: min(m, p) on the first, one on the last; zero bubble (ZB-H1): min(m, p) on both, as the last
    delays its weights' gradients. Interleaved: the first warms up with p v + p - 1 chunks of a v-th of its layers,
    p (1 + (p - 1) / (p v)) in whole ones.
    """
    p, v, m = layout.pipeline, layout.virtual_stages, layout.accumulation
    chunks = p * v + p - 1.0 if first else p * (v - 1.0) + 1.0
    plain = p if first else np.where(layout.zero_bubble > 0, p, 1.0)
    steady = np.minimum(np.where(v > 1, chunks / v, plain), m)
    return np.where(p > 1, np.where(layout.gpipe > 0, m, steady), 1.0)


def activation_bytes_per_token(
    network: TransformerColumns, layout: LayoutColumns, setting: MemorySetting
) -> tuple[Column, Column]:
    """What all layers save for each token of a device's micro-batch: under the layout, and without recomputation.

    For a GPT layer in 16 bits with dropout these are the published h (34 + 5 a s / h); in general, e bytes each:
    inputs of two norms and of two blocks 4 h; q + k + k and attention's output q; f before and after the activation
    (gated: two before, one after; eager code saves the activated gate too); masks of 1 byte. Products' inputs, norms
    and dropout are split over the tensor dimension only under sequence parallelism.
    """
    net, lay, e = network, layout, setting.element_bytes
    t = lay.tensor
    whole = np.where(lay.sequence_parallel > 0, t, 1.0)
    eager = 1.0 - setting.compiled
    masks = setting.dropout * eager
    q = net.heads * net.head_dim
    k = np.maximum(net.kv_heads, np.minimum(t, net.heads)) * net.head_dim
    latent = net.latent_rank > 0
    q_in = np.where(latent, q + net.heads * net.rope_dim, q)
    k_in = np.where(latent, net.heads * (2.0 * net.head_dim + net.rope_dim), 2.0 * k)
    compressed = np.where(latent, net.query_rank + net.latent_rank + net.rope_dim, 0.0)

    # Inputs of a norm are the residual stream; outputs can be computed again from it.
    stream = net.hidden * (e + e * eager) / whole
    attention = stream + masks * net.hidden / whole + e * compressed / whole + e * (q_in + k_in + q) / t
    statistics = 4.0 * net.heads / t * setting.flash
    spans = np.where(net.window > 0, np.minimum(2.0 * net.window, setting.tokens), setting.tokens)
    windowed = np.minimum(net.window_layers, net.layers)
    seen = (net.layers - windowed) * setting.tokens + windowed * spans
    scores = (1.0 - setting.flash) * (e * (1.0 + masks) + masks) * net.heads / t * seen

    before = net.matrices - 1.0
    # Gated: both halves before, the activated gate (eager only), and their product.
    wide = before + eager * np.where(net.gated > 0, 2.0, 1.0)
    around = stream + masks * net.hidden / whole
    plain = around + e * wide * net.ffn / t
    routed = net.experts_per_token * (e * wide * net.expert_ffn / t + 2.0 * e * net.hidden / whole)
    router = 2.0 * 4.0 * net.experts / whole
    mixture = around + e * wide * net.shared_ffn / t + routed + router
    # Gate, input and output of the mixer, its convolved input, and states of 8 groups.
    mixer = stream + e * (4.0 * net.state_space_inner + 16.0 * net.state_space_state) / t

    every = (
        net.layers * (attention + statistics)
        + scores
        + net.plain_mlp_layers * plain
        + net.expert_layers * mixture
        + net.state_space_layers * mixer
    )
    inputs = e * net.hidden / whole * (net.all_layers)
    # Every second product in the order q, k, v, output, gate, up, down: q, v, gate, down; and attention's output. A
    # compiler drops the last, which nothing needs: it is only added to the residual stream.
    active = net.experts_per_token * net.expert_ffn + net.shared_ffn
    kept = (
        inputs
        + net.layers * (e * (q_in + 0.5 * k_in + q) / t + statistics)
        + net.plain_mlp_layers * e * (net.ffn / t + eager * net.hidden / whole)
        + net.expert_layers * e * (active / t + eager * net.experts_per_token * net.hidden / whole)
        + net.state_space_layers * e * (2.0 * net.state_space_inner + 8.0 * net.state_space_state) / t
    )
    selective = np.where(setting.products > 0, np.minimum(kept, every), every - scores)
    # Checkpointing may cover only some of the layers: `full` is their share.
    held = lay.full * inputs + (1.0 - lay.full) * np.where(lay.selective > 0, selective, every)
    return held, every


def stage_weights(
    network: TransformerColumns, layout: LayoutColumns, share: Column, *, first: bool, last: bool
) -> tuple[Column, Column, Column]:
    """Weights of one device of a stage that has a share of the layers: of layers beside experts, experts, and ends.

    Experts are spread over the expert dimension as well as over the tensor one. The embedding is on the first stage,
    the head on the last one; where they share weights, a pipeline has them twice.
    """
    experts = network.expert_layers * network.experts * network.expert_weights
    own_head = np.where(network.tied > 0, 0.0, network.head_weights)
    layers = network.parameters - experts - network.embedding_weights - own_head
    of_stage = (network.embedding_weights if first else 0.0) + (network.head_weights if last else 0.0)
    ends = np.where(layout.pipeline > 1, of_stage, network.embedding_weights + own_head)
    t = layout.tensor
    return share * layers / t, share * experts / (t * layout.expert), ends / t


def _adapters(network: TransformerColumns, layout: LayoutColumns, share: Column) -> Column:
    """Weights of low-rank adapters of one device, on the attention and the plain MLPs."""
    q, k = network.heads * network.head_dim, network.kv_heads * network.head_dim
    attention = 2.0 * (network.hidden + q) + 2.0 * (network.hidden + k)
    mlp = network.matrices * (network.hidden + network.ffn)
    sides = network.layers * attention + network.plain_mlp_layers * mlp
    return layout.lora_rank * share * sides / layout.tensor


def stage_memory(
    network: TransformerColumns,
    layout: LayoutColumns,
    setting: MemorySetting,
    constants: Mapping[str, float],
    *,
    layers: Column,
    in_flight: Column,
    first: bool,
    last: bool,
) -> MemoryParts:
    """The parts for one device of one pipeline stage that holds so many layers and micro-batches in flight."""
    net, lay, c = network, layout, constants
    e = setting.element_bytes
    alone = (lay.pipeline == 1).astype(np.float64)
    share = layers / np.maximum(net.all_layers, 1.0)
    plain, experts, ends = stage_weights(net, lay, share, first=first, last=last)
    dense = plain + ends
    stage = lay.zero_stage
    shard = np.maximum(lay.shard, 1.0)
    expert_shard = np.maximum(lay.shard / lay.expert, 1.0)

    def sharded(bytes_per_weight: Column, at: float) -> Column:
        return bytes_per_weight * (
            dense / np.where(stage >= at, shard, 1.0) + experts / np.where(stage >= at, expert_shard, 1.0)
        )

    adapted = lay.lora_rank > 0
    adapters = _adapters(net, lay, share) / np.where(stage >= 1, shard, 1.0)
    # Frozen weights stay in the precision they compute in.
    frozen = sharded(setting.gathered_bytes, 3.0)
    weights = np.where(adapted, frozen + setting.weight_bytes * adapters, sharded(setting.weight_bytes, 3.0))
    gradients = np.where(adapted, setting.gradient_bytes * adapters, sharded(setting.gradient_bytes, 2.0))
    optimizer = np.where(adapted, setting.optimizer_bytes * adapters, sharded(setting.optimizer_bytes, 1.0))

    tokens = lay.micro_batch * setting.tokens / lay.context
    held, every = activation_bytes_per_token(net, lay, setting)
    t = lay.tensor
    whole = np.where(lay.sequence_parallel > 0, t, 1.0)
    activations = share * held * tokens * in_flight

    # The last stage has one micro-batch at its loss, whatever is in flight.
    has_head = np.maximum(alone, float(last))
    words = net.vocab / t * has_head
    of_logit = np.where(t > 1, setting.split_logit_bytes, setting.logit_bytes)
    # The head's input is whole on every tensor rank, and so is its gradient.
    logits = tokens * (of_logit * words + 2.0 * e * net.hidden * has_head)

    # One layer's backward pass: what it computes again, and gradients of its widest tensors.
    one = 1.0 / np.maximum(net.all_layers, 1.0)
    again = one * (every - held) * tokens
    wide = np.maximum(net.ffn, net.experts_per_token * net.expert_ffn + net.shared_ffn)
    eager = 1.0 - setting.compiled
    narrow = (3.0 + eager) * net.hidden / whole + np.where(lay.sequence_parallel > 0, 2.0 * net.hidden, 0.0)
    flow = tokens * e * (narrow + (net.matrices - 1.0 + eager) * wide / t)
    square = (1.0 - setting.flash) * 2.0 * e * net.heads / t * setting.tokens * tokens
    working = again + np.maximum(flow, square)

    whole_shard = stage >= 3
    layer = (plain + experts) / np.maximum(layers, 1.0)
    piped = (lay.pipeline > 1) & whole_shard
    # Two layers are gathered at a time, the one that computes and the next; both ends stay. In a pipeline the whole
    # stage stays gathered and gathers its gradients in 32 bits until the last micro-batch (torchtitan).
    gathered = np.where(
        piped,
        (setting.gathered_bytes + np.where(adapted, 0.0, 4.0)) * (dense + experts),
        setting.gathered_bytes * (2.0 * layer + ends)
        + np.where(adapted, 0.0, setting.gathered_bytes * layer),
    )
    replicas = lay.data * lay.context
    bucket = np.minimum(c["memory_bucket_bytes"], gradients)
    bucket = np.where((stage < 1) & (np.asarray(setting.copied_gradients) > 0), gradients, bucket)
    travelling = np.where((replicas > 1) & (stage < 3), bucket, 0.0)
    buffers = np.where(whole_shard & (shard > 1), gathered, travelling)

    # At the loss, gradients are there only if they live through the step; at the end all are, activations are not.
    head_gradient = (
        setting.gradient_bytes * net.head_weights * has_head / t / np.where(stage >= 2, shard, 1.0)
    )
    head_gradient = np.where(adapted, 0.0, np.minimum(head_gradient, gradients))
    kept = np.maximum(setting.kept_gradients, (lay.accumulation > 1).astype(np.float64))
    # The head's gradient comes when the softmax and one gradient of the logits are gone.
    present_at_loss = np.where(kept > 0, gradients, np.maximum(head_gradient - 0.5 * logits, 0.0))
    at_loss = activations + np.maximum(logits, working)
    largest = np.maximum(np.where(ends > 0, net.head_weights, 0.0), net.hidden * wide) / t
    largest = np.where(adapted, 0.0, largest / np.where(stage >= 1, shard, 1.0))
    at_end = np.maximum(working, STEP_COPIES * 4.0 * largest * eager)
    present = np.maximum(present_at_loss, gradients + at_end - at_loss)

    beyond = np.maximum(working - logits, 0.0)
    passing = activations + logits + beyond + buffers
    fragmentation = c["memory_fragmentation_ratio"] * passing
    states = weights + present + optimizer
    unsure = np.hypot(
        c["memory_states_error_ratio"] * states,
        c["memory_activations_error_ratio"] * (passing + fragmentation),
    )
    error = np.hypot(unsure, c["memory_runtime_error_bytes"])
    shape = np.broadcast_shapes(states.shape, passing.shape)
    parts = {
        "weights": weights,
        "gradients": present,
        "optimizer": optimizer,
        "activations": activations,
        "logits": logits,
        "working": beyond,
        "buffers": buffers,
        "fragmentation": fragmentation,
        "runtime": np.full(1, c["memory_runtime_bytes"]),
        "error": error,
    }
    return MemoryParts(**{name: np.broadcast_to(part, shape) for name, part in parts.items()})


def training_memory(
    network: TransformerColumns,
    layout: LayoutColumns,
    setting: MemorySetting,
    constants: Mapping[str, float],
) -> MemoryParts:
    """The parts of the fullest device: of the first stage or of the last one, where stages are as even as can be.

    The first stage holds the most micro-batches and the embedding; the last one the head and its logits. For uneven
    stages call `stage_memory` for each.

    >>> from tradewind.decide.prediction.layouts import layout_columns
    >>> from tradewind.decide.prediction.transformers import transformer_columns
    >>> from tradewind.domain.architecture import Transformer
    >>> from tradewind.domain.layout import TrainingLayout
    >>> gpt = Transformer(name="GPT-2", family="gpt2", layers=12, hidden=768, heads=12, kv_heads=12, head_dim=64,
    ...     ffn=3072, gated=False, vocab=50257, tied=True, positions=1024)
    >>> one, none = np.ones(1), np.zeros(1)
    >>> setting = memory_setting(["fp32"], tokens=1024 * one, flash=one, compiled=none, fused_loss=none,
    ...     loss_chunks=one, dropout=none, kept_gradients=one)
    >>> constants = {name: value for name, (value, _, _) in ASSUMED.items()}
    >>> parts = training_memory(transformer_columns([gpt]), layout_columns([TrainingLayout(micro_batch=4)]),
    ...     setting, constants)
    >>> round(float(parts.weights[0]) / 1e9, 2), round(float(parts.total[0]) / 1e9, 1)
    (0.5, 9.5)
    """
    layers = np.ceil(network.all_layers / (layout.pipeline * layout.virtual_stages)) * layout.virtual_stages
    layers = np.minimum(layers, network.all_layers)
    ends = [
        stage_memory(
            network,
            layout,
            setting,
            constants,
            layers=layers,
            in_flight=micro_batches_in_flight(layout, first=first),
            first=first,
            last=not first,
        )
        for first in (True, False)
    ]
    fuller = ends[1].total > ends[0].total
    return MemoryParts(
        **{
            field.name: np.where(fuller, getattr(ends[1], field.name), getattr(ends[0], field.name))
            for field in fields(MemoryParts)
        }
    )


def counted_training_memory(
    parameters: Column,
    activations: Column,
    batch: Column,
    constants: Mapping[str, float],
    *,
    saved_ratio: Column | float,
    element_bytes: Column | float = 4.0,
    state_bytes: Column | float = 16.0,
    input_elements: Column | float = 3 * 224 * 224,
    largest: Column | float = 0.0,
    held_share: Column | float = 1.0,
) -> MemoryParts:
    """The parts for a network that is known by its counts, on one device (data parallelism changes nothing).

    Args:
        parameters: Weights.
        activations: Elements written by all convolutions and products of one sample's forward pass.
        batch: Samples of a micro-batch.
        constants: As in `ASSUMED`.
        saved_ratio: Elements saved for each element written: `memory_saved_..._ratio` of the network's style.
        element_bytes: Of an activation: 4, or 2 in mixed precision.
        state_bytes: Of each weight, its gradient and optimizer states: 16 with Adam, 12 with momentum, 8 with plain SGD.
        input_elements: Of one sample.
        largest: Weights of the largest tensor, of which an eager optimizer makes copies.
        held_share: Of what is saved, where blocks are computed again: 2 / sqrt(n) with sqrt(n) blocks of n layers
            (Chen et al. 2016: the blocks' inputs, and the inside of one).
    """
    c = constants
    saved = saved_ratio * activations * batch * element_bytes
    held = held_share * saved + input_elements * batch * element_bytes
    weights = 4.0 * parameters
    gradients = 4.0 * parameters
    optimizer = np.maximum(state_bytes - 8.0, 0.0) * parameters
    working = c["memory_counted_working_ratio"] * saved
    at_end = np.maximum(working, STEP_COPIES * 4.0 * largest)
    present = np.maximum(gradients + at_end - held - working, 0.0)
    workspace = c["memory_workspace_bytes"]
    fragmentation = c["memory_fragmentation_ratio"] * (held + working)
    unsure = np.hypot(
        c["memory_states_error_ratio"] * (weights + present + optimizer),
        c["memory_counted_error_ratio"] * (held + working + fragmentation),
    )
    error = np.hypot(unsure, c["memory_runtime_error_bytes"])
    zero = np.zeros(1)
    shape = np.broadcast_shapes(weights.shape, held.shape)
    parts = {
        "weights": weights,
        "gradients": present,
        "optimizer": optimizer,
        "activations": held,
        "logits": zero,
        "working": working,
        "buffers": zero + workspace,
        "fragmentation": fragmentation,
        "runtime": zero + c["memory_runtime_bytes"],
        "error": error,
    }
    return MemoryParts(**{name: np.broadcast_to(part, shape) for name, part in parts.items()})
