"""tradewind plan: which variant on which machines of which cloud."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from tradewind import loop
from tradewind.domain import codec
from tradewind.domain.profile import Front
from tradewind.files import nouns
from tradewind.show.cli.options import EPILOG, GoalArgument, JsonOption, OutOption, RunsOption
from tradewind.show.cli.progress import Display, nothing
from tradewind.show.cli.results import show_result

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
    """Choose the cheapest variant, machines, region and purchase option that meet the goal."""
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
