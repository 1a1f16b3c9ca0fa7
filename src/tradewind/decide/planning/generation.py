"""The plan of a language model that answers: which machines, how it is spread over them, how they are paid, and why."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

import msgspec
import numpy as np

from tradewind.decide.planning.generation_search import Asked, Found, Space, carried
from tradewind.decide.planning.loads import curve_of
from tradewind.decide.planning.prices import fleet_parts
from tradewind.decide.planning.training_pricing import Spread
from tradewind.decide.prediction.answering import PRECISIONS, USED_SHARE, bounds_of
from tradewind.decide.prediction.architectures import architecture_of, parameters_of
from tradewind.decide.prediction.constants import LEVEL
from tradewind.decide.prediction.decoding import CHUNK_TOKENS, pass_terms_s
from tradewind.decide.prediction.fitted import with_defaults
from tradewind.decide.prediction.intervals import widen
from tradewind.decide.prediction.money import accelerators_w, host_w
from tradewind.domain import units
from tradewind.domain.architecture import Transformer
from tradewind.domain.errors import InputError
from tradewind.domain.generating import (
    BOUNDS,
    GenerationCandidate,
    GenerationLayout,
    GenerationPlan,
    Relaxed,
)
from tradewind.domain.goal import Serve
from tradewind.domain.noun import Range, Rejected
from tradewind.domain.plan import Miss
from tradewind.domain.units import HOURS_PER_MONTH

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tradewind.decide.planning.generation_search import Need
    from tradewind.decide.prediction.answering import Way
    from tradewind.domain.architecture import Architecture
    from tradewind.domain.device import Device
    from tradewind.domain.estimate import Calibration
    from tradewind.domain.generating import GenerateGoal
    from tradewind.domain.offer import Offers
    from tradewind.domain.plan import LoadCurve

__all__ = ["generator_of", "plan_generation", "runtime_of", "spread_of"]

LOAD_BYTES_PER_S: Final = 1e9
"""At which a starting server reads its weights: a network volume or object store over 10 Gbit/s."""
TIGHTER: Final = (0.7, 0.5, 0.35, 0.25)
"""The front has the cheapest that is faster than the choice by these factors."""
_WIDER: Final = 4
"""How many times the allowed accelerators are tried when these do not suffice."""
_MOST_RELAXED: Final = 1e6
_STEPS: Final = 14
"""Halvings of the logarithm of what a constraint gives: to 0.1 % of it."""
_OLD: Final = ("kepler", "maxwell", "pascal", "vega", "vega20", "cdna", "rdna1", "rdna2")
"""vLLM needs compute capability 7.0 of NVIDIA, and of AMD CDNA 2 or RDNA 3 (its installation guide)."""
_HALF_ONLY: Final = ("volta", "turing")
"""Compute fp16 and not bf16 (CUDA programming guide, arithmetic of compute capability 7.x)."""


def plan_generation(
    goal: GenerateGoal,
    offers: Offers,
    calibration: Calibration,
    *,
    devices: Sequence[Device],
    architectures: Sequence[Architecture],
    today: str,
    wider: Offers | None = None,
) -> GenerationPlan:
    """The cheapest way to serve that keeps the bounds with the goal's confidence; else the nearest ways.

    Considered is every way to run a replica (precision, tensor and pipeline degree, most of requests) on every kind of
    machine among the offers, at every number of machines, on every offer; where the load changes over the day, also
    commitments for the base with the rest by the hour. The answer is the best of all of them, though most are excluded
    by proof. Equal goals and offers give equal plans. Traffic is not priced: an answer of 1000 tokens has 5 kB.

    `wider` has offers beyond the goal's clouds, regions and accelerators: when nothing keeps the goal, they show what
    keeping it elsewhere would cost.

    Errors: InputError when the network is not known or does not generate text, or fits none of the machines.
    """
    network = generator_of(goal.model, architectures)
    job = _Job(goal, network, offers, devices, calibration)
    asked = job.asked
    found = job.space.cheapest(asked, goal.budget_usd_per_month)
    ways = [] if found else _relaxed(job, wider)
    if found is None and not ways:
        raise InputError(_why_nothing(job))
    nearest = tuple(_nearest(goal, way) for way in ways)
    choice = job.candidate(found, asked) if found else nearest[0].candidate
    front = _front(job, found, choice) if found else ()
    rejected = (*job.space.kinds.rejected, *_without_room(job), *_beaten(job, found))
    evaluated = job.space.solved + job.space.shop.priced
    return GenerationPlan(
        goal=goal,
        choice=choice,
        meets_goal=found is not None,
        misses=_misses(goal, ways, nearest),
        pareto=front,
        nearest=nearest,
        rejected=rejected,
        considered=job.space.size,
        evaluated=evaluated,
        excluded=max(0, job.space.size - evaluated),
        priced=len(job.space.kinds.rows),
        load=job.load,
        runtime=choice.runtime,
        because=_because(job, choice, meets=found is not None),
        snapshot=offers.snapshot,
        today=today,
    )


def generator_of(model: str | Architecture, architectures: Sequence[Architecture]) -> Transformer:
    """The language model that is meant. Errors: InputError where it is not known, or generates no text.

    >>> from tradewind.files.sheets import architectures
    >>> generator_of("Llama 3 8B", architectures()).layers
    32
    """
    known = architecture_of(model, architectures) if isinstance(model, str) else model
    if known is None:
        raise InputError(
            f"model: {model!r} is no published network that is known here; write its widths"
            " (kind: transformer, layers, hidden, ...) instead of the name"
        )
    if not isinstance(known, Transformer) or not known.causal:
        raise InputError(f"model: {known.name} does not generate text; serve it by a goal with `serve`")
    return known


def spread_of(calibration: Calibration) -> Spread:
    """What the predicted times of a server may miss by: as rows of tables that no fit has seen did."""
    low, high = widen(np.ones(1), ["generation_serving"], np.ones(1), calibration, LEVEL)
    return Spread(float(low[0]), float(high[0]))


class _Job:
    """A goal's space with what every question to it needs."""

    def __init__(
        self,
        goal: GenerateGoal,
        network: Transformer,
        offers: Offers,
        devices: Sequence[Device],
        calibration: Calibration,
    ) -> None:
        self.goal, self.network, self.devices = goal, network, devices
        self.calibration = with_defaults(calibration)
        self.constants = {name: one.value for name, one in self.calibration.constants.items()}
        self.spread = spread_of(calibration)
        start_s = self.calibration["spot_replacement_s"].value
        start_s += 2.0 * parameters_of(network) / LOAD_BYTES_PER_S
        # The shape of the load alone is used; the percentile is that of no bound.
        self.load: LoadCurve = curve_of(Serve(load=goal.generate.load, p99_s=1.0), start_s)
        arguments = network, goal, offers, self.load, devices, self.calibration, self.constants
        self.space = Space(*arguments)
        slow = self.spread.factor(goal.confidence)
        self.asked = Asked(bounds_of(goal.generate), slow)

    def on(
        self, goal: GenerateGoal | None = None, offers: Offers | None = None, *, most: int | None = None
    ) -> _Job:
        """The same network for another goal, or on other offers."""
        other = self.goal if goal is None else goal
        if most is not None:
            other = msgspec.structs.replace(other, accelerators_at_most=most)
        where = self.space.offers if offers is None else offers
        return _Job(other, self.network, where, self.devices, self.calibration)

    def candidate(self, found: Found, asked: Asked) -> GenerationCandidate:
        """The noun of what was found."""
        space, goal = self.space, self.goal
        need = space.leanest(found.need, asked)
        pair, server = need.pair, np.array([need.server])
        way = space.ways.ways[int(space.ways.way[pair])]
        kind = space.kinds.kinds[int(space.ways.kind[pair])]
        per, over = int(space.ways.per_machine[pair]), int(space.ways.machines[pair])
        replicas = int(carried(need.machines[-1:], per, over)[0])
        peak_rps = asked.load * self.load.peak_rps
        rate = np.array([peak_rps / replicas])
        answers = [space.servers.answers(server, rate, slow) for slow in self._factors]
        running = float(answers[1].running[0])
        batch = int(space.servers.batch[need.server])
        main = max(found.fleet.parts, key=lambda part: float(space.shop.shares @ np.array(part.machines)))
        offer = space.offers.offer(main.row)
        fleet = space.shop.nouns(found.fleet)
        hours = sum(one.machine_hours_per_month for one in fleet)
        answered = asked.load * self.load.mean_rps * goal.generate.output * HOURS_PER_MONTH * 3600.0
        energy = self._energy_kwh(found, running)
        return GenerationCandidate(
            offer=offer,
            machines=found.fleet.machines(),
            spare_machines=found.fleet.spares,
            device=kind.device.name,
            layout=GenerationLayout(
                tensor=way.tensor,
                pipeline=way.pipeline,
                replicas=replicas,
                max_batch=batch,
                weights=way.precision,
                cache="fp8" if way.precision == "fp8" else "bf16",
                attention_apart=way.apart,
            ),
            first_token_s={
                name: _range([float(getattr(one, f"first_token_{name}")[0]) for one in answers])
                for name in ("p50", "p99")
            },
            token_s={
                name: _range([float(getattr(one, f"token_{name}")[0]) for one in answers])
                for name in ("p50", "p99")
            },
            running=running,
            tokens_per_s=peak_rps * goal.generate.output,
            load_share=peak_rps / (replicas * need.bearable_rps),
            memory_bytes=self._memory(need, running, batch),
            costs=fleet_parts(fleet),
            fleet=fleet,
            usd_per_million_tokens=found.usd_per_month / answered * 1e6,
            energy_kwh_per_month=energy * hours,
            carbon_kgco2e_per_month=(
                None if offer.grid_gco2e_per_kwh is None else energy * hours * offer.grid_gco2e_per_kwh / 1e3
            ),
            confidence=self._confidence(need.server, float(rate[0]), asked),
            runtime=runtime_of(
                self.network,
                way,
                max_batch=batch,
                context=goal.generate.longest,
                per_machine=per,
                machines=over,
            ),
            because=self._terms(need.server, running),
        )

    @property
    def _factors(self) -> tuple[float, float, float]:
        return self.spread.low, 1.0, self.spread.high

    def _memory(self, need: Need, running: float, batch: int) -> Range:
        servers, longest = self.space.servers, float(self.goal.generate.longest)
        way = int(servers.way[need.server])
        least = servers.memory_bytes(way, min(running, batch), 0.0, self.constants)
        full = servers.memory_bytes(way, float(batch), longest, self.constants)
        sure = full + self.calibration["decode_runtime_bytes"].standard_error
        return Range(low=min(least, full), likely=full, high=sure)

    def _confidence(self, server: int, rate_rps: float, asked: Asked) -> float:
        """The probability that the bounds hold: that of the largest slowness with which they still do."""
        deviation, centre = max(self.spread.deviation, 1e-9), self.spread.centre
        place, rate = np.array([server]), np.array([rate_rps])
        low, high = -6.0, 6.0
        for _ in range(30):
            odds = 0.5 * (low + high)
            slow = math.exp(centre + odds * deviation)
            good = bool(self.space.servers.answers(place, rate, slow).keep(asked.bounds)[0])
            low, high = (odds, high) if good else (low, odds)
        return NormalDist().cdf(low)

    def _energy_kwh(self, found: Found, running: float) -> float:
        """Of one machine in an hour, with what cools it; the accelerators work while any request runs."""
        space = self.space
        kind = space.kinds.kinds[int(space.ways.kind[found.need.pair])]
        offer = space.offers.offer(found.fleet.parts[0].row)
        busy = -math.expm1(-running)
        host = host_w(self.calibration, offer.vcpus, offer.memory_bytes, "intel", 0.25)
        device = accelerators_w(kind.device.power_w or 400.0, kind.per_machine, busy)
        pue = self.calibration[f"pue_{offer.cloud}_ratio"].value
        return float(host + device) * pue / 1e3

    def _terms(self, server: int, running: float) -> tuple[str, ...]:
        """What takes the time of a step at the highest load, the largest first."""
        servers = self.space.servers
        one = servers.calls.take(servers.way[[server]])
        part = np.array([max(running, 1.0)]) / one.pipeline
        terms = pass_terms_s(one, self.constants, prefilled=part / one.output, running=part)
        total = float(sum(np.ravel(term)[0] for term in terms.values()))
        shares = sorted(
            ((float(np.ravel(term)[0]) / total, name) for name, term in terms.items()), reverse=True
        )
        return tuple(f"{share:.0%} {name}" for share, name in shares if share >= 0.02)


