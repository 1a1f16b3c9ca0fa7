"""The best layout on the best tender: an exact search that computes only what a bound cannot exclude.

The space is every kind of machines x shape x checkpointing x mesh x ZeRO stage (0 to 3 over all replicas, 3 also over
those that the fast link joins) x tender. Three bounds, each at most the true value, cut it in turn:

1. of a kind, a shape and a checkpointing: the seconds of a device for each sample, whatever the mesh;
2. of a mesh: those with the bubble, the deepest stage and the waiting, before gradients and weights travel;
3. of a tender: the step's true time with the slowdown by interruptions at this number of machines.

Cells of the first kind are taken in the order of their bound, so that the search ends at the first one that cannot beat
what is known. Two sorts of layout need no look at all: more recomputation than memory asks for is never faster, and of
ZeRO 1 and 2, which take equally long, the first that fits stands for both.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final

import numpy as np

from tradewind.decide.planning.meshes import Meshes, Shape, meshes, shapes
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
from tradewind.decide.planning.training_times import (
    CHECKPOINTINGS,
    Columns,
    Works,
    kind_columns,
    layout_of,
    setting_of,
    step_s,
    works_of,
)
from tradewind.decide.prediction.memory import CONVENTIONS, MemoryParts, MemorySetting, training_memory
from tradewind.decide.prediction.transformers import transformer_columns

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tradewind.decide.planning.training_space import Market
    from tradewind.domain.architecture import Transformer
    from tradewind.domain.training import Objective, TrainGoal

__all__ = ["SURE", "Space", "convention_of", "memory_setting_of"]

SURE: Final = 2.3263
"""Standard errors of memory that must fit: the 99 % quantile, as a run that does not fit dies."""
_CHUNK: Final = 40_000
"""Meshes that are looked at together."""


@dataclass(frozen=True)
class _Paces:
    """The second bound of meshes, by what it takes from the shape: seconds of work are linear in these columns."""

    rows: np.ndarray
    """Places among the meshes of the shape."""
    machines: np.ndarray
    layers: np.ndarray
    """Times that the layers' seconds of one micro-batch on all stages pass."""
    vocabulary: np.ndarray
    beside_s: np.ndarray


