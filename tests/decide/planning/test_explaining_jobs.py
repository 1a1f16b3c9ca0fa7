"""Asking a job's planner again, here a planner of three lines whose answers are known."""

from __future__ import annotations

import msgspec
import pytest

from tradewind.decide.planning.explaining_jobs import ask_again, generation_wishes, training_wishes
from tradewind.domain.explanation import Explanation, Neighbour, Option
from tradewind.domain.generating import Generate, GenerateGoal
from tradewind.domain.goal import Hour, Load
from tradewind.domain.training import Train, TrainGoal

GOAL = TrainGoal(
    name="small",
    model="Llama 3 8B",
    train=Train(tokens=1e9, sequence=4096, global_batch=32, deadline_s=1000.0),
    budget_usd=1e6,
    clouds=("aws", "gcp"),
)


def option(machines: int, *, cloud: str = "aws", purchase: str = "on_demand") -> Option:
    price = (1.0 if cloud == "aws" else 1.5) * (1.0 if purchase == "on_demand" else 0.4)
    return Option(
        key=f"{cloud} {purchase} {machines}",
        machines=machines,
        instance_type="p5",
        cloud=cloud,
        region="here",
        purchase=purchase,
        what="",
        cost_usd=100.0 * machines * price,
        time_s=500.0,
        time_low_s=400.0,
        time_high_s=600.0,
        confidence=0.95,
        carbon_kg=None,
        usd_per_hour=price,
        parts=(),
    )


def planner(goal: TrainGoal) -> Option | None:
    """As many machines as the work needs in time, four at most; spot where it is allowed, aws before gcp."""
    machines = -(-goal.train.tokens // (1e6 * goal.train.deadline_s))
    if machines > 4:
        return None
    purchase = "spot" if "spot" in goal.purchase else "on_demand"
    return option(int(machines), cloud="aws" if "aws" in goal.clouds else goal.clouds[0], purchase=purchase)


CHOICE = planner(GOAL)
assert CHOICE is not None
STORED = Explanation(
    subject="training",
    name="small",
    met=True,
    goal="",
    time_name="duration",
    choice=CHOICE,
    options=(CHOICE,),
    misses=(),
    bounds=(),
    neighbours=tuple(
        Neighbour(direction=name, option=None, because="none is kept", basis="stored")
        for name in ("faster", "other cloud: gcp", "other cloud: azure", "other purchase: on_demand")
    ),
    turns=(),
    places=(),
    fallen=(),
    sources=(),
    because=(),
    considered=1,
    snapshot="by hand",
    today="2026-02-03",
    basis="stored",
)
TOLD = ask_again(STORED, GOAL, training_wishes(GOAL), planner)


def test_allowed_directions_are_answered_and_others_left() -> None:
    found = {one.direction: one for one in TOLD.neighbours}
    assert found["other cloud: gcp"].option == option(1, cloud="gcp", purchase="spot")
    assert found["other cloud: gcp"].usd == pytest.approx(20.0)
    assert found["other purchase: on_demand"].usd == pytest.approx(60.0)
    assert found["faster"].basis == found["other cloud: azure"].basis == "stored"


def test_turning_points_are_where_the_planner_turns() -> None:
    turns = {turn.name: turn for turn in TOLD.turns}
    more = turns["tokens, more"]
    assert more.at is not None
    assert 1e9 < more.at <= 1.05e9
    assert more.then.startswith("2 x p5")
    sooner = turns["deadline, sooner"]
    assert sooner.at is not None
    assert 950.0 <= sooner.at < 1000.0


def test_what_loosening_saves_is_told_and_what_nothing_keeps_too() -> None:
    bounds = {bound.name: bound for bound in TOLD.bounds}
    assert bounds["clouds"].saves_usd == pytest.approx(0.0)
    assert bounds["purchase"].loosened == "also commit_1y and commit_3y"
    dear = msgspec.structs.replace(GOAL, purchase=("on_demand",))
    told = ask_again(STORED, dear, training_wishes(dear), planner)
    purchase = next(bound for bound in told.bounds if bound.name == "purchase")
    assert purchase.saves_usd == pytest.approx(60.0)
    assert purchase.tight
    late = msgspec.structs.replace(GOAL, train=msgspec.structs.replace(GOAL.train, deadline_s=100.0))
    told = ask_again(STORED, late, training_wishes(late), planner)
    assert all(turn.at is None or "nothing" not in turn.then for turn in told.turns)
    assert any(turn.then == "nothing keeps the goal there either" for turn in told.turns)


def test_equal_goals_are_asked_once() -> None:
    asked: list[TrainGoal] = []

    def counting(goal: TrainGoal) -> Option | None:
        asked.append(goal)
        return planner(goal)

    assert ask_again(STORED, GOAL, training_wishes(GOAL), counting) == TOLD
    assert len(asked) == len({repr(goal) for goal in asked})


def test_a_day_keeps_its_shape_when_its_load_moves() -> None:
    hours = tuple(Hour(rate_rps=float(rate)) for rate in range(1, 25))
    goal = GenerateGoal(
        name="chat",
        model="Llama 3 8B",
        generate=Generate(load=Load(profile=hours), prompt=10, output=10, token_p99_s=0.1),
        budget_usd_per_month=100.0,
    )
    wishes = generation_wishes(goal)
    load, tighter = wishes.moves
    moved = load.goal_at(48.0).generate.load
    assert moved.rate_rps == pytest.approx(48.0)
    assert moved.profile[0].rate_rps == pytest.approx(2.0)
    assert tighter.goal_at(0.05).generate.token_p99_s == pytest.approx(0.05)
    assert wishes.looser["token p99"][1].generate.token_p99_s == pytest.approx(0.2)
    assert "regions" not in wishes.looser, "any region is allowed already"
