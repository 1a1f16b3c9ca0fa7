"""How long a request takes at one replica: the queue in front of an engine that forms batches.

Requests arrive at random (Poisson). A free engine takes all that wait, at most `max_batch`, and answers them
together after a time that depends only on their number; a request that finds everything at rest wakes it,
which takes a time of its own. What waits when a batch ends is a Markov chain; its stationary distribution
and the uniform arrivals between two ends give the latency of a request exactly, up to the bins in which it
is tabulated (about 1 %).
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np

__all__ = ["Queue", "tabulate"]

MAX_LOAD: Final = 0.95
"""No replica is loaded above this: beyond, latency grows without a bound and any error of the speed tips it."""
_HIGH_LOADS: Final = (0.4, 0.58, 0.72, 0.82, 0.9, MAX_LOAD)
"""Loads, relative to the largest throughput, at which the queue is solved."""
_LOW_LOADS: Final = (0.02, 0.08, 0.2, 0.5, 1.2, 3.0, 7.0)
"""The same relative to the throughput of batches of one, where requests begin to meet each other."""

_LEVELS: Final = np.concatenate(
    [np.linspace(0.0, 0.9, 25), 1.0 - np.geomspace(0.1, 0.01, 17)[1:], 1.0 - np.geomspace(0.01, 1e-4, 17)[1:]]
)
"""Edges of the slices of probability into which the latency is cut; finer in the tail."""
_WEIGHTS: Final = np.append(np.diff(_LEVELS), 1.0 - _LEVELS[-1])
_CENTRES: Final = _LEVELS + 0.5 * _WEIGHTS

_CELLS: Final = 16
"""Cells into which the time of one full batch is cut to place arrivals in it."""
_DIRECT: Final = 90
"""States that are solved for directly."""
_BINS: Final = 800
"""Logarithmic bins of latency."""


class Queue:
    """The latency of one replica against its load, for a service time known up to a factor.

    The methods take `scale`, by which every service time is multiplied: multiplying service times by s at
    rate r multiplies latencies by s at rate s * r. They also take `jitter_s`, the mean of an exponential
    delay that is added to every request and does not depend on the load.

    Loads are solved from the lowest on, as far as they are asked for: high ones are dear, and many a bound is
    not kept there anyway. Shapes: G loads, Q slices of probability, B the largest batch.
    """

    def __init__(self, service_s: np.ndarray, wake_s: float) -> None:
        """As `tabulate` says."""
        self.service_s = np.maximum.accumulate(np.asarray(service_s, dtype=np.float64))
        """(B,) time of a batch of b at entry b - 1; never falls."""
        size = len(self.service_s)
        self._rested_s = float(self.service_s[0]) + wake_s
        longest_s = max(self._rested_s, float(self.service_s[-1]))
        ends = 0.999, 100.0 * longest_s / self.service_s[0]
        self._edges_s = self.service_s[0] * np.geomspace(*ends, _BINS + 1)
        ratio = self.service_s[-1] / (size * self._rested_s)
        low = [load * ratio for load in _LOW_LOADS if load * ratio < 0.75 * _HIGH_LOADS[0]]
        self.loads = np.array([0.0, *low, *_HIGH_LOADS])
        """(G,) rates that are solved, relative to the largest throughput; the first is 0."""
        self._solved = 1
        self._latency_s = np.empty((len(self.loads), len(_LEVELS)))
        self._latency_s[0] = self._rested_s
        self._batches = np.zeros((len(self.loads), size))
        self._batches[0, 0] = 1.0
        self._wakes = np.ones(len(self.loads))

    def _until(self, count: int) -> None:
        """Solve the lowest loads, so many of them."""
        size = len(self.service_s)
        for row in range(self._solved, count):
            rho = float(self.loads[row])
            rate = rho * size / self.service_s[-1]
            waiting, arrivals = _stationary(self.service_s, self._rested_s, rate, rho)
            mass = _latency_mass(self.service_s, self._rested_s, rate, waiting, arrivals, self._edges_s)
            self._latency_s[row] = np.maximum(_quantiles(mass, self._edges_s), self.service_s[0])
            taken = waiting[1 : size + 1].copy()
            taken[0] += waiting[0]
            taken[-1] += waiting[size + 1 :].sum()
            requests = float(taken @ np.arange(1, size + 1))
            self._batches[row], self._wakes[row] = taken / requests, waiting[0] / requests
        self._solved = max(self._solved, count)

    def _round(self, rho: float) -> int:
        """The first load above one, at most the largest; all up to it are solved."""
        after = min(int(np.searchsorted(self.loads, rho, side="right")), len(self.loads) - 1)
        self._until(after + 1)
        return after

    @property
    def max_rate_rps(self) -> float:
        """Throughput of full batches."""
        return float(len(self.service_s) / self.service_s[-1])

    def exceedance(
        self, rate_rps: float, bound_s: float, *, scale: float = 1.0, jitter_s: float = 0.0
    ) -> float:
        """Share of requests that take longer than the bound, at this rate or, if more, at a lower one.

        A load is never constant, and a server that has to wake up is slower under less of it.
        """
        below = int(np.searchsorted(self.loads * self.max_rate_rps, rate_rps * scale, side="right"))
        self._until(below)
        rows = np.vstack([self._latency_s[:below] * scale, self._latency_at(rate_rps, scale)])
        return float(_exceedance(rows, bound_s, jitter_s).max())

    def percentile_s(
        self, rate_rps: float, level: float, *, scale: float = 1.0, jitter_s: float = 0.0
    ) -> float:
        """The latency that a share of `level` of the requests does not exceed.

        Above the largest tabulated load it grows as 1 / (1 - load), as in heavy traffic, up to 50 times:
        finite also for a replica that cannot keep up.
        """
        latency_s = self._latency_at(rate_rps, scale)
        if jitter_s <= 0.0:
            return float(np.interp(level, _CENTRES, latency_s))
        low, high = 0.0, float(latency_s[-1]) + 20.0 * jitter_s
        for _ in range(4):
            bounds_s = np.linspace(low, high, 33)
            spare_s = np.maximum(bounds_s[:, None] - latency_s, 0.0)
            above = np.exp(-spare_s / jitter_s) @ _WEIGHTS > 1.0 - level
            first = int(np.argmin(above))  # False where the bound is high enough
            low, high = float(bounds_s[max(first - 1, 0)]), float(bounds_s[first])
        return high

    def capacity_rps(
        self, bound_s: float, level: float, *, scale: float = 1.0, jitter_s: float = 0.0
    ) -> float:
        """The largest rate up to which the percentile stays within the bound; 0 when a replica at rest misses.

        Does not fall when the bound rises, and not when the scale or the jitter falls.
        """
        allowed = 1.0 - level
        known = _exceedance(self._latency_s[: self._solved] * scale, bound_s, jitter_s) > allowed
        first = int(np.argmax(known)) if known.any() else self._solved
        while first == self._solved < len(self.loads):
            self._until(first + 1)
            row_s = self._latency_s[first : first + 1] * scale
            first += int(_exceedance(row_s, bound_s, jitter_s)[0] <= allowed)
        if first == 0:
            return 0.0
        if first == len(self.loads):
            rho = MAX_LOAD
        else:
            low, high = float(self.loads[first - 1]), float(self.loads[first])
            for _ in range(20):
                middle = 0.5 * (low + high)
                latency_s = self._latency_at(middle * self.max_rate_rps, 1.0)[None] * scale
                within = float(_exceedance(latency_s, bound_s, jitter_s)[0]) <= allowed
                low, high = (middle, high) if within else (low, middle)
            rho = low
        return rho * self.max_rate_rps / scale

    def per_request(
        self, rate_rps: float, of_batch: np.ndarray, of_wake: float = 0.0, *, scale: float = 1.0
    ) -> float:
        """A quantity per request, such as CPU time, from what it is per batch, (B,), and for waking up."""
        rho = min(MAX_LOAD, rate_rps * scale / self.max_rate_rps)
        near = slice(self._round(rho) - 1, self._round(rho) + 1)
        each = self._batches[near] @ of_batch[: len(self.service_s)] + self._wakes[near] * of_wake
        return float(np.interp(rho, self.loads[near], each))

    def wake_share(self, rate_rps: float, *, scale: float = 1.0) -> float:
        """Share of the requests that find the engine at rest."""
        rho = min(1.0, rate_rps * scale / self.max_rate_rps)
        near = slice(self._round(rho) - 1, self._round(rho) + 1)
        return float(np.interp(rho, self.loads[near], self._wakes[near]))

    def _latency_at(self, rate_rps: float, scale: float) -> np.ndarray:
        """(Q,) between the tabulated loads straight in 1 / (1 - load), as in heavy traffic."""
        rho = rate_rps * scale / self.max_rate_rps
        if rho >= MAX_LOAD:
            self._until(len(self.loads))
            growth = (1.0 - MAX_LOAD) / (1.0 - min(rho, 0.999))
            return np.asarray(self._latency_s[-1] * scale * growth)
        after = self._round(rho)
        low, high = 1.0 / (1.0 - self.loads[after - 1]), 1.0 / (1.0 - self.loads[after])
        share = (1.0 / (1.0 - rho) - low) / (high - low)
        before_s, after_s = self._latency_s[after - 1], self._latency_s[after]
        return np.asarray((before_s + share * (after_s - before_s)) * scale)


def _exceedance(latency_s: np.ndarray, bound_s: float, jitter_s: float) -> np.ndarray:
    """(G,) share of requests above the bound, of latencies (G, Q) plus an exponential delay."""
    spare_s = bound_s - latency_s
    if jitter_s <= 0.0:
        # Between the centres of two slices the share falls in proportion, so that no bound is a step.
        return np.array([1.0 - np.interp(bound_s, row, _CENTRES, left=0.0) for row in latency_s])
    late = np.exp(-np.maximum(spare_s, 0.0) / jitter_s)
    return np.asarray(late @ _WEIGHTS)


def tabulate(service_s: np.ndarray, *, wake_s: float = 0.0) -> Queue:
    """The queue of one replica whose batch of b takes `service_s[b - 1]`, and `wake_s` more from rest.

    `service_s` must be positive, must not fall with the batch, and its throughput must be largest at the
    largest batch: a larger batch that answers less per second must not be formed.

    >>> import numpy as np
    >>> queue = tabulate(np.array([0.001]))
    >>> round(queue.max_rate_rps)
    1000
    >>> 0.001 <= queue.percentile_s(500.0, 0.5) < queue.percentile_s(800.0, 0.5)
    True
    """
    return Queue(service_s, wake_s)


def _stationary(
    service_s: np.ndarray, rested_s: float, rate: float, rho: float
) -> tuple[np.ndarray, np.ndarray]:
    """How many wait when a batch ends: (N + 1,) probabilities.

    And (B + 1, N + 1) arrivals during a batch from rest, and during one of 1, 2, ... rows.
    """
    size = len(service_s)
    # The tail falls per request by exp(-d), rho * (exp(d) - 1) = d, d >= 2 (1 - rho): cut it below 1e-5. One
    # batch from rest may be longer than a full one.
    burst = rate * rested_s
    states = size + 8 + math.ceil(6.0 / (1.0 - rho) + burst + 5.0 * math.sqrt(burst))
    arrivals = _poisson(rate * np.append(rested_s, service_s), states + 1)
    moves = np.zeros((states + 1, states + 1))
    moves[: size + 1] = arrivals
    # Row size + k leaves k behind and adds the arrivals of a full batch: one row, shifted.
    padded = np.concatenate([np.zeros(states), arrivals[-1]])
    shifted = np.lib.stride_tricks.sliding_window_view(padded, states + 1)[::-1]
    moves[size:] = shifted[: states - size + 1]
    moves[:, -1] += 1.0 - moves.sum(axis=1)
    return _stationary_of(moves, most_down=size), arrivals


def _stationary_of(moves: np.ndarray, *, most_down: int) -> np.ndarray:
    """The stationary probabilities of a chain that falls by at most `most_down` states at once.

    The highest states are eliminated one by one (Grassmann, Taksar and Heyman 1985) until a direct
    solution is small: large ones wake the threads of the linear algebra library, which take longer to wake
    than the work takes, and many times longer on a busy machine.
    """
    states = len(moves)
    leaves = np.ones(states)
    for state in range(states - 1, _DIRECT - 1, -1):
        low = max(0, state - most_down)
        down = moves[state, low:state]
        leaves[state] = down.sum()
        moves[:state, low:state] += (moves[:state, state] / leaves[state])[:, None] * down
    direct = min(states, _DIRECT)
    balance = moves[:direct, :direct].T - np.eye(direct)
    balance[-1] = 1.0
    right = np.zeros(direct)
    right[-1] = 1.0
    found = np.zeros(states)
    found[:direct] = np.maximum(np.linalg.solve(balance, right), 0.0)
    for state in range(direct, states):
        found[state] = (found[:state] * moves[:state, state]).sum() / leaves[state]
    return np.asarray(found / found.sum())


def _latency_mass(
    service_s: np.ndarray,
    rested_s: float,
    rate: float,
    waiting: np.ndarray,
    arrivals: np.ndarray,
    edges_s: np.ndarray,
) -> np.ndarray:
    """Requests by latency: (bins,) expected number between two ends of a batch.

    A request that finds the engine at rest takes the time of a batch of one from rest. Another arrives
    during a batch, t after its start, so that it waits r = T - t for the end. If all who wait then fit into
    one batch, that batch has them all; otherwise the request waits for the full batches before it.
    """
    size, states = len(service_s), len(waiting) - 1
    full_s = float(service_s[-1])
    mass = np.zeros(len(edges_s) - 1)
    _add(mass, edges_s, np.array([rested_s]), waiting[:1])
    # Batches that leave nobody behind: from rest, and of 1 to B - 1 rows. Full ones by how many they leave.
    lasting_s = np.append(rested_s, service_s[:-1])
    alone, left = rate * waiting[:size], rate * waiting[size:]

    # 1. All others who wait at the end (o of them) fit: o + 1 are served together, and r is uniform.
    others = np.empty((size + 1, size))
    others[:-1] = (alone * lasting_s)[:, None] * arrivals[:-1, :size]
    others[-1] = full_s * np.convolve(left[:size], arrivals[-1, :size])[:size]
    cells = (np.arange(_CELLS) + 0.5) / _CELLS
    during, served = np.nonzero(others > 1e-9 * others.sum())
    values = service_s[served][:, None] + np.append(lasting_s, full_s)[during][:, None] * cells
    _add(mass, edges_s, values, np.broadcast_to(others[during, served][:, None] / _CELLS, values.shape))

    # 2. They do not all fit. By cell of the arrival's time t: how many are ahead of the request then.
    longest_s = max(rested_s, full_s)
    cell_s, t_s = longest_s / _CELLS, cells * longest_s
    ahead = _poisson(rate * t_s, states + 1)
    # Row by row: a matrix product of this size would wake the threads of the linear algebra library.
    ahead_full = np.array([np.convolve(left, row)[: states + 1] for row in ahead])
    spent_s = np.clip(np.append(lasting_s, full_s)[:, None] / cell_s - np.arange(_CELLS), 0.0, 1.0) * cell_s
    wait_s = np.maximum(np.append(lasting_s, full_s)[:, None] - t_s, 0.0)
    arriving = spent_s * np.append(alone, 1.0)[:, None]
    # 2a. Fewer than B are ahead: the request is in the next batch, which is full.
    before = np.repeat(ahead[None, :, :size].sum(axis=2), size + 1, axis=0)
    before[-1] = ahead_full[:, :size].sum(axis=1)
    fitting = others.sum(axis=1)[:, None] * spent_s / np.append(lasting_s, full_s)[:, None]
    _add(mass, edges_s, wait_s + full_s, np.maximum(arriving * before - fitting, 0.0))
    # 2b. B or more are ahead: full batches come first. Rows are cells of r, columns how many are ahead.
    by_wait = _by_wait(arriving[:-1], wait_s[:-1] / cell_s) @ ahead
    by_wait += _by_wait(arriving[-1:], wait_s[-1:] / cell_s) @ ahead_full
    turns = np.arange(1, max(2, -(-(states + 1) // size)))
    columns = by_wait[:, size : (len(turns) + 1) * size]
    padded = np.zeros((_CELLS, len(turns) * size))
    padded[:, : columns.shape[1]] = columns
    inside = padded.reshape(_CELLS, len(turns), size)
    until_s = t_s[:, None] + turns * full_s
    together = _served_together(inside, _poisson(rate * until_s, size))
    _add(mass, edges_s, until_s[:, :, None] + service_s, together)
    return mass


def _by_wait(weight: np.ndarray, wait_cells: np.ndarray) -> np.ndarray:
    """(cells of r, cells of t): arrivals (b, t) that wait r = `wait_cells`, split between neighbouring cells."""
    result = np.zeros((_CELLS, _CELLS))
    position = np.clip(wait_cells - 0.5, 0.0, _CELLS - 1.0)
    lower = np.floor(position).astype(np.intp)
    share = position - lower
    column = np.broadcast_to(np.arange(_CELLS), weight.shape)
    np.add.at(result, (lower, column), weight * (1.0 - share))
    np.add.at(result, (np.minimum(lower + 1, _CELLS - 1), column), weight * share)
    return result


def _served_together(inside: np.ndarray, behind: np.ndarray) -> np.ndarray:
    """(cells, turns, B) by size of the request's own batch: `inside` r are before it in it, others behind."""
    size = behind.shape[-1]
    padded = np.concatenate([np.zeros((*behind.shape[:-1], size - 1)), behind], axis=-1)
    # shifted[..., r, s] = behind[..., s - r]
    shifted = np.lib.stride_tricks.sliding_window_view(padded, size, axis=-1)[..., ::-1, :]
    together = np.einsum("ctr,ctrs->cts", inside, shifted)
    together[..., -1] = inside.sum(axis=-1) - together[..., :-1].sum(axis=-1)
    return np.asarray(np.maximum(together, 0.0))