class Space:
    """Every layout of a network on every kind of machines of a market."""

    def __init__(
        self,
        network: Transformer,
        goal: TrainGoal,
        market: Market,
        constants: Mapping[str, float],
        spreads: tuple[Spread, ...],
        checkpoint_bytes: float,
        most_devices: int,
    ) -> None:
        train = goal.train
        self.market, self.constants = market, constants
        self.network, self.tokens = network, train.sequence
        self.batch, self.samples = train.batch, train.samples_in_all
        self.most = most_devices
        self.columns = transformer_columns([network])
        self.device, self.half = kind_columns(market.kinds, train.precision)
        self.per = np.array([kind.per_machine for kind in market.kinds], dtype=np.int64)
        self.domain = domain = np.array([kind.domain for kind in market.kinds], dtype=np.int64)
        most_tensor = int(np.max(domain, initial=1))
        self.shapes = shapes(network, train.sequence, train.batch, most_devices, most_tensor)
        tensor = np.array([shape.tensor for shape in self.shapes], dtype=np.int64)
        tendered = np.diff(market.first) > 0
        # A tensor group that straddles two fast domains would crawl: groups divide their domain.
        fits = (
            (tensor[None, :] <= domain[:, None])
            & (domain[:, None] % tensor[None, :] == 0)
            & tendered[:, None]
        )
        self.kind, self.shape = (place.astype(np.int64) for place in np.nonzero(fits))
        self.setting = setting_of(train.sequence, train.precision)
        self.works: Works = works_of(
            self.columns, self.device, self.half, self.shapes, self.kind, self.shape, self.setting, constants
        )
        self._meshes: dict[int, Meshes] = {}
        self._needed: dict[tuple[int, int], tuple[np.ndarray, dict[int, int]]] = {}
        self._paces: dict[tuple[int, int], _Paces] = {}
        self.layers_s = np.stack([self.works.layers_s(place) for place in range(3)])
        group = np.array([one.tensor * one.context for one in self.shapes], dtype=np.float64)[self.shape]
        # One stage is the least: of p stages each has a p-th of the layers, and all wait for the vocabulary.
        self.device_s_per_sample = (self.layers_s + self.works.vocabulary) * group / self.works.micro_batch
        least = float(np.min(self.device_s_per_sample, initial=np.inf)) * self.samples / most_devices
        self.pricing = Pricing(
            market,
            spreads,
            checkpoint_bytes,
            train.checkpoint_bytes_per_s,
            least_work_s=least if math.isfinite(least) else 0.0,
        )
        self._floors: dict[tuple[Objective, bool], Floors] = {}

    def floors(self, objective: Objective, *, undisturbed: bool = False) -> Floors:
        """Least values for an objective, computed once."""
        key = objective, undisturbed
        if key not in self._floors:
            self._floors[key] = self.pricing.floors(self.most, objective, undisturbed=undisturbed)
        return self._floors[key]

    def search(self, asked: Asked, best: Incumbent | Front, tally: Tally) -> None:
        """Puts into `best` what is best of the whole space."""
        _search(self, asked, best, tally)

    def meshes_of(self, shape: int) -> Meshes:
        """The meshes of a shape, made once."""
        if shape not in self._meshes:
            self._meshes[shape] = meshes(self.network, self.shapes[shape], self.batch, self.most)
        return self._meshes[shape]

    def paces(self, shape: int, per: int) -> _Paces:
        """The meshes of a shape that take whole machines of so many devices, and their least times."""
        key = shape, per
        if key not in self._paces:
            grid, c = self.meshes_of(shape), self.constants
            rows = np.nonzero(grid.devices % per == 0)[0]
            p, v, m = (
                grid.pipeline[rows],
                grid.virtual_stages[rows],
                grid.accumulation[rows].astype(np.float64),
            )
            total = float(self.columns.all_layers[0])
            depth = np.ceil(total / (p * v)) * v / total
            steps = np.ceil(self.samples / (self.shapes[shape].micro_batch * m * grid.data[rows]))
            waiting = steps * (1.0 + c["jitter_per_doubling"] * np.log2(grid.devices[rows]))
            self._paces[key] = _Paces(
                rows=rows,
                machines=grid.devices[rows] // per,
                layers=waiting * depth * (m + (p - 1) / v),
                vocabulary=waiting * (m + (p - 1) / (v * p)),
                beside_s=steps * c["training_step_s"],
            )
        return self._paces[key]

    @cached_property
    def size(self) -> int:
        """Layouts in all: kinds x shapes x checkpointings x meshes x what ZeRO shards over which devices."""
        total = 0
        for shape in np.unique(self.shape).tolist():
            grid, one = self.meshes_of(shape), self.shapes[shape]
            world = grid.data * one.context
            kinds = self.kind[self.shape == shape]
            alike, number = np.unique(
                np.stack([self.per[kinds], self.domain[kinds]], axis=1), axis=0, return_counts=True
            )
            for (per, domain), times in zip(alike.tolist(), number.tolist(), strict=True):
                ways = np.where(world > 1, 4, 1) + _hybrid(world, domain // one.tensor)
                total += times * int(np.sum(ways[grid.devices % per == 0]))
        return total * len(CHECKPOINTINGS)

    def memory(self, shape: int, checkpointing: int) -> tuple[np.ndarray, dict[int, int]]:
        """What a device of each mesh must have for sure, in bytes, (ways, meshes), and which way shards how.

        The first four ways are the ZeRO stages. Then comes stage 3 over the devices that a fast link joins, for each
        number that it joins; the dictionary has the place of each number. Infinite where there is no such way.
        """
        key = shape, checkpointing
        if key not in self._needed:
            grid, one = self.meshes_of(shape), self.shapes[shape]
            numbers = np.unique(self.domain[self.kind[self.shape == shape]] // one.tensor)
            numbers = numbers[numbers > 1]
            stage = np.concatenate([np.arange(4), np.full(len(numbers), 3)])
            inside = np.concatenate([np.zeros(4, dtype=np.int64), numbers])
            world = grid.data * one.context
            there = np.array([_hybrid(world, number) for number in numbers.tolist()]).reshape(-1, len(grid))
            way, mesh = np.nonzero(np.concatenate([np.ones((4, len(grid)), dtype=bool), there]))
            rows = Columns(
                pair=np.zeros(len(way), dtype=np.int64),
                pipeline=grid.pipeline[mesh],
                virtual_stages=grid.virtual_stages[mesh],
                data=grid.data[mesh],
                accumulation=grid.accumulation[mesh],
                zero_stage=stage[way],
                checkpointing=np.full(len(way), checkpointing),
                inside=inside[way],
            )
            needed = np.full((len(stage), len(grid)), np.inf)
            needed[way, mesh] = self.parts(rows, one).quantile(SURE)
            self._needed[key] = needed, {number: 4 + place for place, number in enumerate(numbers.tolist())}
        return self._needed[key]

    def timed(self, rows: Columns) -> Layouts:
        """Layouts with their true step."""
        step = step_s(self.works, rows, self.constants)
        kind = self.kind[rows.pair]
        group = (self.works.tensor * self.works.context)[rows.pair]
        devices = (group * rows.pipeline * rows.data).astype(np.int64)
        batch = self.works.micro_batch[rows.pair] * rows.accumulation * rows.data
        return Layouts(
            kind=kind,
            machines=devices // self.per[kind],
            step_s=step,
            work_s=np.ceil(self.samples / batch) * step,
            mesh=lambda row: self._mesh(rows, row),
        )

    def _mesh(self, rows: Columns, row: int) -> Mesh:
        return Mesh(
            shape=self.shapes[int(self.shape[rows.pair[row]])],
            pipeline=int(rows.pipeline[row]),
            virtual_stages=int(rows.virtual_stages[row]),
            data=int(rows.data[row]),
            accumulation=int(rows.accumulation[row]),
            zero_stage=int(rows.zero_stage[row]),
            checkpointing=int(rows.checkpointing[row]),
            inside=int(rows.inside[row]),
        )

    def parts(self, rows: Columns, shape: Shape) -> MemoryParts:
        """The memory of the fullest device of meshes of one shape."""
        tensor, context, expert, micro = (np.full(len(rows), float(one)) for one in shape)
        lay = layout_of(tensor, context, expert, micro, rows)
        return training_memory(self.columns, lay, memory_setting_of(self.tokens, shape, rows), self.constants)


def convention_of(shape: Shape, pipeline: int, zero: int) -> str:
    """How what would run the layout holds weights: a name of `memory.CONVENTIONS`."""
    if zero >= 2:
        return "fsdp"
    return "megatron" if shape.tensor * shape.context * shape.expert * pipeline > 1 else "autocast"


def memory_setting_of(tokens: int, shape: Shape, rows: Columns) -> MemorySetting:
    """The setting of meshes of one shape."""
    one = np.ones(len(rows))
    names = list(CONVENTIONS)
    # By ZeRO stage, without and with a pipeline.
    table = [[names.index(convention_of(shape, stages, zero)) for stages in (1, 2)] for zero in range(4)]
    chosen = np.array(table)[rows.zero_stage, (rows.pipeline > 1).astype(np.int64)]

    def column(name: str) -> np.ndarray:
        return np.asarray(np.array([float(getattr(CONVENTIONS[one], name)) for one in names])[chosen])

    return MemorySetting(
        tokens=tokens * one,
        flash=one,
        compiled=one,
        dropout=0.0 * one,
        element_bytes=2.0 * one,
        weight_bytes=column("weights"),
        gradient_bytes=column("gradients"),
        optimizer_bytes=column("optimizer"),
        gathered_bytes=column("gathered"),
        logit_bytes=column("logit"),
        split_logit_bytes=column("split_logit"),
        products=one,
        kept_gradients=(rows.accumulation > 1).astype(np.float64),
    )


def _search(space: Space, asked: Asked, best: Incumbent | Front, tally: Tally) -> None:
    floors = space.floors(asked.objective)
    per = space.per[space.kind]
    samples = space.samples
    late_of_kind = space.pricing.late(asked.confidence)
    late = late_of_kind[space.kind]
    second = floors.cheapest_second(space.kind, per.astype(np.float64))
    plain = space.floors("cost", undisturbed=True)
    usd = plain.cheapest_second(space.kind, per.astype(np.float64))
    cells = []
    for level in range(len(CHECKPOINTINGS)):
        each = space.device_s_per_sample[level] * samples
        least = floors.fixed[space.kind] + (second * each if asked.objective != "time" else each / space.most)
        soonest = each / (space.most // per * per)
        dear = plain.fixed[space.kind] + usd * each * late > asked.budget_usd
        least = np.where(dear | (soonest * late > asked.deadline_s), np.inf, least)
        cells.append((least, soonest, np.full(len(least), level)))
    least, soonest, levels = (np.concatenate([cell[place] for cell in cells]) for place in range(3))
    pair = np.tile(np.arange(len(space.kind)), len(CHECKPOINTINGS))
    order = np.nonzero(np.isfinite(least))[0]
    order = order[np.argsort(least[order], kind="stable")]
    if len(order):
        # The first cells alone, so that there is something to beat.
        start, size = 0, 4
        while start < len(order):
            chunk = order[start : start + size]
            chunk = chunk[least[chunk] < best.bound()]
            if not len(chunk):
                break
            chunk = chunk[~best.cut(least[chunk], soonest[chunk])]
            _chunk(space, asked, best, floors, pair[chunk], levels[chunk], late_of_kind, tally)
            start += size
            size = min(size * 2, 256)


def _chunk(
    space: Space,
    asked: Asked,
    best: Incumbent | Front,
    floors: Floors,
    pairs: np.ndarray,
    levels: np.ndarray,
    late: np.ndarray,
    tally: Tally,
) -> None:
    """Looks at all meshes of some cells."""
    waiting: list[Columns] = []
    size = 0
    for place, checkpointing in zip(pairs.tolist(), levels.tolist(), strict=True):
        rows = _promising(space, asked, best, floors, place, checkpointing, late[space.kind[place]])
        if rows is not None:
            waiting.append(rows)
            size += len(rows)
        if size >= _CHUNK:
            _evaluate(space, asked, best, floors, Columns.joined(waiting), tally)
            waiting, size = [], 0
    if waiting:
        _evaluate(space, asked, best, floors, Columns.joined(waiting), tally)


def _promising(
    space: Space,
    asked: Asked,
    best: Incumbent | Front,
    floors: Floors,
    pair: int,
    checkpointing: int,
    late: float,
) -> Columns | None:
    """The meshes of a cell that the second bound leaves and whose memory suffices, with the ZeRO stages that fit."""
    kind, shape = int(space.kind[pair]), int(space.shape[pair])
    paces = space.paces(shape, int(space.per[kind]))
    layers, vocabulary = space.layers_s[checkpointing][pair], space.works.vocabulary[pair]
    work = layers * paces.layers + vocabulary * paces.vocabulary + paces.beside_s
    value = floors.least_of(kind, paces.machines, work)
    good = np.nonzero((work * late <= asked.deadline_s) & ~best.cut(value, work) & np.isfinite(value))[0]
    if len(good) and asked.budget_usd < np.inf:
        plain = space.floors("cost", undisturbed=True)
        good = good[plain.least_of(kind, paces.machines[good], work[good] * late) <= asked.budget_usd]
    if not len(good):
        return None
    rows, grid = paces.rows[good], space.meshes_of(shape)
    inside = int(space.domain[kind]) // space.shapes[shape].tensor

    def fits(level: int) -> np.ndarray:
        """(4 or 5, rows): under each ZeRO stage, and under stage 3 inside the fast link."""
        needed, ways = space.memory(shape, level)
        chosen = np.array([0, 1, 2, 3, ways[inside]] if inside in ways else [0, 1, 2, 3])
        return np.asarray(needed[np.ix_(chosen, rows)] <= space.device.memory_bytes[kind])

    good = fits(checkpointing)
    if checkpointing:
        good &= ~fits(checkpointing - 1)
    # ZeRO 1 and 2 take equally long; on one replica no stage shards anything.
    good[2] &= ~good[1]
    good[1:, grid.data[rows] * space.shapes[shape].context == 1] = False
    way, place = np.nonzero(good)
    if not len(place):
        return None
    rows = rows[place]
    return Columns(
        pair=np.full(len(rows), pair),
        pipeline=grid.pipeline[rows],
        virtual_stages=grid.virtual_stages[rows],
        data=grid.data[rows],
        accumulation=grid.accumulation[rows],
        zero_stage=np.minimum(way, 3),
        checkpointing=np.full(len(rows), checkpointing),
        inside=np.where(way == 4, inside, 0),
    )


def _hybrid(world: np.ndarray, inside: int) -> np.ndarray:
    """Whether ZeRO may shard over the devices that a fast link joins, and copy over the others (FSDP's HSDP)."""
    return np.asarray((inside > 1) & (world > inside) & (world % max(inside, 1) == 0))


def _evaluate(
    space: Space, asked: Asked, best: Incumbent | Front, floors: Floors, rows: Columns, tally: Tally
) -> None:
    """The true times of some layouts, then of those that may be best the true prices."""
    tally.timed += len(rows)
    price_all(space.market, space.pricing, asked, best, space.timed(rows), floors, tally)
