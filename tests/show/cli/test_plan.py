"""tradewind plan for jobs: training and language models, from a file to a page, JSON or one clear line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tradewind import loop
from tradewind.domain.errors import CodecError
from tradewind.domain.generating import GenerationPlan
from tradewind.domain.training import TrainingPlan
from tradewind.files import nouns
from tradewind.show.cli import main

EXAMPLES = Path(__file__).parents[3] / "examples" / "llama"
TRAIN = """
name: small
model: Llama 3 8B
train: {tokens: 1e9, sequence: 4096, global_batch: 64, deadline: 3 d}
budget: 5000 usd
clouds: [aws]
regions: [us-east-1]
accelerator: [H100-SXM, A100-40GB]
accelerators_at_most: 32
"""


def status(*arguments: str) -> int:
    with pytest.raises(SystemExit) as stopped:
        main(list(arguments))
    code = stopped.value.code
    return int(code) if code else 0


@pytest.fixture
def train(tmp_path: Path) -> Path:
    path = tmp_path / "train.yaml"
    path.write_text(TRAIN)
    return path


def test_a_job_is_planned_and_kept(train: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "plan.json"
    assert status("plan", str(train), "--out", str(out)) == 0
    page = capsys.readouterr().out
    for word in ("train", "layout", "deadline", "usd", "confidence", "runtime", "excluded by proof"):
        assert word in page
    kept = nouns.read(out, TrainingPlan)
    assert kept.meets_goal
    assert kept.choice.offer.cloud == "aws"
    assert kept.choice.layout.global_batch == 64
    assert status("explain", str(out)) == 0
    assert "what binds it" in capsys.readouterr().out.lower()


def test_json_is_the_plan(train: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert status("plan", str(train), "--json") == 0
    assert json.loads(capsys.readouterr().out)["goal"]["name"] == "small"


def test_a_job_that_cannot_be_done_ends_with_3_and_the_nearest(train: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train.write_text(TRAIN.replace("budget: 5000 usd", "budget: 1 usd"))
    assert status("plan", str(train)) == 3
    told = capsys.readouterr()
    assert "what would have to give" in told.out
    assert "budget" in told.err


def test_the_kind_of_a_goal_is_the_part_that_it_has(tmp_path: Path) -> None:
    assert loop.kind_of_goal(EXAMPLES / "train.yaml") == "train"
    assert loop.kind_of_goal(EXAMPLES / "chat.yaml") == "generate"
    assert loop.kind_of_goal(EXAMPLES.parent / "fraud" / "goal.yaml") == "serve"
    broken = tmp_path / "goal.yaml"
    broken.write_text("train: [")
    with pytest.raises(CodecError):
        loop.kind_of_goal(broken)


def test_unknown_words_of_a_job_are_one_line(train: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train.write_text(TRAIN.replace("deadline", "deadlin"))
    assert status("plan", str(train)) == 2
    assert "deadline" in capsys.readouterr().err
    train.write_text(TRAIN.replace("Llama 3 8B", "No Such Network"))
    assert status("plan", str(train)) == 2
    assert "No Such Network" in capsys.readouterr().err


def test_the_language_model_of_the_example_is_planned(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "plan.json"
    assert status("plan", str(EXAMPLES / "chat.yaml"), "--out", str(out)) == 0
    assert "tokens" in capsys.readouterr().out
    kept = nouns.read(out, GenerationPlan)
    assert kept.meets_goal
    assert "vllm serve" in kept.runtime or "predicted only" in kept.runtime
