"""The nouns of language models that answer: how a goal is written, and what is refused."""

import msgspec
import pytest

from tradewind.domain import codec
from tradewind.domain.errors import InputError
from tradewind.domain.generating import BOUNDS, Generate, GenerateGoal, GenerationLayout
from tradewind.domain.goal import Load

TEXT = """
name: chat
model: Llama 3 8B
generate:
  load: 20 rps
  prompt: 1024
  output: 256
  first_token_p99: 800 ms
  token_p99: 40 ms
  precisions: [bf16, fp8]
budget: 9000 usd/month
"""


def test_a_goal_is_written_with_units():
    goal = codec.decode(TEXT, GenerateGoal, source="goal.yaml")
    wish = goal.generate
    assert wish.load.rate_rps == 20.0
    assert (wish.bound_s("first_token_p99"), wish.bound_s("token_p99")) == (0.8, 0.04)
    assert wish.bound_s("token_p50") == float("inf")
    assert wish.longest == 1280


def test_a_goal_comes_back_from_its_text():
    goal = codec.decode(TEXT, GenerateGoal, source="goal.yaml")
    assert codec.decode(codec.encode(goal), GenerateGoal, source="again") == goal


@pytest.mark.parametrize(
    ("old", "new", "word"),
    [
        ("load: 20 rps", "load: 0 rps", "load is 0"),
        ("token_p99: 40 ms", "token_p99: 0 ms", "token_p99 is 0"),
        ("prompt: 1024", "prompt: 1024\n  context: 100", "context 100 is below"),
        ("load: 20 rps", "load: {trace: arrivals.csv}", "trace"),
        ("[bf16, fp8]", "[fp64]", "precisions"),
    ],
)
def test_what_cannot_be_meant_is_refused(old, new, word):
    with pytest.raises(InputError, match=word):
        codec.decode(TEXT.replace(old, new), GenerateGoal, source="goal.yaml")


def test_each_bound_has_a_field():
    names = {field.encode_name for field in msgspec.structs.fields(Generate)}
    assert set(BOUNDS) <= names
    wish = Generate(load=Load(rate_rps=1.0), prompt=1, output=1, token_p50_s=0.1)
    assert [wish.bound_s(name) for name in BOUNDS] == [float("inf"), float("inf"), 0.1, float("inf")]


def test_devices_of_a_layout_are_those_of_all_replicas():
    assert GenerationLayout(tensor=4, pipeline=2, replicas=3, max_batch=8).devices == 24
