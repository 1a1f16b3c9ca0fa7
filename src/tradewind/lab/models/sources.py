"""What a module consists of: its own source, the local modules that it imports, and installed packages.

Nothing is imported: the sources are parsed, so that asking takes milliseconds.
"""

from __future__ import annotations

import ast
import sys
import sysconfig
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Final

__all__ = ["imported_packages", "local_sources"]

OWN_PACKAGE: Final = "tradewind"


def local_sources(module: str, folder: Path) -> dict[str, Path]:
    """The files of a module and of the local modules that it imports, by module name.

    Local is what lies in `folder`, or elsewhere on sys.path outside the installed packages.
    """
    return _walk(module, folder.resolve())[0]


def imported_packages(module: str, folder: Path) -> tuple[str, ...]:
    """The top-level names of the installed packages that these sources import, sorted."""
    return tuple(sorted(_walk(module, folder.resolve())[1]))


def _walk(module: str, folder: Path) -> tuple[dict[str, Path], set[str]]:
    sources: dict[str, Path] = {}
    packages: set[str] = set()
    pending = [module]
    seen: set[str] = set()
    while pending:
        name = pending.pop()
        if name in seen:
            continue
        seen.add(name)
        top = name.partition(".")[0]
        if top in sys.stdlib_module_names:
            continue
        root = _local_root(top, folder)
        if root is None:
            packages.add(top)
            continue
        # Importing a.b.c also runs a/__init__.py and a/b/__init__.py.
        parent = name.rpartition(".")[0]
        if parent:
            pending.append(parent)
        path = _file(name, root)
        if path is None:
            continue
        sources[name] = path
        pending.extend(_imports(path, name))
    return sources, packages


def _local_root(top: str, folder: Path) -> Path | None:
    """The folder in which a local top-level module lies; None when it is an installed package."""
    if _file(top, folder) is not None or _has_sources(folder / top):
        return folder
    if top == OWN_PACKAGE:
        return None
    spec = PathFinder.find_spec(top)
    if spec is None or spec.origin in (None, "built-in", "frozen"):
        return None
    origin = Path(str(spec.origin)).resolve()
    if any(origin.is_relative_to(place) for place in _installed_places()):
        return None
    return origin.parent.parent if origin.name == "__init__.py" else origin.parent


def _installed_places() -> tuple[Path, ...]:
    paths = sysconfig.get_paths()
    return tuple(Path(paths[key]).resolve() for key in ("stdlib", "purelib", "platlib"))


def _has_sources(path: Path) -> bool:
    """Whether a folder without __init__.py is a package all the same."""
    return path.is_dir() and next(path.glob("*.py"), None) is not None


def _file(name: str, root: Path) -> Path | None:
    stem = root.joinpath(*name.split("."))
    for path in (stem / "__init__.py", stem.with_name(stem.name + ".py")):
        if path.is_file():
            return path.resolve()
    return None


def _imports(path: Path, name: str) -> list[str]:
    """Every module that the source may import, anywhere in it; `from a import b` may mean a.b."""
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError):
        return []
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    found: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found.extend(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            source = _absolute(node, package)
            if source:
                found.append(source)
            prefix = f"{source}." if source else ""
            found.extend(f"{prefix}{alias.name}" for alias in node.names if alias.name != "*")
    return found


def _absolute(node: ast.ImportFrom, package: str) -> str:
    if node.level == 0:
        return node.module or ""
    parts = package.split(".")[: len(package.split(".")) - (node.level - 1)]
    return ".".join([*parts, node.module] if node.module else parts)
