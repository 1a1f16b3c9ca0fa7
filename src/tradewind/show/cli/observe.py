"""tradewind observe: drive a plan's service and write what happened."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tradewind import loop
from tradewind.domain import codec
from tradewind.domain.plan import Plan
from tradewind.files import nouns
from tradewind.show.cli.options import EPILOG, JsonOption, OutOption
from tradewind.show.cli.results import show_comparisons

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command(epilog=EPILOG.format("tradewind observe runs/fraud/plan.json --endpoint http://127.0.0.1:8000"))
def observe(
    plan_file: Annotated[Path, typer.Argument(help="A plan.json beside its variants.", show_default=False)],
    endpoint: Annotated[
        str | None, typer.Option(help="A server that already serves the plan; else one is started.")
    ] = None,
    seconds: Annotated[float, typer.Option(help="How long to measure.", min=0.5, max=3600)] = 8.0,
    as_json: JsonOption = False,
    out: OutOption = None,
) -> None:
    """Send the load of the plan's rehearsal, open loop, and compare the outcome with the prediction."""
    plan = nouns.read(plan_file, Plan)
    observation = loop.observe(plan, plan_file.parent / "variants", endpoint=endpoint, seconds=seconds)
    if out is not None:
        nouns.write(out, observation)
    if as_json:
        typer.echo(codec.encode(observation).decode(), nl=False)
    else:
        show_comparisons(plan, observation)
