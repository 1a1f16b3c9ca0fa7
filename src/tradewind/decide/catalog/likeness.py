"""Which machine of one cloud is most like a machine of another.

Machines are compared by what a network feels, in this order:

1. the kind of accelerator: the same is 0; of different ones, 1 and the doublings between their 16-bit peaks,
   bandwidths and memories, and 3 more where another maker's programs are needed; against none, more than any of these;
2. how many accelerators there are, in doublings;
3. the rest, summed: vCPUs, memory and (half as much) cores in doublings; 1 for another architecture, for which
   programs are built again; the share of instruction sets that only one of them has; 1 where only one shares
   its processor with others; a quarter where only one has a disk inside.

A doubling is one power of two: 16 GiB and 64 GiB are two apart. What is known of one machine only counts as one
doubling, or as different: not to be described is no advantage. Clocks are not compared, since each cloud states
another one (base, turbo or sustained).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from tradewind.domain.noun import Cloud, Noun

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Distance", "Machine", "distance", "most_like"]


class Machine(Noun, frozen=True, kw_only=True):
    """What a machine type has, as all lists together state it (view `instances`), and what its accelerator can do."""

    cloud: Cloud
    instance_type: str
    family: str | None = None
    vcpus: int | None = None
    physical_cores: int | None = None
    shared_cpu: bool = False
    cpu_architecture: str | None = None
    cpu_vendor: str | None = None
    cpu_model: str | None = None
    cpu_ghz: float | None = None
    l2_cache_bytes: float | None = None
    l3_cache_bytes: float | None = None
    isa: tuple[str, ...] | None = None
    memory_bytes: float | None = None
    memory_generation: str | None = None
    memory_mt_per_s: float | None = None
    accelerator: str | None = None
    accelerator_count: float = 0.0
    accelerator_vendor: str | None = None
    accelerator_memory_bytes: float | None = None
    accelerator_flops_per_s: float | None = None
    """Dense peak of one accelerator in 16 bits: bf16, or fp16 where it has no bf16."""
    accelerator_bandwidth_bytes_per_s: float | None = None
    accelerator_link: str | None = None
    network_gbps: float | None = None
    network_peak_gbps: float | None = None
    efa: bool | None = None
    local_disk_bytes: float | None = None
    local_disk_kind: str | None = None
    active: bool | None = None
    """False when the cloud no longer sells it; None when no list says."""
    shape_source: str | None = None
    spec_source: str | None = None


class Distance(Noun, frozen=True, kw_only=True, order=True):
    """How far two machines are apart; compared field by field, smaller is more alike."""

    accelerator: float
    count: float
    rest: float


_NO_ACCELERATOR: Final = 100.0
"""Between a machine with accelerators and one without: more than any two accelerators differ."""


def distance(one: Machine, other: Machine) -> Distance:
    """How far two machines are apart, by the measure of this file; the same both ways, and 0 from itself.

    >>> small = Machine(cloud="aws", instance_type="a", vcpus=4, memory_bytes=16.0, physical_cores=2)
    >>> large = Machine(cloud="gcp", instance_type="b", vcpus=8, memory_bytes=32.0, physical_cores=4)
    >>> distance(small, large).rest
    2.5
    """
    return Distance(
        accelerator=_kind(one, other),
        count=_doublings(one.accelerator_count or None, other.accelerator_count or None)
        if one.accelerator and other.accelerator
        else 0.0,
        rest=_rest(one, other),
    )


def most_like(machine: Machine, among: Iterable[Machine], most: int) -> list[Machine]:
    """The machines that are most like one, the nearest first; of those that are equally near, the earlier."""
    return sorted(among, key=lambda other: distance(machine, other))[:most]


def _kind(one: Machine, other: Machine) -> float:
    if one.accelerator == other.accelerator:
        return 0.0
    if one.accelerator is None or other.accelerator is None:
        return _NO_ACCELERATOR
    return min(
        _NO_ACCELERATOR / 2.0,
        (1.0 if one.accelerator_vendor == other.accelerator_vendor else 4.0)
        + _doublings(one.accelerator_flops_per_s, other.accelerator_flops_per_s)
        + _doublings(one.accelerator_bandwidth_bytes_per_s, other.accelerator_bandwidth_bytes_per_s)
        + _doublings(one.accelerator_memory_bytes, other.accelerator_memory_bytes),
    )


def _rest(one: Machine, other: Machine) -> float:
    return (
        _doublings(one.vcpus, other.vcpus)
        + _doublings(one.memory_bytes, other.memory_bytes)
        + 0.5 * _doublings(one.physical_cores, other.physical_cores)
        + (1.0 if one.cpu_architecture != other.cpu_architecture else 0.0)
        + _unshared(one.isa, other.isa)
        + (1.0 if one.shared_cpu != other.shared_cpu else 0.0)
        + (0.25 if bool(one.local_disk_bytes) != bool(other.local_disk_bytes) else 0.0)
    )


def _doublings(one: float | None, other: float | None) -> float:
    """How many doublings are between two sizes; one where only one of them is known."""
    if not one or not other:
        return 0.0 if bool(one) == bool(other) else 1.0
    return abs(math.log2(one) - math.log2(other))


def _unshared(one: tuple[str, ...] | None, other: tuple[str, ...] | None) -> float:
    """The share of words that only one of them has, 0 to 1; all where only one is known."""
    if one is None or other is None:
        return 0.0 if one == other else 1.0
    either = set(one) | set(other)
    return len(set(one) ^ set(other)) / len(either) if either else 0.0
