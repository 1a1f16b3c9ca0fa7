"""The plan after an observation: with corrected constants, and changed only where that pays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec
import numpy as np

from tradewind.decide.planning.grouping import truth
from tradewind.decide.planning.loads import cold_start_s, curve_of
from tradewind.decide.planning.planning import answer_to_goal, plan_for_users, plan_from
from tradewind.decide.planning.search import Answer, Search
from tradewind.decide.planning.space import Cell
from tradewind.decide.prediction.calibrating import fit
from tradewind.decide.prediction.estimating import predict
from tradewind.domain import units
from tradewind.domain.plan import Candidate, Change, Plan

if TYPE_CHECKING:
    from tradewind.domain.estimate import Calibration, Estimate, Observation
    from tradewind.domain.offer import Offers
    from tradewind.domain.profile import Front

__all__ = ["replan"]

WORTH_CHANGING: Final = 0.03
"""Share of the cost that another choice must save: prices move by more than that, and moving costs work."""
_TOLD: Final = 0.01
"""Relative change of a constant or a figure below which it is not told."""


def replan(
    plan: Plan,
    observation: Observation,
    front: Front,
    offers: Offers,
    calibration: Calibration,
    seed: int,
) -> Plan:
    """The plan with constants corrected by an observation of its rehearsal, and what changed and why.

    The choice stays, with as many machines as it now needs, unless it cannot keep the goal any more or
    another saves 3 % of the cost; for users in several parts of the world all is planned anew. `calibration` is
    the one that the rehearsal was predicted with.
    """
    host = front.profiles[0].host
    profile = front.profile(plan.variant.id)

    def rehearsed(constants: Calibration) -> Estimate:
        rehearsal = plan.rehearsal
        return predict(
            profile, host, rehearsal.layout, constants, load_rps=rehearsal.load_rps, serve=plan.goal.serve
        )

    corrected = fit(calibration, plan.rehearsal, observation, rehearsed)
    if plan.goal.users:
        revised = plan_for_users(
            plan.goal,
            front,
            offers,
            corrected,
            plan.load or curve_of(plan.goal.serve, cold_start_s(front.profiles, corrected)),
            host=host,
            today=plan.today,
            seed=seed,
        )
        return msgspec.structs.replace(revised, changes=tuple(_constants(calibration, corrected)))
    search = Search(plan.goal, front.profiles, offers, corrected, plan.today, curve=plan.load)
    fresh = answer_to_goal(search)
    kept = _kept(search, plan.choice, fresh)
    answer = fresh
    why_choice = "it saves more than moving is worth"
    if kept is not None and kept.sized.usd_per_month * (1.0 - WORTH_CHANGING) <= fresh.sized.usd_per_month:
        answer = kept
    elif kept is None:
        why_choice = "the former choice cannot keep the goal any more"
    revised = plan_from(search, front, answer, host=host, today=plan.today, seed=seed)
    changes = (
        *_constants(calibration, corrected),
        *_choices(plan.choice, revised.choice, plan.goal.serve.percentile, why_choice),
    )
    return msgspec.structs.replace(revised, changes=changes)


def _kept(search: Search, former: Candidate, fresh: Answer) -> Answer | None:
    """The former choice with the machines and the batch that it now needs; None when it is no answer any more."""
    costs = search.costs(fresh.question)
    offers, ways = costs.space.fleet.offers, costs.space.ways
    same_type = np.nonzero(truth(offers, "instance_type", lambda name: name == former.offer.instance_type))[0]
    rows = [row for row in same_type.tolist() if offers.offer(row).key == former.offer.key]
    cells = [
        Cell(row, column)
        for row in rows
        for column, way in enumerate(ways)
        if way.profile.variant.id == former.variant_id and way.work.threads == former.layout.threads
    ]
    for cell in cells:
        costs.solve(cell)
    possible = [cell for cell in cells if np.isfinite(costs.usd_at(cell))]
    if not possible:
        return None

    def order(cell: Cell) -> tuple[float, bool, int]:
        other_batch = ways[cell.column].max_batch != former.layout.max_batch
        return costs.usd_at(cell), other_batch, -ways[cell.column].max_batch

    cell = min(possible, key=order)
    return Answer(fresh.question, costs, search.mixed(costs, cell))


def _constants(before: Calibration, after: Calibration) -> list[Change]:
    changes = []
    for name, constant in after.constants.items():
        former = before.constants.get(name)
        if former is None or abs(constant.value - former.value) <= _TOLD * abs(former.value):
            continue
        changes.append(
            Change(
                what=f"calibration: {name}",
                before=_show(name, former.value),
                after=_show(name, constant.value),
                why=constant.fitted_on,
            )
        )
    return changes


def _show(name: str, value: float) -> str:
    if name.endswith(("_s_per_request", "_s")):
        return units.show(value, "time")
    return f"{value:.3g}"


def _choices(before: Candidate, after: Candidate, percentile: str, why: str) -> list[Change]:
    """What differs between two choices. Figures follow from the constants; choices from the costs."""
    moved = before.offer.key != after.offer.key or before.variant_id != after.variant_id
    same = "the corrected constants change what one carries"
    worth = "the corrected constants change which batch is worth its latency"
    threads, batches = (
        tuple(str(getattr(one.layout, name)) for one in (before, after)) for name in ("threads", "max_batch")
    )
    rows: list[tuple[str, str, str, str]] = [
        ("variant", before.variant_name, after.variant_name, why),
        ("offer", before.offer.key, after.offer.key, why),
        ("threads", threads[0], threads[1], why),
        ("largest batch", batches[0], batches[1], why if moved else worth),
        (
            "machines",
            str(before.layout.instances),
            str(after.layout.instances),
            "another machine needs another number" if moved else same,
        ),
    ]
    for what, first, second in (
        ("cost", before.cost_usd_per_month, after.cost_usd_per_month),
        (
            percentile,
            before.estimate.latency_s[percentile].likely,
            after.estimate.latency_s[percentile].likely,
        ),
    ):
        if abs(second - first) > _TOLD * abs(first):
            dimension: units.Dimension = "money_per_month" if what == "cost" else "time"
            told = "predicted with the corrected constants"
            rows.append((what, units.show(first, dimension), units.show(second, dimension), told))
    return [Change(what=w, before=b, after=a, why=y) for w, b, a, y in rows if b != a]
