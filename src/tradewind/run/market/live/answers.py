"""What a cloud answered on a day: asked once, kept, and read again by a refresh that goes on."""

from __future__ import annotations

import gzip
import hashlib
import zlib
from typing import TYPE_CHECKING, Final, TypeVar

import msgspec

from tradewind.domain.errors import CodecError
from tradewind.files import atomic

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from tradewind.run.market.live.web import Web

__all__ = ["MOST_PAGES", "Answers"]

T = TypeVar("T")

INDEX: Final = "index.json"
PAGE_BYTES: Final = 64 * 2**20
MOST_PAGES: Final = 500
"""Of one question. All virtual machines of Azure in the world are 150 pages."""

_NOTHING: Final[Mapping[str, str]] = {}


class Answers:
    """The answers of one cloud on one day, in a folder of their own.

    Each is kept, compressed, under the hash of its bytes; `index.json` says what was asked for it. Only what
    could be read is kept, so a broken answer is asked for again. `asked` and `reused` count.
    """

    def __init__(self, folder: Path, day: str, web: Web, tell: Callable[[str], None]) -> None:
        self.day = day
        self.asked = 0
        self.reused = 0
        self._folder = folder
        self._web = web
        self._tell = tell
        try:
            self._index = msgspec.json.decode((folder / INDEX).read_bytes(), type=dict[str, str])
        except (FileNotFoundError, msgspec.DecodeError):
            self._index = {}

    def get(
        self,
        url: str,
        form: Callable[[bytes], T],
        *,
        params: Mapping[str, str] = _NOTHING,
        headers: Mapping[str, str] = _NOTHING,
        limit_bytes: int = PAGE_BYTES,
    ) -> T:
        """What `form` makes of the answer to an HTTP GET. Headers, which may hold a secret, are not kept.

        Errors: ResourceError when there is no answer, CodecError when `form` cannot read it.
        """
        query = "&".join(f"{name}={params[name]}" for name in sorted(params))
        return self.ask(
            f"{url}?{query}" if query else url, form, lambda: self._web.get(url, params, headers, limit_bytes)
        )

    def ask(self, question: str, form: Callable[[bytes], T], fetch: Callable[[], bytes]) -> T:
        """What `form` makes of the kept answer to `question`, or of the one that `fetch` gives."""
        kept = self._kept(question)
        if kept is not None:
            self.reused += 1
            return form(kept)
        self.asked += 1
        self._tell(f"answer {self.asked + self.reused}: {question}")
        answer = fetch()
        read = form(answer)
        digest = hashlib.sha256(answer).hexdigest()
        atomic.write_bytes(self._path(digest), gzip.compress(answer, compresslevel=5, mtime=0))
        self._index[question] = digest
        atomic.write_bytes(self._folder / INDEX, msgspec.json.format(msgspec.json.encode(self._index)))
        return read

    def follow(self, ask: Callable[[str], tuple[T, str]], what: str) -> list[T]:
        """All pages: `ask` gives the page behind a token ("" at first) and the next token ("" at the end).

        Errors: CodecError when a page leads back to an earlier one, or there is no end to them.
        """
        pages: list[T] = []
        seen: set[str] = set()
        token = ""
        while token not in seen and len(pages) < MOST_PAGES:
            seen.add(token)
            page, token = ask(token)
            pages.append(page)
            if not token:
                return pages
        self.forget()
        wrong = "leads back to an earlier one" if token in seen else "is not the last; this is no price list"
        raise CodecError(f"{what}: page {len(pages)} {wrong}")

    @property
    def sha256(self) -> str:
        """A hash of all that was answered."""
        return hashlib.sha256("".join(sorted(self._index.values())).encode()).hexdigest()

    def forget(self) -> None:
        """Asks for everything again next time; what was answered stays, with its index set aside."""
        with atomic.refusing(self._folder):
            if (self._folder / INDEX).exists():
                (self._folder / INDEX).replace(self._folder / f"refused-{INDEX}")
        self._index = {}

    def _kept(self, question: str) -> bytes | None:
        digest = self._index.get(question)
        if digest is None:
            return None
        try:
            answer = gzip.decompress(self._path(digest).read_bytes())
        except (OSError, EOFError, zlib.error):
            return None
        return answer if hashlib.sha256(answer).hexdigest() == digest else None

    def _path(self, digest: str) -> Path:
        return self._folder / f"{digest}.json.gz"
