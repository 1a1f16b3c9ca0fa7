"""How much one machine carries, and how many are needed.

In: what one call costs (prediction), a latency bound, a load, how often machines are taken away. Out: the
largest rate that keeps the bound, and numbers of replicas and machines.
"""

from __future__ import annotations

from tradewind.decide.control.sizing import capacity, instances_with_spares, replicas_per_instance

__all__ = ["capacity", "instances_with_spares", "replicas_per_instance"]
