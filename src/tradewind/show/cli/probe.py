"""tradewind probe: measure this machine."""

from __future__ import annotations

from pathlib import Path

import typer

from tradewind.domain import codec
from tradewind.files import nouns
from tradewind.show.cli.options import EPILOG, JsonOption, OutOption
from tradewind.show.cli.results import print_table

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command(epilog=EPILOG.format("tradewind probe --json"))
def probe(as_json: JsonOption = False, out: OutOption = None) -> None:
    """The CPU, its instruction sets, cores, memory, and its measured speed and bandwidth."""
    from tradewind.lab import profiling
    from tradewind.show import tables

    host = profiling.probe()
    if out is not None:
        nouns.write(Path(out), host)
    if as_json:
        typer.echo(codec.encode(host).decode(), nl=False)
    else:
        print_table(tables.host(host))
