"""Sensitivity: at which price, load or bound the choice becomes another, found by asking the planner again.

In: the planner as a function of one number. Out: the numbers at which its answer turns. Nothing is extrapolated: what
is said at a value was answered for that value.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, Generic, NamedTuple, TypeVar

import msgspec

from tradewind.decide.planning.candidates import candidate_of
from tradewind.decide.planning.prices import machine_parts
from tradewind.decide.planning.search import Question
from tradewind.domain import units
from tradewind.domain.explanation import Curve, Point, Turn
from tradewind.domain.goal import Load

if TYPE_CHECKING:
    from collections.abc import Callable

    from tradewind.decide.planning.search import Search
    from tradewind.domain.goal import Goal
    from tradewind.domain.plan import Candidate

    Planner = Callable[[Goal], Candidate | None]

__all__ = [
    "Turned",
    "cost_at_price",
    "crossing",
    "curves",
    "kind_of",
    "planner_of",
    "price_to_tie",
    "rise_to_tie",
    "turning_point",
    "turns",
    "values_between",
    "with_confidence",
    "with_latency",
    "with_load",
]

T = TypeVar("T")

EXACT: Final = 1e-3
"""Relative width within which a turning point is found."""
STEPS: Final = 12
"""Values that are looked at on the way out before the first change is enclosed."""
FARTHEST: Final = 64.0
"""How many times more or less of the load and the latency is tried."""
CURVE_STEPS: Final = 8
"""Values on a curve to each side of where the goal stands, as far apart as those of the turning points."""
_LARGEST_CURVE: Final = 16.0
"""How many times more or less a curve reaches."""
_LEAST_RISK: Final = 1e-4
_EVEN_ODDS: Final = 0.49
"""The risks between which confidence is tried; at even odds a plan is a hope."""


class Turned(NamedTuple, Generic[T]):
    """A value at which the answer is another than at the start, and the answer there."""

    at: float
    answer: T


# ---- By bisection


def turning_point(
    answer: Callable[[float], T], start: float, end: float, *, steps: int = STEPS, exact: float = EXACT
) -> Turned[T] | None:
    """The first value between `start` and `end` at which the answer is another; None if it is the same all the way.

    Both ends are above 0, and the values between are equal ratios apart. A change that is taken back between two of
    the `steps` values is not seen. The value that is returned has the other answer; `exact` nearer to `start` it
    still was the same.

    >>> found = turning_point(lambda load: math.ceil(load / 30.0), 20.0, 200.0, exact=1e-6)
    >>> round(found.at, 3), found.answer
    (30.0, 2)
    """
    at_start = answer(start)
    same = start
    for value in values_between(start, end, steps)[1:]:
        found = answer(value)
        if found == at_start:
            same = value
            continue
        other, there = value, found
        while abs(math.log(other / same)) > exact:
            middle = math.sqrt(same * other)
            found = answer(middle)
            if found == at_start:
                same = middle
            else:
                other, there = middle, found
        return Turned(other, there)
    return None


def values_between(start: float, end: float, steps: int) -> list[float]:
    """`steps` + 1 values from one to the other, equal ratios apart.

    >>> values_between(1.0, 8.0, 3)
    [1.0, 2.0, 4.0, 8.0]
    """
    ratio = end / start
    inner = [start * ratio ** (step / steps) for step in range(1, steps)]
    return [start, *(float(f"{value:.12g}") for value in inner), end]


def crossing(
    difference: Callable[[float], float], low: float, high: float, *, exact: float = 1e-9
) -> float | None:
    """Where a rising function passes 0, by bisection; None if it does not between the ends.

    >>> round(crossing(lambda price: 2.0 * price - 3.0, 0.0, 10.0), 6)
    1.5
    """
    below, above = difference(low), difference(high)
    if below > 0.0 or above < 0.0:
        return None
    while high - low > exact * max(abs(high), 1e-12):
        middle = 0.5 * (low + high)
        if not low < middle < high:
            break
        if difference(middle) < 0.0:
            low = middle
        else:
            high = middle
    return high


# ---- Prices


def cost_at_price(candidate: Candidate, usd_per_hour: float) -> float:
    """What a candidate would cost in a month if one machine of its offer had another price; the rest stays.

    Machines of other offers in its fleet keep their prices. Never falls when the price rises.
    """
    offer = candidate.offer
    others = [part for part in candidate.costs if part.name not in ("compute", "managed_service")]
    beside = sum(part.usd_per_month for part in others)
    fleet = candidate.fleet
    machines = sum(part.usd_per_month for part in candidate.costs) - beside
    if len(fleet) > 1 or candidate.schedule:
        own = sum(rented.usd_per_month for rented in fleet if rented.offer.key == offer.key)
        factor = usd_per_hour / offer.price_usd_per_hour if offer.price_usd_per_hour else 1.0
        return beside + machines - own + own * factor
    priced = msgspec.structs.replace(offer, price_usd_per_hour=usd_per_hour)
    return beside + sum(part.usd_per_month for part in machine_parts(priced, candidate.layout))


def price_to_tie(other: Candidate, usd_per_month: float) -> float | None:
    """Down to which price per machine and hour another candidate would have to fall to cost so much.

    None where it would cost more even for nothing, and where it costs less already.
    """
    now = other.offer.price_usd_per_hour
    return crossing(lambda price: cost_at_price(other, price) - usd_per_month, 0.0, now)


def rise_to_tie(choice: Candidate, usd_per_month: float) -> float | None:
    """Up to which price per machine and hour the choice stays no dearer than so much; None: at none up to 1000 times."""
    now = choice.offer.price_usd_per_hour
    if now <= 0.0:
        return None
    return crossing(lambda price: cost_at_price(choice, price) - usd_per_month, now, 1000.0 * now)


# ---- The planner as a function of one number of the goal


def planner_of(search: Search) -> Planner:
    """The planner as a function of a goal that differs from the search's in load, latency bound, confidence or quality.

    The same goal is answered once. What the simulation of one replica says is not asked again.
    """
    known: dict[tuple[float, float, float], Candidate | None] = {}

    def planner(goal: Goal) -> Candidate | None:
        key = goal.serve.load.rate_rps, goal.serve.latency_s, goal.confidence
        if key not in known:
            answer = search.answer(Question(goal.serve, goal.confidence, "kept"))
            known[key] = (
                None
                if answer is None
                else candidate_of(answer.costs, search.tariffs, answer.sized, search.goal.serve)
            )
        return known[key]

    return planner


def with_load(goal: Goal, rate_rps: float) -> Goal:
    """The goal with another highest load; a search that has a load over time keeps its shape."""
    serve = msgspec.structs.replace(goal.serve, load=Load(rate_rps=rate_rps))
    return goal if rate_rps == goal.serve.load.rate_rps else msgspec.structs.replace(goal, serve=serve)


def with_latency(goal: Goal, latency_s: float) -> Goal:
    """The goal with another latency bound."""
    serve = msgspec.structs.replace(goal.serve, **{f"{goal.serve.percentile}_s": latency_s})
    return msgspec.structs.replace(goal, serve=serve)


def with_confidence(goal: Goal, confidence: float) -> Goal:
    """The goal with another confidence."""
    return msgspec.structs.replace(goal, confidence=confidence)


def kind_of(candidate: Candidate) -> tuple[str, str]:
    """What makes a choice another one, whatever the number of machines, threads and batch."""
    return candidate.offer.key, candidate.variant_id


def _size_of(candidate: Candidate) -> tuple[str, str, int]:
    return (*kind_of(candidate), candidate.layout.instances)


def turns(goal: Goal, planner: Planner) -> tuple[Turn, ...]:
    """Where the choice becomes another when one number of the goal moves, found by bisection on the planner."""
    load, latency_s, risk = goal.serve.load.rate_rps, goal.serve.latency_s, 1.0 - goal.confidence
    name = goal.serve.percentile
    found: list[Turn] = []

    def of_load(value: float) -> Candidate | None:
        return planner(with_load(goal, value))

    def of_latency(value: float) -> Candidate | None:
        return planner(with_latency(goal, value))

    def of_risk(value: float) -> Candidate | None:
        return planner(with_confidence(goal, 1.0 - value))

    def add(
        label: str,
        unit: str,
        start: float,
        end: float,
        ask: Callable[[float], Candidate | None],
        told: Callable[[Candidate], object],
    ) -> Turn:
        turned = turning_point(lambda value: (one := ask(value)) and told(one), start, end)
        at = None if turned is None else turned.at
        found.append(_turn(label, unit, start, end, at, ask(start if at is None else at)))
        return found[-1]

    for label, end in (("upwards", FARTHEST * load), ("downwards", load / FARTHEST)):
        first = add(f"load, {label}", "rps", load, end, of_load, _size_of)
        there = None if first.at is None else of_load(first.at)
        now = of_load(load)
        if there is not None and now is not None and kind_of(there) == kind_of(now):
            # More of the same is no other choice: where that comes is told too.
            add(f"load, {label}, other kind", "rps", load, end, of_load, kind_of)
    add(f"{name}, tighter", "s", latency_s, latency_s / FARTHEST, of_latency, _size_of)
    add(f"{name}, looser", "s", latency_s, FARTHEST * latency_s, of_latency, _size_of)
    add("confidence, more", "risk", risk, _LEAST_RISK, of_risk, _size_of)
    if risk < _EVEN_ODDS:
        add("confidence, less", "risk", risk, _EVEN_ODDS, of_risk, _size_of)
    found.append(_load_of_budget(goal, planner))
    return tuple(found)


def _load_of_budget(goal: Goal, planner: Planner) -> Turn:
    """The first load for which the budget does not suffice; for a goal that is not met, up to which it does."""
    load, budget = goal.serve.load.rate_rps, goal.budget_usd_per_month

    def within(value: float) -> bool:
        one = planner(with_load(goal, value))
        return one is not None and one.cost_usd_per_month <= budget

    end = FARTHEST * load if within(load) else load / FARTHEST
    turned = turning_point(within, load, end)
    there = planner(with_load(goal, load if turned is None else turned.at))
    turn = _turn("load, by the budget", "rps", load, end, None if turned is None else turned.at, there)
    if turned is None:
        return turn
    words = f"the cheapest costs more than {units.show(budget, 'money_per_month')}"
    return msgspec.structs.replace(turn, then=words if end > load else f"the budget suffices: {turn.then}")


def _turn(name: str, unit: str, now: float, tried: float, at: float | None, there: Candidate | None) -> Turn:
    if at is None:
        then = "the choice stays" if there is not None else "nothing keeps the goal there either"
    elif there is None:
        then = "nothing keeps the goal"
    else:
        offer = there.offer
        then = (
            f"{there.layout.instances} x {offer.instance_type} in {offer.cloud} {offer.region},"
            f" {offer.purchase}, with {there.variant_name}"
        )
    if unit == "risk":
        unit, now, tried, at = "share", 1.0 - now, 1.0 - tried, None if at is None else 1.0 - at
    return Turn(
        name=name,
        unit=unit,
        now=now,
        at=at,
        tried=tried,
        then=then,
        usd=None if there is None or at is None else there.cost_usd_per_month,
        basis="replanned",
    )


def curves(goal: Goal, planner: Planner) -> tuple[Curve, ...]:
    """The cost of the cheapest way over the load and over the latency bound."""

    def points(now: float, ask: Callable[[float], Candidate | None]) -> tuple[Point, ...]:
        down = values_between(now, now / _LARGEST_CURVE, CURVE_STEPS)[:0:-1]
        up = values_between(now, now * _LARGEST_CURVE, CURVE_STEPS)
        found = []
        for value in (*down, *up):
            one = ask(value)
            found.append(
                Point(
                    at=value,
                    usd=None if one is None else one.cost_usd_per_month,
                    what=""
                    if one is None
                    else f"{one.layout.instances} x {one.offer.instance_type} in {one.offer.region}, {one.offer.purchase}",
                )
            )
        return tuple(found)

    load, latency_s = goal.serve.load.rate_rps, goal.serve.latency_s
    return (
        Curve(
            name="load",
            unit="rps",
            now=load,
            points=points(load, lambda value: planner(with_load(goal, value))),
        ),
        Curve(
            name=f"{goal.serve.percentile} bound",
            unit="s",
            now=latency_s,
            points=points(latency_s, lambda value: planner(with_latency(goal, value))),
        ),
    )
