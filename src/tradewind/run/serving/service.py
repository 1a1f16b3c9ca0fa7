"""The paths of the Open Inference Protocol and what each answers."""

from __future__ import annotations

import os
import time
import traceback
from collections import deque
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote_to_bytes

import msgspec

from tradewind.run.serving.batcher import Failed
from tradewind.run.serving.http import INTERNAL
from tradewind.run.serving.metrics import cpu_s, memory_bytes, render
from tradewind.run.serving.tensors import Malformed

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Iterable, Sequence

    from tradewind.decide.control.batching import BatchQueue
    from tradewind.run.serving.batcher import Batcher, Outputs
    from tradewind.run.serving.http import Exchange
    from tradewind.run.serving.metrics import Metrics, Sample
    from tradewind.run.serving.tensors import Codec

__all__ = ["Service"]

EXTENSIONS: Final = ["binary_tensor_data", "schedule_policy"]
RETRY_AFTER: Final = b"Retry-After: 1\r\n"
"""The shortest that HTTP can say; the queue is far shorter than this second."""
SLICE_S: Final = 0.001
"""How long requests are admitted before the event loop may write answers and read again: otherwise, when
hundreds arrive at once, the answers that are ready would wait for all of them."""
SLICE_STEP: Final = 8
"""Requests between two looks at the clock."""
PROMETHEUS: Final = b"text/plain; version=0.0.4; charset=utf-8"


