"""The plan of a training job: which machines, how the step is spread over them, how they are paid, and why."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

import msgspec
import numpy as np

from tradewind.decide.planning.training_counted import CountedSpace
from tradewind.decide.planning.training_pricing import (
    Asked,
    Found,
    Front,
    Incumbent,
    Mesh,
    Spread,
    Tally,
)
from tradewind.decide.planning.training_search import Space, convention_of
from tradewind.decide.planning.training_space import market_of, parts_of
from tradewind.decide.planning.training_times import CHECKPOINTINGS, Columns, layout_of
from tradewind.decide.prediction import collectives, counted, encoders, kernels, memory
from tradewind.decide.prediction import training as steps
from tradewind.decide.prediction.architectures import architecture_of, parameters_of
from tradewind.decide.prediction.constants import LEVEL
from tradewind.decide.prediction.intervals import widen
from tradewind.decide.prediction.pipelines import stages_of
from tradewind.decide.prediction.published import family_of
from tradewind.domain import units
from tradewind.domain.architecture import Counted, Recommender, Transformer
from tradewind.domain.errors import InputError
from tradewind.domain.layout import TrainingLayout
from tradewind.domain.noun import Range, Rejected
from tradewind.domain.plan import Miss
from tradewind.domain.training import Relaxed, TrainingCandidate, TrainingPlan

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tradewind.decide.planning.training_space import Kind
    from tradewind.domain.architecture import Architecture
    from tradewind.domain.device import Device
    from tradewind.domain.estimate import Calibration
    from tradewind.domain.offer import Offers
    from tradewind.domain.training import TrainGoal

__all__ = ["APART", "constants_of", "network_of", "plan_training", "runtime_of"]

APART: Final = 0.05
"""Candidates on the front differ by at least this share in cost or in time: predictions do not tell closer ones apart."""
FRONT_COSTS: Final = 2.0
"""The front ends where candidates cost so many times what the choice costs."""
CHECKPOINT_BYTES_PER_WEIGHT: Final = 12.0
"""Weights and two moments of Adam in 32 bits (Rajbhandari et al. 2020, table 1, without the 16-bit copy)."""
_ZERO: Final[tuple[Literal[0, 1, 2, 3], ...]] = (0, 1, 2, 3)
_WIDER: Final = 4
"""How many times the allowed accelerators are tried when these do not suffice."""
Constraint = Literal["deadline", "budget", "accelerators", "places", "confidence"]


def plan_training(
    goal: TrainGoal,
    offers: Offers,
    calibration: Calibration,
    *,
    devices: Sequence[Device],
    architectures: Sequence[Architecture],
    today: str,
    wider: Offers | None = None,
) -> TrainingPlan:
    """The best way to train that keeps deadline and budget with the goal's confidence; else the nearest ways.

    Considered is every layout (`meshes`) on every kind of machine among the offers, at every number of machines, under
    every purchase option and in every region; the answer is the best of all of them, though most are excluded by
    bounds. Equal goals and offers give equal plans.

    `wider` has offers beyond the goal's clouds, regions and accelerators: when nothing keeps the goal, they show what
    keeping it elsewhere would cost.

    Errors: InputError when the network is not known, or when no layout of it fits any of the machines.
    """
    network = network_of(goal, architectures)
    constants = constants_of(calibration)
    job = _Job(goal, network, constants, calibration, devices, offers)
    asked = Asked(goal.objective, goal.train.deadline_s, goal.budget_usd, goal.confidence)
    found = job.best(asked)
    ways = [] if found else _relaxed(job, asked, wider)
    if found is None and not ways:
        raise InputError(_why_nothing(job, goal))
    nearest = tuple(
        Relaxed(constraint=way.constraint, words=_words(goal, way), candidate=way.job.candidate(way.found))
        for way in ways
    )
    choice = job.candidate(found) if found else nearest[0].candidate
    front = job.front(asked, found) if found else []
    return TrainingPlan(
        goal=goal,
        choice=choice,
        meets_goal=found is not None,
        misses=_misses(goal, ways),
        pareto=tuple(choice if one == found else job.candidate(one) for one in front),
        nearest=nearest,
        rejected=(*job.space.market.rejected, *_beaten(job, found, asked)),
        considered=job.space.size,
        excluded=max(0, job.space.size - job.tally.timed),
        priced=job.space.market.priced,
        runtime=choice.runtime,
        because=_because(job, goal, choice, meets=found is not None),
        snapshot=offers.snapshot,
        today=today,
    )


def network_of(goal: TrainGoal, architectures: Sequence[Architecture]) -> Architecture:
    """The network that the goal means. Errors: InputError where its name is not known."""
    known = architecture_of(goal.model, architectures) if isinstance(goal.model, str) else goal.model
    if known is None:
        raise InputError(
            f"model: {goal.model!r} is no published network that is known here; write its widths"
            " (kind: transformer, layers, hidden, ...) instead of the name"
        )
    if isinstance(known, Transformer) and goal.train.sequence < 1:
        raise InputError(f"train: {known.name} is trained on tokens; write sequence, like 4096")
    return known


def constants_of(calibration: Calibration) -> dict[str, float]:
    """The constants of the cost model by name: the calibration's, else what is assumed."""
    assumed = {
        name: value
        for room in (kernels, collectives, steps, memory, counted, encoders)
        for name, (value, _, _) in room.ASSUMED.items()
    }
    return assumed | {name: constant.value for name, constant in calibration.constants.items()}


