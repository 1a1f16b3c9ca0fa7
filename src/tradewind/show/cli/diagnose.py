"""tradewind diagnose: what an observation says about a plan."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from tradewind.domain import codec
from tradewind.domain.estimate import Observation
from tradewind.domain.plan import Plan
from tradewind.files import nouns
from tradewind.show.cli.options import EPILOG, JsonOption
from tradewind.show.cli.results import show_comparisons

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command(epilog=EPILOG.format("tradewind diagnose runs/fraud/plan.json runs/fraud/observation.json"))
def diagnose(
    plan_file: Annotated[Path, typer.Argument(help="A plan.json.", show_default=False)],
    observation_file: Annotated[Path, typer.Argument(help="An observation.json.", show_default=False)],
    as_json: JsonOption = False,
) -> None:
    """Where measurement and prediction disagree beyond the interval, why, and what to do."""
    from tradewind.decide import diagnosis

    plan, observation = nouns.read(plan_file, Plan), nouns.read(observation_file, Observation)
    if as_json:
        typer.echo(json.dumps(codec.to_plain(diagnosis.diagnose(plan, observation)), indent=1))
    else:
        show_comparisons(plan, observation)
