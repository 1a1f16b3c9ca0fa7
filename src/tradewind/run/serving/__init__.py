"""The inference server: a variant behind the Open Inference Protocol v2 over HTTP.

In: the folder of a variant, a bound on the latency, and how many threads and rows it may use. Out: a `Run`
that answers, measures itself (`/metrics`) and drains before it ends. Rules about what is accepted and
what runs together are `decide.control.batching`'s; this room brings sockets, threads and the clock.
"""

from __future__ import annotations

from tradewind.domain.errors import MissingExtra

try:
    from tradewind.run.serving.process import start, stop
    from tradewind.run.serving.server import serve
except ModuleNotFoundError as missing:
    if missing.name not in ("httptools", "uvloop"):
        raise
    raise MissingExtra(missing.name, extra="serve") from None

__all__ = ["serve", "start", "stop"]
