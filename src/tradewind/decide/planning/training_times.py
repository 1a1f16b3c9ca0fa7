"""The time of a training step, factored: what a device does for a micro-batch once for each shape, the rest by mesh.

`step_times` of the prediction tells where the time of a step goes; a search over millions of meshes needs only how
long it is, and most of its work (some forty products of matrices) depends on the shape alone. `works_of` does that
part for pairs of a machine kind and a shape, `step_s` the rest for meshes of them. Together they equal `step_times`.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from tradewind.decide.prediction import collectives, kernels
from tradewind.decide.prediction import training as steps
from tradewind.decide.prediction.devices import DeviceColumns, columns_of
from tradewind.decide.prediction.layouts import LayoutColumns
from tradewind.decide.prediction.training import TrainingSetting

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tradewind.decide.planning.meshes import Shape
    from tradewind.decide.planning.training_space import Kind
    from tradewind.decide.prediction.transformers import Column, TransformerColumns
    from tradewind.domain.layout import Checkpointing

__all__ = [
    "CHECKPOINTINGS",
    "Columns",
    "Works",
    "kind_columns",
    "layout_of",
    "setting_of",
    "step_s",
    "works_of",
]

CHECKPOINTINGS: Final[tuple[Checkpointing, ...]] = ("none", "selective", "full")
_OPERAND_BYTES: Final = {"fp32": 4.0, "tf32": 4.0, "fp8": 1.0, "int8": 1.0, "fp4": 0.5}
_HALVES: Final = ("fp32", "tf32", "fp16")
PRODUCTS_AGAIN: Final = 0.5
"""Selective checkpointing keeps every second product (torchtitan), and computes the others again."""


@dataclass(frozen=True)
class Columns:
    """Meshes as columns (n,): which pair of kind and shape each belongs to, and its degrees."""

    pair: np.ndarray
    pipeline: np.ndarray
    virtual_stages: np.ndarray
    data: np.ndarray
    accumulation: np.ndarray
    zero_stage: np.ndarray
    checkpointing: np.ndarray
    """Places in CHECKPOINTINGS."""
    inside: np.ndarray
    """Devices over which ZeRO shards, inside the fast link (hybrid sharding); 0: the whole data and context dimensions."""

    def __len__(self) -> int:
        return len(self.pair)

    def take(self, rows: np.ndarray) -> Columns:
        """Some of the rows, in that order."""
        return Columns(**{field.name: getattr(self, field.name)[rows] for field in fields(self)})

    @classmethod
    def joined(cls, parts: Sequence[Columns]) -> Columns:
        """All rows of some columns."""
        names = [field.name for field in fields(cls)]
        return cls(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in names})


@dataclass(frozen=True)
class Works:
    """What a device does for one micro-batch on the whole network, in seconds, as columns: one row a pair."""

    network: TransformerColumns
    half: DeviceColumns
    """One row a pair."""
    setting: TrainingSetting
    tensor: Column
    context: Column
    expert: Column
    micro_batch: Column
    tokens: Column
    forward_products: Column
    backward_products: Column
    forward_scores: Column
    backward_scores: Column
    elementwise: Column
    vocabulary: Column
    tensor_s: tuple[Column, Column]
    """Exposed tensor-parallel traffic, without and with full recomputation; likewise the next."""
    expert_s: tuple[Column, Column]
    context_s: Column

    def __len__(self) -> int:
        return len(self.tensor)

    def layers_s(self, checkpointing: int) -> Column:
        """All of a micro-batch but the vocabulary, on one stage, with what its layers send."""
        again, full = _again(checkpointing), int(checkpointing == 2)
        return np.asarray(
            (1.0 + again) * self.forward_products
            + self.backward_products
            + (1.0 + full) * self.forward_scores
            + self.backward_scores
            + (2.6 + again) * self.elementwise
            + self.tensor_s[full]
            + self.expert_s[full]
            + self.context_s
        )


def _again(checkpointing: int) -> float:
    return (0.0, PRODUCTS_AGAIN, 1.0)[checkpointing]


def setting_of(tokens: int, precision: str) -> TrainingSetting:
    """How jobs run that are planned: fused kernels, attention without its scores, gradients summed in 32 bits."""
    one = np.ones(1)
    return TrainingSetting(
        tokens=float(tokens) * one,
        flash=one,
        compiled=one,
        async_tensor=0.0 * one,
        graphs=0.0 * one,
        gradient_bytes=4.0 * one,
        operand_bytes=_OPERAND_BYTES.get(precision, 2.0) * one,
        products_again=PRODUCTS_AGAIN * one,
    )


def kind_columns(kinds: Sequence[Kind], precision: str) -> tuple[DeviceColumns, DeviceColumns]:
    """The figures of kinds of machines at a precision, and at 16 bits; links and network as the offers state them."""
    devices = [kind.device for kind in kinds]
    half = precision if precision in _HALVES else "bf16"
    both = []
    for name in (precision, half):
        columns = columns_of(devices, [name] * len(devices))
        stated = np.array([kind.network_bytes_per_s or np.nan for kind in kinds])
        network = np.where(np.isnan(stated), columns.network_bytes_per_s, stated)
        domain = np.array([float(kind.domain) for kind in kinds])
        both.append(replace(columns, network_bytes_per_s=network, devices_per_machine=domain))
    return both[0], both[1]


def layout_of(
    tensor: Column, context: Column, expert: Column, micro_batch: Column, meshes: Columns | None = None
) -> LayoutColumns:
    """Layout columns of some shapes; of one stage on one replica unless meshes say more."""
    one = np.ones_like(tensor)
    level = np.zeros(len(tensor)) if meshes is None else meshes.checkpointing
    data = one if meshes is None else meshes.data.astype(np.float64)
    shard = data * context
    if meshes is not None:
        shard = np.where(meshes.inside > 0, meshes.inside, shard)
    return LayoutColumns(
        tensor=tensor,
        pipeline=one if meshes is None else meshes.pipeline.astype(np.float64),
        virtual_stages=one if meshes is None else meshes.virtual_stages.astype(np.float64),
        context=context,
        expert=expert,
        data=data,
        zero_stage=0.0 * one if meshes is None else meshes.zero_stage.astype(np.float64),
        shard=shard,
        micro_batch=micro_batch,
        accumulation=one if meshes is None else meshes.accumulation.astype(np.float64),
        full=(level == 2).astype(np.float64),
        selective=(level == 1).astype(np.float64),
        sequence_parallel=(tensor > 1).astype(np.float64),
        gpipe=0.0 * one,
        zero_bubble=0.0 * one,
        lora_rank=0.0 * one,
    )


def works_of(
    network: TransformerColumns,
    device: DeviceColumns,
    half: DeviceColumns,
    shapes: Sequence[Shape],
    kind: np.ndarray,
    shape: np.ndarray,
    setting: TrainingSetting,
    constants: Mapping[str, float],
) -> Works:
    """The work of pairs: row i is shape `shape[i]` on kind `kind[i]`. Kinds that differ only in their links share it."""
    c = constants
    table = np.array(shapes, dtype=np.float64).reshape(-1, 4)
    chips = np.stack(
        [getattr(device, field.name) for field in fields(DeviceColumns) if field.name not in _LINKS], axis=1
    )
    _, sample, chip = np.unique(chips, axis=0, return_index=True, return_inverse=True)
    keys = chip.reshape(-1)[kind] * len(table) + shape
    alone, where = np.unique(keys, return_inverse=True)
    rows, here = sample[alone // len(table)], table[alone % len(table)]
    lay = layout_of(here[:, 0], here[:, 1], here[:, 2], here[:, 3])
    of_chip = _work(network, device.take(rows), half.take(rows), lay, setting, c)
    spread = {name: column[where.reshape(-1)] for name, column in of_chip.items()}

    mine = table[shape]
    lay = layout_of(mine[:, 0], mine[:, 1], mine[:, 2], mine[:, 3])
    links = half.take(kind)
    tokens = lay.micro_batch * setting.tokens / lay.context
    again = replace(lay, full=np.ones(len(kind)))
    backward = spread["backward_products"]
    scores = spread["forward_scores"] + spread["backward_scores"]

    def whole(column: Column) -> Column:
        return np.broadcast_to(np.asarray(column, dtype=np.float64), (len(kind),))

    return Works(
        network=network,
        half=links,
        setting=setting,
        tensor=lay.tensor,
        context=lay.context,
        expert=lay.expert,
        micro_batch=lay.micro_batch,
        tokens=tokens,
        **spread,
        tensor_s=(
            whole(steps._tensor_traffic(network, lay, setting, tokens, links, backward, c)),
            whole(steps._tensor_traffic(network, again, setting, tokens, links, backward, c)),
        ),
        expert_s=(
            whole(steps._expert_traffic(network, lay, tokens, links, c)),
            whole(steps._expert_traffic(network, again, tokens, links, c)),
        ),
        context_s=whole(steps._context_traffic(network, lay, tokens, links, scores, c)),
    )


_LINKS: Final = ("link_bytes_per_s", "devices_per_machine", "network_bytes_per_s")


def _work(
    net: TransformerColumns,
    device: DeviceColumns,
    half: DeviceColumns,
    lay: LayoutColumns,
    setting: TrainingSetting,
    c: Mapping[str, float],
) -> dict[str, Column]:
    """The parts that depend on the chip and the shape alone."""
    tokens = lay.micro_batch * setting.tokens / lay.context
    narrow = (device.peak_flops_per_s > 1.05 * half.peak_flops_per_s).astype(np.float64)
    trained, size = np.ones(1), setting.operand_bytes
    forward: Column = np.zeros(len(lay))
    backward: Column = np.zeros(len(lay))
    for layers, products in (
        (net.layers, steps._attention_products(net, lay, tokens)),
        (net.plain_mlp_layers, steps._mlp_products(net, net.ffn, lay, tokens)),
        (net.expert_layers, steps._mlp_products(net, net.shared_ffn, lay, tokens)),
        (net.state_space_layers, steps._state_space_products(net, lay, tokens)),
    ):
        if layers[0] > 0:
            there, back = steps._both(products, device, size, narrow, trained, c)
            forward, backward = forward + layers * there, backward + layers * back
    if net.expert_layers[0] > 0:
        there, back = steps._expert_products(net, lay, tokens, device, size, narrow, trained, c)
        forward, backward = forward + net.expert_layers * there, backward + net.expert_layers * back
    scores, scores_back = steps._scores(net, lay, setting, half, c)
    found = {
        "forward_products": forward,
        "backward_products": backward,
        "forward_scores": scores,
        "backward_scores": scores_back,
        "elementwise": steps._elementwise(net, lay, setting, tokens, half, c),
        "vocabulary": steps._vocabulary(net, lay, setting, tokens, half, trained, c),
    }
    return {name: np.broadcast_to(column, (len(lay),)) for name, column in found.items()}


def step_s(works: Works, meshes: Columns, constants: Mapping[str, float]) -> Column:
    """Seconds of one step of each mesh: `step_times(...).total_s` of the same."""
    c, net, at = constants, works.network, meshes.pair
    p, v = meshes.pipeline.astype(np.float64), meshes.virtual_stages.astype(np.float64)
    m, d = meshes.accumulation.astype(np.float64), meshes.data.astype(np.float64)
    level = meshes.checkpointing
    full = (level == 2).astype(np.float64)
    again = np.array([_again(place) for place in range(3)])[level]
    stage = 1.0 / p
    layers = (
        (1.0 + again) * works.forward_products[at]
        + works.backward_products[at]
        + (1.0 + full) * works.forward_scores[at]
        + works.backward_scores[at]
        + (2.6 + again) * works.elementwise[at]
    ) * stage
    vocabulary = works.vocabulary[at]
    layer_kernels = (
        float((net.all_layers + net.mlp_count * (net.mlp_layers > 0))[0]) * c["training_layer_kernels"]
    )
    fused = np.where(works.setting.compiled > 0, 0.6, 1.0) * np.where(
        works.setting.graphs > 0, c["graph_launch_ratio"], 1.0
    )
    experts = float(net.expert_layers[0]) * c["expert_kernels"]
    kernels_run = stage * layer_kernels * (3.0 + full) * fused
    if experts:
        kernels_run = kernels_run + 3.0 * stage * experts * np.maximum(net.experts / works.expert[at], 1.0)
    launch = steps._excess(kernels_run * c["training_launch_s"], layers + vocabulary)
    uneven = np.ceil(net.all_layers / (p * v)) * v * p / net.all_layers
    sent = np.where(full > 0, works.tensor_s[1][at], works.tensor_s[0][at]) + works.context_s[at]
    if experts:
        sent = sent + np.where(full > 0, works.expert_s[1][at], works.expert_s[0][at])
    slowest = (layers + launch + sent * stage) * uneven + vocabulary
    average = slowest - vocabulary * (1.0 - stage)
    bubble = (p - 1.0) * average / v

    lay = layout_of(works.tensor[at], works.context[at], works.expert[at], works.micro_batch[at], meshes)
    links = works.half.take(at)
    moved = 2.0 * works.tokens[at] * net.hidden / works.tensor[at]
    hops = collectives.send_s(moved, lay.tensor * lay.context * d, links, c) + c["pipeline_overhead_s"]
    pipeline = np.where(p > 1, 2.0 * hops * (p - 1.0 + 0.25 * m * v), 0.0)
    data, contention = steps._data_traffic(net, lay, works.setting, links, slowest, c)
    held = steps._weights_per_device(net, lay) / np.where(lay.zero_stage > 0, lay.shard, 1.0)
    optimizer = kernels.memory_bound_s(c["training_optimizer_bytes"] * held, links, c)
    worked = m * slowest + bubble + pipeline + data + contention + optimizer
    waiting = worked * c["jitter_per_doubling"] * np.log2(lay.tensor * lay.context * p * d)
    total: Column = worked + waiting + c["training_step_s"]
    return total
