"""The explanation of a training job or a language model with its planner at hand: neighbours, limits, turning points.

In: an Explanation of what the plan keeps, its goal, and the planner as a function of a goal. Out: an Explanation whose
numbers were answered. These planners take a second or more, so fewer values are asked than for serving a network.
"""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING, Final, Generic, NamedTuple, TypeVar, get_args

import msgspec

from tradewind.decide.planning.explaining import TIGHT, neighbour
from tradewind.decide.planning.sensitivity import turning_point
from tradewind.domain import units
from tradewind.domain.explanation import Bound, Turn
from tradewind.domain.generating import BOUNDS, GenerateGoal
from tradewind.domain.goal import CLOUDS, Load
from tradewind.domain.noun import Purchase
from tradewind.domain.training import TrainGoal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tradewind.domain.explanation import Explanation, Neighbour, Option

__all__ = ["Move", "Wishes", "ask_again", "generation_wishes", "training_wishes"]

Job = TypeVar("Job", TrainGoal, GenerateGoal)

STEPS: Final = 4
EXACT: Final = 0.04
"""Turning points are told to 4 %: the planner's predictions are not known better."""
FARTHEST: Final = 16.0
"""How many times more work, or a tighter bound, is tried."""


class Move(NamedTuple, Generic[Job]):
    """One number of a goal that moves."""

    name: str
    unit: str
    now: float
    end: float
    goal_at: Callable[[float], Job]


class Wishes(NamedTuple, Generic[Job]):
    """What is asked near a goal."""

    looser: dict[str, tuple[str, Job]]
    """By the name of a limit, another one in words and the goal with it."""
    moves: tuple[Move[Job], ...]


def ask_again(
    stored: Explanation, goal: Job, wishes: Wishes[Job], ask: Callable[[Job], Option | None]
) -> Explanation:
    """The explanation with every other cloud, purchase option, looser limit and moved number answered.

    `ask` gives the choice for a goal, None where nothing keeps it.
    """
    known: dict[str, Option | None] = {}

    def answer(wish: Job) -> Option | None:
        key = repr(wish)
        if key not in known:
            known[key] = ask(wish)
        return known[key]

    now = answer(goal)
    note = f"the planner was asked again, with the prices of {stored.snapshot}"
    if (
        now is not None
        and stored.met
        and (now.instance_type, now.region)
        != (
            stored.choice.instance_type,
            stored.choice.region,
        )
    ):
        note += (
            f"; for the goal itself it now takes {now.machines} x {now.instance_type} in {now.region}, so that the"
            " prices or constants differ from when the plan was made"
        )
    bounds = tuple(_loosened(stored.bounds, goal, wishes.looser, now, answer))
    moved: list[Turn] = [_turned(move, answer) for move in wishes.moves]
    names: set[str] = {turn.name for turn in moved}
    return msgspec.structs.replace(
        stored,
        bounds=bounds,
        neighbours=tuple(_neighbours(stored, goal, answer)),
        turns=(*(turn for turn in stored.turns if turn.name not in names), *moved),
        basis="replanned",
        basis_note=note,
    )


def _neighbours(
    stored: Explanation, goal: Job, answer: Callable[[Job], Option | None]
) -> Iterator[Neighbour]:
    choice = stored.choice
    for one in stored.neighbours:
        head, _, tail = one.direction.rpartition(": ")
        field = {"other cloud": "clouds", "other purchase": "purchase"}.get(head)
        if field is None or tail not in getattr(goal, field):
            yield one
            continue
        option = answer(msgspec.structs.replace(goal, **{field: (tail,)}))
        if option is None and one.option is not None:
            yield one
        else:
            yield neighbour(one.direction, choice, option, "nothing of it keeps the goal", "replanned")


def _loosened(
    bounds: tuple[Bound, ...],
    goal: Job,
    looser: dict[str, tuple[str, Job]],
    now: Option | None,
    answer: Callable[[Job], Option | None],
) -> Iterator[Bound]:
    asked = dict(looser)

    def saves(wish: Job) -> float | None:
        other = answer(wish)
        return None if now is None or other is None else now.cost_usd - other.cost_usd

    for bound in bounds:
        if bound.name not in asked:
            yield bound
            continue
        words, wish = asked.pop(bound.name)
        yield msgspec.structs.replace(bound, saves_usd=saves(wish), loosened=words)
    for name, (words, wish) in asked.items():
        if name not in ("regions", "clouds", "purchase"):
            continue
        gain = saves(wish)
        yield Bound(
            name=name,
            asked=None,
            got=0.0,
            unit="",
            room=None,
            tight=gain is not None and now is not None and gain > TIGHT * now.cost_usd,
            because=f"the goal allows {', '.join(str(one) for one in getattr(goal, name))}",
            origin="assumed",
            saves_usd=gain,
            loosened=words,
        )


