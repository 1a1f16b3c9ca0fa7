"""Progress on standard error: a live line on a terminal, plain lines elsewhere, nothing with --json."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape

from tradewind.domain import units

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from rich.status import Status

    from tradewind.files.steps import Progress

__all__ = ["Display", "nothing"]


class Display:
    """Shows what the steps say. Use it as a context, and as the listener of `Steps`.

    `on_result` is called with the result of every outermost step.
    """

    def __init__(self, *, on_result: Callable[[object], None]) -> None:
        self._on_result = on_result
        self._console = Console(stderr=True, highlight=False)
        self._status: Status | None = None

    def __enter__(self) -> Display:
        if self._console.is_terminal:
            self._status = self._console.status("", spinner="dots")
            self._status.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._status is not None:
            self._status.stop()

    def __call__(self, progress: Progress) -> None:
        """One event of a step."""
        indent = "  " * progress.depth
        name = f"{indent}{progress.step}"
        if progress.state in ("started", "working"):
            self._show_working(name, progress)
        elif progress.state == "failed":
            self._print(f"[red]✗[/red] {escape(name)}")
        else:
            what = "kept" if progress.state == "reused" else units.show(progress.seconds, "time")
            self._print(f"[green]✓[/green] {escape(name)} [dim]{what}[/dim]")
            if progress.depth == 0:
                self._on_result(progress.result)

    def _show_working(self, name: str, progress: Progress) -> None:
        share = "" if progress.done is None else f" {progress.done:.0%}"
        text = f"{name.strip()}{share} {progress.text}"
        if self._status is not None:
            self._status.update(escape(text))
        elif progress.text:
            self._print(f"[dim]…[/dim] {escape(name)} [dim]{escape(progress.text)}[/dim]")

    def _print(self, text: str) -> None:
        self._console.print(text, soft_wrap=True)


def nothing(result: object) -> None:
    """Shows no result: for commands that print only their last one."""
