"""tradewind run: the whole loop."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import typer

from tradewind import loop
from tradewind.domain import codec
from tradewind.domain.story import Planned
from tradewind.show.cli.options import EPILOG, GoalArgument, JsonOption, RunsOption
from tradewind.show.cli.progress import Display, nothing
from tradewind.show.cli.results import show_result, show_story

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command(epilog=EPILOG.format("tradewind run examples/fraud/goal.yaml"))
def run(
    goal_file: GoalArgument,
    runs: RunsOption = Path("runs"),
    as_json: JsonOption = False,
) -> None:
    """Profile, optimize, plan, serve here, compare with the prediction, correct, report.

    Results are kept under runs/NAME. The same command again redoes only what changed; after an interruption
    it goes on where it was.
    """
    with Display(on_result=nothing if as_json else show_result) as display:
        work = loop.Work.on(goal_file, runs=runs, listener=display)
        story = loop.run(work, today=datetime.now(UTC).date().isoformat())
    report = _write_report(work, story)
    if as_json:
        typer.echo(codec.encode(story).decode(), nl=False)
    else:
        show_story(story)
        typer.echo(f"report: {report}")
    if not story.plan.meets_goal:
        raise loop.no_plan(story.plan)


def _write_report(work: loop.Work, story: Planned) -> Path:
    from tradewind.show import report

    path = work.folder.path / "report.html"
    report.write(path, story, generated_at=datetime.now(UTC).isoformat(timespec="seconds"))
    return path
