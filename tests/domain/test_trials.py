"""A goal of trials is written by hand: with units, and with mistakes that are told."""

import pytest

from tradewind.domain import codec
from tradewind.domain.errors import InputError
from tradewind.domain.trials import Trials, TrialsGoal, Where

GOAL = """
name: search
trials:
  count: 200
  on: [{accelerator: L4, each: 55 min}, {vcpus: 32, each: 9 h}]
  deadline: 12 h
  save: 20 s
  halving: {reduction: 4}
budget: 200 usd
"""


def read(text):
    return codec.from_plain(codec.parse_yaml(text, source="search.yaml"), TrialsGoal, source="search.yaml")


def test_a_goal_is_read_with_its_units():
    goal = read(GOAL)
    assert [where.each_s for where in goal.trials.on] == [3300.0, 32400.0]
    assert goal.trials.on[0].accelerators == 1.0
    assert goal.trials.deadline_s == 43200.0
    assert goal.trials.save_s == 20.0
    assert goal.trials.halving.reduction == 4
    assert goal.budget_usd == 200.0


def test_a_goal_comes_back_as_it_was():
    goal = read(GOAL)
    assert codec.decode(codec.encode(goal), TrialsGoal, source="here") == goal


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"deadline_s": 0.0}, "deadline"),
        ({"save_s": 0.0}, "save"),
    ],
)
def test_mistakes_are_told(wrong, said):
    right = {"count": 1, "on": (Where(each_s=1.0, vcpus=1),), "deadline_s": 1.0}
    with pytest.raises(ValueError, match=said):
        Trials(**(right | wrong))


@pytest.mark.parametrize(
    ("given", "said"), [({"each_s": 1.0}, "accelerator"), ({"each_s": 0.0, "vcpus": 1}, "each")]
)
def test_where_a_trial_runs_is_said_with_its_time(given, said):
    with pytest.raises(ValueError, match=said):
        Where(**given)


@pytest.mark.parametrize(
    "part", ["count: 200", "deadline: 12 h", "on: [{accelerator: L4, each: 55 min}, {vcpus: 32, each: 9 h}]"]
)
def test_what_must_be_said_is_missed(part):
    with pytest.raises(InputError):
        read(GOAL.replace(f"  {part}\n", ""))
