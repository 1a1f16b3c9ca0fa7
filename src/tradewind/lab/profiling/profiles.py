"""Profiles: everything that is measured and counted of variants on this host."""

from __future__ import annotations

import datetime
import json
import time
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from tradewind.domain.profile import LatencyPoint, Profile
from tradewind.lab.engines import load
from tradewind.lab.profiling.counting import count_payload
from tradewind.lab.profiling.footprint import measure_footprint
from tradewind.lab.profiling.timing import batch_of, measure

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from tradewind.domain.host import Host
    from tradewind.domain.variant import Variant

__all__ = ["BATCHES", "profile", "profiles"]

BATCHES: Final = (1, 2, 4, 8, 16, 32, 64)
LONGEST_TIMING_S: Final = 20.0
"""Larger batches of a slow network are not timed beyond this."""
_CALLS_PER_BATCH: Final = 20
"""About five calls in each of four cells: two thread counts, and the twin that tells the noise."""
NOISE_QUANTILE: Final = 0.75
"""Of the differences between twins: a few cells may have been disturbed."""

DATATYPES: Final = {"bool": "BOOL", "float16": "FP16", "float32": "FP32", "float64": "FP64"}
"""Open Inference Protocol's names of NumPy's types, where they are not the upper-case name."""


def profile(
    variant: Variant,
    folder: Path,
    sample: Mapping[str, NDArray[Any]],
    host: Host,
    *,
    batches: Sequence[int] = BATCHES,
    threads: Sequence[int] = (),
    seconds: float = 8.0,
    seed: int = 0,
) -> Profile:
    """The measured work of one variant on this host.

    Args:
        variant: What to measure.
        folder: Where its payload lies.
        sample: Rows of inputs by name, such as those of the test split.
        host: This machine, as `probe` found it.
        batches: Batch sizes to time; of a slow network, those that can be timed in `LONGEST_TIMING_S`.
        threads: Thread counts to time; without any, one and all physical cores.
        seconds: About how long to time; counting and child processes come on top.
        seed: Of the order of the measurements.

    Errors: CannotMeasure when it cannot be loaded, run or counted here.
    """
    taken = _affordable(batches, _seconds_per_row(variant, folder, sample))
    return profiles(
        [(variant, folder)], sample, host, batches=taken, threads=threads, seconds=seconds, seed=seed
    )[0]


def _seconds_per_row(variant: Variant, folder: Path, sample: Mapping[str, NDArray[Any]]) -> float:
    row = batch_of(sample, 1)
    session = load(folder, variant, threads=1)
    try:
        session.run(row)
        begun = time.perf_counter()
        session.run(row)
        return time.perf_counter() - begun
    finally:
        session.close()


def _affordable(batches: Sequence[int], seconds_per_row: float) -> tuple[int, ...]:
    """The smallest batch, and larger ones while all calls of all cells fit into the time.

    >>> _affordable((1, 2, 4, 8, 16, 32, 64), 1e-4), _affordable((1, 2, 4, 8, 16, 32, 64), 0.014)
    ((1, 2, 4, 8, 16, 32, 64), (1, 2, 4, 8, 16, 32))
    """
    taken: list[int] = []
    needed_s = 0.0
    for batch in sorted(batches):
        needed_s += batch * seconds_per_row * _CALLS_PER_BATCH
        if taken and needed_s > LONGEST_TIMING_S:
            break
        taken.append(batch)
    return tuple(taken)


def profiles(
    subjects: Sequence[tuple[Variant, Path]],
    sample: Mapping[str, NDArray[Any]],
    host: Host,
    *,
    batches: Sequence[int] = BATCHES,
    threads: Sequence[int] = (),
    seconds: float = 8.0,
    seed: int = 0,
) -> list[Profile]:
    """The measured work of several variants, timed interleaved so that they can be compared.

    The first subject is timed twice, as two twins; their difference is the noise of the comparison.
    Arguments as in `profile`. Errors: CannotMeasure for the first subject that fails.
    """
    counts = sorted(set(threads or (1, host.physical_cores)))
    curves = measure(
        [*subjects, subjects[0]], sample, batches=batches, threads=counts, seconds=seconds, seed=seed
    )
    noise = _difference(curves[0], curves[-1])
    measured_at = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    row = batch_of(sample, 1)
    # Variants of a network answer the same tensors; that their digits differ is no reason to prefer one.
    response_bytes = _message_bytes("outputs", _answer(*subjects[0], row))
    found = []
    for (variant, folder), curve in zip(subjects, curves, strict=False):
        operators = count_payload(variant, folder)
        footprint = measure_footprint(variant, folder, threads=counts[-1], largest_batch=max(batches))
        found.append(
            Profile(
                variant=variant,
                host=host,
                operators=operators,
                curve=curve,
                weight_bytes=sum(operator.weight_bytes for operator in operators),
                peak_memory_bytes=footprint.peak_memory_bytes,
                load_s=footprint.load_s,
                request_bytes=_message_bytes("inputs", row),
                response_bytes=response_bytes,
                noise=noise,
                measured_at=measured_at,
            )
        )
    return found


def _difference(one: tuple[LatencyPoint, ...], other: tuple[LatencyPoint, ...]) -> float:
    """How far two measurements of the same thing differ, relative to the smaller.

    Only the points with the fewest threads count: where more threads than free cores spin for each other, the
    difference says how busy the machine is and not how well two variants can be told apart.
    """
    fewest = one[0].threads
    differences = [
        max(a.low_s, b.low_s) / min(a.low_s, b.low_s) - 1.0
        for a, b in zip(one, other, strict=True)
        if a.threads == fewest
    ]
    return float(np.quantile(differences, NOISE_QUANTILE))


def _answer(variant: Variant, folder: Path, row: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    session = load(folder, variant, threads=1)
    try:
        return session.run(row)
    finally:
        session.close()


def _message_bytes(key: str, tensors: Mapping[str, NDArray[Any]]) -> float:
    """The size of the body of a request (or response) of the Open Inference Protocol, in JSON."""
    body = {
        key: [
            {
                "name": name,
                "shape": list(array.shape),
                "datatype": DATATYPES.get(str(array.dtype), str(array.dtype).upper()),
                "data": array.ravel().tolist(),
            }
            for name, array in tensors.items()
        ]
    }
    return float(len(json.dumps(body, separators=(",", ":"))))
