"""The cheapest way to serve a language model: exact, over every way, number of machines and offer.

Why most of the space need not be looked at: what a replica bears within the bounds does not depend on how many there
are, nor on the offer, and never falls where more requests may run together, memory permitting. So of each way the
largest most of requests that fits is the best one; of the ways of a kind of machines the one that needs the fewest, at
every rate of the load, as no price falls when more are rented; and of numbers of machines the least that suffices.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from tradewind.decide.planning.generation_pricing import Fleet, Shop
from tradewind.decide.planning.generation_space import kinds_of, ways_of
from tradewind.decide.prediction.answering import BATCHES, PRECISIONS, Bounds, calls_of, servers_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tradewind.domain.architecture import Transformer
    from tradewind.domain.device import Device
    from tradewind.domain.estimate import Calibration
    from tradewind.domain.generating import GenerateGoal, GenerationPrecision
    from tradewind.domain.offer import Offers
    from tradewind.domain.plan import LoadCurve

__all__ = ["Asked", "Found", "Need", "Space", "carried"]

_ALMOST: Final = 1.0 - 1e-9
"""Rates that differ by less are the same: rounding must not cost a machine."""
_HARDLY: Final = 1.02
"""Waits that differ by less are the same to a user."""


class Asked(NamedTuple):
    """What must hold."""

    bounds: Bounds
    slow: float
    """Everything is supposed to take so many times as long as likely."""
    load: float = 1.0
    """Times the goal's load."""


@dataclass(frozen=True)
class Need:
    """A pair of a kind and a way with its most of requests, and the machines that it needs at the rates of the load."""

    pair: int
    server: int
    machines: np.ndarray
    """(L,)"""
    bearable_rps: float
    """Of one replica."""


@dataclass(frozen=True)
class Found:
    """A need on a fleet."""

    need: Need
    fleet: Fleet

    @property
    def usd_per_month(self) -> float:
        """What it costs."""
        return self.fleet.usd_per_month


