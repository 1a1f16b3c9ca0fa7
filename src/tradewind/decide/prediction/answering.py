"""What a replica that batches continuously bears, and how long its requests wait, as tables over requests that run.

The time of a step is computed once for each way and some numbers of running requests; between them it is taken as
straight. All else follows from the table, so that a candidate (a way, a most of requests, a rate) costs a few look-ups:

- Little's law: at a rate as many run as arrive in the time of an answer, rate x output x step.
- Their number is that of births and deaths (arrivals at random; ends at the rate that so many running make). Round its
  mean n the variance is n over the elasticity of that rate: n where more never slow each other (Poisson), and without
  bound where more no longer help. Its 99 % quantile, 2.33 deviations above, must be allowed to run together, and the
  slow tokens are those of that number.
- A prompt waits for the end of the pass that runs, then for the prompts before it: M/D/1 by the time that prompts take
  alone, as decoding goes on beside them; the wait falls off exponentially (Kingman 1961). Its own pass comes last.

Everything is non-decreasing in the rate by construction, so more replicas never make anything slower.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from tradewind.decide.prediction.decoding import (
    ENGINES,
    Generations,
    largest_batch,
    memory_bytes,
    pass_terms_s,
    request_bytes,
)
from tradewind.decide.prediction.devices import columns_of, peak_of, precision_of
from tradewind.decide.prediction.transformers import transformer_columns
from tradewind.domain.generating import BOUNDS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tradewind.domain.architecture import Transformer
    from tradewind.domain.device import Device
    from tradewind.domain.generating import Generate, GenerationPrecision

__all__ = [
    "BATCHES",
    "PRECISIONS",
    "USED_SHARE",
    "Answers",
    "Bounds",
    "Servers",
    "Way",
    "bounds_of",
    "calls_of",
    "computes",
    "servers_of",
]

PRECISIONS: Final[tuple[GenerationPrecision, ...]] = ("bf16", "fp8", "int8", "int4")
"""The widest first: of ways that cost the same, the one that changes the network least is taken."""
WORDS: Final = {"bf16": "bf16", "fp8": "fp8", "int8": "int8", "int4": "w4a16"}
"""What `precision_of` reads."""
BATCHES: Final = 2 ** np.arange(11)
"""Most requests that a process of the engine runs together: 1 to 1024, the largest default of vLLM and TensorRT-LLM."""
USED_SHARE: Final = 0.9
"""Of a device's memory that an engine may take (`--gpu-memory-utilization`, the default of vLLM)."""
GRID: Final = np.unique(np.concatenate([[0.0], np.round(2.0 ** (np.arange(31) / 3.0))]))
"""Running requests of a process at which the time of a step is computed."""
_CHUNK: Final = 8192
_Z99: Final = NormalDist().inv_cdf(0.99)
_HALVINGS: Final = 40
_INSIDE: Final = 1.0 - 1e-12
"""Keeps rounding on the side of the bound."""


@dataclass(frozen=True)
class Way:
    """One way to run a replica, on one device type."""

    device: Device
    domain: int
    network_bytes_per_s: float | None
    """Only where the replica is spread over machines: inside one it does not matter."""
    precision: GenerationPrecision
    tensor: int
    pipeline: int
    apart: bool
    """Attention is split by requests."""

    @property
    def devices(self) -> int:
        """Of one replica."""
        return self.tensor * self.pipeline

    @property
    def processes(self) -> int:
        """Of the engine, each with requests of its own."""
        return self.tensor if self.apart else 1


def computes(device: Device, precision: GenerationPrecision) -> bool:
    """Whether engines run a precision on a device as it is meant: narrow products in hardware, int4 on GPUs.

    >>> from tradewind.files.sheets import devices
    >>> known = {device.name: device for device in devices()}
    >>> computes(known["H100-SXM"], "fp8"), computes(known["A100-80GB"], "fp8"), computes(known["A100-80GB"], "int8")
    (True, False, True)
    """
    if precision == "int8" and device.generation == "blackwell":
        return False  # vLLM's kernels for int8 end at Hopper (its table of quantization by hardware)
    if precision in ("fp8", "int8"):
        return precision in device.peak_flops_per_s
    return precision == "bf16" or device.kind == "gpu"


