"""The user's network: a torch module that their code builds, an exported program, or an ONNX file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tradewind.domain.errors import MissingExtra, ModelError, nearest
from tradewind.lab.models.references import Reference, blaming, importing, one_line

if TYPE_CHECKING:
    from tradewind.domain.goal import Goal

__all__ = ["load_network"]

SUFFIXES: Final = (".onnx", ".pt2")


def load_network(goal: Goal, folder: Path) -> Any:
    """What the goal's `model` refers to: a `torch.nn.Module`, an `ExportedProgram`, or the path of an ONNX file.

    A callable is called with torch's generator seeded by the goal, so that random weights are the same
    every time.

    Errors: ModelError in one line, when the callable is missing, raises or returns something else, or
    the file is missing or damaged.
    """
    if goal.model.endswith(SUFFIXES):
        return _from_file(goal.model, folder)
    if ":" not in goal.model and ("/" in goal.model or Path(goal.model).suffix in (".pt", ".pth", ".bin")):
        raise ModelError(
            f"model: {goal.model!r} cannot be read; write module:callable, or a .pt2 or .onnx file"
        )
    torch = _torch()
    reference = Reference.parse(goal.model, key="model", error=ModelError)
    with (
        importing(reference, folder, key="model", error=ModelError) as build,
        torch.random.fork_rng(devices=[]),
        blaming(f"model: {reference}", folder, ModelError),
    ):
        torch.manual_seed(goal.seed)
        network = build()
    if isinstance(network, torch.export.ExportedProgram):
        return network
    if not isinstance(network, torch.nn.Module):
        hint = "return an object of it" if isinstance(network, type) else "return the network"
        raise ModelError(
            f"model: {reference} returned {type(network).__name__}, not a torch.nn.Module; {hint}"
        )
    return network


def _torch() -> Any:
    try:
        import torch
    except ModuleNotFoundError:
        raise MissingExtra("torch", extra="lab") from None
    return torch


def _from_file(name: str, folder: Path) -> Any:
    path = folder / name
    if not path.is_file():
        others = [
            str(file.relative_to(folder))
            for suffix in SUFFIXES
            for file in sorted(folder.rglob(f"*{suffix}"))
        ]
        guess = nearest(name, others)
        hint = f"did you mean {guess}?" if guess else "the path is relative to the goal file"
        raise ModelError(f"model: {path}: no such file; {hint}")
    if path.suffix == ".onnx":
        return path
    torch = _torch()
    try:
        return torch.export.load(path)
    except Exception as cause:
        raise ModelError(
            f"model: {path} is no exported program that torch {torch.__version__} can load: "
            f"{one_line(str(cause))}"
        ) from cause
