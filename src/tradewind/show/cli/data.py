"""tradewind data: where to keep data that are read again and again."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING, Annotated

import typer

from tradewind.domain import codec, units
from tradewind.domain.errors import InputError, UnitError
from tradewind.show.cli.options import EPILOG, JsonOption
from tradewind.show.cli.results import print_table

if TYPE_CHECKING:
    from tradewind.decide.planning.placement import Place

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    help="Where to keep data that are read again and again: which cloud, region and class of storage.",
)


@app.callback()
def _data() -> None:
    """A group, though it has one command: `place` is a verb of its own."""


@app.command(
    epilog=EPILOG.format(
        "tradewind data place --size 20TB --at aws:us-east-1 --passes 4 --months 12 --compute gcp:us-central1"
    )
)
def place(
    size: Annotated[str, typer.Option("--size", help='How much data, such as "20 TB".', show_default=False)],
    at: Annotated[
        str, typer.Option("--at", help="Where they are now, such as aws:us-east-1.", show_default=False)
    ],
    passes: Annotated[
        float, typer.Option("--passes", min=0.0, help="How often a month all of them are read.")
    ] = 1.0,
    months: Annotated[float, typer.Option("--months", help="How long they are kept and read.")] = 12.0,
    compute: Annotated[
        list[str] | None,
        typer.Option(
            "--compute",
            help="Where the machines may be that read them; may be repeated; by default where the data are."
            " With =USD, what the machines cost there a month: gcp:us-central1=12000.",
            show_default=False,
        ),
    ] = None,
    kept_in: Annotated[
        str | None,
        typer.Option(
            "--kept-in", help='Their class of storage now, such as "S3 Standard-IA"; by default the hot one.'
        ),
    ] = None,
    fraction: Annotated[
        float, typer.Option("--fraction", min=0.0, max=1.0, help="The share that one pass reads.")
    ] = 1.0,
    object_size: Annotated[
        str, typer.Option("--object-size", help="Of one object, by which requests are counted.")
    ] = "64 MB",
    fills: Annotated[
        float,
        typer.Option("--fills", min=0.0, help="How often a month a disk beside the machines is filled anew."),
    ] = 1.0,
    age: Annotated[
        float, typer.Option("--age", min=0.0, help="For how many months they have been there.")
    ] = 0.0,
    needed_there: Annotated[
        bool, typer.Option("--needed-there", help="Others read them there too: copy, do not move.")
    ] = False,
    limit: Annotated[int, typer.Option("--limit", min=1, help="How many ways at most.")] = 8,
    as_json: JsonOption = False,
) -> None:
    """Rank every way to keep data and read them, by all that is paid over the months: stay, move or copy.

    Each with and without a disk beside the machines that is filled once and read from then on; storage, moving,
    transfer on every pass, retrieval, requests and early deletion counted. With --json: all ways.
    """
    from tradewind.decide.planning.placement import Reads
    from tradewind.run import market

    for option, number in (("months", months), ("passes", passes), ("fills", fills), ("age", age)):
        if not isfinite(number):
            raise InputError(f"--{option} {number}: write a number that is finite")
    if months <= 0.0:
        raise InputError(f"--months {months:g}: write a number above 0")
    home = _place(at, "--at")
    found = market.place_data(
        Reads(
            size_bytes=_bytes(size, "--size"),
            months=months,
            passes_per_month=passes,
            fraction=fraction,
            fills_per_month=fills,
            object_bytes=_bytes(object_size, "--object-size"),
            age_months=age,
            needed_at_home=needed_there,
        ),
        home,
        kept_in=kept_in,
        computes=dict(_compute(one, months) for one in compute) if compute else {home: 0.0},
    )
    if as_json:
        typer.echo(codec.encode(found).decode(), nl=False)
        return
    from tradewind.show import jobs

    print_table(jobs.data(found, limit))


def _place(text: str, option: str) -> Place:
    cloud, colon, region = text.strip().partition(":")
    if not (cloud and colon and region):
        raise InputError(f"{option} {text!r}: write cloud:region, such as aws:us-east-1")
    return cloud.lower(), region.lower()


def _compute(text: str, months: float) -> tuple[Place, float]:
    where, equals, usd = text.partition("=")
    try:
        monthly = float(usd) if equals else 0.0
    except ValueError:
        monthly = -1.0
    if not 0.0 <= monthly < float("inf"):
        raise InputError(
            f"--compute {text!r}: write the US dollars a month as a number, such as {where}=12000"
        )
    return _place(where, "--compute"), monthly * months


def _bytes(text: str, option: str) -> float:
    try:
        found = units.read(text, "bytes")
    except UnitError as error:
        raise InputError(f"{option}: {error}") from None
    if found <= 0.0:
        raise InputError(f"{option} {text!r}: write a size above 0")
    return found