class _Job:
    """A goal's space with what every question to it needs."""

    def __init__(
        self,
        goal: TrainGoal,
        network: Architecture,
        constants: Mapping[str, float],
        calibration: Calibration,
        devices: Sequence[Device],
        offers: Offers,
    ) -> None:
        self.goal, self.network, self.constants = goal, network, constants
        self.calibration, self.devices = calibration, devices
        self.checkpoint_bytes = CHECKPOINT_BYTES_PER_WEIGHT * _weights(network)
        market = market_of(goal, offers, devices, calibration, checkpoint_bytes=self.checkpoint_bytes)
        spreads = _spreads(network, market.kinds, calibration)
        most = goal.accelerators_at_most
        arguments = goal, market, constants, spreads, self.checkpoint_bytes, most
        self.space: Space | CountedSpace = (
            Space(network, *arguments)
            if isinstance(network, Transformer)
            else CountedSpace(network, *arguments)
        )
        self.tally = Tally()

    def on(self, goal: TrainGoal, offers: Offers) -> _Job:
        """The same network for another goal on other offers."""
        return _Job(goal, self.network, self.constants, self.calibration, self.devices, offers)

    def best(self, asked: Asked) -> Found | None:
        """The best answer to a question."""
        best = Incumbent()
        self.space.search(asked, best, self.tally)
        return best.found

    def front(self, asked: Asked, found: Found) -> list[Found]:
        """What else keeps the goal, cheaper or faster; the choice always, sorted by cost."""
        front = Front(APART, min(FRONT_COSTS * found.cost_usd, asked.budget_usd))
        front.add(found)
        self.space.search(replace(asked, objective="cost"), front, Tally())
        kept = [one for one in front.kept if one != found]
        return sorted([found, *kept], key=lambda one: (one.cost_usd, one.mean_s))

    def late(self, found: Found) -> tuple[float, float]:
        """The seconds and the dollars that are not exceeded with the goal's confidence."""
        tender, machines = np.array([found.tender]), np.array([float(found.machines)])
        work = np.array([found.work_s])
        pricing = self.space.pricing
        late = pricing.late_s(tender, pricing.duration(tender, machines, work), work, self.goal.confidence)
        return float(late[0]), float(self.space.market.cost_usd(tender, machines, late)[0])

    def candidate(self, found: Found) -> TrainingCandidate:
        """The noun of what was found."""
        goal, market, pricing = self.goal, self.space.market, self.space.pricing
        kind = market.kinds[found.kind]
        tender, machines = np.array([found.tender]), np.array([float(found.machines)])
        spread = pricing.spreads[found.kind]
        factors = np.array([spread.low, 1.0, spread.high])
        spent = pricing.duration(tender, machines, found.work_s * factors)
        usd = market.cost_usd(tender, machines, spent.mean_s)
        likely = pricing.duration(tender, machines, np.array([found.work_s]))
        offer = market.offers.offer(int(market.row[found.tender]))
        rates = pricing.interrupted(tender, machines)
        taken, failed = float(np.ravel(rates.taken_per_s)[0]), float(np.ravel(rates.failures_per_s)[0])
        needed, because, share = self._judged(found)
        watts = float(market.watts[found.tender]) * found.machines
        every = float(likely.interval_s[0])
        return TrainingCandidate(
            offer=offer,
            machines=found.machines,
            device=kind.device.name,
            layout=self._layout(found),
            step_s=Range(low=found.step_s * spread.low, likely=found.step_s, high=found.step_s * spread.high),
            memory_bytes=needed,
            duration_s=Range(**dict(zip(("low", "likely", "high"), spent.mean_s.tolist(), strict=True))),
            cost_usd=Range(**dict(zip(("low", "likely", "high"), usd.tolist(), strict=True))),
            costs=parts_of(goal, market, found.tender, found.machines, found.mean_s, self.checkpoint_bytes),
            energy_kwh=watts * found.mean_s / 3.6e6,
            carbon_kgco2e=None if offer.grid_gco2e_per_kwh is None else found.carbon_kg,
            confidence=found.kept,
            checkpoint_every_s=every if math.isfinite(every) else None,
            interruptions=(taken + failed) * found.mean_s,
            flops_share=share,
            runtime=runtime_of(self.network, kind.device, found.mesh),
            because=because,
        )

    def _layout(self, found: Found) -> TrainingLayout:
        mesh, shape = found.mesh, found.mesh.shape
        return TrainingLayout(
            tensor=shape.tensor,
            pipeline=mesh.pipeline,
            virtual_stages=mesh.virtual_stages,
            context=shape.context,
            expert=shape.expert,
            data=mesh.data,
            zero_stage=_ZERO[mesh.zero_stage],
            shard=mesh.inside,
            micro_batch=shape.micro_batch,
            accumulation=mesh.accumulation,
            checkpointing=CHECKPOINTINGS[mesh.checkpointing],
            sequence_parallel=shape.tensor > 1,
            schedule="interleaved" if mesh.virtual_stages > 1 else "1f1b",
            precision=self.goal.train.precision,
            stages=_stages(self.space, found) if isinstance(self.space, Space) else (),
        )

    def _judged(self, found: Found) -> tuple[Range, tuple[str, ...], float]:
        """Memory of the fullest device, what takes the time of a step, and the share of the peak."""
        space, mesh = self.space, found.mesh
        batch = mesh.shape.micro_batch * mesh.accumulation * mesh.data
        per_device = batch / (found.machines * int(space.per[found.kind]))
        if isinstance(space, CountedSpace):
            alike = (space.pair_kind == found.kind) & (space.pair_batch == mesh.shape.micro_batch)
            shared = mesh.shape.expert > 1
            held = space.parts(np.nonzero(alike)[0], np.array([float(mesh.data)]), int(shared))
            kept = "embedding tables are shared by all devices" if shared else "every device has all weights"
            peak = float(space.device.peak_flops_per_s[found.kind])
            return _bytes(held), (kept,), 6.0 * space.macs * per_device / (found.step_s * peak)
        one = Columns(
            pair=np.zeros(1, dtype=np.int64),
            pipeline=np.array([mesh.pipeline]),
            virtual_stages=np.array([mesh.virtual_stages]),
            data=np.array([mesh.data]),
            accumulation=np.array([mesh.accumulation]),
            zero_stage=np.array([mesh.zero_stage]),
            checkpointing=np.array([mesh.checkpointing]),
            inside=np.array([mesh.inside]),
        )
        held = space.parts(one, mesh.shape)
        tensor, context, expert, micro = (np.array([float(degree)]) for degree in mesh.shape)
        lay = layout_of(tensor, context, expert, micro, one)
        at = np.array([found.kind])
        times = steps.step_times(
            space.columns, space.device.take(at), space.half.take(at), lay, space.setting, self.constants
        )
        because = tuple(f"{share:.0%} {name}" for name, share in times.shares(0) if share >= 0.01)
        tokens = float(space.tokens)
        flops = 3.0 * tokens * float(space.columns.forward_flops_per_token(tokens)[0])
        peak = float(space.half.peak_flops_per_s[found.kind])
        return _bytes(held), because, flops * per_device / (found.step_s * peak)


