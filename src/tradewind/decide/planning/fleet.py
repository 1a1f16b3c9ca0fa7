"""The offers by what they have in common, so that what is computed once holds for thousands of them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from tradewind.decide.catalog.machines import family_of
from tradewind.decide.planning.grouping import Groups, alike, truth
from tradewind.decide.planning.prices import Prices
from tradewind.decide.prediction.machine import Machine, machine_of

if TYPE_CHECKING:
    from tradewind.domain.estimate import Calibration
    from tradewind.domain.offer import Offers

__all__ = ["Family", "Fleet"]

Family = tuple[str, str, str]
"""Cloud, family of machine types, purchase option."""


@dataclass(frozen=True)
class Fleet:
    """The offers with what is derived from them once.

    Offers of one kind differ in nothing that a network notices: the same processor, as many cores, as much
    memory, as often interrupted. They need equally many machines and differ in what these cost. There are a
    hundred thousand offers and a few thousand kinds. Shapes: n offers, T kinds, K distinct machines; kinds of
    one machine stand side by side.
    """

    offers: Offers
    machines: tuple[Machine, ...]
    examples: tuple[int, ...]
    """(K,) a row that has the machine."""
    kinds: Groups
    """Of the n rows."""
    machine: np.ndarray
    """(T,) index among the distinct machines."""
    first_kind: np.ndarray
    """(K + 1,) where the kinds of each machine begin."""
    cores: np.ndarray
    memory_bytes: np.ndarray
    interruptions_per_hour: np.ndarray
    """(T,) 0 unless spot."""
    usable: np.ndarray
    """(T,) whether its CPU is its own."""
    assumed_interruptions: np.ndarray
    """(n,) whether no source states the interruptions."""

    @classmethod
    def of(cls, offers: Offers, calibration: Calibration, *, memory_matters: bool) -> Fleet:
        """Offers of equal processors share a machine; memory bandwidth tells sizes apart only if it matters."""
        alike_machines = _alike_machines(offers)
        distinct: dict[object, int] = {}
        machines: list[Machine] = []
        examples: list[int] = []
        index, cores = (np.zeros(len(alike_machines), dtype=np.int64) for _ in range(2))
        for group, row in enumerate(alike_machines.first.tolist()):
            machine = machine_of(offers.offer(row), calibration)
            speed = (
                machine.processor.name,
                machine.fp32_flops_per_s,
                machine.scalar_speed,
                machine.bandwidth_bytes_per_s if memory_matters else 0.0,
                machine.isa,
                machine.deviation,
            )
            if speed not in distinct:
                distinct[speed] = len(machines)
                machines.append(machine)
                examples.append(row)
            index[group], cores[group] = distinct[speed], machine.cores
        row_machine, row_cores = index[alike_machines.of], cores[alike_machines.of]
        interruptions, assumed = _interruptions(offers, calibration)
        usable = ~truth(offers, "shared_cpu", bool)
        found = alike(row_machine, row_cores, offers["memory_bytes"], interruptions, usable)
        kinds = _sorted(found, row_machine[found.first])
        machine_of_kind = row_machine[kinds.first]
        return cls(
            offers=offers,
            machines=tuple(machines),
            examples=tuple(examples),
            kinds=kinds,
            machine=machine_of_kind,
            first_kind=np.searchsorted(machine_of_kind, np.arange(len(machines) + 1)),
            cores=row_cores[kinds.first],
            memory_bytes=offers["memory_bytes"][kinds.first],
            interruptions_per_hour=interruptions[kinds.first],
            usable=usable[kinds.first],
            assumed_interruptions=assumed,
        )

    def kind(self, row: int) -> int:
        """The kind of an offer."""
        return int(self.kinds.of[row])

    def machine_at(self, row: int) -> int:
        """The machine of an offer."""
        return int(self.machine[self.kinds.of[row]])

    def kinds_with(self, machine: int) -> slice:
        """The kinds that have a machine."""
        return slice(int(self.first_kind[machine]), int(self.first_kind[machine + 1]))

    @cached_property
    def prices(self) -> Prices:
        """What the machines cost."""
        return Prices.of(self.offers)

    @cached_property
    def places(self) -> Groups:
        """The offers of each cloud and region."""
        return alike(self.offers.coded("cloud")[0], self.offers.coded("region")[0])

    @cached_property
    def place_names(self) -> tuple[tuple[str, str], ...]:
        """Cloud and region of each of the `places`."""
        return tuple(
            (self._word("cloud", row), self._word("region", row)) for row in self.places.first.tolist()
        )

    @cached_property
    def families(self) -> Groups:
        """The offers of each `Family`."""
        types = alike(self.offers.coded("cloud")[0], self.offers.coded("instance_type")[0])
        seen: dict[tuple[str, str], int] = {}
        codes = np.zeros(len(types), dtype=np.int64)
        for group, row in enumerate(types.first.tolist()):
            cloud = self._word("cloud", row)
            name = cloud, family_of(cloud, self._word("instance_type", row))
            codes[group] = seen.setdefault(name, len(seen))
        return alike(codes[types.of], self.offers.coded("purchase")[0])

    def family_name(self, group: int) -> Family:
        """What one of the `families` is called."""
        row = int(self.families.first[group])
        cloud = self._word("cloud", row)
        return cloud, family_of(cloud, self._word("instance_type", row)), self._word("purchase", row)

    def _word(self, name: str, row: int) -> str:
        codes, values = self.offers.coded(name)
        return str(values[int(codes[row])])


def _alike_machines(offers: Offers) -> Groups:
    """Rows that are equal in all that `machine_of` reads."""
    codes, names = offers.coded("instance_type")
    # What a single vCPU is, a core or half of one, is told by the name of its series.
    series: dict[str, int] = {}
    number = np.array(
        [series.setdefault(str(n).partition("-")[0], len(series)) for n in names], dtype=np.int64
    )
    lone = np.where(offers["vcpus"] == 1, number[codes], -1)
    coded = ("cloud", "cpu_vendor", "cpu_architecture", "cpu_model", "isa")
    numbers = ("cpu_ghz", "physical_cores", "vcpus", "memory_mt_per_s")
    return alike(*(offers.coded(name)[0] for name in coded), *(offers[name] for name in numbers), lone)


def _interruptions(offers: Offers, calibration: Calibration) -> tuple[np.ndarray, np.ndarray]:
    """(n,) interruptions of a machine an hour, and whether they are assumed."""
    spot = truth(offers, "purchase", lambda purchase: purchase == "spot")
    prior = np.where(
        truth(offers, "accelerator", lambda name: name is not None),
        calibration["spot_accelerator_interruptions_per_hour"].value,
        calibration["spot_interruptions_per_hour"].value,
    )
    listed = offers["interruptions_per_hour"]
    unknown = np.isnan(listed)
    return np.where(spot, np.where(unknown, prior, listed), 0.0), spot & unknown


def _sorted(groups: Groups, key: np.ndarray) -> Groups:
    """The same groups by a rising key, (G,)."""
    order = np.argsort(key, kind="stable")
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    return Groups(of=place[groups.of], first=groups.first[order])
