"""The contract of a pass: what it declares about itself, what it is given, what it answers."""

from __future__ import annotations

import importlib.metadata
import importlib.util
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from tradewind.domain.errors import MissingExtra
from tradewind.lab.engines import ENGINES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from tradewind.domain.noun import Precision
    from tradewind.domain.variant import Variant
    from tradewind.lab.optimization.calibration import Calibration

__all__ = ["Applied", "Job", "Parameter", "Pass"]

Parameter = str | int | float | bool


@dataclass(frozen=True)
class Job:
    """What a pass works on."""

    parent: Variant
    parent_folder: Path
    calibration: Calibration
    """Rows of the calibration split, balanced over the classes."""
    parameters: Mapping[str, Parameter]
    """Those that the pass declares."""
    out: Path
    """An empty folder for the new payload. What else is left there is thrown away."""
    seed: int

    @property
    def payload(self) -> Path:
        """The file of the parent that its engine opens."""
        return self.parent_folder / self.parent.files[0].path

    def feed(self, names: Sequence[str]) -> dict[str, NDArray[Any]]:
        """The calibration rows under the names that the payload has for its inputs, in its types.

        Converters rename inputs and keep their order.
        """
        specs = self.parent.inputs
        same = set(names) == {spec.name for spec in specs}
        pairs = [(spec.name, spec) for spec in specs] if same else zip(names, specs, strict=True)
        return {
            name: np.ascontiguousarray(self.calibration.inputs[spec.name], dtype=spec.dtype)
            for name, spec in pairs
        }


@dataclass(frozen=True)
class Applied:
    """What a pass has made."""

    files: tuple[str, ...]
    """The payload, relative to `Job.out`; the file that the engine opens comes first."""
    found: Mapping[str, Parameter] = field(default_factory=dict)
    """What was decided from the data, for the recipe, such as which layers stayed in floating point."""


@dataclass(frozen=True)
class Pass:
    """A change of the network that makes a new variant, and what it fits with.

    From these declarations alone follows which passes are tried in which order; a combination that
    nobody declared cannot come into being. The work is done by `apply(job: Job) -> Applied` of the
    module, which is imported only in a child process: there a pass may use any library, be slow, crash
    or hang.
    """

    name: str
    module: str
    """Where `apply` is."""
    reads: str
    """The format of the variants that it takes: "pt2", "onnx" or "openvino"."""
    accepts: tuple[Precision, ...]
    """The precisions of the variants that it takes."""
    writes: str
    """The format of the variant that it makes."""
    engine: str
    """What executes the variant that it makes."""
    precision: Precision
    """The precision in which that is executed."""
    libraries: tuple[str, ...]
    """What it imports; the first one does the work."""
    label: str = ""
    """Tells variants of the same engine and precision apart, such as "dynamic"."""
    after: tuple[str, ...] = ()
    """Passes of which one must stand before it in the recipe; empty where it may come first."""
    calibrated: bool = False
    """Whether it looks at rows of the calibration split."""
    parameters: Mapping[str, Parameter] = field(default_factory=dict)

    def fits(self, payload_format: str, precision: Precision, before: tuple[str, ...]) -> bool:
        """Whether it can be applied to a variant that the passes `before` have made."""
        return (
            self.reads == payload_format
            and precision in self.accepts
            and self.name not in before
            and (not self.after or not set(self.after).isdisjoint(before))
        )

    def unavailable(self) -> str | None:
        """Why it cannot be used here, or None when it can. Imports nothing."""
        for library in self.libraries:
            if importlib.util.find_spec(library) is None:
                return str(MissingExtra(library, extra="lab"))
        return ENGINES[self.engine].unavailable()

    def version(self) -> str:
        """The libraries with their installed versions, such as "nncf 3.4.0, openvino 2026.4.1"."""
        return ", ".join(f"{library} {_version(library)}" for library in self.libraries)


def _version(library: str) -> str:
    try:
        return importlib.metadata.version(library)
    except importlib.metadata.PackageNotFoundError:
        # A build with another package name, such as onnxruntime-gpu for onnxruntime.
        return "of unknown version"
