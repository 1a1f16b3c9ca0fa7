"""The folder of a run: runs/<name>/, with its results, variants, steps and events."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from typing import TYPE_CHECKING

from tradewind.domain import codec
from tradewind.domain.errors import ResourceError
from tradewind.files.atomic import refusing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tradewind.domain.plan import Event

__all__ = ["RunFolder"]


class RunFolder:
    """Where the work on one goal is kept.

    `profile.json`, `front.json`, `plan.json`, `observation.json`, `replan.json` and `report.html` are the
    latest results; `variants/<id>/` the payloads; `steps/` the cache; `events.jsonl` what happened.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.variants = path / "variants"
        self.steps = path / "steps"
        self.events = path / "events.jsonl"

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Only one process at a time works in the folder. Errors: ResourceError naming the other."""
        with refusing(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
            handle = os.open(self.path / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                other = os.pread(handle, 32, 0).decode(errors="replace").strip()
                raise ResourceError(
                    f"{self.path}: another tradewind works here (process {other}); wait for it or stop it"
                ) from None
            os.ftruncate(handle, 0)
            os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
            yield
        finally:
            os.close(handle)

    def drop(self, *names: str) -> None:
        """Removes results of an earlier run that the present one does not have."""
        for name in names:
            (self.path / name).unlink(missing_ok=True)

    def note(self, event: Event) -> None:
        """Appends a line to events.jsonl."""
        line = json.dumps(codec.to_plain(event), ensure_ascii=False) + "\n"
        with refusing(self.events), self.events.open("a") as file:
            file.write(line)
