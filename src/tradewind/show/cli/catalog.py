"""tradewind catalog: build, check and query the prices."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from tradewind.domain.errors import InputError
from tradewind.show.cli.options import EPILOG, JsonOption
from tradewind.show.cli.results import print_rows

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    help="Build, check and query the prices.",
)


@app.command(epilog=EPILOG.format("tradewind catalog build --from facts/ --to catalog/"))
def build(
    source: Annotated[
        Path | None, typer.Option("--from", help="The folder with the source tables.", show_default=False)
    ] = None,
    destination: Annotated[
        Path | None, typer.Option("--to", help="Where the snapshot goes; else into the package.")
    ] = None,
) -> None:
    """Rewrite source tables into the snapshot that ships with the package."""
    from tradewind.decide.catalog import SOURCE_FILES
    from tradewind.files import package_data
    from tradewind.run import market

    if source is None:
        raise InputError(
            "catalog build needs --from DIR, a folder with "
            f"{', '.join(SOURCE_FILES)}; the package already ships a snapshot made from one"
        )
    built = market.build(source, destination or package_data("catalog"))
    tables = ", ".join(f"{name} {rows}" for name, rows in built.tables.items())
    typer.echo(f"snapshot {built.snapshot} of {built.as_of}, {built.size_bytes} bytes: {tables}")
    caught = [(reason, rows) for reason, rows in built.caught.items() if rows]
    print_rows(("invariant", "rows in quarantine"), caught)


@app.command(epilog=EPILOG.format("tradewind catalog check"))
def check(as_json: JsonOption = False) -> None:
    """List the prices that broke an invariant when the snapshot was built: kept apart, not used, and why."""
    from tradewind.run import market

    found = market.sql(
        "select of_table, cloud, region, item, purchase, price_usd, reason from quarantine "
        "order by of_table, cloud, region, item, purchase"
    )
    _print(found.columns, found.rows, as_json)


@app.command(
    epilog=EPILOG.format("tradewind catalog sql \"select * from offers where instance_type = 'c5.xlarge'\"")
)
def sql(
    query: Annotated[str, typer.Argument(help="One SELECT over the tables.", show_default=False)],
    as_json: JsonOption = False,
) -> None:
    """Query the tables: offers, instances, specs, accelerators, storage, transfer, regions, surcharges."""
    from tradewind.run import market

    found = market.sql(query)
    _print(found.columns, found.rows, as_json)


def _print(columns: Sequence[str], rows: Sequence[Sequence[object]], as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps([dict(zip(columns, row, strict=True)) for row in rows], default=str))
    else:
        print_rows(columns, rows)
