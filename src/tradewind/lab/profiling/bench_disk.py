"""A child process of the full probe: how fast a folder's disk takes and gives data, from end to end.

The file has no name, so that nothing is left of it whatever ends this process.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from tradewind.lab.profiling.speed import limit, report

__all__ = ["disk_speeds", "main"]

MOST_BYTES: Final = 2**29
"""Beyond the cache of a solid-state disk's controller; and never more than a tenth of what is free."""
BLOCK_BYTES: Final = 2**22
EACH_S: Final = 3.0
"""A slow disk gets less to write."""


def main(arguments: list[str]) -> None:
    """Reports the speeds. Arguments: the limit in seconds, the folder."""
    limit(float(arguments[0]))
    write, read = disk_speeds(Path(arguments[1]))
    report(disk_write_bytes_per_s=write, disk_read_bytes_per_s=read)


def disk_speeds(
    folder: Path, *, most_bytes: int = MOST_BYTES, seconds: float = EACH_S
) -> tuple[float, float]:
    """Bytes per second written, until they are safe, and read again after the system was asked to forget them.

    Errors: OSError where the folder cannot be written or is full.
    """
    blocks = min(most_bytes, shutil.disk_usage(folder).free // 10) // BLOCK_BYTES
    if blocks < 1:
        raise OSError(f"{folder}: less than {10 * BLOCK_BYTES // 2**20} MiB free")
    # Random bytes: some disks compress.
    block = os.urandom(BLOCK_BYTES)
    with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
        begun, written = time.perf_counter(), 0
        while written < blocks and time.perf_counter() - begun < seconds:
            file.write(block)
            written += 1
            # What waits in memory at the end would make the last write endless on a slow disk.
            if written % 16 == 0:
                os.fdatasync(file.fileno())
        os.fsync(file.fileno())
        write = written * BLOCK_BYTES / (time.perf_counter() - begun)
        if hasattr(os, "posix_fadvise"):
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        file.seek(0)
        buffer = bytearray(BLOCK_BYTES)
        begun, got = time.perf_counter(), 0
        while time.perf_counter() - begun < seconds and (count := file.readinto(buffer)):
            got += count
        return write, got / (time.perf_counter() - begun)


if __name__ == "__main__":
    main(sys.argv[1:])
