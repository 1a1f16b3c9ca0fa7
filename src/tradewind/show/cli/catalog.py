"""tradewind catalog: what is for rent at which price, why that price, and how the prices are made and renewed."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from typer.core import TyperCommand

from tradewind.domain.errors import InputError, UnitError
from tradewind.domain.noun import Cloud
from tradewind.show.cli.options import EPILOG, JsonOption
from tradewind.show.cli.results import print_rows, print_table

if TYPE_CHECKING:
    from rich.console import RenderableType

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    help="What is for rent on AWS, Azure and GCP, what it costs, and where each price comes from.",
)


class CloudName(StrEnum):
    """The clouds, as options that may be repeated take them."""

    AWS = "aws"
    AZURE = "azure"
    GCP = "gcp"


class PurchaseName(StrEnum):
    """The purchase options, as an option that may be repeated takes them."""

    ON_DEMAND = "on_demand"
    SPOT = "spot"
    COMMIT_1Y = "commit_1y"
    COMMIT_3Y = "commit_3y"


Sort = Literal["price", "price-per-accelerator", "price-per-vcpu", "carbon"]

CloudOption = Annotated[
    list[CloudName] | None,
    typer.Option("--cloud", help="Only this cloud; may be repeated.", show_default=False),
]
RegionOption = Annotated[
    list[str] | None,
    typer.Option(
        "--region",
        help='A region or a pattern as in a goal, such as "europe-*"; may be repeated.',
        show_default=False,
    ),
]
LimitOption = Annotated[int, typer.Option("--limit", min=0, help="How many at most; 0 is all.")]


@app.command(
    epilog=EPILOG.format('tradewind catalog find --accelerator H100 --region "europe-*" --purchase spot')
)
def find(
    cloud: CloudOption = None,
    accelerator: Annotated[
        list[str] | None,
        typer.Option("--accelerator", help="Machines with this one, such as H100.", show_default=False),
    ] = None,
    region: RegionOption = None,
    jurisdiction: Annotated[
        list[str] | None,
        typer.Option("--jurisdiction", help="Where it stands by law: eu, gdpr, de, ...", show_default=False),
    ] = None,
    purchase: Annotated[
        list[PurchaseName] | None,
        typer.Option("--purchase", help="How it is paid for; may be repeated.", show_default=False),
    ] = None,
    memory: Annotated[
        str | None,
        typer.Option("--memory", help='The least main memory, such as "512 GiB".', show_default=False),
    ] = None,
    vcpus: Annotated[
        int | None, typer.Option("--vcpus", min=1, help="The fewest vCPUs.", show_default=False)
    ] = None,
    types: Annotated[
        list[str] | None,
        typer.Option("--type", help='A machine type or a pattern such as "c7g.*".', show_default=False),
    ] = None,
    sort: Annotated[
        Sort, typer.Option("--sort", help="What comes first: the cheapest, or the cleanest electricity.")
    ] = "price",
    limit: LimitOption = 20,
    as_json: JsonOption = False,
) -> None:
    """Find machines for rent, the cheapest first.

    All of them, or those that keep every word given. Regions that are kept for a government are found by who
    names them.
    """
    from tradewind.run import market

    asked = market.Asked(
        clouds=_clouds(cloud),
        regions=tuple(region or ()),
        jurisdiction=tuple(jurisdiction or ()),
        types=tuple(types or ()),
        accelerator=tuple(accelerator or ()),
        vcpus=vcpus,
        memory_bytes=None if memory is None else _bytes(memory),
        purchase=tuple(one.value for one in purchase or ()),
        sort=sort,
        limit=limit or None,
    )
    answer = market.find(asked, _today())
    if as_json:
        _print_json(answer.offers)
    if answer.nothing_because is not None:
        # An empty answer is an answer: the reason goes where messages go, the status says that all went well.
        print(f"tradewind: nothing found; {answer.nothing_because}", file=sys.stderr)
    elif not as_json:
        from tradewind.show import catalogue

        _print_wide(catalogue.found(answer, sort))


def _complete_type(incomplete: str) -> list[str]:
    """Machine types for the shell's completion, by what is typed so far."""
    from tradewind.run import market

    query = "SELECT DISTINCT instance_type FROM shapes WHERE starts_with(instance_type, $typed) ORDER BY 1"
    try:
        return [str(row[0]) for row in market.sql(query, typed=incomplete)]
    except InputError:
        return []


TypeArgument = Annotated[
    str,
    typer.Argument(metavar="TYPE", help="A machine type.", show_default=False, autocompletion=_complete_type),
]


@app.command(epilog=EPILOG.format("tradewind catalog show g6.xlarge"))
def show(name: TypeArgument, cloud: CloudOption = None, as_json: JsonOption = False) -> None:
    """Show what a machine type is and costs, as bars.

    Its price in every region under every purchase option, with source and day, and which prices are not used.
    """
    from tradewind.run import market

    answers = market.show(name, _clouds(cloud), _today())
    if as_json:
        _print_json(answers)
        return
    from tradewind.show import catalogue

    for answer in answers:
        print_table(catalogue.shown(answer))


