"""A payload becomes a variant: named by its content, with golden outputs and a manifest beside it."""

from __future__ import annotations

import hashlib
import shutil
from typing import TYPE_CHECKING, Any

from tradewind.domain import codec
from tradewind.domain.variant import PayloadFile, RecipeStep, Runtime, TensorSpec, Variant
from tradewind.files import atomic, nouns
from tradewind.lab.engines import write_golden

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["MANIFEST", "keep_variant", "payload_files", "tensor_specs", "variant_id"]

MANIFEST = "manifest.json"


def payload_files(folder: Path, names: Sequence[str]) -> tuple[PayloadFile, ...]:
    """The files of a payload, hashed; the one that the engine opens comes first."""
    found = []
    for name in names:
        with (folder / name).open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        found.append(PayloadFile(path=name, sha256=digest, size_bytes=(folder / name).stat().st_size))
    return tuple(found)


def variant_id(recipe: tuple[RecipeStep, ...], runtime: Runtime, files: tuple[PayloadFile, ...]) -> str:
    """The name of a variant's content: 12 hex digits over recipe, runtime and payload."""
    return hashlib.sha256(codec.encode([recipe, runtime, files])).hexdigest()[:12]


def tensor_specs(arrays: Mapping[str, NDArray[Any]]) -> tuple[TensorSpec, ...]:
    """The specifications of batches: names, types and shapes, with a free first dimension."""
    return tuple(
        TensorSpec(name=name, dtype=str(array.dtype), shape=(None, *array.shape[1:]))
        for name, array in arrays.items()
    )


def keep_variant(
    variants: Path,
    build: Path,
    names: Sequence[str],
    *,
    name: str,
    parent_id: str | None,
    recipe: tuple[RecipeStep, ...],
    payload_format: str,
    runtime: Runtime,
    parameters: int,
    golden_inputs: Mapping[str, NDArray[Any]],
    golden_outputs: Mapping[str, NDArray[Any]],
    build_s: float,
) -> Variant:
    """The variant whose payload files `names` lie in `build`, written whole to variants/<id>/.

    Inputs, outputs and golden files are taken from the golden arrays, so these must be what the loaded
    payload takes and answers. `build` is the caller's to remove.
    """
    files = payload_files(build, names)
    identity = variant_id(recipe, runtime, files)
    with atomic.folder(variants / identity) as folder:
        for file in files:
            (folder / file.path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(build / file.path, folder / file.path)
        golden = write_golden(folder, golden_inputs, golden_outputs, runtime.precision)
        variant = Variant(
            id=identity,
            name=name,
            parent_id=parent_id,
            recipe=recipe,
            format=payload_format,
            files=files,
            runtime=runtime,
            inputs=tensor_specs(golden_inputs),
            outputs=tensor_specs(golden_outputs),
            parameters=parameters,
            golden=golden,
            build_s=build_s,
        )
        nouns.write(folder / MANIFEST, variant)
    return variant
