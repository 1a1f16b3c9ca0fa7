"""tradewind predict: what one variant does on one offer under one load."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from tradewind.domain import codec, units
from tradewind.domain.errors import InputError, nearest
from tradewind.domain.layout import Layout
from tradewind.domain.plan import Plan
from tradewind.domain.profile import Front
from tradewind.files import nouns
from tradewind.show.cli.options import EPILOG, JsonOption
from tradewind.show.cli.results import print_table

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command(
    epilog=EPILOG.format(
        "tradewind predict runs/fraud --offer aws/eu-west-1/c5.large/on_demand --load '500 rps'"
    )
)
def predict(
    run_folder: Annotated[Path, typer.Argument(help="A folder under runs/ with a plan.", show_default=False)],
    offer: Annotated[
        str,
        typer.Option(help="cloud/region/instance_type/purchase, as plans name offers.", show_default=False),
    ],
    variant: Annotated[str | None, typer.Option(help="Name of the variant; else the planned one.")] = None,
    load: Annotated[str | None, typer.Option(help="The load; else the goal's.")] = None,
    instances: Annotated[int, typer.Option(help="How many machines.", min=1)] = 1,
    replicas: Annotated[int, typer.Option(help="Server processes per machine.", min=1)] = 1,
    threads: Annotated[int, typer.Option(help="Cores per server process.", min=1)] = 1,
    max_batch: Annotated[int, typer.Option(help="The largest batch.", min=1)] = 64,
    as_json: JsonOption = False,
) -> None:
    """Latency, capacity and cost with their intervals, and what dominates them."""
    from tradewind.decide import catalog, prediction
    from tradewind.run import market
    from tradewind.show import tables

    plan = nouns.read(run_folder / "plan.json", Plan)
    front = nouns.read(run_folder / "front.json", Front)
    names = {profile.variant.name: profile for profile in front.profiles}
    wanted = variant or plan.variant.name
    if wanted not in names:
        raise InputError(f"{wanted}: no such variant; known: {', '.join(names)}")
    offers = catalog.offers(plan.goal, market.load_catalog(), datetime.now(UTC).date().isoformat())
    known = {found.key: found for found in offers}
    if offer not in known:
        guess = nearest(offer, list(known))
        raise InputError(f"{offer}: no such offer for this goal; did you mean {guess}?")
    estimate = prediction.predict(
        names[wanted],
        known[offer],
        Layout(instances=instances, replicas_per_instance=replicas, threads=threads, max_batch=max_batch),
        plan.calibration,
        load_rps=plan.goal.serve.load.rate_rps if load is None else units.read(load, "rate"),
        serve=plan.goal.serve,
    )
    if as_json:
        typer.echo(codec.encode(estimate).decode(), nl=False)
    else:
        print_table(tables.estimate(estimate))