def carried(machines: np.ndarray, per_machine: int, over: int) -> np.ndarray:
    """Replicas on so many machines: all that there is room for, as they cost nothing more."""
    return np.asarray(machines * per_machine if per_machine else machines // over)


class Space:
    """Every way to serve a network on some offers."""

    def __init__(
        self,
        network: Transformer,
        goal: GenerateGoal,
        offers: Offers,
        load: LoadCurve,
        devices: Sequence[Device],
        calibration: Calibration,
        constants: Mapping[str, float],
        *,
        precisions: Sequence[GenerationPrecision] | None = None,
        accelerators_at_most: int | None = None,
    ) -> None:
        allowed = goal.generate.precisions if precisions is None else precisions
        self.most = goal.accelerators_at_most if accelerators_at_most is None else accelerators_at_most
        self.network, self.offers = network, offers
        self.rates = np.array(load.rates_rps)
        self.kinds = kinds_of(offers, devices, self.most)
        self.ways = ways_of(
            network, self.kinds.kinds, [one for one in PRECISIONS if one in allowed], self.most
        )
        wish = goal.generate
        calls = calls_of(network, wish.prompt, wish.output, self.ways.ways)
        self.servers = servers_of(calls, wish.longest, constants)
        self.shop = Shop(offers, calibration, np.array(load.shares))
        self.per = np.array([kind.per_machine for kind in self.kinds.kinds], dtype=np.int64)
        self.solved = 0
        """Servers of which the bearable rate was computed."""
        self._known: dict[tuple[Bounds, float], tuple[np.ndarray, np.ndarray]] = {}

    @property
    def size(self) -> int:
        """Ways with each most of requests, times numbers of machines, times offers."""
        pairs = np.diff(self.ways.first)
        machines = self.most // np.maximum(self.per, 1)
        return int(np.sum(pairs * machines * np.diff(self.kinds.first)) * len(BATCHES))

    def bearable(self, asked: Asked) -> tuple[np.ndarray, np.ndarray]:
        """Of each way the highest rate that a replica bears, and the server that bears it (-1: none fits)."""
        key = asked.bounds, asked.slow
        if key in self._known:
            return self._known[key]
        # Servers stand by way, then by the most of requests.
        way, last = np.unique(self.servers.way[::-1], return_index=True)
        best = np.full(len(self.ways.ways), -1)
        best[way] = len(self.servers) - 1 - last
        most = np.zeros(len(best))
        most[way] = self.servers.bearable_rps(asked.bounds, asked.slow, best[way])
        self.solved += len(way)
        self._known[key] = most, best
        return most, best

    def needs(self, asked: Asked) -> list[list[Need]]:
        """For each kind the needs that no other of it is below at all rates; those that suffice within the limit."""
        most, best = self.bearable(asked)
        bears = most[self.ways.way]
        per, over = self.ways.per_machine, self.ways.machines
        with np.errstate(divide="ignore", invalid="ignore"):
            replicas = np.ceil(asked.load * self.rates[:, None] / bears * _ALMOST)
            machines = np.where(per > 0, np.ceil(replicas / np.maximum(per, 1)), replicas * over)
        machines = np.where(self.rates[:, None] > 0.0, np.maximum(machines, np.where(per > 0, 1, over)), 0.0)
        able = (bears > 0.0) & (machines[-1] * self.per[self.ways.kind] <= self.most)
        wide = np.array([PRECISIONS.index(way.precision) for way in self.ways.ways], dtype=np.int64)
        found: list[list[Need]] = []
        for kind in range(len(self.kinds.kinds)):
            pairs = np.arange(self.ways.first[kind], self.ways.first[kind + 1])
            pairs = pairs[able[pairs]]
            way = self.ways.way[pairs]
            # Of equal needs the widest precision, then what bears most.
            order = np.lexsort((-bears[pairs], wide[way], *machines[:, pairs]))
            kept: list[Need] = []
            for pair in pairs[order].tolist():
                if any((one.machines <= machines[:, pair]).all() for one in kept):
                    continue
                server = int(best[self.ways.way[pair]])
                kept.append(Need(pair, server, machines[:, pair].astype(np.int64), float(bears[pair])))
            found.append(kept)
        return found

    def cheapest(self, asked: Asked, budget_usd: float = math.inf) -> Found | None:
        """The cheapest of all that holds what is asked, within the budget."""
        best: tuple[float, int, Need] | None = None
        needs = self.needs(asked)
        for kind, kept in enumerate(needs):
            rows = self.kinds.of(kind)
            for need in kept:
                usd = self.shop.alone_usd(rows, need.machines)
                place = int(np.argmin(usd))
                if best is None or usd[place] < best[0]:
                    best = float(usd[place]), int(rows[place]), need
        if best is None:
            return None
        found = Found(best[2], self.shop.alone(best[1], best[2].machines))
        if len(self.rates) > 1:
            found = self._mixed(needs, found)
        return found if found.usd_per_month <= budget_usd else None

    def _mixed(self, needs: list[list[Need]], found: Found) -> Found:
        for kind, kept in enumerate(needs):
            if not kept:
                continue
            for rows in self.shop.places(self.kinds.of(kind)):
                for need in kept:
                    fleet = self.shop.mixed(rows, need.machines, found.usd_per_month * _ALMOST)
                    if fleet is not None:
                        found = Found(need, fleet)
        return found

    def leanest(self, need: Need, asked: Asked) -> Need:
        """The same need with the least most of requests that keeps what is asked and hardly lets any wait longer."""
        per, over = int(self.ways.per_machine[need.pair]), int(self.ways.machines[need.pair])
        replicas = carried(need.machines[-1:], per, over)[0]
        mine = np.nonzero(self.servers.way == self.ways.way[need.pair])[0]
        rate = np.full(len(mine), asked.load * self.rates[-1] / replicas * _ALMOST)
        answers = self.servers.answers(mine, rate, asked.slow)
        soon = answers.first_token_p99 <= _HARDLY * answers.first_token_p99[mine == need.server]
        return replace(need, server=int(mine[np.argmax(answers.keep(asked.bounds) & soon)]))

    def each(self, asked: Asked) -> list[Found]:
        """For each kind of machines the cheapest fleet of one offer, the cheapest kind first."""
        out = []
        for kind, kept in enumerate(self.needs(asked)):
            rows = self.kinds.of(kind)
            priced = [(self.shop.alone_usd(rows, need.machines), need) for need in kept]
            if not priced:
                continue
            usd, need = min(priced, key=lambda one: float(np.min(one[0])))
            if np.isfinite(np.min(usd)):
                out.append(Found(need, self.shop.alone(int(rows[int(np.argmin(usd))]), need.machines)))
        return sorted(out, key=lambda one: one.usd_per_month)