def _range(values: list[float]) -> Range:
    low, likely, high = values
    return Range(low=low, likely=likely, high=high)


def runtime_of(
    network: Transformer, way: Way, *, max_batch: int, context: int, per_machine: int = 1, machines: int = 1
) -> str:
    """The command that starts a replica; chips for which nothing here starts one are predicted only.

    `max_batch` is of the whole replica, `per_machine` how many replicas share a machine, `machines` how many machines
    share a replica. MODEL stands for the weights, in the precision of the plan, as a folder or a name of a hub.

    >>> from tradewind.decide.prediction.answering import Way
    >>> from tradewind.files.sheets import architectures, devices
    >>> known = {device.name: device for device in devices()}
    >>> llama = generator_of("Llama 3 8B", architectures())
    >>> runtime_of(llama, Way(known["H100-SXM"], 8, None, "fp8", 2, 1, False), max_batch=64, context=4096)
    'vllm serve MODEL --tensor-parallel-size 2 --max-num-seqs 64 --max-model-len 4096 --max-num-batched-tokens 8192 \
--gpu-memory-utilization 0.9 --quantization fp8 --kv-cache-dtype fp8'
    >>> runtime_of(llama, Way(known["TPU-v5e"], 8, None, "bf16", 8, 1, False), max_batch=64, context=4096)
    'predicted only: priced and predicted, not run on TPU-v5e'
    """
    device = way.device
    if device.kind != "gpu" or device.vendor not in ("NVIDIA", "AMD") or device.generation in _OLD:
        return f"predicted only: priced and predicted, not run on {device.name}"
    words = ["vllm serve MODEL"]
    if way.apart:
        words.append(f"--data-parallel-size {way.tensor} --enable-expert-parallel")
    else:
        words.append(f"--tensor-parallel-size {way.tensor}")
    if way.pipeline > 1:
        words.append(f"--pipeline-parallel-size {way.pipeline}")
    if machines > 1:
        words.append("--distributed-executor-backend ray")
    words += [
        f"--max-num-seqs {max_batch // way.processes}",
        f"--max-model-len {context}",
        f"--max-num-batched-tokens {CHUNK_TOKENS:.0f}",
        f"--gpu-memory-utilization {USED_SHARE}",
    ]
    if way.precision == "fp8":
        words.append("--quantization fp8 --kv-cache-dtype fp8")
    elif way.precision == "int8":
        words.append("--quantization compressed-tensors")
    elif way.precision == "int4":
        # AWQ's kernels need compute capability 7.5 of NVIDIA; GPTQ's run on more.
        newer = device.vendor == "NVIDIA" and device.generation != "volta"
        words.append(f"--quantization {'awq' if newer else 'gptq'}")
    if device.generation in _HALF_ONLY:
        words.append("--dtype float16")
    command = " ".join(words)
    if machines > 1:
        return f"{command}  # on {machines} machines of one Ray cluster"
    if per_machine > 1:
        return f"{command}  # {per_machine} on a machine, each with {way.devices} of its GPUs"
    return command