def calls_of(network: Transformer, prompt: float, output: float, ways: Sequence[Way]) -> Generations:
    """The columns of the ways, one row each, for requests of average length; a batch of one."""
    meant = {one: precision_of(WORDS[one]) for one in PRECISIONS}
    words = [meant[way.precision] for way in ways]
    devices = columns_of([way.device for way in ways], [WORDS[way.precision] for way in ways])
    stated = np.array([way.network_bytes_per_s or np.nan for way in ways], dtype=np.float64)
    devices = replace(
        devices,
        network_bytes_per_s=np.where(np.isnan(stated), devices.network_bytes_per_s, stated),
        devices_per_machine=np.array([float(way.domain) for way in ways]),
    )
    one = np.ones(len(ways))

    def column(values: list[float]) -> np.ndarray:
        return np.array(values, dtype=np.float64)

    return Generations(
        networks=transformer_columns([network]).take(np.zeros(len(ways), dtype=np.intp)),
        devices=devices,
        attention_flops_per_s=column([peak_of(way.device, "bf16") for way in ways]),
        batch=one,
        prompt=prompt * one,
        output=output * one,
        tensor=column([way.tensor for way in ways]),
        pipeline=column([way.pipeline for way in ways]),
        weight_bytes=column([word.weight_bytes for word in words]),
        narrow=column([word.compute in ("fp8", "int8") for word in words]),
        cache_bytes=column([1.0 if way.precision == "fp8" else 2.0 for way in ways]),
        activation_bytes=2.0 * one,
        engine=column([
            float(ENGINES.index("graph" if way.device.kind == "gpu" else "static")) for way in ways
        ]),
        max_batch=one,
        split_attention=column([not way.apart for way in ways]),
    )  # fmt: skip


class Bounds(NamedTuple):
    """Seconds that must not be exceeded, in the order of `BOUNDS`; infinite where nothing is asked."""

    first_token_p50: float
    first_token_p99: float
    token_p50: float
    token_p99: float


def bounds_of(asked: Generate) -> Bounds:
    """The bounds of a wish."""
    return Bounds(*(asked.bound_s(name) for name in BOUNDS))


@dataclass(frozen=True)
class Answers:
    """Of servers at a rate, (n,) each; infinite where the rate cannot be borne."""

    running: np.ndarray
    first_token_p50: np.ndarray
    first_token_p99: np.ndarray
    token_p50: np.ndarray
    token_p99: np.ndarray
    fits: np.ndarray
    """Whether the requests that run find room, in 99 % of the time."""

    def keep(self, bounds: Bounds) -> np.ndarray:
        """(n,) whether all bounds hold."""
        kept = self.fits.copy()
        for name, bound in zip(BOUNDS, bounds, strict=True):
            kept &= getattr(self, name) <= bound
        return kept


def _calm(crowded: np.ndarray) -> np.ndarray:
    """The mean number of requests whose 99 % quantile is this: the inverse of n + 2.33 sqrt(n)."""
    return np.asarray((np.sqrt(0.25 * _Z99**2 + crowded) - 0.5 * _Z99) ** 2)


