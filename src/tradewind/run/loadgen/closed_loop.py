"""The closed loop: as many requests as the connections can carry, one at a time on each."""

from __future__ import annotations

import gc
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from tradewind.domain.errors import InputError
from tradewind.run.loadgen.connections import BROKEN, Pool, Waiting
from tradewind.run.loadgen.figures import Sample, observation_of
from tradewind.run.loadgen.target import find_target, requests_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from tradewind.domain.estimate import Observation
    from tradewind.domain.plan import Run

__all__ = ["closed"]

CHECK_EVERY_S: Final = 0.05


def closed(
    run_or_url: Run | str,
    *,
    model: str,
    rows: Mapping[str, NDArray[Any]],
    connections: int,
    seconds: float,
    seed: int,
    bound_s: float,
) -> Observation:
    """What the server does with `connections` clients that each wait for an answer before they ask again.

    `throughput_rps` is the rate; it is what `wrk` measures with as many connections. Latency here is from
    sending to answer, and is low when the server is slow to be asked again: for latency use `drive`.

    Errors: InputError for what cannot be sent, ResourceError when nothing answers there.
    """
    if connections < 1 or not seconds > 0.0 or not bound_s > 0.0:
        raise InputError(
            f"{connections} connections, {seconds} s, bound {bound_s} s; at least 1 and positive times are needed"
        )
    target = find_target(run_or_url, model)
    requests = requests_of(target, rows, seed)
    pool = Pool(target, connections)
    collecting = gc.isenabled()
    gc.disable()
    try:
        sample, window_s = _run(pool, requests, seconds)
    finally:
        if collecting:
            gc.enable()
        pool.close()
    return observation_of(sample, bound_s=bound_s, window_s=window_s, seed=seed)


def _run(pool: Pool, requests: list[bytes], seconds: float) -> tuple[Sample, float]:
    clock, receive, send, connections = time.perf_counter, pool.receive, pool.send, pool.by_descriptor
    status_of: list[int] = []
    latency_s: list[float] = []
    count, number = len(requests), 0
    started_at = datetime.now(UTC)
    begun_s = clock()
    end_s = begun_s + seconds
    for connection in connections.values():
        connection.due_s = begun_s
        send(connection, requests[number % count])
        number += 1
    now_s = begun_s
    while now_s < end_s and connections:
        for descriptor, _ in pool.epoll.poll(CHECK_EVERY_S):
            connection = connections[descriptor]
            status = receive(connection)
            if status is Waiting:
                continue
            if status == BROKEN or not connection.keeps:
                sent_s = connection.due_s
                pool.drop(connection)
                connection = pool.open()
                connection.due_s = sent_s
            # The next request first: what comes after it is time that the server could be working.
            send(connection, requests[number % count])
            number += 1
            now_s = clock()
            status_of.append(status)  # type: ignore[arg-type]
            latency_s.append(now_s - connection.due_s)
            connection.due_s = now_s
        now_s = clock()
    sample = Sample(
        started_at=started_at.isoformat(timespec="seconds"),
        latency_s=np.array(latency_s),
        status=np.array(status_of, dtype=np.int64),
        before=None,
        after=None,
    )
    return sample, now_s - begun_s
