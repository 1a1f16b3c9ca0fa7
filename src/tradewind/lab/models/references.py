"""The user's code, found by references such as "fraud.data:load", and run without confusing two folders."""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import sys
import traceback
from dataclasses import dataclass
from pathlib import Path
from types import FunctionType, ModuleType
from typing import TYPE_CHECKING, Any, Final

from tradewind.domain.errors import InputError, TradewindError, nearest
from tradewind.lab.models.sources import local_sources

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["Reference", "blaming", "describe", "importing", "local_path", "one_line", "user_place"]

LONGEST_MESSAGE: Final = 300
"""Characters of a foreign error message that are shown."""
STAMP: Final = "__tradewind_source__"
"""The attribute that remembers from which source text a module was imported."""


@dataclass(frozen=True)
class Reference:
    """A callable of the user's: which module, and which name in it."""

    module: str
    attribute: str

    @classmethod
    def parse(cls, text: str, *, key: str, error: type[InputError]) -> Reference:
        """The reference in a text like "fraud.data:load". Errors: `error`, naming the goal's `key`.

        >>> Reference.parse("fraud.data:load", key="data", error=InputError)
        Reference(module='fraud.data', attribute='load')
        """
        module, colon, attribute = text.partition(":")
        names = [*module.split("."), *attribute.split(".")]
        if not colon or not all(name.isidentifier() for name in names):
            raise error(f"{key}: {text!r} is no reference; write module:callable, like fraud.data:load")
        return cls(module, attribute)

    def __str__(self) -> str:
        return f"{self.module}:{self.attribute}"


@contextlib.contextmanager
def importing(
    reference: Reference, folder: Path, *, key: str, error: type[InputError]
) -> Iterator[Callable[..., Any]]:
    """The callable of a reference; `folder` comes first on sys.path until the block ends.

    Modules of the same names that were imported from elsewhere, or from older source text, are
    forgotten first. Errors: `error`, in one line, when it cannot be imported or is not there.
    """
    folder = folder.resolve()
    sources = local_sources(reference.module, folder)
    _forget_others(sources, folder)
    with local_path(folder):
        _prefer_namespaces(sources, folder)
        try:
            yield _find(reference, folder, key=key, error=error)
        finally:
            _stamp(sources)


@contextlib.contextmanager
def local_path(folder: Path) -> Iterator[None]:
    """The folder comes first on sys.path until the block ends."""
    path_before, bytecode_before = list(sys.path), sys.dont_write_bytecode
    sys.path.insert(0, str(folder.resolve()))
    # Bytecode is keyed by whole seconds and size: two quick edits of a source could be confused.
    sys.dont_write_bytecode = True
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.path[:] = path_before
        sys.dont_write_bytecode = bytecode_before


@contextlib.contextmanager
def blaming(what: str, folder: Path, error: type[InputError]) -> Iterator[None]:
    """Turns whatever the user's code raises into one line that says where: "what: ValueError: ... (data.py:12)"."""
    try:
        yield
    except TradewindError:
        raise
    except Exception as cause:
        raise error(f"{what} raised {describe(cause, folder)}") from cause


def describe(cause: BaseException, folder: Path) -> str:
    """The type, message and place of an error in the user's code, in one line."""
    message = one_line(str(cause))
    where = user_place(cause, folder)
    return f"{type(cause).__name__}{': ' + message if message else ''}{f' ({where})' if where else ''}"


def one_line(text: str) -> str:
    r"""The text without line breaks, shortened.

    >>> one_line("a\n  b")
    'a b'
    """
    line = " ".join(text.split())
    return line if len(line) <= LONGEST_MESSAGE else line[: LONGEST_MESSAGE - 3] + "..."


def user_place(cause: BaseException, folder: Path) -> str | None:
    """The file and line of the innermost frame in the user's folder, if there is one."""
    folder = folder.resolve()
    if isinstance(cause, SyntaxError) and cause.filename:
        return f"{_short(Path(cause.filename), folder)}:{cause.lineno}"
    frames = traceback.extract_tb(cause.__traceback__)
    inside = [frame for frame in frames if _is_below(Path(frame.filename), folder)]
    if not inside:
        return None
    return f"{_short(Path(inside[-1].filename), folder)}:{inside[-1].lineno}"


