"""Variant: one version of the network, with its recipe, payload, quality and golden outputs."""

from __future__ import annotations

from tradewind.domain.noun import Noun, Precision

__all__ = [
    "Golden",
    "Judgement",
    "PayloadFile",
    "RecipeStep",
    "Runtime",
    "SliceJudgement",
    "TensorSpec",
    "Variant",
]


class RecipeStep(Noun, frozen=True, kw_only=True):
    """One pass that was applied; the recipe replays in order."""

    name: str
    version: str
    """The version of the library that did the work, such as "nncf 3.4.0"."""
    parameters: dict[str, str | int | float | bool]
    seed: int = 0
    calibration_sha256: str | None = None
    calibration_rows: int = 0


class PayloadFile(Noun, frozen=True, kw_only=True):
    """A file of the payload, relative to the folder of the variant."""

    path: str
    sha256: str
    size_bytes: int


class TensorSpec(Noun, frozen=True, kw_only=True):
    """An input or output. A None in the shape is a free dimension; the first is the batch."""

    name: str
    dtype: str
    """NumPy's name: float32, int64, ..."""
    shape: tuple[int | None, ...]


class Runtime(Noun, frozen=True, kw_only=True):
    """What executes the payload, with the precision pinned so that no host changes the numbers."""

    engine: str
    """"torch", "onnxruntime" or "openvino"."""
    engine_version: str
    precision: Precision


class SliceJudgement(Noun, frozen=True, kw_only=True):
    """Quality of one slice against the original, as a paired difference (value - baseline)."""

    slice: str
    """column=value"""
    rows: int
    value: float
    delta: float
    delta_low: float
    delta_high: float


class Judgement(Noun, frozen=True, kw_only=True):
    """Quality on the user's test split against the original, with a paired confidence interval.

    `delta` is value - baseline, so a loss is negative. `within` says whether the allowed drop, overall
    and per slice, and the minimum hold; `reason` says why not.
    """

    metric: str
    rows: int
    data_sha256: str
    value: float
    low: float
    high: float
    baseline: float
    delta: float
    delta_low: float
    delta_high: float
    level: float
    """Coverage of the intervals, such as 0.95."""
    method: str
    """How the intervals were made, such as "paired bootstrap, 1000 resamples"."""
    slices: tuple[SliceJudgement, ...]
    within: bool
    reason: str


class Golden(Noun, frozen=True, kw_only=True):
    """Inputs and the outputs that must come back wherever the variant is loaded."""

    inputs: str
    """Path of the .npz, relative to the folder of the variant."""
    outputs: str
    absolute_tolerance: float
    relative_tolerance: float


class Variant(Noun, frozen=True, kw_only=True):
    """One version of the network: `manifest.json` in `variants/<id>/`, beside the payload.

    Loadable without the user's source code. An empty recipe is the original.
    """

    id: str
    """First 12 hex digits of the SHA-256 over recipe, runtime and payload."""
    name: str
    """For people, such as "onnxruntime-int8-dynamic"."""
    parent_id: str | None
    recipe: tuple[RecipeStep, ...]
    format: str
    """"pt2", "onnx" or "openvino"."""
    files: tuple[PayloadFile, ...]
    runtime: Runtime
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    parameters: int
    golden: Golden
    judgement: Judgement | None = None
    build_s: float = 0.0

    @property
    def size_bytes(self) -> int:
        """The size of the payload."""
        return sum(file.size_bytes for file in self.files)
