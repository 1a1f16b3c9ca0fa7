"""Options and arguments that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

__all__ = ["EPILOG", "GoalArgument", "JsonOption", "OutOption", "RunsOption"]

EPILOG: Final = "Example: {}"

GoalArgument = Annotated[Path, typer.Argument(help="The goal file.", show_default=False)]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
OutOption = Annotated[Path | None, typer.Option("--out", help="Also write the result to this file.")]
RunsOption = Annotated[Path, typer.Option("--runs", help="The folder that keeps all runs.")]
