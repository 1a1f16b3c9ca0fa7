"""Replicas for a load: by queueing, not by averages."""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from tradewind.decide.prediction.queueing import tabulate

__all__ = ["MOST_INSTANCES", "capacity", "instances_with_spares", "replicas_per_instance"]

MOST_INSTANCES: Final = 1_000_000
"""A plan with more machines than this is no plan."""


def capacity(service_s: np.ndarray, bound_s: float, level: float, *, jitter_s: float = 0.0) -> float:
    """The largest rate in requests per second at which a latency percentile of one replica stays in bound.

    `service_s[b - 1]` is the time of a batch of b. Batches whose throughput a smaller one reaches are
    never formed. 0 when even an idle replica misses the bound; a looser bound never lowers it.

    >>> import numpy as np
    >>> strict, loose = (capacity(np.array([1e-3, 1.2e-3]), s, 0.99) for s in (3e-3, 10e-3))
    >>> 0.0 < strict < loose < 2 / 1.2e-3
    True
    >>> capacity(np.array([1e-3]), 0.5e-3, 0.99)
    0.0
    """
    sizes = 1 + np.arange(len(service_s))
    best = 0.0
    throughput = sizes / np.maximum.accumulate(service_s)
    for size in sizes[throughput > np.append(0.0, np.maximum.accumulate(throughput)[:-1])]:
        best = max(best, tabulate(service_s[:size]).capacity_rps(bound_s, level, jitter_s=jitter_s))
    return best


def replicas_per_instance(
    *,
    cores: np.ndarray,
    memory_bytes: np.ndarray,
    threads: np.ndarray,
    replica_bytes: np.ndarray,
    operating_system_bytes: float,
) -> np.ndarray:
    """Server processes that fit a machine, by cores and by memory; 0 when none does. Broadcasts.

    >>> import numpy as np
    >>> fits = replicas_per_instance(cores=np.array([8]), memory_bytes=np.array([4e9]), threads=np.array([2]),
    ...                              replica_bytes=np.array([1e9]), operating_system_bytes=0.5e9)
    >>> fits.tolist()
    [3]
    """
    by_cores = cores // threads
    by_memory = np.floor(np.maximum(memory_bytes - operating_system_bytes, 0.0) / replica_bytes)
    return np.asarray(np.minimum(by_cores, by_memory).astype(np.int64))


def instances_with_spares(
    needed: int, *, interruptions_per_hour: float, replacement_s: float, availability: float
) -> int:
    """Machines to rent so that `needed` of them are up in a share `availability` of the time.

    Each is away for `replacement_s` whenever it is interrupted, independently of the others. Never falls
    when `needed` rises. Clouds take machines of one kind away in bursts, so the share is what independence
    gives, no promise.

    >>> instances_with_spares(1, interruptions_per_hour=0.01, replacement_s=300.0, availability=0.9999)
    2
    >>> instances_with_spares(1, interruptions_per_hour=0.0, replacement_s=300.0, availability=0.9999)
    1
    """
    away = interruptions_per_hour * replacement_s / 3600.0
    away /= 1.0 + away
    if needed <= 0 or away <= 0.0:
        return needed
    total = max(needed, int(needed / (1.0 - away)))  # on average as many up as needed: never too many
    while _share_up(total, needed, away) < availability and total < 2 * needed + 1000:
        total += 1
    return total


def _share_up(total: int, needed: int, away: float) -> float:
    """The probability that at most `total - needed` of `total` machines are away."""
    log_probability = total * math.log1p(-away)
    odds = math.log(away) - math.log1p(-away)
    share = 0.0
    for missing in range(total - needed + 1):
        share += math.exp(log_probability)
        log_probability += math.log(total - missing) - math.log(missing + 1) + odds
    return share