@dataclass(frozen=True)
class Servers:
    """Ways that fit into memory with a most of requests that run together: s servers on W ways."""

    calls: Generations
    """(W,)"""
    way: np.ndarray
    """(s,) in the order of the ways."""
    batch: np.ndarray
    """(s,) of the whole replica."""
    grid: np.ndarray
    """(W, G) running requests."""
    step: np.ndarray
    """(W, G) seconds, not falling; infinite beyond the largest that fits."""
    rate: np.ndarray
    """(W, G) requests answered a second, not falling."""
    swell: np.ndarray
    """(W, G) variance of the running requests over their mean, not falling, at least 1."""
    joined: np.ndarray
    """(W, G) seconds of a pass with a new prompt beside them, not falling; the first is of a prompt alone."""
    weights_fit: np.ndarray
    """(W,) whether at least one request fits beside the weights."""

    def __len__(self) -> int:
        return len(self.way)

    @property
    def most_rps(self) -> np.ndarray:
        """(s,) the rate that would fill them."""
        return self._at(self.rate, np.arange(len(self)), self.batch)

    def _at(self, table: np.ndarray, server: np.ndarray, running: np.ndarray) -> np.ndarray:
        """A table between its columns."""
        way = self.way[server]
        processes = self.grid[way, 1]
        place = np.clip(np.searchsorted(GRID, running / processes, side="right") - 1, 0, len(GRID) - 2)
        left, right = table[way, place], table[way, place + 1]
        share = (running / processes - GRID[place]) / (GRID[place + 1] - GRID[place])
        # The last column is not needed where the number is exactly that of a column; beyond it nothing fits.
        with np.errstate(invalid="ignore"):
            more = np.where(share > 0.0, share * (right - left), 0.0)
        return np.asarray(left + more)

    def answers(self, server: np.ndarray, rate_rps: np.ndarray, slow: float = 1.0) -> Answers:
        """What requests wait for at a rate, (n,), if everything takes `slow` times as long as likely."""
        wanted = rate_rps * slow
        way = self.way[server]
        rates = self.rate[way]
        place = np.clip((rates <= wanted[:, None]).sum(axis=1) - 1, 0, len(GRID) - 2)
        rows = np.arange(len(way))
        low, high = rates[rows, place], rates[rows, place + 1]
        share = np.divide(wanted - low, high - low, out=np.zeros_like(wanted), where=high > low)
        processes = self.grid[way, 1]
        running = processes * (GRID[place] + np.minimum(share, 1.0) * (GRID[place + 1] - GRID[place]))
        return self._answers(server, running, wanted, slow)

    def _answers(self, server: np.ndarray, running: np.ndarray, wanted: np.ndarray, slow: float) -> Answers:
        crowded = running + _Z99 * np.sqrt(running * self._at(self.swell, server, running))
        batch = self.batch[server]
        share = wanted / self._at(self.rate, server, batch)
        fits = (crowded <= batch) & (share <= 1.0)
        # Beyond what fits nothing is looked up.
        inside, peak = np.where(fits, running, 0.0), np.where(fits, crowded, 0.0)
        step = slow * self._at(self.step, server, inside)
        own = slow * self._at(self.joined, server, inside)
        alone = self.joined[self.way[server], 0]
        # Several prompts that share a pass take less than as many passes: never busier than the whole server.
        busy = np.minimum(np.minimum(wanted * alone, share), 1.0 - 1e-12)
        over = slow * alone / (2.0 * (1.0 - busy))

        def first(level: float) -> np.ndarray:
            wait = over * np.log(np.maximum(busy / (1.0 - level), 1.0))
            return np.asarray(np.where(fits, wait + level * step + own, np.inf))

        return Answers(
            running=running,
            first_token_p50=first(0.5),
            first_token_p99=first(0.99),
            token_p50=np.where(fits, step, np.inf),
            token_p99=np.where(fits, slow * self._at(self.step, server, peak), np.inf),
            fits=fits,
        )

    def bearable_rps(
        self, bounds: Bounds, slow: float = 1.0, servers: np.ndarray | None = None
    ) -> np.ndarray:
        """The highest rate of servers (default: all) with all bounds kept; 0 where none is."""
        server = np.arange(len(self)) if servers is None else servers
        batch = self.batch[server].astype(np.float64)
        # Of what is at least Poisson; what waits for its first token has no closed form: halved where it is too much.
        crowded = np.minimum(batch, self._running_at(server, bounds.token_p99 / slow))
        most = np.minimum(_calm(crowded), self._running_at(server, bounds.token_p50 / slow)) * _INSIDE
        late = np.nonzero(~self._kept(server, most, bounds, slow))[0]
        low, high = np.zeros(len(late)), most[late]
        for _ in range(_HALVINGS):
            middle = 0.5 * (low + high)
            good = self._kept(server[late], middle, bounds, slow)
            low, high = np.where(good, middle, low), np.where(good, high, middle)
        most[late] = low
        return self._at(self.rate, server, most) / slow

    def _kept(self, server: np.ndarray, running: np.ndarray, bounds: Bounds, slow: float) -> np.ndarray:
        wanted = self._at(self.rate, server, running)
        return self._answers(server, running, wanted, slow).keep(bounds)

    def _running_at(self, server: np.ndarray, step_s: float) -> np.ndarray:
        """(n,) the most requests that run while a step takes no longer; 0 where one alone does."""
        way = self.way[server]
        table, grid = self.step[way], self.grid[way]
        column = (table <= step_s).sum(axis=1) - 1
        rows, left = np.arange(len(way)), np.clip(column, 0, len(GRID) - 2)
        below, above = table[rows, left], table[rows, left + 1]
        with np.errstate(invalid="ignore", divide="ignore"):
            share = np.where(above > below, (step_s - below) / (above - below), 1.0)
        share = np.where(column == len(GRID) - 1, 1.0, np.clip(share, 0.0, 1.0))
        found = grid[rows, left] + share * (grid[rows, left + 1] - grid[rows, left])
        return np.asarray(np.where(column < 0, 0.0, found))

    def memory_bytes(self, way: int, running: float, longest: float, constants: Mapping[str, float]) -> float:
        """Of the fullest device of a way while so many run, one of which is the longest."""
        one = self.calls.take(np.array([way]))
        return float(_needed(one, constants, np.array([running]), longest)[0])