# ---- Why


def _because(job: _Job, choice: GenerationCandidate, *, meets: bool) -> tuple[str, ...]:
    asked = job.goal.generate
    first, token = choice.first_token_s["p99"], choice.token_s["p99"]
    kept = "the bounds and the budget" if meets else "all of the goal but what it misses"
    lines = [
        f"{choice.machines} x {choice.offer.key}, {choice.layout.replicas} replica{'s' if choice.layout.replicas > 1 else ''} on"
        f" {choice.layout.tensor} x {choice.layout.pipeline} {choice.device} in {choice.layout.weights}:"
        f" {units.show(choice.cost_usd_per_month, 'money_per_month')}, the least of what keeps {kept}",
        f"{choice.usd_per_million_tokens:.3g} usd for a million answered tokens",
        f"a replica runs {choice.running:.3g} requests together on average at the highest load and bears"
        f" {1.0 / max(choice.load_share, 1e-12):.3g} times it with all bounds kept",
        f"p99: {units.show(first.likely, 'time')} to the first token, then {units.show(token.likely, 'time')} a token;"
        f" a step: {', '.join(choice.because)}",
        f"the prediction of times holds {job.spread.low:.2f} to {job.spread.high:.2f} times them in {LEVEL:.0%} of cases",
        f"prompts of {asked.prompt} and answers of {asked.output} tokens on average; one of {asked.longest} fits too",
    ]
    if choice.spare_machines:
        lines.append(f"{choice.spare_machines} of the machines are spare, as spot machines are taken back")
    if len(choice.fleet) > 1:
        told = ", ".join(f"{one.machines} {one.offer.purchase}" for one in choice.fleet)
        lines.append(f"the base load on commitments, the rest by the hour: {told}")
    if len(job.load.rates_rps) > 1:
        lines.append(f"the load: {job.load.because}")
    return tuple(lines)


