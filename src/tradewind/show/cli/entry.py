"""The entry point: commands by name, and every error as one line with its exit status."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import Any, Final

import typer
from typer.core import TyperGroup

from tradewind.domain.errors import InputError, NoPlan

__all__ = ["main"]

COMMANDS: Final = {
    "run": "the whole loop: profile, optimize, plan, serve here, compare, correct, report",
    "init": "write a commented goal file for a model",
    "goal": "check a goal file; print its JSON Schema",
    "probe": "measure this machine",
    "profile": "what the network costs as it is",
    "optimize": "the measured front of variants",
    "plan": "which variant on which machines of which cloud",
    "explain": "one page on a plan: what binds it, what is next best, what would change it, where numbers are from",
    "predict": "what machines that nobody has rented yet will do: tables of runs, or one variant on one offer",
    "serve": "serve a plan or a variant over the Open Inference Protocol",
    "observe": "drive a served plan and write the observation",
    "diagnose": "what an observation says about a plan",
    "replan": "the plan that follows from an observation",
    "report": "the self-contained HTML report of a run",
    "bench": "drive any Open Inference Protocol server, open loop or closed",
    "data": "where to keep data that are read again and again: cloud, region and class of storage",
    "catalog": "the prices: find, show, compare, explain, check, refresh, query with SQL",
}
"""Each command is the module of that name in this folder; it is loaded when it is called."""


class LazyGroup(TyperGroup):
    """Loads the module of a command when the command is asked for."""

    def list_commands(self, ctx: Any) -> list[str]:
        """The names, in the order of the loop."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """A stand-in that knows the one-line help, which is all that the list of commands shows."""
        if cmd_name not in COMMANDS:
            return None
        stand_in = typer.main.get_command(_stand_in(cmd_name))
        stand_in.name = cmd_name
        return stand_in

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command itself, when it is to run."""
        if args and args[0] in COMMANDS:
            return args[0], self._load(args[0]), args[1:]
        return super().resolve_command(ctx, args)

    def _load(self, name: str) -> Any:
        module = import_module(f"tradewind.show.cli.{name}")
        command = typer.main.get_command(module.app)
        command.name = name
        return command


def _stand_in(name: str) -> typer.Typer:
    app = typer.Typer(add_completion=False)

    @app.command(help=COMMANDS[name])
    def nothing() -> None:
        pass

    return app


app = typer.Typer(
    cls=LazyGroup,
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="The cheapest way to serve a network on AWS, Azure or GCP: measured, predicted, carried out, corrected."
    "\n\nExample: tradewind run examples/fraud/goal.yaml",
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback(invoke_without_command=True)
def _start(
    version: bool = typer.Option(False, "--version", help="Print the version and exit."),
) -> None:
    if version:
        import tradewind

        typer.echo(f"tradewind {tradewind.__version__}")
        raise typer.Exit


def main(arguments: list[str] | None = None) -> None:
    """Runs a command and exits with its status."""
    sys.exit(_status(sys.argv[1:] if arguments is None else arguments))


def _status(arguments: list[str]) -> int:
    # typer vendors its parser; the base of its usage errors is reachable only through its public leaf.
    usage_error: Any = next(kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "UsageError")
    try:
        result = typer.main.get_command(app).main(arguments, prog_name="tradewind", standalone_mode=False)
        if result == 130:
            # The parser turns Ctrl-C into a silent exit status.
            raise KeyboardInterrupt
        return result if isinstance(result, int) else 0
    except usage_error as error:
        path = error.ctx.command_path if error.ctx else "tradewind"
        if type(error).__name__ == "NoArgsIsHelpError":
            print(error.format_message(), file=sys.stderr)
            return 2
        return _refuse(f"{error.format_message().rstrip('.')}; see {path} --help")
    except InputError as error:
        return _refuse(str(error))
    except NoPlan as error:
        print(f"tradewind: {error}", file=sys.stderr)
        return 3
    except (KeyboardInterrupt, typer.Abort):
        words = " ".join(["tradewind", *arguments])
        print(f"\ntradewind: interrupted; go on with: {words}", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader of a pipe has gone (| head); keep the interpreter from complaining about it at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception:
        return _bug()


def _refuse(message: str) -> int:
    print("tradewind: " + " ".join(message.split()), file=sys.stderr)
    return 2


def _bug() -> int:
    import tempfile
    import traceback

    handle, path = tempfile.mkstemp(prefix="tradewind-", suffix=".txt")
    with os.fdopen(handle, "w") as file:
        traceback.print_exc(file=file)
    last = traceback.format_exc().strip().splitlines()[-1]
    print(
        f"tradewind: this is a bug in tradewind: {last}; please report it with the file {path}",
        file=sys.stderr,
    )
    return 1
