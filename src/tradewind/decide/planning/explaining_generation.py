"""Why the plan of a language model that answers is what it is: limits, neighbours, turning points, sources.

In: a GenerationPlan and the data sheets of devices. Out: an Explanation, from what the plan keeps.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import msgspec

from tradewind.decide.planning import sensitivity
from tradewind.decide.planning.explaining import bound_of, grouped, neighbours_of, places_of, price_of
from tradewind.domain import units
from tradewind.domain.explanation import Bound, Explanation, Option, Part, Sourced, Turn
from tradewind.domain.generating import BOUNDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tradewind.domain.device import Device
    from tradewind.domain.generating import Bound as BoundName
    from tradewind.domain.generating import GenerateGoal, GenerationCandidate, GenerationPlan
    from tradewind.domain.noun import Range

__all__ = ["explain_generation", "option_of_generation"]


def explain_generation(plan: GenerationPlan, devices: Iterable[Device]) -> Explanation:
    """The explanation of what a plan for a language model keeps, without asking the planner again."""
    goal = plan.goal
    kept: dict[str, GenerationCandidate] = {}
    for candidate in (plan.choice, *(one.candidate for one in plan.nearest), *plan.pareto):
        kept.setdefault(option_of_generation(candidate, goal).key, candidate)
    options = tuple(option_of_generation(one, goal) for one in kept.values())
    main = _main(goal)
    asked = [
        f"{_words(name)} within {units.show(goal.generate.bound_s(name), 'time')}" for name in _asked(goal)
    ]
    model = goal.model if isinstance(goal.model, str) else goal.model.name
    return Explanation(
        subject="serving",
        name=goal.name,
        met=plan.meets_goal,
        goal=f"{model} for {units.show(goal.generate.load.rate_rps, 'rate')} of {goal.generate.prompt:,} + "
        f"{goal.generate.output:,} tokens, {', '.join(asked) or 'however fast'}, for at most"
        f" {units.show(goal.budget_usd_per_month, 'money_per_month')}, with {goal.confidence:.0%} confidence",
        time_name=_words(main),
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
        turns=_turns(plan, list(kept.values())),
        places=places_of(options),
        fallen=grouped(plan.rejected),
        sources=_sources(plan),
        because=plan.because,
        considered=plan.considered,
        snapshot=plan.snapshot,
        today=plan.today,
        basis="stored",
        basis_note="compared with the candidates that the plan keeps; the planner was not asked again",
        limits={"cost_usd": goal.budget_usd_per_month}
        | ({"time_s": goal.generate.bound_s(main)} if math.isfinite(goal.generate.bound_s(main)) else {}),
    )


def _asked(goal: GenerateGoal) -> list[BoundName]:
    return [name for name in BOUNDS if math.isfinite(goal.generate.bound_s(name))]


def _main(goal: GenerateGoal) -> BoundName:
    """The bound by which candidates are compared: the first that was asked, the tail before the middle."""
    asked = _asked(goal)
    return next((name for name in ("first_token_p99", "token_p99", *asked) if name in asked), "token_p50")


def _words(name: BoundName) -> str:
    """A bound in words.

    >>> _words("first_token_p99"), _words("token_p50")
    ('first token p99', 'token p50')
    """
    return name.replace("_", " ")


def _figure(candidate: GenerationCandidate, name: BoundName) -> Range:
    which, _, percentile = name.rpartition("_")
    return (candidate.first_token_s if which == "first_token" else candidate.token_s)[percentile]


def option_of_generation(candidate: GenerationCandidate, goal: GenerateGoal) -> Option:
    """A candidate as what is compared."""
    offer, layout = candidate.offer, candidate.layout
    time = _figure(candidate, _main(goal))
    spread = " x ".join(
        f"{name} {degree}"
        for name, degree in (("tensor", layout.tensor), ("pipeline", layout.pipeline))
        if degree > 1
    )
    what = f"{layout.replicas} replica{'' if layout.replicas == 1 else 's'} in {layout.weights} on {candidate.device}"
    what += f", {spread}" if spread else ""
    return Option(
        key=f"{offer.key} {candidate.machines} {what}, {layout.max_batch}",
        machines=candidate.machines,
        instance_type=offer.instance_type,
        cloud=offer.cloud,
        region=offer.region,
        purchase=offer.purchase,
        what=f"{what}, at most {layout.max_batch} requests together",
        cost_usd=candidate.cost_usd_per_month,
        time_s=time.likely,
        time_low_s=time.low,
        time_high_s=time.high,
        confidence=candidate.confidence,
        carbon_kg=candidate.carbon_kgco2e_per_month,
        usd_per_hour=offer.price_usd_per_hour,
        parts=tuple(
            Part(
                name=part.name,
                usd=part.usd_per_month,
                because=part.because,
                source=part.source,
                as_of=part.as_of,
                origin=part.origin,
            )
            for part in candidate.costs
        ),
    )


def _bounds(plan: GenerationPlan, devices: dict[str, Device]) -> tuple[Bound, ...]:
    goal, choice = plan.goal, plan.choice
    found = []
    for name in _asked(goal):
        figure = _figure(choice, name)
        said = f"likely {units.show(figure.likely, 'time')}; the upper end of the interval is held against it"
        found.append(bound_of(_words(name), goal.generate.bound_s(name), figure.high, "s", said))
    risk = bound_of(
        "confidence",
        1.0 - goal.confidence,
        1.0 - choice.confidence,
        "share",
        "room is the allowed risk that is not taken",
    )
    found += [
        msgspec.structs.replace(risk, asked=goal.confidence, got=choice.confidence),
        bound_of(
            "budget",
            goal.budget_usd_per_month,
            choice.cost_usd_per_month,
            "usd/month",
            "the parts add up",
            "quoted",
        ),
        bound_of(
            "load",
            1.0,
            choice.load_share,
            "share",
            "of the most requests that the machines bear with the bounds kept, with the goal's confidence",
        ),
        bound_of(
            "accelerators",
            float(goal.accelerators_at_most),
            float(choice.layout.devices),
            "accelerators",
            f"{choice.machines} machines, {choice.spare_machines} of them spare",
        ),
    ]
    device = devices.get(choice.device)
    if device is not None:
        said = f"of the fullest device, weights, cache and work; {device.name} as its data sheet states"
        found.append(
            bound_of("memory of a device", device.memory_bytes, choice.memory_bytes.high, "bytes", said)
        )
    if choice.offer.most_machines is not None:
        most = choice.offer.most_machines
        found.append(bound_of("quota", most, float(choice.machines), "machines", "of this offer", "quoted"))
    return tuple(found)


def _cost_at_price(candidate: GenerationCandidate, usd_per_hour: float) -> float:
    """What a candidate would cost if the machines of its offer had another price; the rest of a fleet stays."""
    offer = candidate.offer
    own = sum(one.usd_per_month for one in candidate.fleet if one.offer.key == offer.key)
    factor = usd_per_hour / offer.price_usd_per_hour if offer.price_usd_per_hour > 0.0 else 1.0
    return candidate.cost_usd_per_month + own * (factor - 1.0)


def _turns(plan: GenerationPlan, kept: Sequence[GenerationCandidate]) -> tuple[Turn, ...]:
    goal, choice = plan.goal, plan.choice
    others = [one for one in kept[1:] if one.offer.key != choice.offer.key]
    runner = min(others, key=lambda one: one.cost_usd_per_month, default=None)
    found: list[Turn] = []
    if runner is not None:
        own, usd = choice.cost_usd_per_month, runner.cost_usd_per_month
        now, other = choice.offer.price_usd_per_hour, runner.offer.price_usd_per_hour
        where = (
            f"{runner.machines} × {runner.offer.instance_type} in {runner.offer.cloud} {runner.offer.region},"
            f" {runner.offer.purchase}"
        )
        rise = sensitivity.crossing(lambda price: _cost_at_price(choice, price) - usd, now, 1000.0 * now)
        fall = sensitivity.crossing(lambda price: _cost_at_price(runner, price) - own, 0.0, other)
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
                now=other,
                at=fall,
                tried=0.0,
                then=f"{where} is as cheap" if fall is not None else f"{where} is not a matter of its price",
                usd=own,
                basis="stored",
            ),
        ]
    rate = goal.generate.load.rate_rps
    found.append(
        Turn(
            name="load, upwards",
            unit="rps",
            now=rate,
            at=rate / choice.load_share if 0.0 < choice.load_share <= 1.0 else None,
            tried=rate / choice.load_share if choice.load_share > 0.0 else rate,
            then="more machines are needed",
            usd=None,
            basis="stored",
        )
    )
    found.append(
        Turn(
            name="budget, lower",
            unit="usd/month",
            now=goal.budget_usd_per_month,
            at=choice.cost_usd_per_month if plan.meets_goal else None,
            tried=choice.cost_usd_per_month,
            then="nothing keeps the goal: the choice is the cheapest"
            if plan.meets_goal
            else "it is not kept now",
            usd=None,
            basis="stored",
        )
    )
    return tuple(found)


def _sources(plan: GenerationPlan) -> tuple[Sourced, ...]:
    choice = plan.choice
    offer = choice.offer
    found = [price_of(offer)]
    found += [
        Sourced(
            what=f"cost: {part.name}",
            value=part.usd_per_month,
            unit="usd/month",
            origin=part.origin,
            source=f"{part.because}; {part.source}",
            as_of=part.as_of,
        )
        for part in choice.costs
    ]
    figures = [(_words(name), _figure(choice, name).likely, "s") for name in BOUNDS]
    figures += [
        ("requests that run together", choice.running, ""),
        ("tokens a second", choice.tokens_per_s, ""),
        ("memory of a device", choice.memory_bytes.likely, "bytes"),
        ("energy", choice.energy_kwh_per_month, "kWh/month"),
        ("a million tokens", choice.usd_per_million_tokens, "usd"),
        ("confidence", choice.confidence, "share"),
    ]
    if choice.carbon_kgco2e_per_month is not None:
        figures.append(("carbon", choice.carbon_kgco2e_per_month, "kgCO2e/month"))
    found += [
        Sourced(
            what=what,
            value=value,
            unit=unit,
            origin="predicted",
            source=f"cost model of generation: {', '.join(choice.because) or 'by its constants'}",
            as_of=plan.today,
        )
        for what, value, unit in figures
        if math.isfinite(value)
    ]
    return tuple(found)