def _front(job: _Job, found: Found, choice: GenerationCandidate) -> tuple[GenerationCandidate, ...]:
    """The choice, and the cheapest of what is faster in first tokens, in further ones, or in both."""
    asked, bounds = job.asked, job.asked.bounds
    slow = job.spread.factor(job.goal.confidence)
    first, token = choice.first_token_s["p99"].likely * slow, choice.token_s["p99"].likely * slow
    kept, seen = [choice], {_name(found)}
    for factor in TIGHTER:
        for both in (
            bounds._replace(token_p99=min(token * factor, bounds.token_p99)),
            bounds._replace(first_token_p99=min(first * factor, bounds.first_token_p99)),
        ):
            other = job.space.cheapest(asked._replace(bounds=both), job.goal.budget_usd_per_month)
            if other is not None and _name(other) not in seen:
                seen.add(_name(other))
                kept.append(job.candidate(other, asked))
    best = [one for one in kept if not any(_better(other, one) for other in kept if other is not one)]
    return tuple(sorted(best, key=lambda one: (one.cost_usd_per_month, one.token_s["p99"].likely)))


def _name(found: Found) -> tuple[object, ...]:
    return found.need.server, found.need.pair, tuple(part[:2] for part in found.fleet.parts)


def _better(one: GenerationCandidate, other: GenerationCandidate) -> bool:
    """Whether one is no worse in cost and both times, and better in one of them."""
    mine, its = (
        (c.cost_usd_per_month, c.first_token_s["p99"].likely, c.token_s["p99"].likely) for c in (one, other)
    )
    return mine != its and all(a <= b for a, b in zip(mine, its, strict=True))


