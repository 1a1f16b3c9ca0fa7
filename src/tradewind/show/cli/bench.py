"""tradewind bench: drive any server of the Open Inference Protocol."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tradewind.domain import codec, units
from tradewind.domain.errors import InputError
from tradewind.domain.variant import Variant
from tradewind.files import nouns
from tradewind.show.cli.options import EPILOG, JsonOption, OutOption
from tradewind.show.cli.results import print_table

if TYPE_CHECKING:
    from numpy.typing import NDArray

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command(
    epilog=EPILOG.format(
        "tradewind bench http://127.0.0.1:8000 --model fraud --rows rows.npz --rate '500 rps'"
    )
)
def bench(
    url: Annotated[str, typer.Argument(help="Where the server listens.", show_default=False)],
    model: Annotated[str, typer.Option(help="The name of the model on the server.", show_default=False)],
    rows: Annotated[
        Path,
        typer.Option(
            help="A .npz with one array per input, or a folder variants/ID for its golden inputs; "
            "each request sends one row.",
            show_default=False,
        ),
    ],
    rate: Annotated[str, typer.Option(help="Open loop: the mean rate of arrivals.")] = "100 rps",
    closed: Annotated[
        bool, typer.Option("--closed", help="Closed loop: every connection asks again when it was answered.")
    ] = False,
    seconds: Annotated[float, typer.Option(help="How long to measure.", min=0.1, max=3600)] = 10.0,
    warm_up: Annotated[float, typer.Option(help="Seconds before that.", min=0.0, max=600)] = 1.0,
    connections: Annotated[int, typer.Option(help="Keep-alive connections.", min=1, max=4096)] = 64,
    bound: Annotated[str, typer.Option(help="Answers after this time count as late.")] = "50 ms",
    seed: Annotated[int, typer.Option(help="Of the arrivals and the order of the rows.", min=0)] = 0,
    as_json: JsonOption = False,
    out: OutOption = None,
) -> None:
    """Open loop by default: requests arrive as a Poisson process, and latency counts from when they were due."""
    from tradewind.run import loadgen
    from tradewind.show import tables

    shared: Any = {
        "model": model,
        "rows": _rows(rows),
        "seconds": seconds,
        "connections": connections,
        "seed": seed,
        "bound_s": units.read(bound, "time"),
    }
    if closed:
        observation = loadgen.closed(url, **shared)
    else:
        observation = loadgen.drive(url, rate_rps=units.read(rate, "rate"), warmup_s=warm_up, **shared)
    if out is not None:
        nouns.write(out, observation)
    if as_json:
        typer.echo(codec.encode(observation).decode(), nl=False)
    else:
        print_table(tables.observation(observation))


def _rows(path: Path) -> dict[str, NDArray[Any]]:
    import numpy as np

    if path.is_dir():
        from tradewind.lab import engines

        return engines.read_golden(path, nouns.read(path / "manifest.json", Variant))[0]
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; check the path") from None
    except (ValueError, OSError, AttributeError) as error:
        raise InputError(f"{path}: not a .npz of arrays ({error}); write it with numpy.savez") from None