def _spreads(network: Architecture, kinds: Sequence[Kind], calibration: Calibration) -> tuple[Spread, ...]:
    """What predictions miss by on each kind: less where the fit knew the device and relatives of the network."""
    what = "training" if isinstance(network, Transformer) else "counted_training"
    names = [(kind.device.name, family_of(network.name)) for kind in kinds]
    seen = set(calibration.seen)
    distance = np.array([1.0 - 0.5 * sum(f"{what}|{one}" in seen for one in both) for both in names])
    low, high = widen(np.ones(len(kinds)), [what] * len(kinds), distance, calibration, LEVEL)
    return tuple(Spread(*both) for both in zip(low.tolist(), high.tolist(), strict=True))


def _bytes(held: memory.MemoryParts) -> Range:
    return Range(low=float(held.low[0]), likely=float(held.total[0]), high=float(held.high[0]))


def _weights(network: Architecture) -> float:
    if isinstance(network, Transformer):
        return parameters_of(network)
    if isinstance(network, Counted):
        return network.parameters
    dense = sum(one * two for one, two in pairwise(network.dense))
    return dense + sum(network.table_rows) * network.embedding_dim


def _stages(space: Space, found: Found) -> tuple[int, ...]:
    """Layers of each stage where they do not divide: the fastest cut in which none is deeper than it must be.

    The last stage has the head and its loss besides, so that it gets fewer layers. What was predicted is a pace that
    this cut keeps: that of the deepest stage with the head.
    """
    mesh, layers = found.mesh, int(space.columns.all_layers[0])
    if mesh.pipeline == 1 or layers % mesh.pipeline == 0:
        return ()
    shape = space.shapes.index(mesh.shape)
    pair = int(np.nonzero((space.kind == found.kind) & (space.shape == shape))[0][0])
    each = float(space.layers_s[mesh.checkpointing][pair]) / layers
    return (
        stages_of(
            [each] * layers,
            [1.0] * layers,
            [0.0] * layers,
            in_flight=[1.0] * mesh.pipeline,
            limit_bytes=float(-(-layers // mesh.pipeline)),
            last_s=float(space.works.vocabulary[pair]),
        )
        or ()
    )


def runtime_of(network: Architecture, device: Device, mesh: Mesh) -> str:
    """What would run a layout, with its settings; chips for which nothing here runs are predicted only.

    >>> from tradewind.files.sheets import architectures, devices
    >>> from tradewind.decide.planning.meshes import Shape
    >>> known = {device.name: device for device in devices()}
    >>> mesh = Mesh(Shape(1, 1, 1, 2), 1, 1, 8, 1, 3, 0)
    >>> runtime_of(architectures()[0], known["H100-SXM"], mesh)
    'torch FSDP2: fully_shard over 8'
    >>> runtime_of(architectures()[0], known["TPU-v5p"], mesh)
    'predicted only: priced and predicted, not run on tpu'
    """
    if device.kind in ("tpu", "npu"):
        return f"predicted only: priced and predicted, not run on {device.kind}"
    shape = mesh.shape
    if isinstance(network, Recommender):
        tables = (
            f"tables row-wise over {shape.expert} devices" if shape.expert > 1 else "tables on every device"
        )
        return f"TorchRec: {tables}, dense layers by DistributedDataParallel over {mesh.data}"
    devices = shape.tensor * shape.context * mesh.pipeline * mesh.data
    if devices == 1:
        return "torch on one device"
    convention = convention_of(shape, mesh.pipeline, mesh.zero_stage)
    if convention == "autocast":
        sharded = ", ZeroRedundancyOptimizer" if mesh.zero_stage else ""
        return f"torch DistributedDataParallel over {mesh.data}{sharded}"
    if convention == "megatron":
        words = [
            f"Megatron-Core: --tensor-model-parallel-size {shape.tensor}",
            f"--pipeline-model-parallel-size {mesh.pipeline}",
        ]
        if mesh.virtual_stages > 1:
            words.append(f"--num-virtual-stages-per-pipeline-rank {mesh.virtual_stages}")
        if shape.context > 1:
            words.append(f"--context-parallel-size {shape.context}")
        if shape.expert > 1:
            words.append(f"--expert-model-parallel-size {shape.expert}")
        if shape.tensor > 1:
            words.append("--sequence-parallel")
        if mesh.zero_stage:
            words.append("--use-distributed-optimizer")
        return " ".join(words)
    shard = f"fully_shard over {mesh.inside or mesh.data * shape.context}"
    if mesh.inside:
        shard += f", replicated over {mesh.data * shape.context // mesh.inside}"
    if mesh.zero_stage == 2:
        shard += ", reshard_after_forward=False"
    words = [f"torch FSDP2: {shard}"]
    if shape.tensor > 1:
        words.append(f"parallelize_module over {shape.tensor} with sequence parallelism")
    if shape.context > 1:
        words.append(f"context_parallel over {shape.context}")
    if shape.expert > 1:
        words.append(f"experts over {shape.expert}")
    if mesh.pipeline > 1:
        name = "ScheduleInterleaved1F1B" if mesh.virtual_stages > 1 else "Schedule1F1B"
        words.append(f"{name} over {mesh.pipeline} stages")
    return "; ".join(words)


# ---- Why


def _because(job: _Job, goal: TrainGoal, choice: TrainingCandidate, *, meets: bool) -> tuple[str, ...]:
    asked = "deadline and budget" if meets else "all of the goal but what it misses"
    lines = [
        f"{choice.machines} x {choice.offer.key}, {choice.accelerators} {choice.device}:"
        f" {units.show(choice.duration_s.likely, 'time')} for {units.show(choice.cost_usd.likely, 'money')},"
        f" the least {goal.objective} of what keeps {asked}",
        f"a step takes {units.show(choice.step_s.likely, 'time')}: {', '.join(choice.because)}",
        f"the step is between {units.show(choice.step_s.low, 'time')} and {units.show(choice.step_s.high, 'time')} in"
        f" {LEVEL:.0%} of cases",
    ]
    if choice.offer.purchase == "spot":
        listed = choice.offer.interruptions_per_hour is not None
        known = "as listed" if listed else "by the prior for accelerators, as no source states it"
        lines.append(f"spot machines are taken back {choice.interruptions:.3g} times in the job, {known}")
    if choice.checkpoint_every_s is not None:
        lines.append(
            f"a checkpoint of {units.show(job.checkpoint_bytes, 'bytes')} every"
            f" {units.show(choice.checkpoint_every_s, 'time')}, {choice.interruptions:.2g} interruptions expected"
        )
    if choice.offer.network_gbps is None and choice.machines > 1:
        lines.append(
            "no source states the machines' network: that of machines as they are usually built is assumed"
        )
    return tuple(lines)


def _beaten(job: _Job, found: Found | None, asked: Asked) -> list[Rejected]:
    """For each kind of accelerator that was not taken, the least that the objective could be on it."""
    space = job.space
    if found is None or not isinstance(space, Space):
        return []
    floors = space.floors(asked.objective)
    per = space.per[space.kind].astype(np.float64)
    second = floors.cheapest_second(space.kind, per)
    each = space.device_s_per_sample[0] * space.samples
    least = floors.fixed[space.kind] + (second * each if asked.objective != "time" else each / space.most)
    names = np.array([kind.device.name for kind in space.market.kinds])[space.kind]
    unit = {"cost": "money", "time": "time"}.get(asked.objective)
    out = []
    for name in sorted(set(names.tolist())):
        if name == space.market.kinds[found.kind].device.name:
            continue
        mine = float(np.min(least[names == name]))
        shown = units.show(mine, unit) if unit and math.isfinite(mine) else f"{mine:,.4g} kgCO2e"  # type: ignore[arg-type]
        reason = (
            f"even its best layout takes at least {shown}"
            if mine >= found.value
            else f"no layout that fits its memory and keeps the goal is better; none can be below {shown}"
        )
        out.append(Rejected(name=name, reason=reason, count=int(np.count_nonzero(names == name))))
    return out


# ---- When nothing keeps the goal


class _Way(NamedTuple):
    """The best without one constraint."""

    constraint: Constraint
    job: _Job
    found: Found


def _relaxed(job: _Job, asked: Asked, wider: Offers | None) -> list[_Way]:
    """For each constraint the best plan without it; first those that the goal's own offers allow."""
    goal, ways = job.goal, []

    def add(constraint: Constraint, other: _Job, question: Asked) -> None:
        best = other.best(question)
        if best is not None:
            ways.append(_Way(constraint, other, best))

    add("budget", job, replace(asked, budget_usd=math.inf, objective="cost"))
    soonest = job.best(replace(asked, deadline_s=math.inf, objective="time"))
    if soonest is not None:
        # Of what is about as soon, the cheapest: the very soonest may cost many times as much for nothing.
        late = job.late(soonest)[0] * (1.0 + 2.0 * APART)
        add("deadline", job, replace(asked, deadline_s=late, objective="cost"))
    add("confidence", job, replace(asked, confidence=0.5))
    more = msgspec.structs.replace(goal, accelerators_at_most=_WIDER * goal.accelerators_at_most)
    add("accelerators", job.on(more, job.space.market.offers), asked)
    if wider is not None and len(wider):
        add("places", job.on(goal, wider), asked)
    if not ways:
        add("deadline", job, replace(asked, deadline_s=math.inf, budget_usd=math.inf, objective="cost"))
    return ways


def _words(goal: TrainGoal, way: _Way) -> str:
    """What would have to give, and what that costs."""
    found, market = way.found, way.job.space.market
    late_s, dear_usd = way.job.late(found)
    where = f"{found.machines} x {market.offers.offer(int(market.row[found.tender])).key}"
    for_usd = f"for {units.show(found.cost_usd, 'money')}: {where}"
    if way.constraint == "budget":
        dear = units.show(dear_usd, "money")
        return f"a budget of {dear} instead of {units.show(goal.budget_usd, 'money')}: {where}"
    if way.constraint == "deadline":
        asked = units.show(goal.train.deadline_s, "time")
        return f"a deadline of {units.show(late_s, 'time')} instead of {asked} {for_usd}"
    if way.constraint == "confidence":
        return f"a confidence of {found.kept:.0%} instead of {goal.confidence:.0%} {for_usd}"
    if way.constraint == "accelerators":
        number = found.machines * market.kinds[found.kind].per_machine
        return f"{number} accelerators instead of at most {goal.accelerators_at_most} {for_usd}"
    return f"other clouds, regions or accelerators {for_usd}"


def _misses(goal: TrainGoal, ways: Sequence[_Way]) -> tuple[Miss, ...]:
    """What the nearest way does not keep, and what would have to give."""
    if not ways:
        return ()
    first = ways[0]
    late_s, dear_usd = first.job.late(first.found)
    instead = "".join(f"; or {_words(goal, way)}" for way in ways[1:])
    misses = []
    if late_s > goal.train.deadline_s:
        advice = f"allow {units.show(late_s, 'time')}{instead}"
        misses.append(
            Miss(constraint="deadline", asked=goal.train.deadline_s, got=late_s, unit="s", advice=advice)
        )
    if dear_usd > goal.budget_usd:
        advice = f"raise the budget to {units.show(dear_usd, 'money')}{instead}"
        misses.append(
            Miss(constraint="budget", asked=goal.budget_usd, got=dear_usd, unit="usd", advice=advice)
        )
    if not misses:
        advice = f"{_words(goal, first)}{instead}"
        number = float(first.found.machines * first.job.space.market.kinds[first.found.kind].per_machine)
        most = float(goal.accelerators_at_most)
        misses.append(Miss(constraint=first.constraint, asked=most, got=number, unit="", advice=advice))
    return tuple(misses)


def _why_nothing(job: _Job, goal: TrainGoal) -> str:
    market = job.space.market
    if not market.priced:
        told = "; ".join(f"{one.name}: {one.reason}" for one in market.rejected[:3])
        return f"no offer with accelerators that are known remains ({told}); allow more clouds, regions or accelerators"
    return (
        f"{job.network.name} fits none of {market.priced:,} offers under any layout of up to"
        f" {goal.accelerators_at_most} accelerators with a global batch of {goal.train.global_batch}: allow more"
        " accelerators, larger ones, or another global batch"
    )
