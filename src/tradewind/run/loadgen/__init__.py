"""The load generator: how a server behaves under load, seen from outside.

In: the address of a server of the Open Inference Protocol, real rows, and a load. Out: an Observation.

`drive` is an open loop: requests arrive as a Poisson process whether or not earlier ones are answered, and
latency counts from the moment at which a request was due, so that a server that stalls cannot hide it.
`closed` is a closed loop: every connection sends its next request when the last one is answered, which
finds the highest rate and says little about latency.
"""

from __future__ import annotations

from tradewind.run.loadgen.apart import drive_apart
from tradewind.run.loadgen.closed_loop import closed
from tradewind.run.loadgen.open_loop import drive

__all__ = ["closed", "drive", "drive_apart"]
