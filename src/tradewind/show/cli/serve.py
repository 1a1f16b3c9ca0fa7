"""tradewind serve: a plan or a variant over the Open Inference Protocol, until interrupted."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tradewind.domain import units
from tradewind.domain.errors import InputError
from tradewind.domain.plan import Plan
from tradewind.files import nouns
from tradewind.show.cli.options import EPILOG

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command(epilog=EPILOG.format("tradewind serve runs/fraud/plan.json --port 8000"))
def serve(
    target: Annotated[Path, typer.Argument(help="A plan.json, or a folder variants/ID.", show_default=False)],
    port: Annotated[int, typer.Option(help="0 takes a free port.", min=0, max=65535)] = 8000,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    latency: Annotated[
        str, typer.Option("--latency", help="For a variant: the latency that requests must keep.")
    ] = "50 ms",
    threads: Annotated[int, typer.Option(help="For a variant: cores of the engine.", min=1)] = 1,
    max_batch: Annotated[int, typer.Option(help="For a variant: the largest batch.", min=1)] = 64,
) -> None:
    """Serve over HTTP: /v2 health, metadata and infer, and /metrics for Prometheus. Ctrl-C drains and stops."""
    from tradewind.run import serving

    if target.is_dir():
        folder, model, latency_s = target, target.resolve().name, units.read(latency, "time")
    else:
        plan = nouns.read(target, Plan)
        folder, model = target.parent / "variants" / plan.variant.id, plan.goal.name
        latency_s = plan.goal.serve.latency_s
        threads, max_batch = plan.choice.layout.threads, plan.choice.layout.max_batch
    if not (folder / "manifest.json").is_file():
        raise InputError(f"{folder}: no manifest.json; name a plan.json beside its variants, or variants/ID")
    serving.serve(
        folder,
        model=model,
        threads=threads,
        max_batch=max_batch,
        latency_s=latency_s,
        host=host,
        port=port,
        on_ready=lambda running: typer.echo(
            f"serving {running.model} at {running.endpoint}/v2/models/{running.model}; Ctrl-C drains and stops"
        ),
    )
