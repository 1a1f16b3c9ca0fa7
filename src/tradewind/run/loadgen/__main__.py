"""The entry of the load generator's own process; people use `tradewind bench`."""

from __future__ import annotations

import io
import sys

import msgspec
import numpy as np

from tradewind.domain import codec
from tradewind.domain.errors import TradewindError
from tradewind.run.loadgen.apart import Job, Outcome
from tradewind.run.loadgen.open_loop import drive


def main() -> int:
    """Reads a job and its rows, does it, and writes the outcome."""
    head, _, packed = sys.stdin.buffer.read().partition(b"\n")
    job = msgspec.json.decode(head, type=Job)
    with np.load(io.BytesIO(packed), allow_pickle=False) as stored:
        rows = {name: stored[f"array_{place}"] for place, name in enumerate(job.names)}
    try:
        observation = drive(
            job.url,
            model=job.model,
            rows=rows,
            rate_rps=job.rate_rps,
            seconds=job.seconds,
            warmup_s=job.warmup_s,
            connections=job.connections,
            seed=job.seed,
            bound_s=job.bound_s,
        )
        outcome = Outcome(observation=codec.encode(observation).decode())
    except TradewindError as error:
        outcome = Outcome(error=str(error), kind=type(error).__name__)
    sys.stdout.buffer.write(msgspec.json.encode(outcome))
    return 0


if __name__ == "__main__":
    sys.exit(main())
