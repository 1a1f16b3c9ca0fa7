"""The quick child process of the probe: matrix multiplication on one core, and copying on all.

Also what the children of the full probe share: how to take the best of many runs, and how to report.
"""

from __future__ import annotations

import itertools
import json
import signal
import sys
import threading
import time
from typing import TYPE_CHECKING, Final

import msgspec
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["best_s", "copy_bytes_per_s", "gemm_flops_per_s", "limit", "main", "report"]

GEMM_SIZE: Final = 512
"""Three matrices of 1 MiB: in the second or third cache of a core, as the layers of small networks are."""
GEMM_S: Final = 0.5
"""Long enough that some of the runs are undisturbed."""
COPY_BYTES: Final = 128 * 2**20
"""Larger than the caches of the machines on offer share per core."""
COPY_S: Final = 0.6
BURST_S: Final = 0.005
"""Runs that are shorter are timed together: long against the clock's own cost, and against waiting for a GPU."""


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
    return 2.0 * GEMM_SIZE**3 / best_s(lambda: np.matmul(a, b, out=out), GEMM_S)


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

    return 2.0 * source.nbytes / best_s(copy_all, COPY_S)


def best_s(work: Callable[[], object], seconds: float, settle: Callable[[], object] = lambda: None) -> float:
    """The shortest time of one run of `work` among those within `seconds`, after one that is not counted.

    `settle` waits until what `work` started is done (a GPU's queue). Short runs are timed in bursts.
    """
    work()
    settle()
    best, runs, end = float("inf"), 1, time.perf_counter() + seconds
    while time.perf_counter() < end:
        begun = time.perf_counter()
        for _ in range(runs):
            work()
        settle()
        taken = time.perf_counter() - begun
        best = min(best, taken / runs)
        if taken < BURST_S:
            runs = min(10 * runs, int(runs * BURST_S / max(taken, 1e-7)) + 1)
    return best


def limit(seconds: float) -> None:
    """This process ends after so long at the latest, also when nobody is left to end it."""
    signal.setitimer(signal.ITIMER_REAL, seconds)


def report(**found: object) -> None:
    """Facts for the process that started this one, at once: what comes later may not come."""
    sys.stdout.write(msgspec.json.encode(found).decode() + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
