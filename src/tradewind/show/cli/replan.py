"""tradewind replan: the plan that follows from an observation."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tradewind.domain import codec
from tradewind.domain.estimate import Observation
from tradewind.domain.plan import Plan
from tradewind.domain.profile import Front
from tradewind.files import nouns
from tradewind.show.cli.options import EPILOG, JsonOption, OutOption
from tradewind.show.cli.results import show_result

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command(epilog=EPILOG.format("tradewind replan runs/fraud/plan.json runs/fraud/observation.json"))
def replan(
    plan_file: Annotated[Path, typer.Argument(help="A plan.json.", show_default=False)],
    observation_file: Annotated[Path, typer.Argument(help="An observation.json.", show_default=False)],
    front_file: Annotated[
        Path | None, typer.Option("--front", help="The front; else front.json beside the plan.")
    ] = None,
    as_json: JsonOption = False,
    out: OutOption = None,
) -> None:
    """Correct the constants of the cost model by what was measured, and plan again."""
    from tradewind.decide import catalog, planning
    from tradewind.run import market

    plan, observation = nouns.read(plan_file, Plan), nouns.read(observation_file, Observation)
    front = nouns.read(front_file or plan_file.parent / "front.json", Front)
    offers = catalog.offers(plan.goal, market.load_catalog(), plan.today)
    result = planning.replan(plan, observation, front, offers, plan.calibration, seed=plan.seed)
    if out is not None:
        nouns.write(out, result)
    if as_json:
        typer.echo(codec.encode(result).decode(), nl=False)
    else:
        show_result(result)
