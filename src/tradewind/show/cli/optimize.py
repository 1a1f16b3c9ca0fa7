"""tradewind optimize: the measured front of variants."""

from __future__ import annotations

from pathlib import Path

import typer

from tradewind import loop
from tradewind.domain import codec
from tradewind.files import nouns
from tradewind.show.cli.options import EPILOG, GoalArgument, JsonOption, OutOption, RunsOption
from tradewind.show.cli.progress import Display, nothing
from tradewind.show.cli.results import show_result

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command(epilog=EPILOG.format("tradewind optimize examples/fraud/goal.yaml"))
def optimize(
    goal_file: GoalArgument,
    runs: RunsOption = Path("runs"),
    as_json: JsonOption = False,
    out: OutOption = None,
) -> None:
    """Make every variant that this machine can run, judge it on your data, measure all side by side."""
    with Display(on_result=nothing) as display:
        work = loop.Work.on(goal_file, runs=runs, listener=display)
        with work.folder.alone():
            front = loop.optimize(work, loop.profile_original(work, loop.original(work)))
    if out is not None:
        nouns.write(out, front)
    if as_json:
        typer.echo(codec.encode(front).decode(), nl=False)
    else:
        show_result(front)
