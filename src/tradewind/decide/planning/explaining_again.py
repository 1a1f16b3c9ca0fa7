"""The explanation of a plan with the planner at hand: exact neighbours, turning points, curves, and every region.

In: a Plan, and the variants and offers that it was made of, as a Search. Out: an Explanation whose numbers were
answered, not compared.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, get_args

import msgspec
import numpy as np

from tradewind.decide.planning import sensitivity
from tradewind.decide.planning.candidates import candidate_of, size
from tradewind.decide.planning.explaining import TIGHT, explain, neighbour, option_of, price_turns
from tradewind.decide.planning.search import Question
from tradewind.domain import units
from tradewind.domain.explanation import Bound, Explanation, Neighbour, Place
from tradewind.domain.goal import CLOUDS
from tradewind.domain.noun import Purchase

if TYPE_CHECKING:
    from collections.abc import Callable

    from tradewind.decide.planning.candidates import Sized
    from tradewind.decide.planning.costs import Costs
    from tradewind.decide.planning.search import Search
    from tradewind.decide.planning.sensitivity import Planner
    from tradewind.decide.planning.space import Cell
    from tradewind.domain.goal import Goal
    from tradewind.domain.plan import Candidate, Plan

__all__ = ["explain_again"]

_RUNNERS: Final = 400
"""Offers, the cheapest by their bounds, among which the runner-up is found."""
_ATTEMPTS: Final = 40
"""How often the offers that could do with fewer machines are looked through."""


def explain_again(
    plan: Plan, search: Search, planner: Planner, *, wider: Callable[[Goal], Planner]
) -> Explanation:
    """The explanation with the planner asked again: exact neighbours, turning points, curves, and every region.

    `wider` makes a planner for a goal that allows other clouds, regions or ways of purchase.
    """
    stored, goal = explain(plan), plan.goal
    now = planner(goal)
    note = f"the planner was asked again at every value, with the prices of {search.fleet.offers.snapshot}"
    if now is not None and plan.meets_goal and sensitivity.kind_of(now) != sensitivity.kind_of(plan.choice):
        note += (
            f"; at the goal itself it now takes {now.layout.instances} x {now.offer.instance_type} in"
            f" {now.offer.region}, {units.show(now.cost_usd_per_month, 'money_per_month')}: the prices or the"
            " simulation differ from when the plan was made"
        )
    around = _Around(search, goal) if search.eligible else None
    neighbours = around.neighbours(stored, plan.meets_goal) if around else stored.neighbours
    places = around.places(stored) if around else stored.places
    runner = around.runner_up(plan.choice) if around else None
    priced = [turn for turn in stored.turns if turn.unit == "usd/h"]
    if runner is not None:
        priced = price_turns(plan.choice, runner, goal, "replanned")
    return msgspec.structs.replace(
        stored,
        bounds=_loosened(stored.bounds, goal, planner, wider),
        neighbours=neighbours,
        turns=(*priced, *sensitivity.turns(goal, planner)),
        curves=sensitivity.curves(goal, planner),
        places=places,
        basis="replanned",
        basis_note=note,
    )


def _loosened(
    bounds: tuple[Bound, ...], goal: Goal, planner: Planner, wider: Callable[[Goal], Planner]
) -> tuple[Bound, ...]:
    """The bounds with what each costs: how much cheaper the cheapest way is when it is loosened."""
    now = planner(goal)

    def saves(loose: Goal, ask: Planner) -> float | None:
        other = ask(loose)
        if now is None or other is None:
            return None
        return now.cost_usd_per_month - other.cost_usd_per_month

    name, serve = goal.serve.percentile, goal.serve
    asked = {
        name: (
            saves(sensitivity.with_latency(goal, 2.0 * serve.latency_s), planner),
            f"{name} of {units.show(2.0 * serve.latency_s, 'time')}",
        ),
        "confidence": (saves(sensitivity.with_confidence(goal, 0.51), planner), "51% confidence"),
    }
    found = [
        msgspec.structs.replace(bound, saves_usd=asked[bound.name][0], loosened=asked[bound.name][1])
        if bound.name in asked
        else bound
        for bound in bounds
    ]
    free: list[tuple[str, str, dict[str, object]]] = []
    if goal.regions != ("*",):
        free.append(("regions", "any region", {"regions": ("*",)}))
    for field, every in (("clouds", CLOUDS), ("purchase", get_args(Purchase))):
        if more := [one for one in every if one not in getattr(goal, field)]:
            free.append((field, f"also {' and '.join(more)}", {field: every}))
    for bound_name, words, changed in free:
        loose = msgspec.structs.replace(goal, **changed)
        gain = saves(loose, wider(loose))
        found.append(
            Bound(
                name=bound_name,
                asked=None,
                got=0.0,
                unit="",
                room=None,
                tight=gain is not None and now is not None and gain > TIGHT * now.cost_usd_per_month,
                because=f"the goal allows {', '.join(str(one) for one in getattr(goal, bound_name))}",
                origin="assumed",
                saves_usd=gain,
                loosened=words,
            )
        )
    return tuple(found)


class _Around:
    """The cheapest ways that keep the goal among some of the offers; what is solved for one serves the others."""

    def __init__(self, search: Search, goal: Goal) -> None:
        self.search, self.goal = search, goal
        self.fleet = search.fleet
        self.costs: Costs = search.costs(Question(goal.serve, goal.confidence, "kept"))

    def candidate(self, cell: Cell | None) -> Candidate | None:
        """The noun of a cell, its machines bought in the cheapest way that their place offers."""
        return None if cell is None else self._noun(self.search.mixed(self.costs, cell))

    def bought_alike(self, cell: Cell | None) -> Candidate | None:
        """The noun of a cell, all its machines bought in one way."""
        if cell is None:
            return None
        return self._noun(size(self.costs, cell, self.costs.instances(cell), self.goal.serve))

    def _noun(self, sized: Sized) -> Candidate:
        return candidate_of(self.costs, self.search.tariffs, sized, self.goal.serve)

    def cell(self, column: str, keep: Callable[[str], bool]) -> Cell | None:
        """The cheapest cell on offers of which a column has a value that is kept."""
        codes, names = self.fleet.offers.coded(column)
        kept = np.array([keep(str(name)) for name in names], dtype=bool)
        return self.costs.cheapest(np.nonzero(kept[codes])[0])

    def fewer(self, machines: int) -> Candidate | None:
        """The cheapest way with fewer machines, spare ones included."""
        fleet, space = self.fleet, self.costs.space
        kinds = np.arange(len(fleet.kinds))
        for _ in range(_ATTEMPTS):
            rented = space.rented(self.costs.levels(kinds)[-1], kinds)
            cell = self.costs.cheapest(np.nonzero(rented[fleet.kinds.of] < machines)[0])
            found = self.candidate(cell)
            # What is not solved promises too much: a way may turn out to need more, and then it is known.
            if found is None or found.layout.instances < machines:
                return found
        return None

    def runner_up(self, choice: Candidate) -> Candidate | None:
        """The cheapest way on another offer than the chosen one, and than all of a fleet that is bought in several ways."""
        taken = {choice.offer.key, *(rented.offer.key for rented in choice.fleet)}
        usd = self.costs.usd
        finite = np.nonzero(np.isfinite(usd))[0]
        nearest = finite[np.argsort(usd[finite], kind="stable")[:_RUNNERS]]
        others = [row for row in nearest.tolist() if self.fleet.offers.offer(row).key not in taken]
        return self.candidate(self.costs.cheapest(np.array(others, dtype=np.int64)))

    def neighbours(self, stored: Explanation, met: bool) -> tuple[Neighbour, ...]:
        """The stored neighbours, those replaced that the planner can find."""
        choice = stored.choice
        none = "none of its offers keeps the goal"
        found: dict[str, tuple[Candidate | None, str]] = {
            f"other cloud: {cloud}": (self.candidate(self.cell("cloud", cloud.__eq__)), none)
            for cloud in self.goal.clouds
            if cloud != choice.cloud
        }
        for purchase in self.goal.purchase:
            if purchase != choice.purchase:
                found[f"other purchase: {purchase}"] = (
                    self.bought_alike(self.cell("purchase", purchase.__eq__)),
                    none,
                )
        found["other region"] = (
            self.candidate(self.cell("region", choice.region.__ne__)),
            "no other region keeps the goal",
        )
        found["other machine"] = (
            self.candidate(self.cell("instance_type", choice.instance_type.__ne__)),
            "no other machine keeps the goal",
        )
        found["fewer machines"] = (
            (None, "one machine is the fewest")
            if choice.machines <= 1
            else (self.fewer(choice.machines), "none keeps the goal with fewer")
        )
        replaced = []
        for one in stored.neighbours:
            if one.direction in found:
                candidate, otherwise = found[one.direction]
                if candidate is None and not met and one.option is not None:
                    # Nothing keeps the goal in this direction; what comes near stands.
                    replaced.append(one)
                    continue
                option = None if candidate is None else option_of(candidate, self.goal)
                replaced.append(neighbour(one.direction, choice, option, otherwise, "replanned"))
            elif one.direction == "cheaper" and one.option is None and met:
                replaced.append(
                    neighbour("cheaper", choice, None, "nothing cheaper keeps the goal", "replanned")
                )
            else:
                replaced.append(one)
        return tuple(replaced)

    def places(self, stored: Explanation) -> tuple[Place, ...]:
        """The cheapest way in every region that has one, the cheapest first."""
        costs, chosen = self.costs, (stored.choice.cloud, stored.choice.region)
        found = []
        for place in range(len(self.fleet.places)):
            cell = costs.cheapest(self.fleet.places.rows(place))
            if cell is None:
                continue
            offer = self.fleet.offers.offer(cell.row)
            machines = costs.rented(cell, costs.instances(cell))
            found.append(
                Place(
                    cloud=offer.cloud,
                    region=offer.region,
                    usd=costs.usd_at(cell),
                    what=f"{machines} x {offer.instance_type}, {offer.purchase}",
                    chosen=(offer.cloud, offer.region) == chosen,
                )
            )
        return tuple(sorted(found, key=lambda one: (one.usd, one.cloud, one.region)))
