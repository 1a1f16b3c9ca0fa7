"""Why the plan of a training job is what it is: limits, neighbours, turning points, and the timeline of its step.

In: a TrainingPlan and the data sheets of devices. Out: an Explanation, from what the plan keeps.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Final

import msgspec

from tradewind.decide.planning import sensitivity
from tradewind.decide.planning.explaining import bound_of, grouped, neighbours_of, places_of, price_of
from tradewind.decide.prediction.pipelines import simulated, stretch_s
from tradewind.domain import units
from tradewind.domain.explanation import Bar, Bound, Explanation, Option, Part, Share, Sourced, Turn

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tradewind.decide.prediction.pipelines import PipelineSchedule
    from tradewind.domain.device import Device
    from tradewind.domain.layout import TrainingLayout
    from tradewind.domain.training import TrainingCandidate, TrainingPlan

__all__ = ["explain_training", "layout_words", "option_of_training", "shares_of", "step_timeline"]

DRAWN: Final = 1200
"""Pieces of work in a timeline, at most; the steady part of a long step repeats."""
BACKWARD: Final = 2.0
"""Backward takes twice the forward pass, a half of it each towards inputs and weights: as many matrix products each
(Narayanan et al. 2021, section 2.2)."""
RECOMPUTED: Final = {"none": 0.0, "selective": 0.1, "full": 1.0}
"""Forward passes that the backward pass does again; of selective checkpointing the attention alone (Korthikanti et
al. 2022), a tenth for the usual widths."""


def explain_training(plan: TrainingPlan, devices: Iterable[Device]) -> Explanation:
    """The explanation of what a training plan keeps, without asking the planner again."""
    found: dict[str, TrainingCandidate] = {}
    for candidate in (plan.choice, *(one.candidate for one in plan.nearest), *plan.pareto):
        found.setdefault(_key(candidate), candidate)
    kept = list(found.values())
    options = tuple(option_of_training(one) for one in kept)
    goal = plan.goal
    bars, note = step_timeline(plan.choice.layout, plan.choice.step_s.likely)
    model = goal.model if isinstance(goal.model, str) else goal.model.name
    return Explanation(
        subject="training",
        name=goal.name,
        met=plan.meets_goal,
        goal=f"{model} on {goal.train.samples_in_all:,.0f} samples within {units.show(goal.train.deadline_s, 'time')}"
        f" for at most {units.show(goal.budget_usd, 'money')}, the least {goal.objective}, with"
        f" {goal.confidence:.0%} confidence",
        time_name="duration",
        choice=options[0],
        options=options,
        misses=tuple(miss.advice for miss in plan.misses),
        bounds=_bounds(plan, {device.name: device for device in devices}),
        neighbours=tuple(
            # What runs is the layout, of which each offer has its own best.
            one
            for one in neighbours_of(options, plan.rejected, goal.clouds, goal.purchase)
            if one.direction != "other variant"
        ),
        turns=_turns(plan, kept),
        places=places_of(options),
        fallen=grouped(plan.rejected),
        sources=_sources(plan),
        because=plan.because,
        shares=shares_of(plan.choice.because),
        timeline=bars,
        timeline_note=note,
        considered=plan.considered,
        snapshot=plan.snapshot,
        today=plan.today,
        basis="stored",
        basis_note="compared with the candidates that the plan keeps; the planner was not asked again",
        limits={"cost_usd": goal.budget_usd, "time_s": goal.train.deadline_s},
    )


def shares_of(lines: Iterable[str]) -> tuple[Share, ...]:
    """The parts of a step among the reasons of a candidate, which begin with their share; the rest is one of them.

    >>> [(one.name, round(one.share, 2)) for one in shares_of(["60% products", "25% tensor", "every device has all"])]
    [('products', 0.6), ('tensor', 0.25), ('other', 0.15)]
    """
    found = [re.fullmatch(r"(\d+)% (.+)", line) for line in lines]
    known = [Share(name=one[2], share=int(one[1]) / 100.0) for one in found if one]
    left = 1.0 - sum(one.share for one in known)
    return (*known, Share(name="other", share=left)) if known and left > 0.005 else tuple(known)


def layout_words(layout: TrainingLayout) -> str:
    """How the step is spread, in short; degrees of 1 are left out.

    >>> from tradewind.domain.layout import TrainingLayout
    >>> layout_words(TrainingLayout(tensor=8, pipeline=4, data=2, zero_stage=1, accumulation=16))
    'tensor 8, pipeline 4, data 2, ZeRO 1, 16 micro-batches of 1'
    """
    degrees = [(name, getattr(layout, name)) for name in ("tensor", "pipeline", "context", "expert", "data")]
    parts = [f"{name} {degree}" for name, degree in degrees if degree > 1]
    if layout.virtual_stages > 1:
        parts.append(f"{layout.virtual_stages} stages a device")
    if layout.zero_stage:
        parts.append(f"ZeRO {layout.zero_stage}")
    if layout.checkpointing != "none":
        parts.append(f"{layout.checkpointing} checkpointing")
    parts.append(
        f"{layout.accumulation} micro-batch{'' if layout.accumulation == 1 else 'es'} of {layout.micro_batch}"
    )
    return ", ".join(parts)


def _key(candidate: TrainingCandidate) -> str:
    return f"{candidate.offer.key} {candidate.machines} {layout_words(candidate.layout)}"


def option_of_training(candidate: TrainingCandidate) -> Option:
    """A candidate as what is compared."""
    offer = candidate.offer
    return Option(
        key=_key(candidate),
        machines=candidate.machines,
        instance_type=offer.instance_type,
        cloud=offer.cloud,
        region=offer.region,
        purchase=offer.purchase,
        what=f"{candidate.accelerators} {candidate.device}: {layout_words(candidate.layout)}",
        cost_usd=candidate.cost_usd.likely,
        time_s=candidate.duration_s.likely,
        time_low_s=candidate.duration_s.low,
        time_high_s=candidate.duration_s.high,
        confidence=candidate.confidence,
        carbon_kg=candidate.carbon_kgco2e,
        usd_per_hour=offer.price_usd_per_hour,
        parts=tuple(
            Part(
                name=part.name,
                usd=part.usd,
                because=part.because,
                source=part.source,
                as_of=part.as_of,
                origin=part.origin,
            )
            for part in candidate.costs
        ),
    )


def _bounds(plan: TrainingPlan, devices: dict[str, Device]) -> tuple[Bound, ...]:
    goal, choice = plan.goal, plan.choice
    risk = bound_of(
        "confidence",
        1.0 - goal.confidence,
        1.0 - choice.confidence,
        "share",
        "room is the allowed risk that is not taken",
    )
    found = [
        bound_of(
            "deadline",
            goal.train.deadline_s,
            choice.duration_s.high,
            "s",
            f"likely {units.show(choice.duration_s.likely, 'time')}; the upper end of the interval is held against it",
        ),
        bound_of(
            "budget",
            goal.budget_usd,
            choice.cost_usd.high,
            "usd",
            f"likely {units.show(choice.cost_usd.likely, 'money')}; the upper end of the interval is held against it",
        ),
        msgspec.structs.replace(risk, asked=goal.confidence, got=choice.confidence),
        bound_of(
            "accelerators",
            float(goal.accelerators_at_most),
            float(choice.accelerators),
            "accelerators",
            f"{choice.machines} x {choice.accelerators // max(choice.machines, 1)} {choice.device}",
        ),
    ]
    device = devices.get(choice.device)
    if device is not None:
        found.append(
            bound_of(
                "memory of a device",
                device.memory_bytes,
                choice.memory_bytes.high,
                "bytes",
                f"of the fullest device at its peak; {device.name} as its data sheet states",
            )
        )
    low, high = goal.train.batch
    size = choice.layout.global_batch
    said = f"{low} samples a step as asked" if low == high else f"between {low} and {high} samples a step"
    found.append(
        Bound(
            name="global batch",
            asked=float(high),
            got=float(size),
            unit="samples",
            room=1.0 - size / high,
            tight=low < high and size >= high,
            because=said,
            origin="assumed",
        )
    )
    if choice.offer.most_machines is not None:
        found.append(
            bound_of(
                "quota",
                choice.offer.most_machines,
                float(choice.machines),
                "machines",
                "of this offer",
                "quoted",
            )
        )
    return tuple(found)


def _cost_at_price(candidate: TrainingCandidate, usd_per_hour: float) -> float:
    """What the job would cost at another price of a machine; its duration does not depend on the price."""
    compute = sum(part.usd for part in candidate.costs if part.name == "compute")
    now = candidate.offer.price_usd_per_hour
    return candidate.cost_usd.likely - compute + (compute * usd_per_hour / now if now > 0.0 else 0.0)


def _turns(plan: TrainingPlan, kept: Sequence[TrainingCandidate]) -> tuple[Turn, ...]:
    goal, choice = plan.goal, plan.choice
    others = [one for one in kept[1:] if one.offer.key != choice.offer.key]
    runner = min(others, key=lambda one: one.cost_usd.likely, default=None)
    found: list[Turn] = []
    if runner is not None:
        now = choice.offer.price_usd_per_hour
        usd, own = runner.cost_usd.likely, choice.cost_usd.likely
        where = (
            f"{runner.machines} × {runner.offer.instance_type} in {runner.offer.cloud} {runner.offer.region},"
            f" {runner.offer.purchase}"
        )
        rise = sensitivity.crossing(lambda price: _cost_at_price(choice, price) - usd, now, 1000.0 * now)
        fall = sensitivity.crossing(
            lambda price: _cost_at_price(runner, price) - own, 0.0, runner.offer.price_usd_per_hour
        )
        found = [
            Turn(
                name="its price, upwards",
                unit="usd/h",
                now=now,
                at=rise,
                tried=1000.0 * now,
                then=f"{where} is as cheap" if rise is not None else f"{where} is cheaper already",
                usd=usd,
                basis="stored",
            ),
            Turn(
                name="runner-up's price, down",
                unit="usd/h",
                now=runner.offer.price_usd_per_hour,
                at=fall,
                tried=0.0,
                then=f"{where} is as cheap" if fall is not None else f"{where} is not a matter of its price",
                usd=own,
                basis="stored",
            ),
        ]
    deadline = goal.train.deadline_s
    slower = [one for one in kept[1:] if one.duration_s.likely < choice.duration_s.likely]
    sooner = min(slower, key=lambda one: one.cost_usd.likely, default=None)
    found.append(
        Turn(
            name="deadline, sooner",
            unit="s",
            now=deadline,
            at=min(choice.duration_s.high, deadline),
            tried=choice.duration_s.high,
            then=f"{sooner.machines} × {sooner.offer.instance_type} in {sooner.offer.region}, {sooner.offer.purchase}"
            if sooner
            else "nothing that is kept is sooner",
            usd=sooner.cost_usd.likely if sooner else None,
            basis="stored",
        )
    )
    found.append(
        Turn(
            name="budget, lower",
            unit="usd",
            now=goal.budget_usd,
            at=min(choice.cost_usd.high, goal.budget_usd) if plan.meets_goal else None,
            tried=choice.cost_usd.high,
            then="the upper end of the cost's interval no longer keeps it"
            if plan.meets_goal
            else "it is not kept now",
            usd=None,
            basis="stored",
        )
    )
    return tuple(found)


def _sources(plan: TrainingPlan) -> tuple[Sourced, ...]:
    choice = plan.choice
    offer = choice.offer
    found = [price_of(offer)]
    found += [
        Sourced(
            what=f"cost: {part.name}",
            value=part.usd,
            unit="usd",
            origin=part.origin,
            source=f"{part.because}; {part.source}",
            as_of=part.as_of,
        )
        for part in choice.costs
    ]
    figures = [
        ("step", choice.step_s.likely, "s"),
        ("duration", choice.duration_s.likely, "s"),
        ("memory of a device", choice.memory_bytes.likely, "bytes"),
        ("energy", choice.energy_kwh, "kWh"),
        ("interruptions", choice.interruptions, ""),
        ("confidence", choice.confidence, "share"),
    ]
    if choice.flops_share > 0.0:
        figures.append(("share of the peak arithmetic", choice.flops_share, "share"))
    if choice.carbon_kgco2e is not None:
        figures.append(("carbon", choice.carbon_kgco2e, "kgCO2e"))
    source = (
        f"cost model of training: {', '.join(choice.because)}" if choice.because else "cost model of training"
    )
    found += [
        Sourced(what=what, value=value, unit=unit, origin="predicted", source=source, as_of=plan.today)
        for what, value, unit in figures
        if math.isfinite(value)
    ]
    return tuple(found)


# ---- The timeline of a step


def step_timeline(layout: TrainingLayout, step_s: float) -> tuple[tuple[Bar, ...], str]:
    """The work of each stage of the pipeline in one step, as long as the step is predicted, and what was assumed.

    Stages take as long as their share of the layers. Of a step with very many micro-batches the first ones are drawn:
    between filling and draining it repeats. Without a pipeline the micro-batches follow each other.
    """
    p, m, v = layout.pipeline, max(1, layout.accumulation), layout.virtual_stages
    schedule: PipelineSchedule = "1f1b"
    if layout.schedule == "zero_bubble":
        schedule = "zb_h1"
    elif layout.schedule == "gpipe" or (layout.schedule == "interleaved" and v > 1 and m % p == 0):
        schedule = layout.schedule
    shares = [size * p / sum(layout.stages) for size in layout.stages] if layout.stages else [1.0] * p
    again = RECOMPUTED.get(layout.checkpointing, 0.0)
    backward = [share * (0.5 * BACKWARD + again) for share in shares]
    weight = [share * 0.5 * BACKWARD for share in shares]
    pieces = (3 if schedule == "zb_h1" else 2) * p * (v if schedule == "interleaved" else 1)
    drawn = m if m * pieces <= DRAWN else min(m, max(2 * p, DRAWN // pieces // p * p))
    tasks = simulated(schedule, shares, backward, weight, drawn, virtual_stages=v)
    # Each further micro-batch passes at the pace of the slowest stage.
    busy = [sum(task.end_s - task.start_s for task in tasks if task.stage == stage) for stage in range(p)]
    pace = max(busy) / drawn
    scale = step_s / (stretch_s(tasks) + (m - drawn) * pace)
    bars = tuple(
        Bar(
            stage=task.stage,
            micro_batch=task.micro_batch,
            kind=task.kind,
            start_s=task.start_s * scale,
            end_s=task.end_s * scale,
        )
        for task in tasks
    )
    said = [
        f"Drawn from the layout: {layout_words(layout)}; a backward pass takes {BACKWARD + again:g} times as long as a"
        " forward pass, and communication and the optimizer are spread over the work."
    ]
    if p > 1:
        waits = (stretch_s(tasks) - max(busy)) / (m * pace)
        said.append(
            f"The busiest device waits for {waits:.1%} of its work: the bubble of the pipeline ({layout.schedule})."
        )
    if drawn < m:
        said.append(
            f"{drawn} of {m} micro-batches are drawn; what lies between filling and draining repeats."
        )
    return bars, " ".join(said)
