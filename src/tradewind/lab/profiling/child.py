"""The child process that loads a variant from nothing, so that its memory and start are its own."""

from __future__ import annotations

import json
import re
import sys
import time
from pathlib import Path
from typing import Final

from tradewind.domain.variant import Variant
from tradewind.files import nouns
from tradewind.lab.engines import load, read_golden

__all__ = ["main"]

CALLS: Final = 3
"""At the largest batch: the first allocates, later ones may still grow the arenas."""


def main(arguments: list[str]) -> None:
    """Loads the variant in a folder, answers, and prints what it took as one line of JSON.

    Arguments: the folder of the variant with its manifest.json, the threads, and the largest batch.
    """
    folder, threads, largest = Path(arguments[0]), int(arguments[1]), int(arguments[2])
    variant = nouns.read(folder / "manifest.json", Variant)
    session = load(folder, variant, threads=threads)
    inputs, _ = read_golden(folder, variant)
    session.run({name: array[:1] for name, array in inputs.items()})
    answered_at = time.monotonic()
    rows = len(next(iter(inputs.values())))
    batch = {name: array.repeat(-(-largest // rows), axis=0)[:largest] for name, array in inputs.items()}
    for _ in range(CALLS):
        session.run(batch)
    # Not getrusage: its maximum starts with that of the parent process, which may have been larger.
    status = Path("/proc/self/status").read_text()
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert found is not None
    print(json.dumps({"answered_at_s": answered_at, "peak_memory_bytes": int(found[1]) * 1024}))


if __name__ == "__main__":
    main(sys.argv[1:])
