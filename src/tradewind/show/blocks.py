"""Blocks: what every table in a terminal is made of, so that all of them look alike.

In: text, and things that rich can print. Out: the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group
from rich.measure import Measurement
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType, RenderResult

__all__ = ["Fitting", "add", "facts", "section", "table"]


def section(title: str, note: str, body: RenderableType) -> RenderableType:
    """A part of the answer under its heading; the note stands beside it."""
    heading = Text.assemble((title, "bold"), "  ", (note, "dim"))
    return Padding(Group(heading, Padding(body, (0, 0, 0, 2))), (1, 0, 0, 0))


def facts() -> Table:
    """Names and what they are, in two columns."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    return grid


def table(first: str, *others: str) -> Table:
    """A table without lines: the first column names, the others are numbers."""
    grid = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    grid.add_column(first, overflow="fold")
    for other in others:
        grid.add_column(other, justify="right", overflow="fold")
    return grid


def add(grid: Table, *cells: str | Text, style: str = "") -> None:
    """A row of a table. Names may hold brackets, which rich would read as its markup."""
    grid.add_row(*(Text(cell) if isinstance(cell, str) else cell for cell in cells), style=style)


class Fitting:
    """The first of two tables if it fits into the width without folding, else the second."""

    def __init__(self, wide: Table, narrow: Table) -> None:
        self.wide = wide
        self.narrow = narrow

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        least = Measurement.get(console, options, self.narrow).minimum
        return Measurement(least, Measurement.get(console, options, self.wide).maximum)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        natural = console.measure(self.wide, options=options.update(width=1000)).maximum
        yield self.wide if natural <= options.max_width else self.narrow
