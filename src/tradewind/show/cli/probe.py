"""tradewind probe: measure this machine."""

from __future__ import annotations

import socket
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from tradewind.domain import codec
from tradewind.domain.errors import InputError, ResourceError
from tradewind.files import nouns
from tradewind.show.cli.options import EPILOG, JsonOption, OutOption
from tradewind.show.cli.results import print_table

if TYPE_CHECKING:
    from tradewind.domain.host import Host

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command(epilog=EPILOG.format("tradewind probe --out machine.json"))
def probe(
    quick: Annotated[
        bool, typer.Option("--quick", help="Speed and bandwidth only, in about two seconds.")
    ] = False,
    folder: Annotated[
        Path, typer.Option(help="Measure the disk of this folder; nothing is left there.")
    ] = Path(),
    peer: Annotated[
        str | None, typer.Option(help="host:port of a machine with --serve-peer: measure the network to it.")
    ] = None,
    serve_peer: Annotated[
        int | None,
        typer.Option(
            help="Answer the --peer of other machines on this port, until Ctrl-C; 0 takes any.",
            min=0,
            max=65535,
        ),
    ] = None,
    as_json: JsonOption = False,
    out: OutOption = None,
) -> None:
    """The processor, memory, GPUs, all-reduce, disk and network, measured in less than a minute."""
    if serve_peer is not None:
        _serve(serve_peer)
        return
    host = _measured(quick, folder, _address(peer), quiet=as_json)
    if out is not None:
        nouns.write(Path(out), host)
    if as_json:
        typer.echo(codec.encode(host).decode(), nl=False)
    else:
        from tradewind.show import tables

        print_table(tables.host(host))


def _measured(quick: bool, folder: Path, peer: tuple[str, int] | None, *, quiet: bool) -> Host:
    from tradewind.lab import profiling
    from tradewind.lab.profiling.survey import survey

    if quick:
        return profiling.probe()
    if not folder.is_dir():
        raise InputError(f"--folder {folder}: no folder of that name; give one on the disk to be measured")
    console = Console(stderr=True, highlight=False, quiet=quiet)
    status = console.status("", spinner="dots") if console.is_terminal else None

    def tell(text: str) -> None:
        if status is not None:
            status.update(f"measuring: {text}")
        else:
            console.print(f"measuring: {text}", markup=False, soft_wrap=True)

    with status or nullcontext():
        return survey(folder.resolve(), peer=peer, tell=tell)


def _address(peer: str | None) -> tuple[str, int] | None:
    if peer is None:
        return None
    name, _, port = peer.rpartition(":")
    if not name or not port.isdigit() or not 0 < int(port) < 2**16:
        raise InputError(f"--peer {peer!r}: write host:port, such as 10.0.0.7:5201")
    return name.strip("[]"), int(port)


def _serve(port: int) -> None:
    from tradewind.lab.profiling.bench_network import serve

    try:
        listener = socket.create_server(("", port))
    except OSError as cause:
        raise ResourceError(f"--serve-peer {port}: {cause}; choose another port") from cause
    with listener:
        found = listener.getsockname()[1]
        typer.echo(
            f"answering on port {found}; elsewhere: tradewind probe --peer {socket.gethostname()}:{found}"
        )
        try:
            serve(listener)
        except KeyboardInterrupt:
            return
