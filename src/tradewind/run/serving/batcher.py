"""The engine's side of the server: queues requests, runs batches, and hands the answers back.

The rules are those of `BatchQueue`; here are the lock, the thread and the clock. Two ways to run a batch:

- *inline*, on the thread of the event loop, when the call takes less than twice the time of handing the
  batch to another thread and back. Twice, because the handing over keeps two threads busy: up to there it
  costs more than it could save by overlapping with other work. Both are measured before the server is
  ready, under the same conditions; what is learned later depends on the choice and cannot guide it.
- on the *worker* thread otherwise. The engines release the GIL, so requests are read and refused in the
  meantime. A worker that finishes takes its next batch itself; it never waits for the event loop.
"""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from tradewind.decide.control.batching import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from tradewind.decide.control.batching import Batch, BatchQueue, Ticket
    from tradewind.lab.engines import Session
    from tradewind.run.serving.http import Exchange, Turns
    from tradewind.run.serving.metrics import Metrics

__all__ = ["Batcher", "Failed", "Outputs"]

HANDOVERS: Final = 40
HANDOVER_REST_S: Final = 0.001
"""Between rounds, so that the worker sleeps as it does when a request comes to an idle server."""

Outputs = dict[str, "NDArray[Any]"]


class Failed:
    """A network that could not compute an input, and its own words."""

    __slots__ = ("reason",)

    def __init__(self, reason: str) -> None:
        self.reason = reason


