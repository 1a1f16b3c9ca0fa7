"""PyTorch's exported programs, executed eagerly: the network as its author wrote it, without its source."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from tradewind.domain.errors import CannotMeasure

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from tradewind.domain.variant import Variant

__all__ = ["load"]


def load(folder: Path, variant: Variant, threads: int) -> TorchSession:
    """The session of a .pt2 payload."""
    if variant.format != "pt2":
        raise CannotMeasure(f"{variant.name}: the torch engine executes pt2, not {variant.format}")
    path = folder / variant.files[0].path
    try:
        program = torch.export.load(path)
    except Exception as cause:
        reason = str(cause).partition("\n")[0]
        raise CannotMeasure(
            f"{variant.name}: torch {torch.__version__} cannot load {path}: {reason}"
        ) from cause
    return TorchSession(program, variant, threads)


class TorchSession:
    """A loaded program. Calls the graph directly, as checking guards costs more than a small network."""

    def __init__(self, program: Any, variant: Variant, threads: int) -> None:
        self._threads = threads
        self._specs = [(spec.name, np.dtype(spec.dtype)) for spec in variant.inputs]
        self._names = [spec.name for spec in variant.outputs]
        signature = program.graph_signature
        self._call: Callable[..., Any]
        if signature.buffers_to_mutate or signature.user_inputs_to_mutate:
            self._call = program.module()
        else:
            state = [
                _state_of(program, spec) for spec in signature.input_specs if spec.kind.name != "USER_INPUT"
            ]
            self._call = functools.partial(program.graph_module.forward, *state)

    def run(self, inputs: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """The outputs by name."""
        # Threads are a property of the process in torch, and of the calling thread in OpenMP.
        if torch.get_num_threads() != self._threads:
            torch.set_num_threads(self._threads)
        with torch.inference_mode():
            outputs = self._call(*[_tensor(inputs[name], dtype) for name, dtype in self._specs])
            return {name: output.numpy() for name, output in zip(self._names, outputs, strict=True)}

    def close(self) -> None:
        """Frees the weights."""
        del self._call


def _state_of(program: Any, spec: Any) -> Any:
    """A parameter, buffer or constant that the graph takes as an input."""
    if spec.target in program.state_dict:
        return program.state_dict[spec.target].detach()
    return program.constants[spec.target]


def _tensor(array: NDArray[Any], dtype: np.dtype[Any]) -> Any:
    """The array as a tensor on the same memory, copied only where torch cannot share it."""
    array = np.ascontiguousarray(array, dtype=dtype)
    return torch.from_numpy(array if array.flags.writeable else array.copy())
