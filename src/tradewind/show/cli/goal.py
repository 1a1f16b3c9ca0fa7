"""tradewind goal: check a goal file, print its JSON Schema."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import typer

from tradewind import loop
from tradewind.domain import codec
from tradewind.domain.generating import GenerateGoal
from tradewind.domain.goal import Goal
from tradewind.domain.training import TrainGoal
from tradewind.domain.trials import TrialsGoal
from tradewind.files import nouns
from tradewind.show.cli.options import EPILOG, JsonOption

app = typer.Typer(
    no_args_is_help=True,
    help="Check a goal file; print its JSON Schema.",
    add_completion=False,
    rich_markup_mode=None,
)


@app.command(epilog=EPILOG.format("tradewind goal schema > goal.schema.json"))
def schema() -> None:
    """Print the JSON Schema of goal.yaml, for editors that complete and check it."""
    typer.echo(json.dumps(codec.json_schema(Goal), indent=1))


@app.command(epilog=EPILOG.format("tradewind goal check goal.yaml"))
def check(goal_file: Path, as_json: JsonOption = False) -> None:
    """Read a goal file strictly, and print it with every default filled in."""
    kinds: dict[str, Any] = {
        "serve": Goal,
        "train": TrainGoal,
        "generate": GenerateGoal,
        "trials": TrialsGoal,
    }
    goal: Any = nouns.read(goal_file, kinds[loop.kind_of_goal(goal_file)])
    if as_json:
        typer.echo(codec.encode(goal).decode(), nl=False)
    else:
        typer.echo(f"{goal_file}: a goal named {goal.name}; every key and unit is right")
