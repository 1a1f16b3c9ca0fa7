"""A training goal is written by hand: with units, and with mistakes that are told."""

import pytest

from tradewind.domain import codec
from tradewind.domain.errors import InputError
from tradewind.domain.training import Train, TrainGoal

GOAL = """
name: llama
model: Llama 3 70B
budget: 2000000 usd
train:
  tokens: 1000000000000
  sequence: 8192
  global_batch: [512, 1024]
  deadline: 30 d
"""


def read(text):
    return codec.from_plain(codec.parse_yaml(text, source="train.yaml"), TrainGoal, source="train.yaml")


def test_a_goal_is_read_with_its_units():
    goal = read(GOAL)
    assert goal.train.deadline_s == 30 * 86400.0
    assert goal.budget_usd == 2e6
    assert goal.train.batch == (512, 1024)
    assert goal.confidence == 0.9
    assert goal.accelerators_at_most == 1024


def test_samples_are_whole():
    train = Train(tokens=1e6, sequence=4096, global_batch=8, deadline_s=1.0)
    assert train.samples_in_all == 245.0


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "tokens or samples"),
        ({"tokens": 1.0, "samples": 1.0}, "tokens or samples"),
        ({"tokens": 1.0}, "sequence"),
        ({"samples": 1.0, "global_batch": (8, 4)}, "global_batch"),
        ({"samples": 1.0, "deadline_s": 0.0}, "deadline"),
    ],
)
def test_mistakes_are_told(given, said):
    with pytest.raises(ValueError, match=said):
        Train(**({"global_batch": 8, "deadline_s": 1.0} | given))


def test_a_goal_without_a_unit_is_an_input_error():
    with pytest.raises(InputError):
        read(GOAL.replace("30 d", "30"))