def _without_room(job: _Job) -> list[Rejected]:
    """Devices of which no number that may be taken holds the weights and the requests."""
    space = job.space
    room: dict[str, list[bool]] = {}
    fits = space.servers.weights_fit[space.ways.way]
    for kind, able in zip(space.ways.kind.tolist(), fits.tolist(), strict=True):
        room.setdefault(space.kinds.kinds[kind].device.name, []).append(able)
    counts = dict.fromkeys(room, 0)
    for kind, number in enumerate(np.diff(space.kinds.first).tolist()):
        name = space.kinds.kinds[kind].device.name
        counts[name] = counts.get(name, 0) + number
    asked = ", ".join(job.goal.generate.precisions)
    return [
        Rejected(
            name=name,
            reason=(
                f"none that may be taken together hold the weights and {job.goal.generate.longest} tokens in {asked}"
                if name in room
                else f"computes none of the allowed precisions ({asked})"
            ),
            count=counts[name],
        )
        for name in sorted(counts)
        if not any(room.get(name, []))
    ]


def _beaten(job: _Job, found: Found | None) -> list[Rejected]:
    """For each device that was not taken: what it would cost, or that it is too slow."""
    space = job.space
    if found is None:
        return []
    least: dict[str, Found] = {}
    for one in space.each(job.asked):
        least.setdefault(space.kinds.kinds[int(space.ways.kind[one.need.pair])].device.name, one)
    chosen = space.kinds.kinds[int(space.ways.kind[found.need.pair])].device.name
    fits = space.servers.weights_fit[space.ways.way]
    able = {
        space.kinds.kinds[kind].device.name
        for kind, one in zip(space.ways.kind.tolist(), fits.tolist(), strict=True)
        if one
    }
    out = []
    for name in sorted(able - {chosen}):
        number = sum(
            len(space.kinds.of(kind)) for kind, one in enumerate(space.kinds.kinds) if one.device.name == name
        )
        if name in least:
            usd, row = least[name].usd_per_month, least[name].fleet.parts[0]
            where = f"{max(row.machines)} x {space.offers.offer(row.row).key}"
            reason = f"costs {units.show(usd, 'money_per_month')} at least: {where}"
        else:
            reason = "keeps the bounds in none of its ways, within the allowed accelerators and quotas"
        out.append(Rejected(name=name, reason=reason, count=number))
    return out