def training_wishes(goal: TrainGoal) -> Wishes[TrainGoal]:
    """A later deadline, less confidence, more places; and how far deadline and work may move."""
    train, longer = goal.train, 2.0 * goal.train.deadline_s
    work = "tokens" if train.tokens > 0.0 else "samples"
    amount = train.tokens or train.samples

    def with_train(**changed: float) -> TrainGoal:
        return msgspec.structs.replace(goal, train=msgspec.structs.replace(train, **changed))

    return Wishes(
        {
            "deadline": (f"a deadline of {units.show(longer, 'time')}", with_train(deadline_s=longer)),
            **_wider(goal),
        },
        (
            Move(
                "deadline, sooner",
                "s",
                train.deadline_s,
                train.deadline_s / FARTHEST,
                lambda value: with_train(deadline_s=value),
            ),
            Move(f"{work}, more", work, amount, FARTHEST * amount, lambda value: with_train(**{work: value})),
        ),
    )


def generation_wishes(goal: GenerateGoal) -> Wishes[GenerateGoal]:
    """Looser bounds, less confidence, more places; and how far the load and the bounds may move."""
    generate = goal.generate
    load = generate.load

    def with_generate(**changed: object) -> GenerateGoal:
        return msgspec.structs.replace(goal, generate=msgspec.structs.replace(generate, **changed))

    def with_rate(rate_rps: float) -> GenerateGoal:
        factor = rate_rps / load.rate_rps
        hours = tuple(msgspec.structs.replace(hour, rate_rps=factor * hour.rate_rps) for hour in load.profile)
        return with_generate(load=Load(profile=hours) if hours else Load(rate_rps=rate_rps))

    looser: dict[str, tuple[str, GenerateGoal]] = {}
    moves = [Move("load, upwards", "rps", load.rate_rps, FARTHEST * load.rate_rps, with_rate)]
    for name in BOUNDS:
        bound_s, said = generate.bound_s(name), name.replace("_", " ")
        if math.isfinite(bound_s):
            field = f"{name}_s"
            words = f"{said} of {units.show(2.0 * bound_s, 'time')}"
            looser[said] = words, with_generate(**{field: 2.0 * bound_s})
            tighter = partial(_with, with_generate, field)
            moves.append(Move(f"{said}, tighter", "s", bound_s, bound_s / FARTHEST, tighter))
    return Wishes({**looser, **_wider(goal)}, tuple(moves))


def _with(change: Callable[..., GenerateGoal], field: str, value: float) -> GenerateGoal:
    return change(**{field: value})


def _wider(goal: Job) -> dict[str, tuple[str, Job]]:
    """Less confidence, and the places and ways of purchase that the goal leaves out."""
    found = {"confidence": ("51% confidence", msgspec.structs.replace(goal, confidence=0.51))}
    if goal.regions != ("*",):
        found["regions"] = "any region", msgspec.structs.replace(goal, regions=("*",))
    every: dict[str, tuple[str, ...]] = {"clouds": CLOUDS, "purchase": get_args(Purchase)}
    for field, values in every.items():
        if more := [one for one in values if one not in getattr(goal, field)]:
            found[field] = f"also {' and '.join(more)}", msgspec.structs.replace(goal, **{field: values})
    return found


def _turned(move: Move[Job], answer: Callable[[Job], Option | None]) -> Turn:
    """Where another machine, place or number of machines is chosen."""

    def told(value: float) -> tuple[str, str, str, int] | None:
        one = answer(move.goal_at(value))
        return None if one is None else (one.instance_type, one.region, one.purchase, one.machines)

    turned = turning_point(told, move.now, move.end, steps=STEPS, exact=EXACT)
    there = answer(move.goal_at(move.now if turned is None else turned.at))
    if turned is None:
        then = "the choice stays" if there is not None else "nothing keeps the goal there either"
    elif there is None:
        then = "nothing keeps the goal"
    else:
        then = f"{there.machines} x {there.instance_type} in {there.cloud} {there.region}, {there.purchase}"
    return Turn(
        name=move.name,
        unit=move.unit,
        now=move.now,
        at=None if turned is None else turned.at,
        tried=move.end,
        then=then,
        usd=None if there is None or turned is None else there.cost_usd,
        basis="replanned",
    )
