"""A torch network becomes an exported program with a free batch, proved to answer the same."""

from __future__ import annotations

import contextlib
import inspect
import io
import logging
import re
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch

from tradewind.domain.errors import ModelError
from tradewind.lab.models.payload import Kept
from tradewind.lab.models.references import describe, one_line, user_place

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from tradewind.domain.noun import Precision

__all__ = ["PositionalNetwork", "export"]

PAYLOAD: Final = "model.pt2"
PARITY: Final = 1e-4
"""Largest difference between the network and its export, as a share of the largest output."""
LARGEST_BATCH: Final = 65_536
EXAMPLE_ROWS: Final = 3
"""Rows at export: torch takes a batch of one for a constant."""
PARITY_BATCHES: Final = (1, 2, 64)

PRECISIONS: Final[dict[torch.dtype, Precision]] = {
    torch.float32: "fp32",
    torch.bfloat16: "bf16",
    torch.float16: "fp16",
}


class PositionalNetwork(torch.nn.Module):  # type: ignore[misc]  # torch is untyped here
    """A network that takes tensors by place and answers a tuple, whatever it takes and answers inside."""

    def __init__(self, network: torch.nn.Module, names: list[str], passing: str) -> None:
        super().__init__()
        self.network = network
        self._names = names
        self._passing = passing

    def forward(self, *inputs: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """The outputs of the network, as a tuple."""
        return tuple(self.named(*inputs).values())

    def named(self, *inputs: torch.Tensor) -> dict[str, torch.Tensor]:
        """The outputs by name: the keys of a dict, or output, output_0, output_1, ..."""
        by_name = dict(zip(self._names, inputs, strict=True))
        if self._passing == "names":
            answer = self.network(**by_name)
        elif self._passing == "dict":
            answer = self.network(by_name)
        else:
            answer = self.network(*inputs)
        return {name: _plain(tensor) for name, tensor in _name_outputs(answer).items()}


def export(network: Any, rows: Mapping[str, NDArray[Any]], build: Path, *, model: str, folder: Path) -> Kept:
    """The network exported to `build`/model.pt2, with its answers to these rows (at least 64).

    Errors: ModelError in one line, naming the goal's `model` and the place in the user's `folder`.
    """
    if isinstance(network, torch.export.ExportedProgram):
        keywords = network.call_spec.in_spec.child(1).context or ()
        module, passing = network.module(), "names" if set(keywords) == set(rows) else "places"
    else:
        module = network.cpu().eval()
        passing = _passing(module, list(rows), model)
    precision = _precision(module, model)
    positional = PositionalNetwork(module, list(rows), passing)
    expected = _answer(positional, rows, model, folder)
    program = _export(positional, rows, model, folder)
    _check_parity(program.module(), rows, expected, model)
    torch.export.save(program, build / PAYLOAD)
    return Kept(
        files=(PAYLOAD,),
        outputs=expected,
        parameters=sum(parameter.numel() for parameter in module.parameters()),
        precision=precision,
    )


def _passing(network: torch.nn.Module, names: list[str], model: str) -> str:
    """How the inputs get in: by "names", by "places", or as one "dict"."""
    parameters = list(inspect.signature(network.forward).parameters.values())
    named = [p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    required = [p for p in parameters if p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD]
    if len(names) == 1 and (names[0] not in named or named[0] == names[0]):
        return "places"
    if set(names) <= set(named) or any(p.kind is p.VAR_KEYWORD for p in parameters):
        return "names"
    if len(required) == 1 and required[0].name not in names:
        return "dict"
    raise ModelError(
        f"model: {model}: forward takes {', '.join(named) or 'nothing'}, the data has the inputs "
        f"{', '.join(names)}; name them alike"
    )


def _name_outputs(answer: object) -> dict[str, torch.Tensor]:
    if isinstance(answer, torch.Tensor):
        return {"output": answer}
    if isinstance(answer, Mapping):
        found = {str(key): value for key, value in answer.items() if value is not None}
    elif isinstance(answer, tuple | list):
        found = {f"output_{place}": value for place, value in enumerate(answer)}
    else:
        found = {}
    if not found or not all(isinstance(value, torch.Tensor) for value in found.values()):
        raise ModelError(
            f"forward returned {type(answer).__name__}; return a tensor, or a tuple or dict of tensors"
        )
    return found


def _plain(tensor: torch.Tensor) -> torch.Tensor:
    """The tensor in a type that NumPy has."""
    return tensor.float() if tensor.dtype is torch.bfloat16 else tensor


def _precision(network: torch.nn.Module, model: str) -> Precision:
    """The type of most weights."""
    sizes: dict[torch.dtype, int] = {}
    for parameter in network.parameters():
        if parameter.is_floating_point():
            sizes[parameter.dtype] = sizes.get(parameter.dtype, 0) + parameter.numel()
    most = max(sizes, key=lambda dtype: sizes[dtype], default=torch.float32)
    if most not in PRECISIONS:
        raise ModelError(f"model: {model} has {most} weights; convert it with .float()")
    return PRECISIONS[most]


def _tensors(rows: Mapping[str, NDArray[Any]], count: int) -> tuple[torch.Tensor, ...]:
    return tuple(torch.from_numpy(array[:count].copy()) for array in rows.values())


def _answer(
    network: PositionalNetwork, rows: Mapping[str, NDArray[Any]], model: str, folder: Path
) -> dict[str, NDArray[Any]]:
    """What the network answers on the rows, checked: finite, and a row for each row."""
    count = len(next(iter(rows.values())))
    try:
        with torch.no_grad():
            outputs = {name: output.numpy() for name, output in network.named(*_tensors(rows, count)).items()}
    except ModelError as cause:
        raise ModelError(f"model: {model}: {cause}") from None
    except Exception as cause:
        given = ", ".join(f"{name} {array.dtype} {list(array.shape)}" for name, array in rows.items())
        raise ModelError(f"model: {model} failed on {given}: {describe(cause, folder)}") from cause
    for name, output in outputs.items():
        if output.ndim == 0 or len(output) != count:
            raise ModelError(
                f"model: {model}: {name} has the shape {list(output.shape)} for {count} rows; "
                "its first dimension must be the row"
            )
        if output.dtype.kind == "f" and not np.isfinite(output).all():
            raise ModelError(f"model: {model}: {name} holds NaN or infinity on the test rows")
    return outputs


def _export(network: PositionalNetwork, rows: Mapping[str, NDArray[Any]], model: str, folder: Path) -> Any:
    batch = torch.export.Dim("batch", min=1, max=LARGEST_BATCH)
    try:
        with torch.no_grad(), _silence():
            return torch.export.export(
                network, _tensors(rows, EXAMPLE_ROWS), dynamic_shapes=(tuple({0: batch} for _ in rows),)
            )
    except Exception as cause:
        raise ModelError(f"model: {model} cannot be exported: {_reason(cause, folder)}") from cause


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Keeps the exporter's warnings and printed graphs from the user; its errors are told in one line."""
    before = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def _reason(cause: BaseException, folder: Path) -> str:
    """The essential reason of torch.export's page-long messages."""
    text = str(cause)
    place = user_place(cause, folder)
    where = f" ({place})" if place else ""
    if "data-dependent" in text or "DataDependent" in type(cause).__name__:
        return f"its control flow depends on the values of a tensor{where}; write it with torch.where"
    largest = re.search(r"batch = Dim\('batch', max=(\d+)\)", text)
    if largest:
        return f"it takes at most {largest[1]} rows at once{where}; make it take any number"
    if "Constraints violated" in text:
        return (
            f"it works only with the number of rows of its example{where}; "
            "do not loop over the first dimension, take its len(), or compare it with a number"
        )
    return f"{type(cause).__name__}: {one_line(text.strip().partition(chr(10))[0])}{where}"


def _check_parity(
    exported: Any, rows: Mapping[str, NDArray[Any]], expected: Mapping[str, NDArray[Any]], model: str
) -> None:
    for batch in PARITY_BATCHES:
        with torch.no_grad():
            answers = exported(*_tensors(rows, batch))
        for (name, wanted), answer in zip(expected.items(), answers, strict=True):
            scale = max(float(np.abs(wanted).max(initial=0.0)), 1e-3)
            worst = float(np.abs(answer.numpy().astype(np.float64) - wanted[:batch]).max(initial=0.0))
            if not worst <= PARITY * scale:
                raise ModelError(
                    f"model: {model}: {name} of the exported network differs by {worst:.3g} at batch {batch} "
                    f"(allowed {PARITY * scale:.3g}); does it depend on chance, or on other rows of the batch?"
                )
