"""Jobs whose network every device holds whole: convolutional and other counted networks, and recommenders.

They are spread by data parallelism alone. A recommender's embedding tables are the exception: where a device cannot
hold them all, or where exchanging the rows that samples ask for is faster than keeping copies alike, each device keeps
a part of the tables, and rows travel between devices (Naumov et al. 2019; TorchRec). `Mesh.shape.expert` is then the
number of devices that share them.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import numpy as np

from tradewind.decide.planning.meshes import Shape
from tradewind.decide.planning.training_pricing import (
    Asked,
    Floors,
    Front,
    Incumbent,
    Layouts,
    Mesh,
    Pricing,
    Spread,
    Tally,
    price_all,
)
from tradewind.decide.planning.training_search import SURE
from tradewind.decide.planning.training_times import kind_columns
from tradewind.decide.prediction import collectives
from tradewind.decide.prediction.counted import Calls, calls_of, training_step_s
from tradewind.decide.prediction.memory import counted_training_memory
from tradewind.domain.architecture import Counted, Recommender
from tradewind.domain.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tradewind.decide.planning.training_space import Market
    from tradewind.decide.prediction.memory import MemoryParts
    from tradewind.domain.training import Objective, TrainGoal

__all__ = ["CountedSpace"]

_MOST_BATCH: Final = 65536
_STYLES: Final = {"cnn": "cnn", "depthwise": "depthwise"}
"""Styles whose saved activations have a constant of their own; the others save as transformers do."""
_ROW_STATE_RATIO: Final = 1.0
"""Optimizer states of a table for each of its bytes, at most: a moment for each weight (Adagrad); row-wise ones less."""


class CountedSpace:
    """Every micro-batch and number of devices of a network that is spread by data parallelism."""

    def __init__(
        self,
        network: Counted | Recommender,
        goal: TrainGoal,
        market: Market,
        constants: Mapping[str, float],
        spreads: tuple[Spread, ...],
        checkpoint_bytes: float,
        most_devices: int,
    ) -> None:
        self.network, self.market, self.constants = network, market, constants
        self.most = most_devices
        self.samples = goal.train.samples_in_all
        low, high = goal.train.batch
        sizes = [2**power for power in range(17) if 2**power <= min(high, _MOST_BATCH)]
        kinds = [place for place in range(len(market.kinds)) if market.first[place] < market.first[place + 1]]
        kind, size = (one.reshape(-1) for one in np.meshgrid(kinds, np.arange(len(sizes)), indexing="ij"))
        batch = np.array(sizes, dtype=np.int64)[size.astype(np.int64)]
        self.device, _ = kind_columns(market.kinds, goal.train.precision)
        self.per = np.array([one.per_machine for one in market.kinds], dtype=np.int64)
        self.pair_kind, self.pair_batch = kind.astype(np.int64), batch
        calls = self._calls(goal)
        pair, data, accumulation = self._meshes(batch, self.pair_kind, low, high)
        self.pair, self.data, self.accumulation = pair, data, accumulation
        self.once_s, self.again_s, self.exchanges = self._steps(calls)
        self.pricing = Pricing(market, spreads, checkpoint_bytes, goal.train.checkpoint_bytes_per_s)
        self._floors: dict[tuple[Objective, bool], Floors] = {}

    def _calls(self, goal: TrainGoal) -> Calls:
        rows = [
            {
                "model": self.network.name,
                "device": self.market.kinds[kind].device.name,
                "batch": str(size),
                "precision": "amp" if goal.train.precision in ("bf16", "fp16") else goal.train.precision,
                "framework": "pytorch 2 compile",
                "notes": "training",
            }
            for kind, size in zip(self.pair_kind.tolist(), self.pair_batch.tolist(), strict=True)
        ]
        devices = tuple({kind.device.name: kind.device for kind in self.market.kinds}.values())
        read = calls_of(rows, devices, (self.network,))
        if read.reasons:
            raise InputError(f"{self.network.name}: {next(iter(read.reasons.values()))}")
        return read.calls

    def _meshes(
        self, batch: np.ndarray, kind: np.ndarray, low: int, high: int
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Pair, data degree and micro-batches of every layout: whole machines, the largest global batch allowed."""
        parts = []
        for pair, size in enumerate(batch.tolist()):
            per = int(self.per[kind[pair]])
            data = np.arange(per, self.most + 1, per)
            accumulation = high // (size * data)
            good = (accumulation >= 1) & (accumulation * size * data >= low)
            parts.append(np.stack([np.full(int(good.sum()), pair), data[good], accumulation[good]]))
        table = np.concatenate(parts, axis=1) if parts else np.zeros((3, 0), dtype=np.int64)
        return table[0], table[1], table[2]

    @property
    def macs(self) -> float:
        """Multiply-adds of one sample's forward pass."""
        if isinstance(self.network, Counted):
            return self.network.macs
        return float(sum(one * two for one, two in pairwise(self.network.dense)))

    @cached_property
    def size(self) -> int:
        """Layouts in all."""
        return len(self.pair) * (2 if isinstance(self.network, Recommender) else 1)

    def _steps(self, calls: Calls) -> tuple[np.ndarray, np.ndarray, dict[int, np.ndarray]]:
        """Of every layout: seconds of a step's first micro-batch, of each further one, and of what devices exchange.

        Exchanges are by how tables are kept: 0 copies (or no tables), 1 shared. Without tables the step of one
        micro-batch is `training_step_s` of the same.
        """
        c = self.constants
        device = self.device.take(self.pair_kind)
        tables = calls.table_parameters
        dense = replace(calls, table_parameters=np.zeros(len(calls)))
        alone = training_step_s(dense, device, c, devices=np.ones(len(calls)))
        bandwidth = device.memory_bandwidth_bytes_per_s * c["memory_bandwidth_ratio"]
        optimizer = c["optimizer_bytes"] * calls.parameters / bandwidth
        # Rows are read once more and written with their states where they are kept.
        rows = 3.0 * (1.0 + _ROW_STATE_RATIO) * calls.batch * calls.gathered_bytes / bandwidth
        again = alone - optimizer + np.where(tables > 0, rows, 0.0)
        gradients = np.where(calls.mixed, 4.0, calls.weight_bytes) * calls.parameters
        links = device.take(self.pair)
        world = self.data.astype(np.float64)
        inside = np.minimum(world, links.devices_per_machine)
        summed = c["exposed_reduction_ratio"] * collectives.all_reduce_s(
            gradients[self.pair], world, inside, links, c
        )
        asked = (calls.batch * calls.gathered_bytes)[self.pair] * self.accumulation
        # Copies must all see every row that changed, shared tables only those that their device keeps: there and back.
        copies = np.where(
            tables[self.pair] > 0, collectives.all_gather_s(asked * world, world, inside, links, c), 0.0
        )
        shared = 2.0 * collectives.all_to_all_s(asked, world, inside, links, c)
        return (again + optimizer)[self.pair], again[self.pair], {0: summed + copies, 1: summed + shared}

    def floors(self, objective: Objective) -> Floors:
        """Least values for an objective, computed once."""
        key = objective, False
        if key not in self._floors:
            self._floors[key] = self.pricing.floors(self.most, objective, undisturbed=False)
        return self._floors[key]

    def search(self, asked: Asked, best: Incumbent | Front, tally: Tally) -> None:
        """Puts into `best` what is best of the whole space."""
        for shared in (0, 1) if isinstance(self.network, Recommender) else (0,):
            step = self.once_s + (self.accumulation - 1) * self.again_s + self.exchanges[shared]
            fits = (
                self.parts(self.pair, self.data, shared).quantile(SURE)
                <= self.device.memory_bytes[self.pair_kind[self.pair]]
            )
            rows = np.nonzero(fits & ((self.data > 1) | (shared == 0)))[0]
            kind = self.pair_kind[self.pair[rows]]
            batch = self.pair_batch[self.pair[rows]] * self.data[rows] * self.accumulation[rows]
            tally.timed += len(rows)
            layouts = Layouts(
                kind=kind,
                machines=self.data[rows] // self.per[kind],
                step_s=step[rows],
                work_s=np.ceil(self.samples / batch) * step[rows],
                mesh=lambda row, rows=rows, shared=shared: self._mesh(int(rows[row]), shared),  # type: ignore[misc]
            )
            price_all(self.market, self.pricing, asked, best, layouts, self.floors(asked.objective), tally)

    def _mesh(self, row: int, shared: int) -> Mesh:
        data = int(self.data[row])
        return Mesh(
            shape=Shape(1, 1, data if shared else 1, int(self.pair_batch[self.pair[row]])),
            pipeline=1,
            virtual_stages=1,
            data=data,
            accumulation=int(self.accumulation[row]),
            zero_stage=0,
            checkpointing=0,
        )

    def parts(self, pair: np.ndarray, data: np.ndarray, shared: int) -> MemoryParts:
        """The memory of a device of some layouts."""
        net, c = self.network, self.constants
        batch = self.pair_batch[pair].astype(np.float64)
        if isinstance(net, Counted):
            parameters, activations, extra = net.parameters, net.activations, 0.0
            saved = c[f"memory_saved_{_STYLES.get(net.style, 'vit')}_ratio"]
        else:
            parameters = self.macs
            activations = (
                float(sum(net.dense)) + len(net.table_rows) * net.embedding_dim * net.lookups_per_table
            )
            extra = sum(net.table_rows) * net.embedding_dim * 4.0 * (1.0 + _ROW_STATE_RATIO)
            saved = 2.0
        one = np.ones(len(pair))
        found = counted_training_memory(
            parameters * one, activations * one, batch, c, saved_ratio=saved, element_bytes=2.0
        )
        tables = extra / (data if shared else one)
        return replace(found, weights=found.weights + tables)
