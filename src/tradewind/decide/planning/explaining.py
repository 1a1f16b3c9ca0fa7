"""Why a plan is what it is: what holds it, what is next to it, what would turn it, and where its numbers come from.

In: a Plan. Out: an Explanation, facts without layout, of what the plan keeps; it says that the planner was not asked
again. Where the variants and offers are at hand, `explaining_again` asks it.
"""

from __future__ import annotations

import math
import re
from functools import partial
from typing import TYPE_CHECKING, Final, get_args

import msgspec

from tradewind.decide.planning import sensitivity
from tradewind.domain import units
from tradewind.domain.explanation import (
    Bound,
    Explanation,
    Fallen,
    Neighbour,
    Option,
    Part,
    Place,
    Sourced,
    Turn,
)
from tradewind.domain.goal import CLOUDS
from tradewind.domain.noun import Purchase

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from tradewind.domain.explanation import Basis
    from tradewind.domain.goal import Goal
    from tradewind.domain.noun import Origin, Rejected
    from tradewind.domain.offer import Offer
    from tradewind.domain.plan import Candidate, Plan

__all__ = [
    "TIGHT",
    "bound_of",
    "explain",
    "grouped",
    "neighbour",
    "neighbours_of",
    "option_of",
    "places_of",
    "price_of",
    "price_turns",
]

TIGHT: Final = 0.05
"""Room below which a limit holds the choice in place: predictions are not known better than that."""
BETTER: Final = 0.01
"""Relative difference from which on a candidate is faster, cleaner or surer than another."""


def explain(plan: Plan) -> Explanation:
    """The explanation of what a plan keeps, without asking the planner again."""
    options = tuple(option_of(one, plan.goal) for one in _candidates(plan))
    return Explanation(
        subject="serving",
        name=plan.goal.name,
        met=plan.meets_goal,
        goal=_asked(plan.goal),
        time_name=plan.goal.serve.percentile,
        choice=options[0],
        options=options,
        misses=tuple(miss.advice for miss in plan.misses),
        bounds=_bounds(plan),
        neighbours=neighbours_of(options, plan.rejected, plan.goal.clouds, plan.goal.purchase),
        turns=_stored_turns(plan),
        places=places_of(options),
        fallen=grouped(plan.rejected),
        sources=_sources(plan),
        because=plan.choice.estimate.because,
        considered=plan.considered,
        snapshot=plan.snapshot,
        today=plan.today,
        basis="stored",
        basis_note="compared with the candidates that the plan keeps; the planner was not asked again",
        limits={"cost_usd": plan.goal.budget_usd_per_month, "time_s": plan.goal.serve.latency_s},
    )


def _candidates(plan: Plan) -> list[Candidate]:
    """The choice, then the others, each way once."""
    found: dict[str, Candidate] = {}
    for candidate in (plan.choice, *plan.nearest, *plan.pareto):
        found.setdefault(_key(candidate), candidate)
    return list(found.values())


def _key(candidate: Candidate) -> str:
    layout = candidate.layout
    return (
        f"{candidate.offer.key} {candidate.variant_name} {layout.instances}x{layout.replicas_per_instance}"
        f"x{layout.threads}/{layout.max_batch}"
    )


