"""The meshes of a training job: every way to spread a step over devices, by divisors.

A shape says what one device computes for a micro-batch; a mesh adds how many of them there are. Legend: t tensor, p
pipeline, v stages per device, c context, e expert, d data degree, b samples of a micro-batch, m micro-batches of a step.

| | values |
|---|---|
| t | divisors of the heads, up to the devices that the fast link joins |
| p | numbers of stages that no smaller number does at the same depth: the smallest p with ceil(layers / p) layers |
| v | 1; 2 and 4 where they cut the layers evenly and the micro-batches come in rounds of p (Narayanan et al. 2021) |
| c | powers of two that leave a device at least `LEAST_TOKENS` tokens of a sample |
| e | divisors of the experts that the data and context dimensions hold whole |
| b | powers of two |
| d | all, up to the devices that may be used |
| m | what fills the largest global batch that is allowed |

Two of these leave out what is never better. More stages of the same depth take more devices for a longer bubble and
nothing else. A larger global batch spreads what a step costs once over more samples, and memory does not grow with
it once the pipeline is full.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from tradewind.domain.architecture import Transformer

__all__ = ["LEAST_TOKENS", "Meshes", "Shape", "divisors", "meshes", "shapes", "stage_counts"]

LEAST_TOKENS: Final = 1024
"""Of a sample on one device, so that the ring of keys and values hides behind attention (Liu et al. 2023)."""
_MOST_MICRO_BATCH: Final = 256
_VIRTUAL: Final = (1, 2, 4)


class Shape(NamedTuple):
    """What one device computes: degrees of the dimensions that cut a layer, and samples of a micro-batch."""

    tensor: int
    context: int
    expert: int
    micro_batch: int


@dataclass(frozen=True)
class Meshes:
    """The meshes of one shape, as columns (n,)."""

    pipeline: np.ndarray
    virtual_stages: np.ndarray
    data: np.ndarray
    accumulation: np.ndarray
    devices: np.ndarray

    def __len__(self) -> int:
        return len(self.pipeline)


@functools.lru_cache(maxsize=4096)
def divisors(number: int) -> tuple[int, ...]:
    """All divisors, ascending.

    >>> divisors(12)
    (1, 2, 3, 4, 6, 12)
    """
    small = [one for one in range(1, int(number**0.5) + 1) if number % one == 0]
    return tuple(sorted({*small, *(number // one for one in small)}))


def stage_counts(layers: int) -> tuple[int, ...]:
    """Numbers of pipeline stages worth having: the least for each depth of the deepest stage.

    >>> stage_counts(12)  # 5 stages are as deep as 4 of them, 3 layers
    (1, 2, 3, 4, 6, 12)
    >>> stage_counts(10)
    (1, 2, 3, 4, 5, 10)
    """
    return tuple(sorted({-(-layers // depth) for depth in range(1, layers + 1)}))


def _layers(network: Transformer) -> int:
    return network.layers + network.state_space_layers + network.mlp_layers


def shapes(
    network: Transformer, tokens: int, batch: tuple[int, int], most_devices: int, most_tensor: int
) -> list[Shape]:
    """Every shape, in a fixed order: the plainest first."""
    low, high = batch
    experts = divisors(network.experts) if network.experts else (1,)
    found = []
    for tensor in divisors(network.heads):
        if tensor > min(most_tensor, most_devices):
            break
        context = 1
        while context == 1 or tokens // context >= LEAST_TOKENS:
            if tensor * context > most_devices or tokens % context:
                break
            for expert in experts:
                if tensor * expert > most_devices:
                    break
                size = 1
                while size <= min(high, _MOST_MICRO_BATCH):
                    if low < high or high % size == 0:
                        found.append(Shape(tensor, context, expert, size))
                    size *= 2
            context *= 2
    return found


def meshes(network: Transformer, shape: Shape, batch: tuple[int, int], most_devices: int) -> Meshes:
    """Every mesh of a shape, the fewest stages and the least data parallelism first."""
    low, high = batch
    layers = _layers(network)
    columns: list[np.ndarray] = []
    for pipeline in stage_counts(layers):
        most = most_devices // (shape.tensor * shape.context * pipeline)
        if most < 1:
            break
        data = np.arange(1, most + 1)
        accumulation = high // (shape.micro_batch * data)
        reached = accumulation * shape.micro_batch * data
        good = (accumulation >= 1) & (reached >= low) & (data * shape.context % shape.expert == 0)
        data, accumulation = data[good], accumulation[good]
        for virtual in _VIRTUAL:
            if virtual > 1 and (pipeline == 1 or layers % (pipeline * virtual)):
                continue
            # Interleaved schedules take micro-batches in rounds of p: what is left of the last round is given up.
            count = accumulation if virtual == 1 else accumulation - accumulation % pipeline
            rounds = (count >= 1) & (count * shape.micro_batch * data >= low)
            number = int(np.count_nonzero(rounds))
            columns.append(
                np.stack(
                    [
                        np.full(number, pipeline),
                        np.full(number, virtual),
                        data[rounds],
                        count[rounds],
                        data[rounds] * (shape.tensor * shape.context * pipeline),
                    ]
                )
            )
    table = np.concatenate(columns, axis=1) if columns else np.zeros((5, 0), dtype=np.int64)
    return Meshes(*table)