# ---- When nothing keeps the goal


class _Relaxing(NamedTuple):
    """The cheapest without one constraint."""

    constraint: str
    job: _Job
    found: Found
    asked: Asked
    given: float
    """The factor on a bound or the load."""


def _relaxed(job: _Job, wider: Offers | None) -> list[_Relaxing]:
    """For each constraint what it must give alone, the cheapest first."""
    goal, asked, ways = job.goal, job.asked, []
    budget = goal.budget_usd_per_month

    def add(constraint: str, other: _Job, question: Asked, limit: float = budget, given: float = 1.0) -> None:
        found = other.space.cheapest(question, limit)
        if found is not None:
            ways.append(_Relaxing(constraint, other, found, question, given))

    for place, name in enumerate(BOUNDS):
        if math.isfinite(asked.bounds[place]):

            def looser(factor: float, place: int = place) -> Asked:
                bounds = list(asked.bounds)
                bounds[place] *= factor
                return asked._replace(bounds=type(asked.bounds)(*bounds))

            factor = _least(job, looser, budget)
            if factor is not None:
                add(name, job, looser(factor), given=factor)

    def lighter(factor: float) -> Asked:
        return asked._replace(load=1.0 / factor)

    factor = _least(job, lighter, budget)
    if factor is not None:
        add("load", job, lighter(factor), given=1.0 / factor)
    add("budget", job, asked, limit=math.inf)
    add("confidence", job, asked._replace(slow=job.spread.factor(0.5)))
    if set(goal.generate.precisions) < set(PRECISIONS):
        every = msgspec.structs.replace(goal.generate, precisions=PRECISIONS)
        add("precisions", job.on(msgspec.structs.replace(goal, generate=every)), asked)
    add("accelerators", job.on(most=_WIDER * goal.accelerators_at_most), asked)
    if wider is not None and len(wider):
        add("places", job.on(offers=wider), asked)
    if not ways:
        _relax_several(job, add)
    return sorted(ways, key=lambda way: way.found.usd_per_month)


def _relax_several(job: _Job, add: Callable[..., None]) -> None:
    """Where no constraint alone suffices: all bounds and the budget; if that is not enough, the load besides."""
    asked = job.asked

    def looser(factor: float) -> Asked:
        return asked._replace(bounds=type(asked.bounds)(*(factor * bound for bound in asked.bounds)))

    factor = _least(job, looser, math.inf)
    if factor is not None:
        add("bounds", job, looser(factor), limit=math.inf, given=factor)
        return

    def lighter(factor: float) -> Asked:
        return looser(math.inf)._replace(load=1.0 / factor)

    factor = _least(job, lighter, math.inf)
    if factor is not None:
        add("bounds and load", job, lighter(factor), limit=math.inf, given=1.0 / factor)


def _least(job: _Job, ask: Callable[[float], Asked], budget_usd: float) -> float | None:
    """The least factor at which a question is answered, from 1 on; None where none is."""
    if job.space.cheapest(ask(_MOST_RELAXED), budget_usd) is None:
        return None
    low, high = 0.0, math.log(_MOST_RELAXED)
    for _ in range(_STEPS):
        middle = 0.5 * (low + high)
        good = job.space.cheapest(ask(math.exp(middle)), budget_usd) is not None
        low, high = (low, middle) if good else (middle, high)
    return math.exp(high)


