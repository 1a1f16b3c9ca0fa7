"""tradewind plan: which variant on which machines of which cloud."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from tradewind import loop
from tradewind.domain import codec
from tradewind.domain.errors import NoPlan
from tradewind.domain.generating import GenerationPlan
from tradewind.domain.profile import Front
from tradewind.domain.training import TrainingPlan
from tradewind.domain.trials import TrialsPlan
from tradewind.files import nouns
from tradewind.show.cli.options import EPILOG, GoalArgument, JsonOption, OutOption, RunsOption
from tradewind.show.cli.progress import Display, nothing
from tradewind.show.cli.results import print_table, show_result

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command(epilog=EPILOG.format("tradewind plan goal.yaml --front runs/fraud/front.json"))
def plan(
    goal_file: GoalArgument,
    front_file: Annotated[
        Path | None, typer.Option("--front", help="A front that optimize wrote; else it is made.")
    ] = None,
    runs: RunsOption = Path("runs"),
    as_json: JsonOption = False,
    out: OutOption = None,
) -> None:
    """Choose the cheapest variant, machines, region and purchase option that meet the goal.

    A goal with `train` is a job: machines, how many, and how a step is spread over them. A goal with `generate` is a
    language model that answers: machines, precision, and how many requests run together. A goal with `trials` is a search of hyperparameters:
    how many machines do all trials by a deadline, on spot or not.
    """
    kind = loop.kind_of_goal(goal_file)
    if kind != "serve":
        _job(goal_file, kind, as_json=as_json, out=out)
        return
    with Display(on_result=nothing) as display:
        work = loop.Work.on(goal_file, runs=runs, listener=display)
        with work.folder.alone():
            if front_file is None:
                front = loop.optimize(work, loop.profile_original(work, loop.original(work)))
            else:
                front = nouns.read(front_file, Front)
            result = loop.decide(work, front, today=datetime.now(UTC).date().isoformat())
    if out is not None:
        nouns.write(out, result)
    if as_json:
        typer.echo(codec.encode(result).decode(), nl=False)
    else:
        show_result(result)
    if not result.meets_goal:
        raise loop.no_plan(result)


def _job(goal_file: Path, kind: str, *, as_json: bool, out: Path | None) -> None:
    from tradewind.show import jobs

    today = datetime.now(UTC).date().isoformat()
    found: TrainingPlan | GenerationPlan | TrialsPlan
    if kind == "train":
        trained = loop.plan_training(goal_file, today=today)
        found, page = trained, jobs.training(trained)
    elif kind == "trials":
        tried = loop.plan_trials(goal_file, today=today)
        found, page = tried, jobs.trials(tried)
    else:
        served = loop.plan_generation(goal_file, today=today)
        found, page = served, jobs.generation(served)
    if out is not None:
        nouns.write(out, found)
    if as_json:
        typer.echo(codec.encode(found).decode(), nl=False)
    else:
        print_table(page)
    if not found.meets_goal:
        advice = "; ".join(miss.advice for miss in found.misses)
        raise NoPlan(f"no plan meets the goal {found.goal.name}: {advice}", found)
