"""The step cache: work is kept by the content of what it read, and done again only when that changed."""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar

from tradewind.domain import codec
from tradewind.domain.errors import CodecError
from tradewind.files import atomic

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["Progress", "Steps", "content_key"]

T = TypeVar("T")

FORMAT: Final = 1
"""Changes when what the steps mean changes, so that older results are not taken for new ones."""


@dataclass(frozen=True)
class Progress:
    """What a step says while it works. `depth` is 0 for a step of the loop, 1 for a step inside it."""

    step: str
    state: Literal["started", "working", "done", "reused", "failed"]
    depth: int
    text: str = ""
    done: float | None = None
    """Share of the step that is done, 0 to 1; None when it cannot be known."""
    seconds: float = 0.0
    result: object = None


def content_key(reads: object) -> str:
    """32 hex digits that name the content of anything that becomes plain JSON.

    >>> content_key({"a": 1, "b": 2}) == content_key({"b": 2, "a": 1})
    True
    """
    text = json.dumps(codec.to_plain(reads), sort_keys=True, allow_nan=False, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


class Steps:
    """Runs steps, keeps their results in a folder, and says what happens.

    >>> import tempfile, pathlib
    >>> from tradewind.domain.noun import Rejected
    >>> steps = Steps(pathlib.Path(tempfile.mkdtemp()), version="1")
    >>> first = steps.do("try", {"x": 1}, Rejected, lambda: Rejected(name="a", reason="slow"))
    >>> steps.do("try", {"x": 1}, Rejected, lambda: 1 / 0) == first
    True
    """

    def __init__(
        self, folder: Path, *, version: str, listener: Callable[[Progress], None] = lambda progress: None
    ) -> None:
        self.folder = folder
        self._version = version
        self._listener = listener
        self._open: list[str] = []

    def do(
        self,
        name: str,
        reads: object,
        type_: type[T],
        work: Callable[[], T],
        *,
        valid: Callable[[T], bool] = lambda result: True,
    ) -> T:
        """The result of `work`, or the kept one if a step of this name has read the same before.

        `valid` says whether a kept result can still be used: whether the files that it names are there.
        """
        key = content_key([FORMAT, self._version, name, reads])
        path = self.folder / f"{name}-{key}.json"
        depth = len(self._open)
        kept = self._kept(path, type_)
        if kept is not None and valid(kept):
            self._listener(Progress(name, "reused", depth, result=kept))
            return kept
        self._open.append(name)
        self._listener(Progress(name, "started", depth))
        begun = time.monotonic()
        try:
            # The result goes through the codec even when it is new, so that later steps read the same content
            # (3 and 3.0 differ in JSON) in the run that made it and in the runs that keep it.
            plain = codec.to_plain(work())
            result = codec.from_plain(plain, type_, source=name)
        except BaseException as error:
            self._listener(Progress(name, "failed", depth, text=str(error), seconds=time.monotonic() - begun))
            raise
        finally:
            self._open.pop()
        atomic.write_bytes(path, codec.encode({"step": name, "result": plain}))
        self._listener(Progress(name, "done", depth, seconds=time.monotonic() - begun, result=result))
        return result

    def tell(self, text: str, done: float | None = None) -> None:
        """Says how far the innermost open step has come."""
        if self._open:
            self._listener(Progress(self._open[-1], "working", len(self._open) - 1, text=text, done=done))

    def _kept(self, path: Path, type_: type[T]) -> T | None:
        try:
            plain: Any = codec.parse_json(path.read_text(), source=str(path))
            return codec.from_plain(plain["result"], type_, source=str(path))
        except (FileNotFoundError, CodecError, KeyError, TypeError, UnicodeDecodeError):
            # A damaged or older record is no result: the step is simply done again.
            return None
