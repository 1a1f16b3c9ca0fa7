"""tradewind profile: what the network costs as it is."""

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


@app.command(epilog=EPILOG.format("tradewind profile examples/fraud/goal.yaml"))
def profile(
    goal_file: GoalArgument,
    runs: RunsOption = Path("runs"),
    as_json: JsonOption = False,
    out: OutOption = None,
) -> None:
    """Export the network, count its operators, and measure it over batch sizes and threads."""
    with Display(on_result=nothing) as display:
        work = loop.Work.on(goal_file, runs=runs, listener=display)
        with work.folder.alone():
            result = loop.profile_original(work, loop.original(work))
    if out is not None:
        nouns.write(out, result)
    if as_json:
        typer.echo(codec.encode(result).decode(), nl=False)
    else:
        show_result(result)
