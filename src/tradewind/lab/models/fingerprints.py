"""What the user's code and data consist of, as hashes, so that only what changed is done again."""

from __future__ import annotations

import ast
import hashlib
import importlib.metadata
from importlib.machinery import PathFinder
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tradewind.domain.errors import DataError, InputError
from tradewind.lab.models.references import Reference, blaming, importing
from tradewind.lab.models.sources import imported_packages, local_sources

if TYPE_CHECKING:
    from tradewind.domain.goal import Goal

__all__ = ["data_fingerprint", "fingerprint"]

FINGERPRINT: Final = "fingerprint"
"""The function by which a data module says itself what its data consist of."""


def fingerprint(reference: str, folder: Path) -> dict[str, str]:
    """Content hashes of a module, of the local modules that it imports, and versions of its packages.

    For the reference of a file (.onnx, .pt2) the hash of the file. Nothing is imported, so imports that
    are made by name at run time are not seen.

    Errors: InputError when the file is missing.
    """
    if ":" not in reference:
        return {reference: _sha256(folder / reference)}
    module = Reference.parse(reference, key="reference", error=InputError).module
    found = {name: _sha256(path) for name, path in sorted(local_sources(module, folder).items())}
    return found | {f"package {name}": _version(name) for name in imported_packages(module, folder)}


def data_fingerprint(goal: Goal, folder: Path) -> dict[str, str] | None:
    """What the data consist of: hashes of the declared files, and the module's own `fingerprint()`.

    None when neither is there: then only loading and hashing the data tells.

    Errors: DataError when a declared pattern matches no file, or `fingerprint()` raises.
    """
    found: dict[str, str] = {}
    for pattern in goal.data_files:
        for path in _matching(pattern, folder):
            found[str(path.relative_to(folder)) if path.is_relative_to(folder) else str(path)] = _sha256(path)
    reference = Reference.parse(goal.data, key="data", error=DataError)
    source = local_sources(reference.module, folder).get(reference.module)
    if source is not None and _defines_fingerprint(source):
        own = Reference(reference.module, FINGERPRINT)
        with (
            importing(own, folder, key="data", error=DataError) as function,
            blaming(f"data: {own}", folder, DataError),
        ):
            found[f"{own}()"] = str(function())
    return found or None


def _matching(pattern: str, folder: Path) -> list[Path]:
    matches = [Path(pattern)] if pattern.startswith("/") else sorted(folder.glob(pattern))
    files = [path for path in matches if path.is_file()]
    if not files:
        raise DataError(f"data_files: {pattern!r} matches no file in {folder}; patterns are relative to it")
    return files


def _defines_fingerprint(source: Path) -> bool:
    try:
        body = ast.parse(source.read_bytes()).body
    except (SyntaxError, ValueError):
        return False
    return any(isinstance(node, ast.FunctionDef) and node.name == FINGERPRINT for node in body)


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; the path is relative to the goal file") from None


def _version(package: str) -> str:
    """The version of the distribution that installed a top-level package."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        if PathFinder.find_spec(package) is None:
            return "not installed"
    # The distribution has another name (scikit-learn installs sklearn). Looking for this one package is
    # ten times faster than importlib.metadata.packages_distributions, which reads every list of files.
    distributions = list(importlib.metadata.distributions())
    for distribution in distributions:
        if package in (distribution.read_text("top_level.txt") or "").split():
            return distribution.version
    for distribution in distributions:
        if f"\n{package}/" in "\n" + (distribution.read_text("RECORD") or ""):
            return distribution.version
    return "unknown"