def _nearest(goal: GenerateGoal, way: _Relaxing) -> Relaxed:
    candidate = way.job.candidate(way.found, way.asked)
    return Relaxed(constraint=way.constraint, words=_words(goal, way, candidate), candidate=candidate)


def _words(goal: GenerateGoal, way: _Relaxing, candidate: GenerationCandidate) -> str:
    """What would have to give, and what that costs."""
    usd = units.show(way.found.usd_per_month, "money_per_month")
    offer = way.job.space.offers.offer(way.found.fleet.parts[0].row)
    where = f"for {usd}: {way.found.fleet.machines()} x {offer.key}"
    if way.constraint in BOUNDS:
        place = BOUNDS.index(way.constraint)
        allowed = units.show(way.asked.bounds[place], "time")
        return f"{way.constraint} of {allowed} instead of {units.show(way.job.asked.bounds[place], 'time')} {where}"
    if way.constraint == "bounds":
        return f"all bounds {way.given:.3g} times as long {where}"
    if way.constraint in ("load", "bounds and load"):
        rate = goal.generate.load.rate_rps
        load = (
            f"a load of {units.show(way.given * rate, 'rate')} instead of {units.show(rate, 'rate')} {where}"
        )
        return load if way.constraint == "load" else f"no bounds and {load}"
    if way.constraint == "budget":
        return (
            f"a budget of {usd} instead of {units.show(goal.budget_usd_per_month, 'money_per_month')} {where}"
        )
    if way.constraint == "confidence":
        return f"a confidence of {candidate.confidence:.0%} instead of {goal.confidence:.0%} {where}"
    if way.constraint == "precisions":
        return (
            f"weights in {candidate.layout.weights} instead of {', '.join(goal.generate.precisions)} {where}"
        )
    if way.constraint == "accelerators":
        number = _accelerators(way)
        return f"{number} accelerators instead of at most {goal.accelerators_at_most} {where}"
    return f"other clouds, regions or accelerators {where}"


def _accelerators(way: _Relaxing) -> int:
    """Of the machines that are up at the highest load."""
    space = way.job.space
    return int(way.found.need.machines[-1]) * int(space.per[space.ways.kind[way.found.need.pair]])


_Unit = Literal["s", "rps", "usd/month", ""]


def _misses(goal: GenerateGoal, ways: Sequence[_Relaxing], nearest: Sequence[Relaxed]) -> tuple[Miss, ...]:
    """What the nearest way does not keep, and what else would have to give."""
    if not ways:
        return ()
    first = ways[0]
    advice = "; or ".join(one.words for one in nearest)
    asked, got = 0.0, 0.0
    unit: _Unit = ""
    if first.constraint in BOUNDS:
        place = BOUNDS.index(first.constraint)
        asked, got, unit = first.job.asked.bounds[place], first.asked.bounds[place], "s"
    elif first.constraint == "bounds":
        asked, got = 1.0, first.given
    elif first.constraint in ("load", "bounds and load"):
        rate = goal.generate.load.rate_rps
        asked, got, unit = rate, first.given * rate, "rps"
    elif first.constraint == "budget":
        asked, got, unit = goal.budget_usd_per_month, first.found.usd_per_month, "usd/month"
    elif first.constraint == "confidence":
        asked, got = goal.confidence, nearest[0].candidate.confidence
    elif first.constraint == "accelerators":
        asked, got = float(goal.accelerators_at_most), float(_accelerators(first))
    return (Miss(constraint=first.constraint, asked=asked, got=got, unit=unit, advice=f"allow {advice}"),)


def _why_nothing(job: _Job) -> str:
    space = job.space
    if not len(space.kinds.rows):
        told = "; ".join(f"{one.name}: {one.reason}" for one in space.kinds.rejected[:3])
        return f"no offer with accelerators that are known remains ({told}); allow more clouds, regions or accelerators"
    precisions = ", ".join(job.goal.generate.precisions)
    return (
        f"{job.network.name} with {job.goal.generate.longest} tokens fits none of {len(space.kinds.rows):,} offers in"
        f" {precisions} on up to {job.goal.accelerators_at_most} accelerators: allow a narrower precision, more or"
        " larger accelerators, or a shorter context"
    )
