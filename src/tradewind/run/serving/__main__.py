"""The entry of the server's own process; people use `tradewind serve`."""

from __future__ import annotations

import argparse
import ctypes
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from tradewind.domain import codec
from tradewind.domain.errors import TradewindError
from tradewind.run.serving.process import Told
from tradewind.run.serving.server import serve

if TYPE_CHECKING:
    from tradewind.domain.plan import Run

PR_SET_PDEATHSIG: Final = 1
"""From <linux/prctl.h>."""


def main() -> int:
    """Serves as the arguments say. Returns the exit status: 0 drained, 2 the input cannot be served."""
    parser = argparse.ArgumentParser(prog="python -m tradewind.run.serving", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--max-batch", type=int, required=True)
    parser.add_argument("--latency-s", type=float, required=True)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--parent", type=int, default=0, help="the process with which this one ends")
    parser.add_argument(
        "--status", type=int, default=1, help="the descriptor on which to say that it is ready"
    )
    options = parser.parse_args()
    if options.parent:
        _end_with(options.parent)

    def tell(told: Told) -> None:
        with os.fdopen(options.status, "wb") as status:
            status.write(msgspec.json.encode(told))

    def ready(run: Run) -> None:
        print(f"ready: {run.endpoint}/v2/models/{run.model}", file=sys.stderr, flush=True)
        tell(Told(run=codec.encode(run).decode()))

    try:
        serve(
            options.folder,
            model=options.model,
            threads=options.threads,
            max_batch=options.max_batch,
            latency_s=options.latency_s,
            host=options.host,
            port=options.port,
            on_ready=ready,
        )
    except TradewindError as error:
        print(f"error: {error}", file=sys.stderr, flush=True)
        tell(Told(error=str(error), kind=type(error).__name__))
        return 2
    print("drained", file=sys.stderr, flush=True)
    return 0


def _end_with(parent: int) -> None:
    """Makes the kernel send SIGTERM, which drains, when the thread that started this process ends."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        # It ended before the call.
        sys.exit(0)


if __name__ == "__main__":
    sys.exit(main())
