"""tradewind plan for jobs: training and language models, from a file to a page, JSON or one clear line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tradewind import loop
from tradewind.domain.errors import CodecError
from tradewind.domain.generating import GenerationPlan
from tradewind.domain.training import TrainingPlan
from tradewind.domain.trials import TrialsPlan
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


def test_a_job_that_cannot_be_done_ends_with_3_and_the_nearest(
    train: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train.write_text(TRAIN.replace("budget: 5000 usd", "budget: 1 usd"))
    assert status("plan", str(train)) == 3
    told = capsys.readouterr()
    assert "what would have to give" in told.out
    assert "budget" in told.err


def test_the_kind_of_a_goal_is_the_part_that_it_has(tmp_path: Path) -> None:
    assert loop.kind_of_goal(EXAMPLES / "train.yaml") == "train"
    assert loop.kind_of_goal(EXAMPLES / "chat.yaml") == "generate"
    assert loop.kind_of_goal(EXAMPLES.parent / "trials" / "search.yaml") == "trials"
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


def test_the_language_model_of_the_example_is_planned(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "plan.json"
    assert status("plan", str(EXAMPLES / "chat.yaml"), "--out", str(out)) == 0
    assert "tokens" in capsys.readouterr().out
    kept = nouns.read(out, GenerationPlan)
    assert kept.meets_goal
    assert "vllm serve" in kept.runtime or "predicted only" in kept.runtime


TRIALS = """
name: few
trials: {count: 81, on: [{accelerator: T4, each: 2 h}, {vcpus: 16, each: 5 h}], deadline: 1 d}
budget: 500 usd
clouds: [aws]
regions: [us-east-1]
"""


@pytest.fixture
def search(tmp_path: Path) -> Path:
    path = tmp_path / "search.yaml"
    path.write_text(TRIALS)
    return path


def test_the_search_of_the_example_is_planned_and_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "plan.json"
    assert status("plan", str(EXAMPLES.parent / "trials" / "search.yaml"), "--out", str(out)) == 0
    page = capsys.readouterr().out
    for word in ("200 trials on", "within 12 h", "usd expected", "other machines", "goes on from"):
        assert word in page
    kept = nouns.read(out, TrialsPlan)
    assert kept.meets_goal
    assert sum(pool.trials for pool in kept.pools) == 200
    assert all(kept.cost_usd <= other.cost_usd for other in kept.others)


def test_what_a_search_costs_on_demand_is_counted_by_hand(
    search: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    search.write_text(TRIALS + "purchase: [on_demand]\n")
    out = tmp_path / "plan.json"
    assert status("plan", str(search), "--out", str(out)) == 0
    plan = nouns.read(out, TrialsPlan)
    (pool,) = plan.pools
    each_h = {"T4": 2.0}.get(pool.offer.accelerator or "", 5.0)
    start_h = 300.0 / 3600.0
    by_hand = pool.offer.price_usd_per_hour * (81 * each_h + pool.machines * start_h)
    # Beside the price: machines that fail, one in years.
    assert by_hand <= plan.cost_usd <= 1.01 * by_hand
    assert plan.confidence >= 0.9


def test_trials_that_cannot_be_done_end_with_3_and_what_would_do(
    search: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    search.write_text(TRIALS.replace("1 d", "1 h"))
    assert status("plan", str(search)) == 3
    told = capsys.readouterr()
    assert "the nearest answer" in told.out
    assert "the earliest is 2." in told.err
    search.write_text(TRIALS.replace("500 usd", "1 usd"))
    assert status("plan", str(search)) == 3
    assert "allow budget =" in capsys.readouterr().err
    search.write_text(TRIALS.replace("each: 2 h", "each: 30 d").replace("5 h", "30 d") + "purchase: [spot]\n")
    assert status("plan", str(search)) == 3
    assert "let them save" in capsys.readouterr().err


def test_halving_costs_less_than_running_all_to_the_end(search: Path, tmp_path: Path) -> None:
    whole, halved = tmp_path / "whole.json", tmp_path / "halved.json"
    assert status("plan", str(search), "--out", str(whole)) == 0
    search.write_text(TRIALS.replace("deadline", "halving: {}, deadline"))
    assert status("plan", str(search), "--out", str(halved)) == 0
    assert nouns.read(halved, TrialsPlan).cost_usd < 0.5 * nouns.read(whole, TrialsPlan).cost_usd


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("accelerator: T4", "accelerator: T5", "T5"),
        ("count", "cuont", "count"),
        ("vcpus: 16, ", "", "vcpus"),
        ("81", "0", "count"),
    ],
)
def test_mistyped_trials_are_one_line(
    search: Path, capsys: pytest.CaptureFixture[str], old: str, new: str, said: str
) -> None:
    search.write_text(TRIALS.replace(old, new))
    assert status("plan", str(search)) == 2
    told = capsys.readouterr().err
    assert said in told
    assert told.count("\n") == 1


def test_machines_that_are_paid_for_already_come_first(
    search: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "own.yaml").write_text(
        "commitments: [{cloud: aws, instance_type: g4dn.xlarge, region: us-east-1, machines: 3}]\n"
    )
    search.write_text(TRIALS + "overlay: own.yaml\n")
    out = tmp_path / "plan.json"
    assert status("plan", str(search), "--out", str(out)) == 0
    plan = nouns.read(out, TrialsPlan)
    free = [pool for pool in plan.pools if pool.prepaid]
    assert [pool.machines for pool in free] == [3]
    assert "paid for already" in capsys.readouterr().out
