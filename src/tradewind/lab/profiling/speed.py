"""The child process of the probe: measures matrix multiplication on one core, and copying on all."""

from __future__ import annotations

import itertools
import json
import sys
import threading
import time
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["copy_bytes_per_s", "gemm_flops_per_s", "main"]

GEMM_SIZE: Final = 512
"""Three matrices of 1 MiB: in the second or third cache of a core, as the layers of small networks are."""
GEMM_S: Final = 0.5
"""Long enough that some of the runs are undisturbed."""
COPY_BYTES: Final = 128 * 2**20
"""Larger than the caches of the machines on offer share per core."""
COPY_S: Final = 0.6


def main(arguments: list[str]) -> None:
    """Prints the speeds as one line of JSON; the argument is the number of cores."""
    cores = int(arguments[0])
    print(json.dumps({"gemm_flops_per_s": gemm_flops_per_s(), "copy_bytes_per_s": copy_bytes_per_s(cores)}))


def gemm_flops_per_s() -> float:
    """The best fp32 matrix multiplication of several, with the threads that BLAS was started with."""
    generator = np.random.default_rng(0)
    a = generator.standard_normal((GEMM_SIZE, GEMM_SIZE), dtype=np.float32)
    b = generator.standard_normal((GEMM_SIZE, GEMM_SIZE), dtype=np.float32)
    out = np.empty_like(a)
    return 2.0 * GEMM_SIZE**3 / _best_s(lambda: np.matmul(a, b, out=out), GEMM_S)


def copy_bytes_per_s(cores: int) -> float:
    """Bytes read plus bytes written per second while all cores copy, best of several."""
    source = np.ones(COPY_BYTES // 8)
    target = np.zeros_like(source)
    bounds = np.linspace(0, len(source), cores + 1).astype(int)

    def copy_all() -> None:
        # NumPy releases the GIL while it copies.
        workers = [
            threading.Thread(target=np.copyto, args=(target[low:high], source[low:high]))
            for low, high in itertools.pairwise(bounds[1:])
        ]
        for worker in workers:
            worker.start()
        np.copyto(target[: bounds[1]], source[: bounds[1]])
        for worker in workers:
            worker.join()

    return 2.0 * source.nbytes / _best_s(copy_all, COPY_S)


def _best_s(work: Callable[[], object], seconds: float) -> float:
    work()
    best, end = float("inf"), time.perf_counter() + seconds
    while time.perf_counter() < end:
        begun = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - begun)
    return best


if __name__ == "__main__":
    main(sys.argv[1:])
