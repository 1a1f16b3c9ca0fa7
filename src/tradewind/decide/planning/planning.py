"""The plan: which variant on which machines, what it will do and cost, and why nothing else."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

import msgspec
import numpy as np

from tradewind.decide.planning.candidates import Sized, candidate_of, pareto_of, size
from tradewind.decide.planning.loads import loaded
from tradewind.decide.planning.rehearsing import rehearsal_of
from tradewind.decide.planning.rejecting import rejected_families, rejected_variants
from tradewind.decide.planning.relaxing import Given, relaxed, relaxed_nouns
from tradewind.decide.planning.search import Answer, Question, Search
from tradewind.decide.planning.space import Cell
from tradewind.decide.planning.verifying import verified
from tradewind.decide.planning.worldwide import shares_of
from tradewind.domain import units
from tradewind.domain.errors import InputError
from tradewind.domain.plan import Miss, Plan, Site

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tradewind.decide.planning.costs import Costs
    from tradewind.decide.planning.loads import Trace
    from tradewind.decide.planning.worldwide import Share
    from tradewind.domain.estimate import Calibration
    from tradewind.domain.goal import Goal, Serve
    from tradewind.domain.host import Host
    from tradewind.domain.offer import Offers
    from tradewind.domain.plan import Candidate, LoadCurve, Simulated
    from tradewind.domain.profile import Front

__all__ = ["answer_to_goal", "plan", "plan_for_users", "plan_from"]

_NEAREST: Final = 12
"""Families and regions, the cheapest by bound, whose best offer is found in any case; and the cleanest regions."""
_AFFORDABLE: Final = 24
"""Capacities that may be solved to find the best of more of each; of families that are left the bound is told."""
_EXTENDED: Final = 8
"""Families whose best offer is also tried with other variants, threads and more machines for the front."""


def plan(
    goal: Goal,
    front: Front,
    offers: Offers,
    calibration: Calibration,
    *,
    host: Host,
    today: str,
    seed: int,
    traces: Mapping[str, Trace] = MappingProxyType({}),
    wider: Mapping[str, Callable[[], Offers]] = MappingProxyType({}),
) -> Plan:
    """The cheapest way to keep the goal; when nothing keeps it, the nearest, with what it misses.

    Considered is every measured variant within the quality budget, on every offer, with every thread count
    and batch; an offer serves with as many machines as its quota allows, and what is paid for already costs
    nothing more. A way keeps the goal when its latency percentile stays in bound with the goal's confidence,
    given the errors of the prediction. Machines with accelerators compete by their CPUs. Where the load changes
    over the day, the base of it goes to commitments and the rest to machines by the hour, as the goal's
    `purchase` allows; the percentile holds at the highest rate. When the goal names its users, each share of them
    is served where that is cheapest, the way to them included in the bound: see `Plan.sites`.

    `traces` holds what was read of the files that loads name. `wider` finds the offers that the goal allows when
    one constraint on them gives way, by its name (see `opened`); it is asked only when nothing keeps the goal.

    The choice is simulated before it is returned; where the simulation contradicts, another is taken. The same
    arguments give the same plan: the seed is that of the simulation.
    Errors: InputError when there are no offers, or when none of them can run any variant.
    """
    if not len(offers):
        raise InputError(
            f"no offers in clouds {', '.join(goal.clouds)}, regions {', '.join(goal.regions)}, purchase"
            f" {', '.join(goal.purchase)}; allow more of them"
        )
    goal, curve = loaded(goal, traces, front.profiles, calibration)
    if goal.users:
        return plan_for_users(goal, front, offers, calibration, curve, host=host, today=today, seed=seed)
    search = Search(goal, front.profiles, offers, calibration, today, curve=curve)
    return plan_from(search, front, answer_to_goal(search), host=host, today=today, seed=seed, wider=wider)


def plan_for_users(
    goal: Goal,
    front: Front,
    offers: Offers,
    calibration: Calibration,
    curve: LoadCurve,
    *,
    host: Host,
    today: str,
    seed: int,
) -> Plan:
    """The plan for the largest share of the users, with the sites of all; it has what the others leave of the budget."""
    first, *others = shares_of(goal, front.profiles, offers, calibration, today, curve)
    sites: list[Site] = []
    misses: list[Miss] = []
    left_usd = goal.budget_usd_per_month
    for other in others:
        if other.answer is None:
            sites.append(_site(goal, other, None, meets_goal=False))
            misses.append(_too_far(goal, other))
            continue
        answer, said = verified(other.search, other.answer, seed)
        serve = other.search.goal.serve
        candidate = candidate_of(answer.costs, other.search.tariffs, answer.sized, serve)
        sites.append(_site(goal, other, candidate, meets_goal=said.agrees))
        misses += _contradicted(answer, said)
        left_usd -= candidate.cost_usd_per_month
    mine = msgspec.structs.replace(first.search.goal, budget_usd_per_month=max(0.0, left_usd))
    search = Search(
        mine, front.profiles, first.search.fleet.offers, calibration, today, curve=first.search.curve
    )
    found = plan_from(search, front, answer_to_goal(search), host=host, today=today, seed=seed)
    if first.answer is None:
        misses.insert(0, _too_far(goal, first))
    return msgspec.structs.replace(
        found,
        goal=goal,
        meets_goal=found.meets_goal and not misses,
        misses=(*found.misses, *misses),
        sites=(_site(goal, first, found.choice, meets_goal=found.meets_goal), *sites),
        load=curve,
        considered=len(offers) * len(goal.users) * (found.considered // len(search.fleet.offers)),
    )


def _site(goal: Goal, share: Share, candidate: Candidate | None, *, meets_goal: bool) -> Site:
    return Site(
        users=share.users,
        share=share.share,
        round_trip_s=share.round_trip_s,
        bound_s=goal.serve.latency_s - share.round_trip_s,
        meets_goal=meets_goal,
        candidate=candidate,
    )


def _too_far(goal: Goal, share: Share) -> Miss:
    """What users miss whom no offer serves in time."""
    serve = goal.serve
    reachable = share.search.least_latency(Question(share.search.goal.serve, goal.confidence))
    needs_s = share.round_trip_s + (reachable.serve.latency_s if reachable else serve.latency_s)
    return Miss(
        constraint=serve.percentile,
        asked=serve.latency_s,
        got=needs_s,
        unit="s",
        advice=f"the network to the users in {share.users} and back takes {units.show(share.round_trip_s, 'time')}"
        f" of {units.show(serve.latency_s, 'time')}, and no offer answers in the rest: allow"
        f" {units.show(needs_s, 'time')}, or regions nearer to them",
    )


def answer_to_goal(search: Search) -> Answer:
    """The cheapest answer to the goal, or the nearest: best quality, the lowest latency, the highest load."""
    goal = search.goal
    question = Question(goal.serve, goal.confidence, "kept" if search.eligible else "best")
    answer = search.answer(question)
    if answer is None and (reachable := search.least_latency(question)):
        answer = search.answer(reachable) or search.load_within(reachable, np.inf)
    if answer is None:
        raise InputError(_why_nothing(search, question))
    return answer


def _why_nothing(search: Search, question: Question) -> str:
    offers = search.fleet.offers
    reachable = search.least_latency(question)
    short = reachable and search.costs(reachable).quota(np.arange(len(offers)))
    if not short:
        return (
            f"none of {len(offers)} offers can run any variant: they share their CPU, are too small, or"
            " lack instructions; allow more regions, clouds or purchase options"
        )
    return (
        f"the quotas leave too few machines of each of {len(offers)} offers: the nearest needs at least"
        f" {short[0]:.0f}, and its quota is {short[1]:.0f}; raise a quota, or allow more regions, clouds or"
        " purchase options"
    )


def plan_from(
    search: Search,
    front: Front,
    answer: Answer,
    *,
    host: Host,
    today: str,
    seed: int,
    wider: Mapping[str, Callable[[], Offers]] = MappingProxyType({}),
) -> Plan:
    """The noun round an answer, or round the next one that a simulation does not contradict."""
    answer, said = verified(search, answer, seed)
    goal, costs, chosen = search.goal, answer.costs, answer.sized
    offers = search.fleet.offers
    budget = goal.budget_usd_per_month
    meets = (
        answer.question.serve == goal.serve
        and answer.question.quality == "kept"
        and chosen.usd_per_month <= budget
        and said.agrees
    )
    pool = _pool(costs, goal.serve)
    kept = pareto_of(pool, chosen, within_usd=budget if meets else np.inf)
    given = [] if meets else relaxed(search, front, wider)
    nearest = [] if meets else [answer, *_nearest(answer, given)]
    choice = candidate_of(costs, search.tariffs, chosen, goal.serve)
    way = costs.space.ways[chosen.cell.column]
    return Plan(
        goal=goal,
        variant=way.profile.variant,
        choice=choice,
        meets_goal=meets,
        misses=(*_misses(search, answer, nearest[1:]), *_contradicted(answer, said)),
        pareto=tuple(
            choice if one is chosen else candidate_of(costs, search.tariffs, one, goal.serve) for one in kept
        ),
        nearest=tuple(candidate_of(a.costs, search.tariffs, a.sized, goal.serve) for a in nearest),
        rejected=(
            *rejected_variants(front.profiles, search.eligible),
            *rejected_families(costs, chosen),
        ),
        rehearsal=rehearsal_of(way.profile, choice, host, search.calibration, goal.serve),
        calibration=search.calibration,
        considered=len(offers) * len(costs.space.ways),
        relaxed=relaxed_nouns(given),
        solved=costs.space.solutions,
        snapshot=offers.snapshot,
        today=today,
        seed=seed,
        load=search.curve,
        simulated=said,
    )


def _pool(costs: Costs, serve: Serve) -> list[Sized]:
    """What may be on the front: the best of the nearest families and regions, faster ways, more machines."""
    space, fleet = costs.space, costs.space.fleet
    grids = fleet.offers["grid_gco2e_per_kwh"]
    cleanest = np.argsort(fleet.places.least(np.where(np.isnan(grids), np.inf, grids)), kind="stable")
    best = [costs.cheapest(fleet.places.rows(place)) for place in cleanest[:_NEAREST].tolist()]
    for groups in (fleet.places, fleet.families):
        before = costs.solutions
        bounds = groups.least(costs.usd)
        for rank, group in enumerate(np.argsort(bounds, kind="stable").tolist()):
            if rank >= _NEAREST and costs.solutions - before >= _AFFORDABLE:
                break
            best.append(costs.cheapest(groups.rows(group)))
    cells = sorted(
        {cell for cell in best if cell is not None},
        key=lambda cell: (costs.usd_at(cell), cell.row, cell.column),
    )
    pool = []
    for place, cell in enumerate(cells):
        needed = costs.instances(cell)
        pool.append(size(costs, cell, needed, serve))
        if place >= _EXTENDED:
            continue
        pool += [
            size(costs, cell, more, serve)
            for more in sorted({needed + 1, needed + 2, 2 * needed})
            if np.isfinite(costs.usd_of(cell, more))
        ]
        kind, floors_s = fleet.kind(cell.row), space.floor_s[fleet.machine_at(cell.row)]
        fits = np.nonzero((space.replicas[kind] > 0) & np.isfinite(floors_s))[0]
        for column in fits[np.argsort(floors_s[fits], kind="stable")][:2].tolist():
            faster = Cell(cell.row, int(column))
            costs.solve(faster)
            if np.isfinite(costs.usd_at(faster)):
                pool.append(size(costs, faster, costs.instances(faster), serve))
    return pool


def _nearest(answer: Answer, given: list[Given]) -> list[Answer]:
    """Answers among the same offers that keep the goal but for one constraint, besides the chosen one."""
    seen = {(answer.sized.cell, answer.sized.needed)}
    distinct = []
    for one in given:
        other = one.answer
        if (
            one.constraint == "budget"
            or other is None
            or other.costs.space.fleet is not answer.costs.space.fleet
        ):
            continue
        if (other.sized.cell, other.sized.needed) not in seen:
            seen.add((other.sized.cell, other.sized.needed))
            distinct.append(other)
    return distinct


def _misses(search: Search, answer: Answer, others: list[Answer]) -> tuple[Miss, ...]:
    """What the answer does not keep, and what would have to give."""
    goal, serve = search.goal, search.goal.serve
    misses = []
    instead = "".join(f"; or {_instead(search, other)}" for other in others)
    if answer.question.quality != "kept":
        way = answer.costs.space.ways[answer.sized.cell.column]
        judgement = way.profile.variant.judgement
        minimum = goal.quality.minimum
        asked = minimum if minimum is not None else -goal.quality.max_drop
        got = 0.0 if judgement is None else judgement.value if minimum is not None else judgement.delta
        reason = judgement.reason if judgement else "no variant was judged"
        misses.append(
            Miss(
                constraint="quality",
                asked=asked,
                got=got,
                unit=judgement.metric if judgement else goal.metric,
                advice=f"no variant keeps the quality: the best, {way.profile.variant.name}, gives"
                f" {got:.4g} for {asked:.4g} ({reason}); allow more loss",
            )
        )
    if answer.question.serve.latency_s > serve.latency_s:
        space, cell = answer.costs.space, answer.sized.cell
        replica = space.replica(space.fleet.machine_at(cell.row), cell.column)
        rate = answer.costs.load_rps / answer.sized.replicas
        got_s = replica.percentile_s(rate, space.level, space.odds)
        misses.append(
            Miss(
                constraint=serve.percentile,
                asked=serve.latency_s,
                got=got_s,
                unit="s",
                advice=f"{serve.percentile} {units.show(serve.latency_s, 'time')} is below what any offer"
                f" reaches with confidence {goal.confidence:.0%}: allow {units.show(got_s, 'time')}{instead}",
            )
        )
    if _carries_less(answer, goal):
        got_rps = answer.question.serve.load.rate_rps
        misses.append(
            Miss(
                constraint="load",
                asked=serve.load.rate_rps,
                got=got_rps,
                unit="rps",
                advice=f"no offer carries {units.show(serve.load.rate_rps, 'rate')} with as many machines as may be"
                f" rented of it: raise a quota, or serve {units.show(got_rps, 'rate')}{instead}",
            )
        )
    if answer.sized.usd_per_month > goal.budget_usd_per_month:
        usd = answer.sized.usd_per_month
        misses.append(
            Miss(
                constraint="budget",
                asked=goal.budget_usd_per_month,
                got=usd,
                unit="usd/month",
                advice=f"the cheapest plan costs {units.show(usd, 'money_per_month')}, the budget is"
                f" {units.show(goal.budget_usd_per_month, 'money_per_month')}: raise it{instead}",
            )
        )
    return tuple(misses)


def _contradicted(answer: Answer, said: Simulated) -> tuple[Miss, ...]:
    """What a simulation holds against the answer, when no other was found that it does not contradict."""
    if said.agrees:
        return ()
    serve = answer.question.serve
    return (
        Miss(
            constraint=serve.percentile,
            asked=serve.latency_s,
            got=said.slow_s.likely,
            unit="s",
            advice=f"the simulation contradicts: {said.because}; allow"
            f" {units.show(said.slow_s.high, 'time')}, or more machines",
        ),
    )


def _carries_less(answer: Answer, goal: Goal) -> bool:
    return answer.question.serve.load.rate_rps < goal.serve.load.rate_rps


def _instead(search: Search, other: Answer) -> str:
    """What would have to give for an answer, in words."""
    goal, question = search.goal, other.question
    usd = units.show(other.sized.usd_per_month, "money_per_month")
    if question.confidence != goal.confidence:
        return f"accept a confidence of {1.0 - other.sized.risk:.0%} for {usd}"
    if question.quality not in ("kept", "best"):
        name = other.costs.space.ways[other.sized.cell.column].profile.variant.name
        return f"accept the quality of {name} for {usd}"
    if question.serve.latency_s != goal.serve.latency_s:
        return f"allow {question.serve.percentile} = {units.show(question.serve.latency_s, 'time')} for {usd}"
    return f"serve {units.show(question.serve.load.rate_rps, 'rate')} for {usd}"
