"""tradewind report: the self-contained HTML report of a run."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from tradewind import loop
from tradewind.show.cli.options import EPILOG

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command(epilog=EPILOG.format("tradewind report runs/fraud --out fraud.html"))
def report(
    run_folder: Annotated[Path, typer.Argument(help="A folder under runs/.", show_default=False)],
    out: Annotated[Path | None, typer.Option("--out", help="Where to write it.")] = None,
) -> None:
    """Write the report again from the results that a run has left."""
    from tradewind.show import report as html

    path = out or run_folder / "report.html"
    html.write(path, loop.story(run_folder), generated_at=datetime.now(UTC).isoformat(timespec="seconds"))
    typer.echo(str(path))
