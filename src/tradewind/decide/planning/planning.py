"""The plan: which variant on which machines, what it will do and cost, and why nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from tradewind.decide.planning.candidates import Sized, candidate_of, pareto_of, size
from tradewind.decide.planning.rehearsing import rehearsal_of
from tradewind.decide.planning.rejecting import families_of, rejected_families, rejected_variants
from tradewind.decide.planning.search import Answer, Question, Search
from tradewind.decide.planning.space import Cell, Costs
from tradewind.domain import units
from tradewind.domain.errors import InputError
from tradewind.domain.plan import Miss, Plan

if TYPE_CHECKING:
    from tradewind.domain.estimate import Calibration
    from tradewind.domain.goal import Goal, Serve
    from tradewind.domain.host import Host
    from tradewind.domain.offer import Offers
    from tradewind.domain.profile import Front

__all__ = ["answer_to_goal", "plan", "plan_from"]

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
    and batch. A way keeps the goal when its latency percentile stays in bound with the goal's confidence,
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
    return plan_from(search, front, offers, answer_to_goal(search, offers), host=host, today=today, seed=seed)


def answer_to_goal(search: Search, offers: Offers) -> Answer:
    """The cheapest answer to the goal, or the nearest: best quality, then the lowest latency."""
    goal = search.goal
    question = Question(goal.serve, goal.confidence, "kept" if search.eligible else "best")
    answer = search.answer(question)
    if answer is None:
        reachable = search.least_latency(question)
        answer = None if reachable is None else search.answer(reachable)
    if answer is None:
        raise InputError(
            f"none of {len(offers)} offers can run any variant: they share their CPU, are too small, or"
            " lack instructions; allow more regions, clouds or purchase options"
        )
    return answer


def plan_from(
    search: Search,
    front: Front,
    offers: Offers,
    answer: Answer,
    *,
    host: Host,
    today: str,
    seed: int,
) -> Plan:
    """The noun round an answer."""
    goal, costs, chosen = search.goal, answer.costs, answer.sized
    families = families_of(costs)
    best = {family: costs.cheapest(rows) for family, rows in families.items()}
    budget = goal.budget_usd_per_month
    meets = (
        answer.question.serve == goal.serve
        and answer.question.quality == "kept"
        and chosen.usd_per_month <= budget
    )
    pool = _pool(costs, goal.serve, [cell for cell in best.values() if cell is not None])
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
            *rejected_families(costs, chosen.cell, families, best),
        ),
        rehearsal=rehearsal_of(way.profile, choice, host, search.calibration, goal.serve),
        calibration=search.calibration,
        considered=len(offers) * len(costs.space.ways),
        snapshot=offers.snapshot,
        today=today,
        seed=seed,
    )


def _pool(costs: Costs, serve: Serve, cells: list[Cell]) -> list[Sized]:
    """What may be on the front: the best of each family and region, faster ways, and more machines."""
    space = costs.space
    offers = space.fleet.offers
    regions: dict[tuple[str, str], list[int]] = {}
    for row, key in enumerate(zip(offers["cloud"], offers["region"], strict=True)):
        regions.setdefault(key, []).append(row)
    by_region = [costs.cheapest(np.array(rows)) for rows in regions.values()]
    cells = sorted(
        {*cells, *(cell for cell in by_region if cell is not None)},
        key=lambda cell: (costs.usd[cell.row, cell.column], cell.row, cell.column),
    )
    pool = []
    for place, cell in enumerate(cells):
        needed = space.instances(costs.load_rps, cell)
        pool.append(size(costs, cell, needed, serve))
        if place >= _EXTENDED:
            continue
        pool += [size(costs, cell, more, serve) for more in sorted({needed + 1, needed + 2, 2 * needed})]
        machine = int(space.fleet.machine[cell.row])
        fits = np.nonzero((space.replicas[cell.row] > 0) & np.isfinite(space.floor_s[machine]))[0]
        for column in fits[np.argsort(space.floor_s[machine, fits], kind="stable")][:2].tolist():
            faster = Cell(cell.row, int(column))
            costs.solve(faster)
            if np.isfinite(costs.usd[faster.row, faster.column]):
                number = space.instances(costs.load_rps, faster)
                pool.append(size(costs, faster, number, serve))
    return pool


def _nearest(search: Search, answer: Answer) -> list[Answer]:
    """Answers that keep the goal but for one constraint, besides the chosen one."""
    goal = search.goal
    budget = goal.budget_usd_per_month
    question = Question(goal.serve, goal.confidence, answer.question.quality)
    found = [search.within(other, budget) for other in search.others(question)]
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
        replica = answer.costs.space.replica(answer.sized.cell)
        rate = answer.costs.load_rps / answer.sized.replicas
        got_s = replica.percentile_s(rate, answer.costs.space.level, answer.costs.space.odds)
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