def servers_of(
    calls: Generations, longest: float, constants: Mapping[str, float], batches: np.ndarray = BATCHES
) -> Servers:
    """The tables of all ways, for requests of which the longest has so many tokens with its answer.

    `batches` is the most of requests of a process; those that do not fit into memory are left out.
    """
    count = len(calls)
    processes = np.where(calls.split_attention > 0, 1.0, calls.tensor)
    batch = processes[:, None] * batches[None, :]
    fits = np.zeros((count, len(batches)), dtype=bool)
    for place, most in enumerate(batches.tolist()):
        each = replace(calls, max_batch=np.full(count, float(most)))
        need = _needed(each, constants, batch[:, place], longest)
        fits[:, place] = (need <= USED_SHARE * calls.devices.memory_bytes) & (
            largest_batch(each, constants) >= batch[:, place]
        )
    way, size = np.nonzero(fits)
    grid = processes[:, None] * GRID[None, :]
    largest = np.max(np.where(fits, batch, 0.0), axis=1, initial=0.0)
    step, joined = np.full(grid.shape, np.inf), np.full(grid.shape, np.inf)
    rows, columns = np.nonzero((grid <= largest[:, None]) & (largest[:, None] > 0.0))
    for start in range(0, len(rows), _CHUNK):
        r, c = rows[start : start + _CHUNK], columns[start : start + _CHUNK]
        some, running = calls.take(r), grid[r, c]
        step[r, c], joined[r, c] = _steps_s(some, constants, running, np.maximum(running, grid[r, 1]))
    step, joined = np.maximum.accumulate(step, axis=1), np.maximum.accumulate(joined, axis=1)
    rate = np.maximum.accumulate(grid / (calls.output[:, None] * step), axis=1) if count else step
    return Servers(
        calls=calls,
        way=way,
        batch=batch[way, size],
        grid=grid,
        step=step,
        rate=rate,
        swell=_swell(rate, step),
        joined=joined,
        weights_fit=np.asarray(fits.any(axis=1)),
    )


def _swell(rate: np.ndarray, step: np.ndarray) -> np.ndarray:
    """1 over the elasticity of the rate in the number that run, over an octave to each side where there is one."""
    swell = np.ones_like(rate)
    if not len(rate):
        return swell
    numbers = np.maximum(GRID, 1e-9)
    last = np.isfinite(step).sum(axis=1) - 1
    rows = np.arange(len(rate))
    for column in range(1, len(GRID)):
        left, right = np.full(len(rows), max(1, column - 3)), np.minimum(last, column + 3)
        with np.errstate(divide="ignore", invalid="ignore"):
            more = np.log(rate[rows, right] / rate[rows, left])
            found = np.log(numbers[right] / numbers[left]) / more
        swell[:, column] = np.where(right > left, np.where(more > 0.0, np.maximum(found, 1.0), np.inf), 1.0)
        swell[:, column] = np.where(column <= last, swell[:, column], np.inf)
    return np.maximum.accumulate(swell, axis=1)


def _steps_s(
    calls: Generations, constants: Mapping[str, float], running: np.ndarray, busy: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """A step of the steady state while `busy` run, on average; and a pass with a prompt beside `running`.

    Prompts come whole: where fewer than one starts in a step, some steps have one and the others none. A step with the
    mean of it would be too fast, as few tokens hide behind the weights.
    """
    part, beside = busy / calls.pipeline, running / calls.pipeline
    started = part / calls.output
    whole = np.where(started < 1.0, 0.0, started)
    calm = _pass_s(calls, constants, prefilled=whole, running=part)
    joined = _pass_s(calls, constants, prefilled=np.ones_like(part), running=beside)
    device = np.where(started < 1.0, calm + started * np.maximum(joined - calm, 0.0), calm)
    planned = np.where(calls.split_attention > 0, busy, busy / calls.tensor)
    host = calls.pipeline * constants["decode_step_s"] + constants["decode_request_s"] * planned
    # One process plans the next step while devices compute; the stages of a pipeline wait for its plan.
    step = np.where(calls.pipeline > 1, device + host, np.maximum(device, host))
    return step, np.maximum(joined, host)


def _pass_s(
    calls: Generations, constants: Mapping[str, float], *, prefilled: np.ndarray, running: np.ndarray
) -> np.ndarray:
    terms = pass_terms_s(calls, constants, prefilled=prefilled, running=running)
    return np.asarray(np.sum(list(terms.values()), axis=0))


def _needed(
    calls: Generations, constants: Mapping[str, float], running: np.ndarray, longest: float
) -> np.ndarray:
    """Bytes of the fullest device while so many run, one of which is the longest."""
    each = request_bytes(calls)
    whole = request_bytes(replace(calls, prompt=np.maximum(longest - calls.output, calls.prompt)))
    return memory_bytes(calls, constants, running) + whole - each