def option_of(candidate: Candidate, goal: Goal) -> Option:
    """A candidate as what is compared."""
    offer, estimate = candidate.offer, candidate.estimate
    latency, carbon = estimate.latency_s[goal.serve.percentile], estimate.carbon_kgco2e_per_month
    return Option(
        key=_key(candidate),
        machines=candidate.layout.instances,
        instance_type=offer.instance_type,
        cloud=offer.cloud,
        region=offer.region,
        purchase=offer.purchase,
        what=candidate.variant_name,
        cost_usd=candidate.cost_usd_per_month,
        time_s=latency.likely,
        time_low_s=latency.low,
        time_high_s=latency.high,
        confidence=candidate.confidence,
        carbon_kg=None if carbon is None else carbon.likely,
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


def _asked(goal: Goal) -> str:
    return (
        f"{units.show(goal.serve.load.rate_rps, 'rate')} with {goal.serve.percentile} within"
        f" {units.show(goal.serve.latency_s, 'time')} for at most"
        f" {units.show(goal.budget_usd_per_month, 'money_per_month')}, with {goal.confidence:.0%} confidence"
    )


def _bounds(plan: Plan) -> tuple[Bound, ...]:
    """Every limit, and how much of it is left."""
    goal, choice, estimate = plan.goal, plan.choice, plan.choice.estimate
    offer, layout, serve = choice.offer, choice.layout, plan.goal.serve
    latency, level = estimate.latency_s[serve.percentile], f"{estimate.level:.0%}"
    simulated = plan.simulated
    said = f"likely {units.show(latency.likely, 'time')}; the upper end of the {level} interval is held against it"
    if simulated is not None:
        said += (
            f"; simulated as slow as the confidence supposes: {units.show(simulated.slow_s.likely, 'time')}"
        )
    found = [
        bound_of(serve.percentile, serve.latency_s, latency.high, "s", said, "predicted"),
        Bound(
            name="confidence",
            asked=goal.confidence,
            got=choice.confidence,
            unit="share",
            room=_room(1.0 - goal.confidence, 1.0 - choice.confidence),
            tight=_room(1.0 - goal.confidence, 1.0 - choice.confidence) <= TIGHT,
            because="room is the allowed risk that is not taken",
            origin="predicted",
        ),
        bound_of(
            "budget",
            goal.budget_usd_per_month,
            choice.cost_usd_per_month,
            "usd/month",
            "the parts add up",
            "quoted",
        ),
    ]
    found += _quality(plan)
    if estimate.capacity_rps is not None:
        needed = layout.instances - layout.spare_instances
        found.append(
            Bound(
                name="load",
                asked=estimate.capacity_rps.low,
                got=estimate.load_rps,
                unit="rps",
                room=_room(estimate.capacity_rps.low, estimate.load_rps),
                tight=_room(estimate.capacity_rps.low, estimate.load_rps) <= TIGHT,
                because=f"what {needed} machine{'' if needed == 1 else 's'} carry within the bound,"
                f" at the lower end of the {level} interval",
                origin="predicted",
            )
        )
    if estimate.memory_bytes is not None:
        held = layout.replicas_per_instance * estimate.memory_bytes.high
        said = f"{layout.replicas_per_instance} server process{'' if layout.replicas_per_instance == 1 else 'es'}"
        found.append(bound_of("memory of a machine", offer.memory_bytes, held, "bytes", said, "predicted"))
    cores = offer.physical_cores or offer.vcpus
    used = layout.replicas_per_instance * layout.threads
    said = "physical cores" if offer.physical_cores else "virtual CPUs; no source states the cores"
    needed = layout.instances - layout.spare_instances
    full = bound_of("cores of a machine", float(cores), float(used), "cores", said, "quoted")
    # That every core has its process holds nothing back while a single machine carries the load.
    found.append(full if needed > 1 else msgspec.structs.replace(full, tight=False))
    spare = f", and {layout.spare_instances} spare for interruptions" if layout.spare_instances else ""
    found.append(
        Bound(
            name="fewest machines",
            asked=1.0,
            got=float(needed),
            unit="machines",
            room=float(needed) - 1.0,
            tight=needed == 1,
            because=f"a machine is rented whole{spare}",
            origin="predicted",
        )
    )
    most = offer.most_machines
    if most is None:
        found.append(
            Bound(
                name="quota",
                asked=None,
                got=float(layout.instances),
                unit="machines",
                room=None,
                tight=False,
                because="none is stated for this offer",
                origin="assumed",
            )
        )
    else:
        found.append(bound_of("quota", most, float(layout.instances), "machines", "of this offer", "quoted"))
    return tuple(found)


def _room(limit: float, used: float) -> float:
    """Share of a limit that is left; -1 where nothing was allowed and something is used."""
    return 1.0 - used / limit if limit > 0.0 else 0.0 if used <= 0.0 else -1.0


def _quality(plan: Plan) -> list[Bound]:
    judgement, quality = plan.variant.judgement, plan.goal.quality
    if judgement is None:
        return []
    lost = max(0.0, -judgement.delta_low) if judgement.delta != 0.0 else 0.0
    room = _room(quality.max_drop, lost)
    return [
        Bound(
            name="quality",
            asked=quality.max_drop,
            got=lost,
            unit="",
            room=room if math.isfinite(room) else -1.0,
            tight=room <= TIGHT and lost > 0.0,
            because=f"the most that {judgement.metric} may have lost, {judgement.level:.0%} sure, on {judgement.rows:,} rows",
            origin="measured",
        )
    ]


def neighbours_of(
    options: Sequence[Option], rejected: Iterable[Rejected], clouds: Sequence[str], purchases: Sequence[str]
) -> tuple[Neighbour, ...]:
    """The next-best in each direction among what is kept, the first being the choice.

    `clouds` and `purchases` are what the goal allows. Where nothing of one of them is kept, the nearest of its
    rejected families speaks.
    """
    choice, others = options[0], options[1:]
    rejected = list(rejected)

    def least(direction: str, keep: Callable[[Option], bool], otherwise: str) -> Neighbour:
        found = min(
            (one for one in others if keep(one)),
            key=lambda one: (one.cost_usd, one.time_s, one.key),
            default=None,
        )
        return neighbour(direction, choice, found, otherwise, "stored")

    found = [
        least(
            "cheaper", lambda one: one.cost_usd < choice.cost_usd * (1.0 - 1e-9), "nothing cheaper is kept"
        ),
        least(
            "faster",
            lambda one: one.time_s < choice.time_s * (1.0 - BETTER),
            f"nothing that is kept is {BETTER:.0%} faster",
        ),
        least(
            "surer",
            lambda one: 1.0 - one.confidence < (1.0 - choice.confidence) * (1.0 - BETTER),
            "nothing that is kept is surer",
        ),
        least(
            "cleaner",
            lambda one: (
                one.carbon_kg is not None
                and (choice.carbon_kg is None or one.carbon_kg < choice.carbon_kg * (1.0 - BETTER))
            ),
            "nothing that is kept emits less",
        ),
        least(
            "fewer machines", lambda one: one.machines < choice.machines, "nothing that is kept needs fewer"
        ),
        least("other region", lambda one: one.region != choice.region, "no other region is kept"),
        least(
            "other machine", lambda one: one.instance_type != choice.instance_type, "no other machine is kept"
        ),
        least("other variant", lambda one: one.what != choice.what, "no other variant is kept"),
    ]
    for cloud in CLOUDS:
        if cloud != choice.cloud:
            nearest = (f"{one.name}: {one.reason}" for one in rejected if one.name.startswith(f"{cloud} "))
            otherwise = next(nearest, "none is kept") if cloud in clouds else "the goal does not allow it"
            found.append(least(f"other cloud: {cloud}", partial(_has, "cloud", cloud), otherwise))
    for purchase in get_args(Purchase):
        if purchase != choice.purchase:
            nearest = (f"{one.name}: {one.reason}" for one in rejected if one.name.endswith(f" {purchase}"))
            otherwise = (
                next(nearest, "none is kept") if purchase in purchases else "the goal does not allow it"
            )
            found.append(least(f"other purchase: {purchase}", partial(_has, "purchase", purchase), otherwise))
    return tuple(found)


def _has(field: str, value: str, option: Option) -> bool:
    return bool(getattr(option, field) == value)


def neighbour(
    direction: str, choice: Option, found: Option | None, otherwise: str, basis: Basis
) -> Neighbour:
    """An option beside the choice, with what it differs by."""
    if found is None:
        return Neighbour(direction=direction, option=None, because=otherwise, basis=basis)
    return Neighbour(
        direction=direction,
        option=found,
        usd=found.cost_usd - choice.cost_usd,
        time_s=found.time_s - choice.time_s,
        because="",
        basis=basis,
    )


def _stored_turns(plan: Plan) -> tuple[Turn, ...]:
    """What would turn the choice, as far as the kept candidates tell."""
    goal, choice, estimate = plan.goal, plan.choice, plan.choice.estimate
    others = [one for one in _candidates(plan)[1:] if one.offer.key != choice.offer.key]
    latency = estimate.latency_s[goal.serve.percentile]
    found = price_turns(
        choice, min(others, key=lambda one: one.cost_usd_per_month, default=None), goal, "stored"
    )
    if estimate.capacity_rps is not None:
        found.append(
            Turn(
                name="load, upwards",
                unit="rps",
                now=goal.serve.load.rate_rps,
                at=max(estimate.capacity_rps.low, estimate.load_rps),
                tried=estimate.capacity_rps.low,
                then="more machines are needed: the capacity at the lower end of its interval",
                usd=None,
                basis="stored",
            )
        )
    found.append(
        Turn(
            name=f"{goal.serve.percentile}, tighter",
            unit="s",
            now=goal.serve.latency_s,
            at=min(latency.high, goal.serve.latency_s),
            tried=latency.high,
            then=f"the upper end of the {estimate.level:.0%} interval no longer keeps it",
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


def price_turns(choice: Candidate, runner: Candidate | None, goal: Goal, basis: Basis) -> list[Turn]:
    """Up to which price the choice stays, and down to which the runner-up would have to fall."""
    if runner is None:
        return []
    other = option_of(runner, goal)
    rise = sensitivity.rise_to_tie(choice, runner.cost_usd_per_month)
    fall = sensitivity.price_to_tie(runner, choice.cost_usd_per_month)
    now = choice.offer.price_usd_per_hour
    where = f"{other.name} in {other.cloud} {other.region}, {other.purchase}"
    return [
        Turn(
            name="its price, upwards",
            unit="usd/h",
            now=now,
            at=rise,
            tried=1000.0 * now,
            then=f"{where} is as cheap",
            usd=runner.cost_usd_per_month,
            basis=basis,
        ),
        Turn(
            name="runner-up's price, down",
            unit="usd/h",
            now=runner.offer.price_usd_per_hour,
            at=fall,
            tried=0.0,
            then=f"{where} is as cheap"
            if fall is not None
            else f"{where} would be dearer even for nothing: what comes beside its machines decides",
            usd=choice.cost_usd_per_month,
            basis=basis,
        ),
    ]


def places_of(options: Sequence[Option]) -> tuple[Place, ...]:
    """The cheapest of what is kept in each region."""
    best: dict[tuple[str, str], Option] = {}
    for one in options:
        key = one.cloud, one.region
        if key not in best or (one.cost_usd, one.key != options[0].key) < (
            best[key].cost_usd,
            best[key].key != options[0].key,
        ):
            best[key] = one
    return tuple(
        Place(
            cloud=one.cloud,
            region=one.region,
            usd=one.cost_usd,
            what=f"{one.name}, {one.purchase}",
            chosen=one.region == options[0].region and one.cloud == options[0].cloud,
        )
        for one in sorted(best.values(), key=lambda one: (one.cost_usd, one.key))
    )


_AMOUNTS: Final = re.compile(r"[-+]?\d[\d.,]*\s*(%|us|ms|s|min|h|d|rps|usd(/month|/h)?|[KMGT]?i?B)?(?=\W|$)")


def grouped(rejected: Iterable[Rejected]) -> tuple[Fallen, ...]:
    """Families by what stopped them: the reason up to its first colon, without its amounts.

    The groups are in the order of their first family, so that the nearest come first.

    >>> from tradewind.domain.noun import Rejected
    >>> reasons = "dearer: 5% more: its best is a", "too small: needs 2 GiB", "dearer: 9% more: its best is b"
    >>> found = grouped(Rejected(name=name, reason=reason, count=2) for name, reason in zip("abc", reasons))
    >>> [(group.reason, group.families, group.alternatives) for group in found]
    [('dearer', ('a', 'c'), 4), ('too small', ('b',), 2)]
    """
    groups: dict[str, list[Rejected]] = {}
    for one in rejected:
        head = one.reason.partition(":")[0]
        # Whose amounts differ fell out for one reason; those amounts stand in the whole reason.
        key = re.sub(r"\s+", " ", _AMOUNTS.sub("…", head)).strip()
        groups.setdefault(key, []).append(one)
    return tuple(
        Fallen(
            reason=key
            if "…" in key and len({one.reason.partition(":")[0] for one in lines}) > 1
            else lines[0].reason.partition(":")[0],
            families=tuple(one.name for one in lines),
            alternatives=sum(one.count for one in lines),
            nearest=f"{lines[0].name}: {lines[0].reason}",
        )
        for key, lines in groups.items()
    )


def price_of(offer: Offer) -> Sourced:
    """Where the price of a machine comes from."""
    trust = {"A": "the vendor's list", "B": "derived from the vendor's list", "C": "old or second-hand"}
    return Sourced(
        what="price of a machine",
        value=offer.price_usd_per_hour,
        unit="usd/h",
        origin="quoted",
        source=f"{offer.source} ({offer.confidence}: {trust.get(offer.confidence, 'unknown')})",
        as_of=offer.as_of,
    )


def bound_of(
    name: str, limit: float, used: float, unit: str, because: str, origin: Origin = "predicted"
) -> Bound:
    """A limit and how much of it a choice uses."""
    room = _room(limit, used)
    return Bound(
        name=name,
        asked=limit,
        got=used,
        unit=unit,
        room=room,
        tight=room <= TIGHT,
        because=because,
        origin=origin,
    )


def _sources(plan: Plan) -> tuple[Sourced, ...]:
    """Where each number of the choice comes from."""
    choice, estimate, goal = plan.choice, plan.choice.estimate, plan.goal
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
    model = f"cost model of {len(plan.calibration.constants)} constants, {estimate.level:.0%} interval"
    figures: list[tuple[str, float | None, str]] = [
        (f"latency {goal.serve.percentile}", estimate.latency_s[goal.serve.percentile].likely, "s")
    ]
    for name, unit in (
        ("capacity_rps", "rps"),
        ("utilization", "share"),
        ("memory_bytes", "bytes"),
        ("energy_kwh_per_month", "kWh/month"),
        ("carbon_kgco2e_per_month", "kgCO2e/month"),
    ):
        known = getattr(estimate, name)
        label = name.removesuffix("_rps").removesuffix("_bytes").split("_")[0]
        figures.append((label, None if known is None else known.likely, unit))
    figures.append(("confidence", choice.confidence, "share"))
    found += [
        Sourced(what=what, value=value, unit=unit, origin="predicted", source=model, as_of=plan.today)
        for what, value, unit in figures
        if value is not None
    ]
    if plan.simulated is not None:
        said = plan.simulated
        found.append(
            Sourced(
                what=f"simulated {goal.serve.percentile}, slow",
                value=said.slow_s.likely,
                unit="s",
                origin=said.origin,
                source=f"{said.requests:,} requests, one by one, seed {plan.seed}",
                as_of=plan.today,
            )
        )
    if plan.variant.judgement is not None:
        judged = plan.variant.judgement
        found.append(
            Sourced(
                what=f"quality: {judged.metric}",
                value=judged.value,
                unit="",
                origin="measured",
                source=f"{judged.rows:,} rows of the test split (sha256 {judged.data_sha256[:12]}), {judged.method}",
                as_of=plan.today,
            )
        )
    return tuple(found)