class Service:
    """Answers requests for one model. A `Handler` of connections."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        codec: Codec,
        waiting: BatchQueue[Exchange],
        metrics: Metrics,
        *,
        latency_s: float,
        threads: int,
        version: str,
    ) -> None:
        self.draining = False
        self.answers: dict[int, int] = {}
        self.max_body_bytes = codec.max_body_bytes
        self.batcher: Batcher
        """Set before the first connection; it calls back into this object."""
        self._loop = loop
        self._codec = codec
        self._arrived: deque[Exchange] = deque()
        self._scheduled = False
        self._waiting = waiting
        self._metrics = metrics
        self._latency_s = latency_s
        self._threads = threads
        self._begun_s = time.monotonic()
        self._overloaded = f"refused: what waits already takes longer than the deadline of {latency_s * 1e3:.3g} ms; try again later"
        server = {"name": "tradewind", "version": version, "extensions": EXTENSIONS}
        self._server_metadata = msgspec.json.encode(server)
        self._model_metadata = codec.metadata()
        self._routes: dict[bytes, tuple[bytes, Callable[[Exchange], None]]] = {
            b"/v2": (b"GET", self._show_server),
            b"/v2/": (b"GET", self._show_server),
            b"/v2/health/live": (b"GET", self._show_live),
            b"/v2/health/ready": (b"GET", self._show_ready),
            b"/metrics": (b"GET", self._show_metrics),
        }
        model = f"/v2/models/{codec.model}".encode()
        for base in (model, model + b"/versions/1"):
            self._routes[base] = (b"GET", self._show_model)
            self._routes[base + b"/ready"] = (b"GET", self._show_ready)
            self._routes[base + b"/infer"] = (b"POST", self._infer)

    def handle(self, exchange: Exchange) -> None:
        """Answers an exchange, or sees to it that it will be answered."""
        route = self._routes.get(exchange.path)
        if route is None:
            path = _plain_path(exchange.path)
            route = self._routes.get(path)
            if route is None:
                exchange.fail(404, self._unknown(path))
                return
        method, answer = route
        if exchange.method != method:
            exchange.fail(405, f"{_shown(exchange.path)} takes {method.decode()}", b"Allow: %b\r\n" % method)
            return
        answer(exchange)

    def deliver(self, exchanges: Sequence[Exchange], outputs: Outputs | Failed) -> None:
        """Answers requests that ran together."""
        metrics = self._metrics
        metrics.in_flight -= len(exchanges)
        if isinstance(outputs, Failed):
            for exchange in exchanges:
                exchange.fail(400, f"{self._codec.model} cannot compute this input: {outputs.reason}")
            return
        try:
            replies = list(self._codec.write([exchange.inference for exchange in exchanges], outputs))
        except Exception:
            # The edge of the process: a bug costs these requests, and is seen.
            traceback.print_exc()
            for exchange in exchanges:
                exchange.fail(500, INTERNAL)
            return
        now_s = time.monotonic()
        for exchange, reply in zip(exchanges, replies, strict=True):
            if isinstance(reply, Malformed):
                exchange.fail(400, str(reply))
            elif reply.json_length is None:
                exchange.reply(200, reply.body)
            else:
                length = b"Inference-Header-Content-Length: %d\r\n" % reply.json_length
                exchange.reply(200, reply.body, b"application/octet-stream", length)
            metrics.latency.observe(now_s - exchange.arrived_s)

    def give_up(self, exchange: Exchange) -> None:
        """Answers a request that was accepted and cannot keep its deadline any more."""
        self._metrics.in_flight -= 1
        self._metrics.refused["given_up"] += 1
        exchange.fail(503, "given up: the deadline cannot be met any more; try again later", RETRY_AFTER)

    def _infer(self, exchange: Exchange) -> None:
        self._arrived.append(exchange)
        if not self._scheduled:
            # Not now: what else arrives in this turn of the event loop belongs to the same batch.
            self._scheduled = True
            self._loop.call_soon(self._admit_some)

    def _admit_some(self) -> None:
        """Admits what has arrived, for a short while, and lets the engine begin."""
        arrived = self._arrived
        until_s = time.monotonic() + SLICE_S
        while arrived:
            for _ in range(min(SLICE_STEP, len(arrived))):
                exchange = arrived.popleft()
                try:
                    self._admit(exchange)
                except Exception:
                    # The edge of the process: a bug costs one request, and is seen.
                    traceback.print_exc()
                    exchange.fail(500, INTERNAL)
            if time.monotonic() > until_s:
                break
        self.batcher.dispatch()
        self._scheduled = bool(arrived)
        if arrived:
            self._loop.call_soon(self._admit_some)

    def _admit(self, exchange: Exchange) -> None:
        deadline_s = exchange.arrived_s + self._latency_s
        if b'"timeout"' not in exchange.body and self.batcher.hopeless(deadline_s):
            self._metrics.refused["deadline"] += 1
            exchange.fail(503, self._overloaded, RETRY_AFTER)
            return
        try:
            inference = self._codec.read(exchange.body, exchange.json_length)
        except Malformed as error:
            exchange.fail(400, str(error))
            return
        exchange.body = b""
        exchange.inference = inference
        allowed_s = self._latency_s if inference.timeout_s is None else inference.timeout_s
        refusal = self.batcher.submit(exchange, exchange.arrived_s + allowed_s)
        if refusal is None:
            self._metrics.in_flight += 1
            return
        self._metrics.refused["displaces" if refusal.displaces else "deadline"] += 1
        predicted_s = refusal.predicted_s - exchange.arrived_s
        why = (
            "it would make accepted requests late" if refusal.displaces else "that is too close to or over it"
        )
        exchange.fail(
            503,
            f"refused: the answer is predicted after {predicted_s * 1e3:.3g} ms, the deadline is after "
            f"{allowed_s * 1e3:.3g} ms; {why}. Try again later",
            RETRY_AFTER,
        )

    def _show_live(self, exchange: Exchange) -> None:
        exchange.reply(200, b'{"live":true}')

    def _show_ready(self, exchange: Exchange) -> None:
        if self.draining:
            exchange.reply(503, b'{"ready":false,"error":"the server is draining"}', extra=RETRY_AFTER)
        else:
            exchange.reply(200, b'{"ready":true}')

    def _show_server(self, exchange: Exchange) -> None:
        exchange.reply(200, self._server_metadata)

    def _show_model(self, exchange: Exchange) -> None:
        exchange.reply(200, self._model_metadata)

    def _show_metrics(self, exchange: Exchange) -> None:
        exchange.reply(200, render(self._families()), PROMETHEUS)

    def _families(self) -> Iterable[tuple[str, str, str, Iterable[Sample]]]:
        metrics, waiting = self._metrics, self._waiting

        def by(label: str, counts: dict[Any, int]) -> list[Sample]:
            return [("", {label: str(key)}, count) for key, count in sorted(counts.items())]

        def one(value: float) -> list[Sample]:
            return [("", {}, value)]

        # The thread that renders is the event loop's.
        front_s = time.thread_time() - metrics.inline_cpu_s
        yield "tradewind_answers_total", "counter", "Answers by HTTP status.", by("code", self.answers)
        yield (
            "tradewind_refusals_total",
            "counter",
            "Refused requests by reason.",
            by("reason", metrics.refused),
        )
        yield (
            "tradewind_request_seconds",
            "histogram",
            "From the arrival of an accepted request to its answer.",
            metrics.latency.samples(),
        )
        yield "tradewind_batch_rows", "histogram", "Rows of the batches.", metrics.batch_rows.samples()
        yield (
            "tradewind_batches_total",
            "counter",
            "Batches by why they were no larger.",
            by("release", metrics.batches),
        )
        yield (
            "tradewind_inline_batches_total",
            "counter",
            "Batches run on the event loop.",
            one(metrics.inline_batches),
        )
        yield "tradewind_rows_total", "counter", "Rows computed.", one(metrics.rows)
        yield "tradewind_in_flight", "gauge", "Accepted requests without an answer.", one(metrics.in_flight)
        yield "tradewind_waiting_rows", "gauge", "Rows that wait for the engine.", one(waiting.rows)
        yield (
            "tradewind_engine_busy_seconds_total",
            "counter",
            "Time in the network's calls.",
            one(metrics.engine_busy_s),
        )
        yield (
            "tradewind_front_cpu_seconds_total",
            "counter",
            "CPU time of everything but the network.",
            one(front_s),
        )
        yield "tradewind_threads", "gauge", "Threads of the engine.", one(self._threads)
        yield (
            "tradewind_inline_below_seconds",
            "gauge",
            "Shorter batches run inline.",
            one(self.batcher.inline_below_s),
        )
        yield (
            "tradewind_margin_seconds",
            "gauge",
            "Kept free before deadlines, as learned.",
            one(waiting.margin_s),
        )
        yield (
            "tradewind_preferred_rows",
            "gauge",
            "The batch size with the best rate.",
            one(waiting.curve.preferred),
        )
        curve: list[Sample] = [
            ("", {"rows": str(rows)}, value) for rows, value in waiting.curve.points().items()
        ]
        yield "tradewind_call_seconds", "gauge", "The learned time of a call, by its rows.", curve
        yield "tradewind_uptime_seconds", "gauge", "Since the start.", one(time.monotonic() - self._begun_s)
        yield "process_cpu_seconds_total", "counter", "CPU time of the process.", one(cpu_s())
        yield "process_resident_memory_bytes", "gauge", "Resident memory.", one(memory_bytes())
        yield "process_open_fds", "gauge", "Open file descriptors.", one(len(os.listdir("/proc/self/fd")))

    def _unknown(self, path: bytes) -> str:
        parts = path.split(b"/")
        if parts[1:3] == [b"v2", b"models"] and len(parts) > 3 and parts[3]:
            if parts[3] != self._codec.model.encode():
                return f"unknown model {_shown(parts[3])}; this server has {self._codec.model}"
            if len(parts) > 5 and parts[4] == b"versions" and parts[5] != b"1":
                return f"unknown version {_shown(parts[5])} of {self._codec.model}; it has 1"
        return f"unknown path {_shown(path)}; try /v2 or /v2/models/{self._codec.model}"


def _plain_path(target: bytes) -> bytes:
    """The path of a request's target: without query, host and percent signs."""
    path = target.partition(b"?")[0]
    if not path.startswith(b"/"):
        path = b"/" + path.partition(b"://")[2].partition(b"/")[2]
    return unquote_to_bytes(path)


def _shown(text: bytes) -> str:
    return repr(text[:100].decode("utf-8", "replace"))
