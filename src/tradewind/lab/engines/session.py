"""The contract of an engine: a payload becomes a session, a session answers."""

from __future__ import annotations

import hashlib
import importlib
import importlib.metadata
import importlib.util
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from tradewind.domain.errors import CannotMeasure, MissingExtra
from tradewind.lab.engines.telemetry import silence_telemetry

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from tradewind.domain.variant import Variant

__all__ = ["Engine", "Session", "check_payload", "match_names"]


class Session(Protocol):
    """A loaded variant. One thread at a time may ask it."""

    def run(self, inputs: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """The outputs by name for a batch of inputs by name, in the types that the variant declares.

        Others may run Python code in the meantime: the GIL is released while the engine computes.
        """
        ...

    def close(self) -> None:
        """Frees what the session holds; it must not be asked again."""
        ...


@dataclass(frozen=True)
class Engine:
    """A library that executes payloads. It is imported when the first variant is loaded.

    A further engine is a module with `load(folder, variant, threads) -> Session`, and a line in `ENGINES`.
    """

    name: str
    library: str
    """The package to import; it may be missing."""
    module: str
    """The module of this room that uses it."""

    def unavailable(self) -> str | None:
        """Why the engine cannot be used here, or None when it can. Imports nothing."""
        if importlib.util.find_spec(self.library) is None:
            return str(MissingExtra(self.library, extra="lab"))
        return None

    def version(self) -> str:
        """The version of the installed library. Errors: MissingExtra."""
        self._require()
        return importlib.metadata.version(self.library)

    def load(self, folder: Path, variant: Variant, *, threads: int) -> Session:
        """The variant in `folder`, ready to answer with this many threads.

        Errors: MissingExtra, and CannotMeasure when this machine or version cannot execute it.
        """
        self._require()
        silence_telemetry()
        session: Session = importlib.import_module(self.module).load(folder, variant, threads)
        return session

    def _require(self) -> None:
        if self.unavailable() is not None:
            raise MissingExtra(self.library, extra="lab")


def check_payload(folder: Path, variant: Variant) -> None:
    """Makes sure that the files are those of the manifest. Errors: CannotMeasure naming the file."""
    for file in variant.files:
        path = folder / file.path
        try:
            with path.open("rb") as opened:
                found = hashlib.file_digest(opened, "sha256").hexdigest()
        except FileNotFoundError:
            raise CannotMeasure(f"{variant.name}: {path} is missing; build the variant again") from None
        if found != file.sha256:
            raise CannotMeasure(
                f"{variant.name}: {path} has changed since it was written (sha256 {found[:12]}, the manifest "
                f"says {file.sha256[:12]}); build the variant again"
            )


def match_names(variant: Variant, found: list[str]) -> dict[str, str]:
    """The payload's name of each declared input: the same name, or that of the same place.

    Converters rename inputs; their order is kept. Errors: CannotMeasure when the numbers differ.
    """
    declared = [spec.name for spec in variant.inputs]
    if set(found) == set(declared):
        return {name: name for name in declared}
    if len(found) != len(declared):
        raise CannotMeasure(
            f"{variant.name}: the payload takes {', '.join(found)}, the manifest says {', '.join(declared)}"
        )
    return dict(zip(declared, found, strict=True))