def _short(path: Path, folder: Path) -> str:
    return str(path.relative_to(folder)) if _is_below(path, folder) else path.name


def _is_below(path: Path, folder: Path) -> bool:
    return path.is_absolute() and path.resolve().is_relative_to(folder)


def _find(reference: Reference, folder: Path, *, key: str, error: type[InputError]) -> Callable[..., Any]:
    try:
        module = importlib.import_module(reference.module)
    except ModuleNotFoundError as cause:
        missing = cause.name or ""
        if reference.module == missing or reference.module.startswith(missing + "."):
            guess = nearest(reference.module, _modules_below(folder))
            hint = f"did you mean {guess}?" if guess else "check the name and the folder of the goal file"
            raise error(f"{key}: {reference}: there is no module {missing!r} in {folder}; {hint}") from None
        raise error(f"{key}: {reference.module} cannot be imported: {describe(cause, folder)}") from cause
    except Exception as cause:
        raise error(f"{key}: {reference.module} cannot be imported: {describe(cause, folder)}") from cause
    found: Any = module
    for name in reference.attribute.split("."):
        if not hasattr(found, name):
            names = _callables(found)
            guess = nearest(name, names) or (names[0] if len(names) == 1 else None)
            hint = f"did you mean {guess}?" if guess else f"it has {', '.join(names) or 'no callable'}"
            raise error(f"{key}: {reference.module} has no {reference.attribute!r}; {hint}")
        found = getattr(found, name)
    if not callable(found):
        raise error(
            f"{key}: {reference} is {type(found).__name__}, not callable; name a function without arguments"
        )
    return found  # type: ignore[no-any-return]


def _callables(owner: object) -> list[str]:
    """The functions and classes that a module defines itself."""
    return [
        name
        for name, value in vars(owner).items()
        if isinstance(value, FunctionType | type)
        and not name.startswith("_")
        and (not isinstance(owner, ModuleType) or value.__module__ == owner.__name__)
    ]


def _modules_below(folder: Path) -> list[str]:
    """Names of the modules in a folder, two levels deep."""
    found = [*folder.glob("*.py"), *folder.glob("*/*.py")]
    names = [".".join(path.relative_to(folder).with_suffix("").parts) for path in found]
    return [name.removesuffix(".__init__") for name in names]


def _forget_others(sources: dict[str, Path], folder: Path) -> None:
    """Drops imported modules that are not, or no longer, what `sources` says they are."""
    tops = {name.partition(".")[0] for name in sources}
    if all(_is_current(name, path) for name, path in sources.items()) and not any(
        _is_foreign(sys.modules[top], folder / top) for top in tops - set(sources) if top in sys.modules
    ):
        return
    # What imported a stale module holds its old contents: the whole local family is imported anew.
    for name in list(sys.modules):
        if name.partition(".")[0] in tops:
            del sys.modules[name]


def _is_foreign(package: ModuleType, path: Path) -> bool:
    """Whether a package without __init__.py is not the one at `path`."""
    return str(path) not in list(getattr(package, "__path__", []))


def _prefer_namespaces(sources: dict[str, Path], folder: Path) -> None:
    """Makes sure of local packages without __init__.py.

    Python prefers a package with __init__.py, or a module, anywhere on sys.path to one without.
    """
    for top in {name.partition(".")[0] for name in sources} - set(sources):
        if top not in sys.modules and (folder / top).is_dir():
            package = ModuleType(top)
            package.__path__ = [str(folder / top)]
            sys.modules[top] = package


def _is_current(name: str, path: Path) -> bool:
    module = sys.modules.get(name)
    if module is None:
        return True
    file = getattr(module, "__file__", None)
    if file is None or Path(file).resolve() != path:
        return False
    return getattr(module, STAMP, None) in (None, _digest(path))


def _stamp(sources: dict[str, Path]) -> None:
    for name, path in sources.items():
        module = sys.modules.get(name)
        if module is not None and not hasattr(module, STAMP) and path.exists():
            setattr(module, STAMP, _digest(path))


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else ""