@app.command(epilog=EPILOG.format("tradewind catalog compare aws azure gcp --like g6.xlarge"))
def compare(
    clouds: Annotated[
        list[CloudName] | None,
        typer.Argument(help="The clouds to look in; else all three.", show_default=False),
    ] = None,
    like: Annotated[
        str,
        typer.Option(
            "--like", metavar="TYPE", help="The machine type to start from.", autocompletion=_complete_type
        ),
    ] = "",
    region: RegionOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compare a machine with its like in each cloud.

    Most like is: the same kind and number of accelerators; else the nearest by peak, bandwidth and memory; then
    the nearest vCPUs, memory, cores, architecture and instruction sets.
    """
    from tradewind.run import market

    if not like:
        raise InputError("compare needs --like TYPE, a machine type such as g6.xlarge to start from")
    answer = market.compare(_clouds(clouds), like, tuple(region or ()))
    if as_json:
        _print_json(answer)
        return
    from tradewind.show import catalogue

    print_table(catalogue.compared(answer))


class _ExplainCommand(TyperCommand):
    """Lists in its help what a key may be."""

    def format_help_text(self, ctx: Any, formatter: Any) -> None:
        super().format_help_text(ctx, formatter)
        with formatter.section("A key is one of"):
            formatter.write_dl(
                [
                    (
                        "CLOUD/REGION/TYPE/PURCHASE[@ZONE]",
                        "a machine; without a purchase option every one of it",
                    ),
                    (
                        "storage/CLOUD/REGION/SERVICE/CLASS[/ITEM]",
                        "such as storage/aws/us-east-1/S3/Standard",
                    ),
                    ("transfer/CLOUD/REGION/KIND[/TO]", "such as transfer/aws/us-east-1/internet"),
                    ("surcharge/CLOUD/SERVICE/TYPE", "such as surcharge/aws/SageMaker/g5.xlarge"),
                ]
            )


@app.command(
    cls=_ExplainCommand, epilog=EPILOG.format("tradewind catalog explain aws/us-east-1/g6.xlarge/on_demand")
)
def explain(
    keys: Annotated[list[str], typer.Argument(metavar="KEY", help="What to explain.", show_default=False)],
    as_json: JsonOption = False,
) -> None:
    """Explain where a price comes from, step by step.

    Also why a price is not used.
    """
    from tradewind.run import market

    answers = market.explain(keys, _today())
    if as_json:
        _print_json(answers)
        return
    from tradewind.show import catalogue

    print_table(catalogue.explained(answers))


@app.command(epilog=EPILOG.format("tradewind catalog check --invariant shared_tenancy --limit 20"))
def check(
    invariant: Annotated[
        str | None, typer.Option("--invariant", help="Only the rows of this rule.", show_default=False)
    ] = None,
    cloud: CloudOption = None,
    limit: LimitOption = 50,
    as_json: JsonOption = False,
) -> None:
    """Check the prices; list what is in quarantine.

    Files, age, and every rule once more over every price; then what stands in quarantine, by rule, and why. The
    exit status is 1 when a price that is used breaks a rule now.
    """
    from tradewind.run import market

    with _working() as tell:
        tell("holding every price to every rule")
        answer = market.check(_today(), invariant=invariant, clouds=_clouds(cloud), limit=limit or None)
    if as_json:
        _print_json(answer)
    else:
        from tradewind.show import catalogue

        print_table(catalogue.checked(answer))
    if answer.broken:
        raise typer.Exit(1)


class _SqlCommand(TyperCommand):
    """Lists the tables in its help; they are looked up when the help is asked for."""

    def format_help_text(self, ctx: Any, formatter: Any) -> None:
        super().format_help_text(ctx, formatter)
        from tradewind.run import market

        rows = [(name, table.about.partition(" (table")[0]) for name, table in market.TABLES.items()]
        rows += [(name, view.about) for name, view in market.VIEWS.items()]
        with formatter.section("Tables and views (DESCRIBE offers lists the columns of one)"):
            formatter.write_dl(rows)


@app.command(
    cls=_SqlCommand,
    epilog=EPILOG.format(
        "tradewind catalog sql \"select region, price_usd_per_hour from offers where instance_type = 'c5.xlarge'\""
    ),
)
def sql(
    query: Annotated[str, typer.Argument(help="One SELECT over the tables.", show_default=False)],
    as_json: JsonOption = False,
) -> None:
    """Query the tables with one SELECT in DuckDB's dialect."""
    from tradewind.run import market

    answer = market.sql(query)
    if as_json:
        _print_json([dict(zip(answer.columns, row, strict=True)) for row in answer])
    else:
        print_rows(answer.columns, answer.rows)


@app.command(epilog=EPILOG.format("tradewind catalog build --from lists/ --to catalog/"))
def build(
    source: Annotated[
        Path | None, typer.Option("--from", help="The folder with the published lists.", show_default=False)
    ] = None,
    destination: Annotated[
        Path | None, typer.Option("--to", help="Where the snapshot goes; else into the package.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Build a snapshot from a folder of published price lists."""
    from tradewind.decide.catalog import SOURCE_FILES
    from tradewind.files import package_data
    from tradewind.run import market

    if source is None:
        raise InputError(
            "catalog build needs --from DIR, a folder with "
            f"{', '.join(SOURCE_FILES)}; the package already ships a snapshot made from one"
        )
    with _working() as tell:
        answer = market.build(source, destination or package_data("catalog"), listener=tell)
    if as_json:
        _print_json(answer)
        return
    from tradewind.show import catalogue

    print_table(catalogue.built(answer))


@app.command(epilog=EPILOG.format("tradewind catalog refresh --cloud azure"))
def refresh(cloud: CloudOption = None, as_json: JsonOption = False) -> None:
    """Ask the clouds for today's prices.

    They are used from now on; what cannot be renewed stays as it was, and the reason is said. The shipped snapshot is left alone: the new one goes to $TRADEWIND_CATALOG, else to the user's data folder.
    AWS's spot prices need credentials for AWS, GCP's prices an API key in $GOOGLE_API_KEY.
    """
    from tradewind.domain.goal import CLOUDS
    from tradewind.run import market
    from tradewind.run.market.live import SOURCES, GcpPrices
    from tradewind.run.market.refresh import refresh as renew
    from tradewind.run.market.snapshot import home

    key = os.environ.get("GOOGLE_API_KEY")
    sources = {**SOURCES, "gcp": GcpPrices(api_key=key)} if key else SOURCES
    with _working() as tell:
        answer = renew(
            _clouds(cloud) or CLOUDS, home(), market.current(), _today(), sources=sources, listener=tell
        )
    if as_json:
        _print_json(answer)
        return
    from tradewind.show import catalogue

    print_table(catalogue.refreshed(answer))


@app.command(epilog=EPILOG.format("tradewind catalog diff"))
def diff(
    before: Annotated[
        str | None,
        typer.Argument(
            help="A snapshot: a folder, or a name that refresh gave; else the shipped one.",
            show_default=False,
        ),
    ] = None,
    after: Annotated[
        str | None, typer.Argument(help="Another one; else the current one.", show_default=False)
    ] = None,
    limit: LimitOption = 20,
    as_json: JsonOption = False,
) -> None:
    """Show how prices moved between two snapshots.

    The largest moves come first, then what is new, and what is gone.
    """
    from tradewind.run import market
    from tradewind.run.market.diff import diff as differences
    from tradewind.run.market.snapshot import home

    def folder(named: str | None, otherwise: Path) -> Path:
        if named is None:
            return otherwise
        return Path(named) if Path(named).exists() else home() / named

    one, other = folder(before, market.SHIPPED), folder(after, market.current())
    if one.resolve() == other.resolve():
        print(
            f"tradewind: {one} is compared with itself; make a newer snapshot with: tradewind catalog refresh",
            file=sys.stderr,
        )
        if not as_json:
            return
    answer = differences(one, other)
    if as_json:
        _print_json(answer)
        return
    from tradewind.show import catalogue

    print_table(catalogue.diffed(answer, limit or sys.maxsize))


def _clouds(named: Sequence[CloudName] | None) -> tuple[Cloud, ...]:
    return tuple(one.value for one in named or ())


def _today() -> str:
    return datetime.now(UTC).date().isoformat()


def _bytes(text: str) -> float:
    """Errors: InputError that names the option."""
    from tradewind.domain import units

    try:
        return units.read(text, "bytes")
    except UnitError as error:
        raise InputError(f"--memory: {error}") from None


@contextmanager
def _working() -> Iterator[Callable[[str], None]]:
    """A function that says what is being done: a live line on a terminal, nothing elsewhere."""
    from rich.console import Console
    from rich.markup import escape

    console = Console(stderr=True, highlight=False)
    if not console.is_terminal:
        yield lambda message: None
        return
    with console.status("", spinner="dots") as status:
        yield lambda message: status.update(escape(message))


def _print_wide(table: RenderableType) -> None:
    """A table with a line a row: in a pipe, which has no width, as wide as it is."""
    from rich.console import Console

    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = console.measure(table, options=console.options.update(width=1000)).maximum
    console.print(table)


def _print_json(answer: object) -> None:
    import json

    from tradewind.domain import codec

    plain = (
        [codec.to_plain(one) for one in answer] if isinstance(answer, Sequence) else codec.to_plain(answer)
    )
    typer.echo(json.dumps(plain, ensure_ascii=False, default=str))
