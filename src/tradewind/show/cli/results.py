"""Results on standard output, as tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console

from tradewind.domain.host import Host
from tradewind.domain.plan import Plan
from tradewind.domain.profile import Front, Profile
from tradewind.domain.story import Observed, Planned, Replanned

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import RenderableType

    from tradewind.domain.estimate import Observation

__all__ = ["print_rows", "print_table", "show_comparisons", "show_result", "show_story"]


def print_table(table: RenderableType) -> None:
    """One rich renderable, as wide as the terminal (100 columns where there is none)."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = 100
    console.print(table)


def print_rows(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """The rows of a query."""
    from rich.table import Table

    table = Table(*columns, box=None, header_style="bold", pad_edge=False)
    for row in rows:
        table.add_row(*("" if value is None else str(value) for value in row))
    console = Console(highlight=False)
    if not console.is_terminal:
        # A pipe has no width: one line a row, for grep and awk.
        console.width = 10_000
    console.print(table)


def show_result(result: object) -> None:
    """The table of a noun that a step made; nouns without a table show nothing."""
    from tradewind.show import tables

    if isinstance(result, Host):
        print_table(tables.host(result))
    elif isinstance(result, Profile):
        print_table(tables.profile(result))
    elif isinstance(result, Front):
        print_table(tables.front(result))
    elif isinstance(result, Plan):
        print_table(tables.plan(result))


def show_comparisons(plan: Plan, observation: Observation) -> None:
    """Predicted against measured, and the advice that follows."""
    from tradewind.decide import diagnosis
    from tradewind.show import tables

    print_table(tables.comparisons(diagnosis.compare(plan.rehearsal.estimate, observation), observation))
    print_table(tables.advice(diagnosis.diagnose(plan, observation)))


def show_story(story: Planned) -> None:
    """What the steps themselves did not show: predicted against measured, advice, what changed."""
    from tradewind.show import tables

    if isinstance(story, Observed):
        print_table(tables.comparisons(story.comparisons, story.observation))
        print_table(tables.advice(story.advice))
    if isinstance(story, Replanned):
        print_table(tables.changes(story.replanned.changes))
