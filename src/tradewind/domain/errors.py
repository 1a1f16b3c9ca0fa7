"""What can go wrong, as one tree.

    TradewindError
    ├── InputError            the user's input; exit status 2
    │   ├── UnitError         a quantity that cannot be read
    │   ├── CodecError        a file that is not what it should be; knows the path inside it
    │   ├── ModelError        the user's network cannot be built, traced or exported
    │   ├── DataError         the user's data cannot be used
    │   ├── MissingExtra      an optional library is not installed; says the pip command
    │   └── ResourceError     the machine refuses: disk full, port in use, no permission
    ├── NoPlan                nothing meets the goal; exit status 3, holds the nearest answers
    └── CannotMeasure         a candidate could not be built or measured; a result, never fatal

A message says what, the value, the bound, and what to do, in one line.
"""

from __future__ import annotations

__all__ = [
    "CannotMeasure",
    "CodecError",
    "DataError",
    "InputError",
    "MissingExtra",
    "ModelError",
    "NoPlan",
    "ResourceError",
    "TradewindError",
    "UnitError",
    "nearest",
]


class TradewindError(Exception):
    """The root: every error that Tradewind raises on purpose."""


class InputError(TradewindError):
    """The user's input cannot be used; the message is one line that says what to do."""


class UnitError(InputError):
    """A quantity such as "20 ms" that cannot be read."""


class CodecError(InputError):
    """A file or message that does not decode; the message names the path inside it."""


class ModelError(InputError):
    """The user's network cannot be built, run, traced or exported."""


class DataError(InputError):
    """The user's data cannot be used: missing split, NaN, one class, wrong shape."""


class MissingExtra(InputError):
    """An optional library is not installed.

    >>> str(MissingExtra("openvino", extra="lab"))
    "openvino is not installed; install it with: pip install 'tradewind[lab]'"
    """

    def __init__(self, library: str, *, extra: str) -> None:
        super().__init__(f"{library} is not installed; install it with: pip install 'tradewind[{extra}]'")


class ResourceError(InputError):
    """The machine refuses: a full disk, a port in use, a folder without permission."""


class NoPlan(TradewindError):
    """Nothing meets the goal. `plan` is the nearest Plan, with what it misses and by how much."""

    def __init__(self, message: str, plan: object) -> None:
        super().__init__(message)
        self.plan = plan


class CannotMeasure(TradewindError):
    """A candidate cannot be built or measured here: a result with a reason, never fatal."""


def nearest(word: str, known: list[str] | tuple[str, ...]) -> str | None:
    """The known word that looks most like `word`, or None when none looks alike.

    >>> nearest("budgett", ["budget", "data"])
    'budget'
    >>> nearest("zzz", ["budget", "data"]) is None
    True
    """
    import difflib

    matches = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    return matches[0] if matches else None