class Batcher:
    """Runs the requests that it accepts in batches on one engine."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        session: Session,
        waiting: BatchQueue[Exchange],
        metrics: Metrics,
        deliver: Callable[[Sequence[Exchange], Outputs | Failed], None],
        give_up: Callable[[Exchange], None],
        turns: Turns,
        crashed: Callable[[BaseException], None],
    ) -> None:
        """`deliver` and `give_up` are called on the event loop, `crashed` by the thread that crashed."""
        self._loop = loop
        self._session = session
        self._waiting = waiting
        self._metrics = metrics
        self._deliver = deliver
        self._give_up = give_up
        self._turns = turns
        self._crashed = crashed
        self._lock = threading.Lock()
        self._inbox: queue.SimpleQueue[Batch[Exchange] | asyncio.Future[None] | None] = queue.SimpleQueue()
        self._scheduled = False
        self.inline_below_s = 0.0
        """Calls that were measured to be shorter run on the event loop's own thread."""
        self._worker = threading.Thread(target=self._work, name="engine", daemon=True)
        self._worker.start()

    def submit(self, exchange: Exchange, deadline_s: float) -> Refusal | None:
        """Accepts the request (None), to be delivered after `dispatch`; or refuses it now."""
        inference = exchange.inference
        with self._lock:
            outcome = self._waiting.admit(
                time.monotonic(),
                exchange,
                rows=inference.rows,
                group=inference.group,
                weight=inference.weight,
                deadline_s=deadline_s,
            )
        return outcome if isinstance(outcome, Refusal) else None

    def hopeless(self, deadline_s: float) -> bool:
        """Whether any request with this deadline would be refused."""
        with self._lock:
            return self._waiting.hopeless(time.monotonic(), deadline_s)

    def dispatch(self) -> None:
        """Starts a batch if the engine is free; called on the event loop after some requests were submitted."""
        self._scheduled = False
        with self._lock:
            if self._waiting.busy:
                return
            batch, given_up = self._waiting.take(time.monotonic())
        for ticket in given_up:
            self._give_up(ticket.payload)
        if batch is None:
            return
        if batch.calibrated_s > self.inline_below_s:
            self._inbox.put(batch)
            return
        begun_cpu_s = time.thread_time()
        batch.started_s = time.monotonic()
        results = self._run(batch)
        ended_s = time.monotonic()
        self._metrics.inline_cpu_s += time.thread_time() - begun_cpu_s
        with self._lock:
            self._waiting.finish(batch, ended_s)
            more = len(self._waiting) > 0
        if more and not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self.dispatch)
        self._metrics.inline_batches += 1
        self._finished(batch, results, ended_s - batch.started_s)

    async def measure_handover(self) -> None:
        """Sets `inline_below_s` to twice what it takes to wake the resting worker and to hear from it."""
        rounds: list[float] = []
        for _ in range(HANDOVERS):
            await asyncio.sleep(HANDOVER_REST_S)
            heard = self._loop.create_future()
            begun_s = time.monotonic()
            self._inbox.put(heard)
            await heard
            rounds.append(time.monotonic() - begun_s)
        self.inline_below_s = 2.0 * sorted(rounds)[HANDOVERS // 2]

    def close(self) -> None:
        """Ends the worker when all accepted requests have been delivered."""
        self._inbox.put(None)
        self._worker.join()
        self._session.close()

    def _work(self) -> None:
        """The worker: runs what it is given, and then what waits."""
        try:
            while (item := self._inbox.get()) is not None:
                if isinstance(item, asyncio.Future):
                    self._loop.call_soon_threadsafe(item.set_result, None)
                    continue
                batch: Batch[Exchange] | None = item
                while batch is not None:
                    batch.started_s = time.monotonic()
                    results = self._run(batch)
                    ended_s = time.monotonic()
                    with self._lock:
                        self._waiting.finish(batch, ended_s)
                        following, given_up = self._waiting.take(ended_s)
                    taken_s = ended_s - batch.started_s
                    self._loop.call_soon_threadsafe(self._deliver_worked, batch, results, taken_s, given_up)
                    batch = following
        except BaseException as error:
            # The edge of the thread: without it the server would accept and never answer.
            self._crashed(error)

    def _deliver_worked(
        self,
        batch: Batch[Exchange],
        results: Sequence[Outputs | Failed],
        taken_s: float,
        given_up: Sequence[Ticket[Exchange]],
    ) -> None:
        for ticket in given_up:
            self._give_up(ticket.payload)
        self._finished(batch, results, taken_s)

    def _finished(self, batch: Batch[Exchange], results: Sequence[Outputs | Failed], taken_s: float) -> None:
        metrics = self._metrics
        metrics.engine_busy_s += taken_s
        metrics.rows += batch.rows
        metrics.batches[batch.release] += 1
        metrics.batch_rows.observe(batch.rows)
        exchanges = [ticket.payload for ticket in batch.tickets]
        if len(results) == 1:
            self._deliver(exchanges, results[0])
        else:
            for exchange, result in zip(exchanges, results, strict=True):
                self._deliver((exchange,), result)
        with self._lock:
            self._waiting.answered(batch, time.monotonic())
        self._turns.worked()

    def _run(self, batch: Batch[Exchange]) -> Sequence[Outputs | Failed]:
        """One result for all of the batch; or, if the network refuses it, one for each ticket.

        One input that the network cannot compute must not take the others of its batch down with it.
        """
        parts = [ticket.payload.inference.inputs for ticket in batch.tickets]
        together = self._call(_join(parts), batch.rows)
        if isinstance(together, Failed) and len(parts) > 1:
            return [self._call(ticket.payload.inference.inputs, ticket.rows) for ticket in batch.tickets]
        return (together,)

    def _call(self, inputs: dict[str, NDArray[Any]], rows: int) -> Outputs | Failed:
        try:
            outputs = self._session.run(inputs)
        except Exception as error:
            # An engine may raise anything for an input; it answers for this input alone.
            return Failed(" ".join(str(error).split())[:300] or type(error).__name__)
        for name, array in outputs.items():
            if array.shape[:1] != (rows,):
                # Cutting it into the rows of the requests would give each the answer of another.
                return Failed(f"output {name!r} has the shape {list(array.shape)} for {rows} rows")
        return outputs


def _join(parts: Sequence[dict[str, NDArray[Any]]]) -> dict[str, NDArray[Any]]:
    if len(parts) == 1:
        return parts[0]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
