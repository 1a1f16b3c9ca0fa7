"""A child process of the full probe: all-reduce among processes of this machine, or among its GPUs.

One process is started from outside, rank 0; it starts the others. They find each other by a file and talk over
loopback alone.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tradewind.domain.host import Reduction
from tradewind.lab.profiling.processes import child_command
from tradewind.lab.profiling.speed import limit, report

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["SIZES_BYTES", "main"]

SIZES_BYTES: Final = {
    "gloo": (2**16, 2**20, 2**23, 2**26),
    "nccl": (2**12, 2**16, 2**20, 2**24, 2**28),
}
RUNS: Final = 5
SHORTEST_S: Final = 0.1
"""Small arrays run until so much time is over."""


def main(arguments: list[str]) -> None:
    """Reports all-reduces. Arguments: the limit in seconds, gloo or nccl, members; and, inside, rank and file."""
    seconds, library, members = float(arguments[0]), arguments[1], int(arguments[2])
    limit(seconds)
    if len(arguments) == 5:
        for _ in _reductions(library, members, int(arguments[3]), arguments[4]):
            pass
        return
    with tempfile.TemporaryDirectory() as folder:
        meeting = str(Path(folder) / "meeting")
        command = child_command("tradewind.lab.profiling.bench_reductions", *arguments)
        others = [
            subprocess.Popen([*command, str(rank), meeting], stdout=subprocess.DEVNULL)
            for rank in range(1, members)
        ]
        try:
            for found in _reductions(library, members, 0, meeting):
                report(reduction=found)
        finally:
            for other in others:
                other.kill()
                other.wait()


def _reductions(library: Any, members: int, rank: int, meeting: str) -> Iterator[Reduction]:
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    import torch
    from torch import distributed

    on_gpu = library == "nccl"
    device = f"cuda:{rank}" if on_gpu else "cpu"
    if on_gpu:
        torch.cuda.set_device(rank)
    else:
        torch.set_num_threads(1)
    distributed.init_process_group(library, init_method=f"file://{meeting}", rank=rank, world_size=members)
    for size in SIZES_BYTES[library]:
        array = torch.zeros(size // 4, device=device)
        yield Reduction(
            library=library, members=members, bytes_each=size, seconds=_all_reduce_s(array, on_gpu=on_gpu)
        )
    distributed.destroy_process_group()


def _all_reduce_s(array: Any, *, on_gpu: bool) -> float:
    """The best of several. All members make the same number of runs: rank 0 says how many."""
    import time

    import torch
    from torch import distributed

    def run(times: int) -> float:
        distributed.barrier()
        begun = time.perf_counter()
        for _ in range(times):
            distributed.all_reduce(array)
        if on_gpu:
            torch.cuda.synchronize()
        return (time.perf_counter() - begun) / times

    run(2)
    count = torch.tensor([max(1, int(SHORTEST_S / RUNS / run(2)))], device=array.device)
    distributed.broadcast(count, 0)
    return min(run(int(count)) for _ in range(RUNS))


if __name__ == "__main__":
    main(sys.argv[1:])
