"""How short child processes are started."""

from __future__ import annotations

import os
import sys

__all__ = ["child_command", "child_path"]


def child_command(module: str, *arguments: str) -> list[str]:
    """The command that runs a module of this package; files in the working folder do not shadow libraries."""
    return [sys.executable, "-P", "-m", module, *arguments]


def child_path() -> dict[str, str]:
    """The environment by which the child finds the modules that this process finds."""
    return {"PYTHONPATH": os.pathsep.join(place for place in sys.path if place)}