def _poisson(mean: np.ndarray, size: int) -> np.ndarray:
    """(..., size) probabilities of 0, 1, ... arrivals."""
    counts = np.arange(size)
    factorials = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, size)))])
    mean = np.maximum(mean, 1e-300)[..., None]
    return np.asarray(np.exp(counts * np.log(mean) - mean - factorials))


def _add(mass: np.ndarray, edges_s: np.ndarray, values_s: np.ndarray, weights: np.ndarray) -> None:
    """Add weights to the logarithmic bins that their values fall into."""
    step = math.log(edges_s[1] / edges_s[0])
    index = (np.log(values_s.ravel() / edges_s[0]) / step).astype(np.intp)
    mass += np.bincount(np.clip(index, 0, len(mass) - 1), weights.ravel(), minlength=len(mass))


def _quantiles(mass: np.ndarray, edges_s: np.ndarray) -> np.ndarray:
    """(Q,) latency at the centre of each slice of probability.

    The mass of a bin stands for what lies around it, so half of it is below the bin's centre.
    """
    filled = np.nonzero(mass > 0.0)[0]
    inside = mass[filled] / mass.sum()
    centres_s = np.sqrt(edges_s[filled] * edges_s[filled + 1])
    return np.asarray(np.interp(_CENTRES, np.cumsum(inside) - 0.5 * inside, centres_s))
