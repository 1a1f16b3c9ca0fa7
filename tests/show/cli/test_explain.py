"""tradewind explain: a plan or a run, in one page, as JSON or for a browser; every error is one clear line."""

from __future__ import annotations

import json

import pytest

from tradewind.decide.planning.generation import plan_generation
from tradewind.decide.planning.training import plan_training
from tradewind.decide.prediction import default_calibration
from tradewind.domain import codec
from tradewind.domain.errors import InputError
from tradewind.domain.explanation import Explanation
from tradewind.domain.generating import Generate, GenerateGoal
from tradewind.domain.goal import Load
from tradewind.domain.offer import Offer, Offers
from tradewind.domain.training import Train, TrainGoal
from tradewind.files import nouns, sheets
from tradewind.show.cli.explain import explain


def run(path, **options):
    given = {"front_file": None, "stored": True, "every": False, "html": None, "as_json": False}
    explain(path, **{**given, **options})


@pytest.fixture
def folder(story, tmp_path):
    nouns.write(tmp_path / "plan.json", story.PLAN)
    return tmp_path


def test_a_plan_and_the_folder_of_its_run_are_explained_alike(folder, capsys):
    run(folder / "plan.json")
    first = capsys.readouterr().out
    run(folder)
    assert capsys.readouterr().out == first
    assert "The choice" in first
    assert "What binds it" in first


def test_the_corrected_plan_is_the_one_that_holds(story, folder, capsys):
    nouns.write(folder / "replan.json", story.CORRECTED)
    run(folder, as_json=True)
    told = codec.decode(capsys.readouterr().out, Explanation, source="stdout")
    assert told.choice.instance_type == story.CORRECTED.choice.offer.instance_type
    assert told.choice.cost_usd == pytest.approx(story.CORRECTED.choice.cost_usd_per_month)


def test_json_is_the_whole_explanation(story, folder, capsys):
    run(folder, as_json=True)
    out = capsys.readouterr().out
    told = codec.decode(out, Explanation, source="stdout")
    assert sum(len(group.families) for group in told.fallen) == len(story.PLAN.rejected)
    assert json.loads(out)["basis"] == "stored"


def test_a_page_for_a_browser_is_written_beside(folder, tmp_path, capsys):
    run(folder, html=tmp_path / "why.html")
    assert (tmp_path / "why.html").read_text().startswith("<!doctype html>")
    assert "The choice" in capsys.readouterr().out


def test_all_names_every_family(story, folder, capsys):
    run(folder, every=True)
    out = " ".join(capsys.readouterr().out.split())
    for family in story.PLAN.rejected:
        assert family.name in out


@pytest.mark.parametrize(
    ("written", "says"),
    [
        (None, "no such file"),
        ("[1]", "not a plan"),
        ('{"a": 1}', "it has no goal"),
        ('{"goal": {"train": {}}}', "choice: missing"),
        ("{", "line 1"),
    ],
)
def test_what_is_no_plan_is_refused_in_one_line(tmp_path, written, says):
    path = tmp_path / "plan.json"
    if written is not None:
        path.write_text(written)
    with pytest.raises(InputError, match=says) as caught:
        run(path)
    assert "\n" not in str(caught.value)


def test_a_folder_without_a_plan_says_so(tmp_path):
    with pytest.raises(InputError, match=r"no plan\.json in it"):
        run(tmp_path)


def test_a_front_that_is_missing_is_not_passed_over(folder):
    with pytest.raises(InputError, match="no such file"):
        run(folder, front_file=folder / "nothing.json", stored=False)


@pytest.fixture(scope="module")
def market():
    gpus = {"vcpus": 192, "memory_bytes": 2e12, "accelerator": "H100-SXM", "accelerator_count": 8.0}
    offers = [
        Offer(
            cloud=cloud,
            region=region,
            instance_type="eight",
            purchase="on_demand",
            price_usd_per_hour=usd,
            source="by hand",
            as_of="2026-01-01",
            confidence="A",
            **gpus,
        )
        for cloud, region, usd in (("aws", "us-east-1", 50.0), ("gcp", "us-east4", 60.0))
    ]
    return Offers.of(offers, storage=(), transfer=(), snapshot="by hand")


def test_the_plan_of_a_training_job_is_explained_with_its_step(market, tmp_path, capsys):
    train = Train(tokens=1e9, sequence=4096, global_batch=64, deadline_s=30 * 86400.0)
    goal = TrainGoal(name="small", model="Llama 3 8B", train=train, budget_usd=1e6, accelerators_at_most=16)
    known = {"devices": sheets.devices(), "architectures": sheets.architectures(), "today": "2026-02-03"}
    nouns.write(tmp_path / "plan.json", plan_training(goal, market, default_calibration(), **known))
    run(tmp_path, html=tmp_path / "why.html")
    out = " ".join(capsys.readouterr().out.split())
    assert "Train on" in out
    assert "deadline" in out
    assert 'id="chart-timeline"' in (tmp_path / "why.html").read_text()


def test_the_plan_of_a_language_model_is_explained_by_its_bounds(market, tmp_path, capsys):
    generate = Generate(load=Load(rate_rps=1.0), prompt=500, output=100, token_p99_s=0.1)
    goal = GenerateGoal(name="chat", model="Llama 3 8B", generate=generate, budget_usd_per_month=1e6)
    known = {"devices": sheets.devices(), "architectures": sheets.architectures(), "today": "2026-02-03"}
    nouns.write(tmp_path / "plan.json", plan_generation(goal, market, default_calibration(), **known))
    run(tmp_path / "plan.json")
    out = " ".join(capsys.readouterr().out.split())
    assert "token p99" in out
    assert "1 × eight" in out
