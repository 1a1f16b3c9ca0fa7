"""What it takes to run a variant in a process of its own: memory, and the time to the first answer."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tradewind.domain.errors import CannotMeasure
from tradewind.lab.profiling.processes import child_command, child_path

if TYPE_CHECKING:
    from pathlib import Path

    from tradewind.domain.variant import Variant

__all__ = ["Footprint", "measure_footprint"]

TIMEOUT_S: Final = 300.0


@dataclass(frozen=True)
class Footprint:
    """Of a process that runs nothing but the variant."""

    peak_memory_bytes: float
    """Resident, after the largest batch."""
    load_s: float
    """From the start of the process to the first answer."""


def measure_footprint(variant: Variant, folder: Path, *, threads: int, largest_batch: int) -> Footprint:
    """The memory and the cold start of a variant, measured in a short child process.

    Errors: CannotMeasure when the child process ends without an answer, a crash of the engine included.
    """
    command = child_command(
        "tradewind.lab.profiling.child", str(folder.resolve()), str(threads), str(largest_batch)
    )
    begun = time.monotonic()
    try:
        done = subprocess.run(
            command,
            env=os.environ | child_path(),
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise CannotMeasure(
            f"{variant.name}: no answer within {TIMEOUT_S:.0f} s in a process of its own"
        ) from None
    if done.returncode < 0:
        name = signal.Signals(-done.returncode).name
        raise CannotMeasure(
            f"{variant.name}: its process was ended by {name}, of memory or of a fault in the engine"
        )
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise CannotMeasure(f"{variant.name}: cannot run in a process of its own: {last}")
    # CLOCK_MONOTONIC is the same for all processes of a machine.
    answer = json.loads(done.stdout.splitlines()[-1])
    return Footprint(answer["peak_memory_bytes"], answer["answered_at_s"] - begun)
