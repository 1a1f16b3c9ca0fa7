"""A child process of the full probe: how fast memory is read and copied, from the caches outwards."""

from __future__ import annotations

import sys
import threading
import time
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from tradewind.domain.host import Stream
from tradewind.lab.profiling.speed import best_s, limit, report

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

__all__ = ["SIZES_BYTES", "main", "streams"]

SIZES_BYTES: Final = (2**18, 2**20, 2**22, 2**24, 2**26, 2**29)
"""Of the arrays in use together: 256 KiB, in the second cache of a core, to 512 MiB, beyond what cores share."""
LEAST_BYTES_PER_CORE: Final = 2**20
"""Less is over before the threads of the other cores have begun."""
EACH_S: Final = 0.12
ROUNDS: Final = 3
"""Of all cores, so that one that is disturbed is not the last word."""


def main(arguments: list[str]) -> None:
    """Reports streams of one core and of all. Arguments: the limit in seconds, cores, bytes of memory."""
    seconds, cores, memory_bytes = float(arguments[0]), int(arguments[1]), int(arguments[2])
    limit(seconds)
    for count in sorted({1, cores}):
        for stream in streams(count, memory_bytes // 4):
            report(stream=stream)


def streams(cores: int, most_bytes: int, *, each_s: float = EACH_S) -> Iterator[Stream]:
    """Reads and copies by so many cores at the same time, smallest first."""
    for size in SIZES_BYTES:
        if size > most_bytes or (cores > 1 and size < cores * LEAST_BYTES_PER_CORE):
            continue
        words = size // 8 // cores
        # Each core has its own array, so that the system may keep it in the core's own memory.
        arrays = [np.ones(words) for _ in range(cores)]
        # A dot product of an array with itself reads it once, and BLAS does so at the speed of the memory.
        reading = _together(lambda array: np.dot(array, array), arrays, each_s)
        yield Stream(what="read", cores=cores, bytes_in_use=size, bytes_per_s=size / reading)
        copying = _together(_copy_half, arrays, each_s)
        yield Stream(what="copy", cores=cores, bytes_in_use=size, bytes_per_s=size / copying)


def _copy_half(array: NDArray[Any]) -> None:
    half = len(array) // 2
    np.copyto(array[:half], array[half : 2 * half])


def _together(work: Callable[[NDArray[Any]], Any], arrays: list[NDArray[Any]], seconds: float) -> float:
    """Seconds of one run while all arrays are worked on at the same time, each by its own thread; the best of several.

    Several cores are as fast as their rates together while all are busy: NumPy and BLAS release the GIL.
    """
    if len(arrays) == 1:
        return best_s(lambda: work(arrays[0]), seconds)
    ready = threading.Barrier(len(arrays))
    rates = np.zeros((len(arrays), ROUNDS))

    def one(place: int) -> None:
        work(arrays[place])
        for turn in range(ROUNDS):
            ready.wait()
            runs, begun = 0, time.perf_counter()
            while runs == 0 or time.perf_counter() - begun < seconds / ROUNDS:
                work(arrays[place])
                runs += 1
            rates[place, turn] = runs / (time.perf_counter() - begun)

    threads = [threading.Thread(target=one, args=(place,)) for place in range(len(arrays))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return len(arrays) / float(rates.sum(axis=0).max())


if __name__ == "__main__":
    main(sys.argv[1:])
