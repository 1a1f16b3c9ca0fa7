"""The plan: which variant on which machines, what it will do and cost, and why nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from tradewind.decide.planning.candidates import Sized, candidate_of, pareto_of, size
from tradewind.decide.planning.rehearsing import rehearsal_of
from tradewind.decide.planning.rejecting import rejected_families, rejected_variants
from tradewind.decide.planning.search import Answer, Question, Search
from tradewind.decide.planning.space import Cell
from tradewind.domain import units
from tradewind.domain.errors import InputError
from tradewind.domain.plan import Miss, Plan

if TYPE_CHECKING:
    from tradewind.decide.planning.costs import Costs
    from tradewind.domain.estimate import Calibration
    from tradewind.domain.goal import Goal, Serve
    from tradewind.domain.host import Host
    from tradewind.domain.offer import Offers
    from tradewind.domain.profile import Front

__all__ = ["answer_to_goal", "plan", "plan_from"]

_NEAREST: Final = 60
"""Families, the cheapest by bound, whose best offer is found in any case."""
_AFFORDABLE: Final = 200
"""Capacities that may be solved to find the best of more families; of those that are left the bound is told."""
_EXTENDED: Final = 12
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
) -> Plan:
    """The cheapest way to keep the goal; when nothing keeps it, the nearest, with what it misses.

    Considered is every measured variant within the quality budget, on every offer, with every thread count
    and batch; an offer serves with as many machines as its quota allows, and what is paid for already costs
    nothing more. A way keeps the goal when its latency percentile stays in bound with the goal's confidence,
    given the errors of the prediction. Machines with accelerators compete by their CPUs.

    The same arguments give the same plan; nothing is random, the seed is recorded for what follows.
    Errors: InputError when there are no offers, or when none of them can run any variant.
    """
    if not len(offers):
        raise InputError(
            f"no offers in clouds {', '.join(goal.clouds)}, regions {', '.join(goal.regions)}, purchase"
            f" {', '.join(goal.purchase)}; allow more of them"
        )
    search = Search(goal, front.profiles, offers, calibration, today)
    return plan_from(search, front, answer_to_goal(search), host=host, today=today, seed=seed)


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


def plan_from(search: Search, front: Front, answer: Answer, *, host: Host, today: str, seed: int) -> Plan:
    """The noun round an answer."""
    goal, costs, chosen = search.goal, answer.costs, answer.sized
    offers = search.fleet.offers
    budget = goal.budget_usd_per_month
    meets = (
        answer.question.serve == goal.serve
        and answer.question.quality == "kept"
        and chosen.usd_per_month <= budget
    )
    pool = _pool(costs, goal.serve)
    kept = pareto_of(pool, chosen, within_usd=budget if meets else np.inf)
    nearest = [] if meets else [answer, *_nearest(search, answer)]
    choice = candidate_of(costs, search.tariffs, chosen, goal.serve)
    way = costs.space.ways[chosen.cell.column]
    return Plan(
        goal=goal,
        variant=way.profile.variant,
        choice=choice,
        meets_goal=meets,
        misses=_misses(search, answer, nearest[1:]),
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
        snapshot=offers.snapshot,
        today=today,
        seed=seed,
    )


def _pool(costs: Costs, serve: Serve) -> list[Sized]:
    """What may be on the front: the best of the nearest families and of each region, faster ways, more machines."""
    space, fleet = costs.space, costs.space.fleet
    best = [costs.cheapest(fleet.places.rows(place)) for place in range(len(fleet.places))]
    before = costs.solutions
    bounds = fleet.families.least(costs.usd)
    for rank, family in enumerate(np.argsort(bounds, kind="stable").tolist()):
        if rank >= _NEAREST and costs.solutions - before >= _AFFORDABLE:
            break
        best.append(costs.cheapest(fleet.families.rows(family)))
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


def _nearest(search: Search, answer: Answer) -> list[Answer]:
    """Answers that keep the goal but for one constraint, besides the chosen one."""
    goal = search.goal
    budget = goal.budget_usd_per_month
    question = Question(goal.serve, goal.confidence, answer.question.quality)
    found = [search.within(other, budget) for other in search.others(question)]
    if _carries_less(answer, goal):
        found.append(search.latency_within(question, budget))
    if answer.sized.usd_per_month > budget:
        found += [search.latency_within(question, budget), search.load_within(question, budget)]
    seen = {(answer.sized.cell, answer.sized.needed)}
    distinct = []
    for other in found:
        if other is not None and (other.sized.cell, other.sized.needed) not in seen:
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


def _carries_less(answer: Answer, goal: Goal) -> bool:
    return answer.question.serve.load.rate_rps < goal.serve.load.rate_rps


def _instead(search: Search, other: Answer) -> str:
    """What would have to give for an answer, in words."""
    goal, question = search.goal, other.question
    usd = units.show(other.sized.usd_per_month, "money_per_month")
    if question.confidence != goal.confidence:
        return f"accept a confidence of {1.0 - other.sized.risk:.0%} for {usd}"
    if question.quality == "any":
        name = other.costs.space.ways[other.sized.cell.column].profile.variant.name
        return f"accept the quality of {name} for {usd}"
    if question.serve.latency_s != goal.serve.latency_s:
        return f"allow {question.serve.percentile} = {units.show(question.serve.latency_s, 'time')} for {usd}"
    return f"serve {units.show(question.serve.load.rate_rps, 'rate')} for {usd}"
