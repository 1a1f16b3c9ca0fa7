"""The command line: one file a command, each of them one verb that reads nouns and writes nouns.

In: arguments and files. Out: results on standard output (JSON with --json), progress on standard error,
and an exit status: 0 done, 1 our bug, 2 the user's input, 3 the goal cannot be met, 130 interrupted.
"""

from __future__ import annotations

from tradewind.show.cli.entry import main

__all__ = ["main"]
