"""Likeness is a measure: these are its laws, then what a person would expect of it."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradewind.decide.catalog.likeness import Distance, Machine, distance, most_like

GIB = 2.0**30

# name, maker, 16-bit peak, bandwidth, memory
ACCELERATORS = (
    (None, None, None, None, None),
    ("L4", "NVIDIA", 121e12, 300e9, 24 * GIB),
    ("A10", "NVIDIA", 125e12, 600e9, 24 * GIB),
    ("H100-SXM", "NVIDIA", 989e12, 3350e9, 80 * GIB),
    ("TPU-v5e", "Google", 197e12, 819e9, 16 * GIB),
    ("unknown", None, None, None, None),
)


def machine(
    cloud: str = "aws", name: str = "a", kind: int = 0, count: float = 1.0, **facts: object
) -> Machine:
    accelerator, vendor, flops, bandwidth, memory = ACCELERATORS[kind]
    stated: dict[str, object] = {
        "vcpus": 4,
        "physical_cores": 2,
        "memory_bytes": 16 * GIB,
        "cpu_architecture": "x86_64",
        "isa": ("avx2",),
    }
    return Machine(
        cloud=cloud,
        instance_type=name,
        accelerator=accelerator,
        accelerator_vendor=vendor,
        accelerator_count=count if accelerator else 0.0,
        accelerator_flops_per_s=flops,
        accelerator_bandwidth_bytes_per_s=bandwidth,
        accelerator_memory_bytes=memory,
        **{**stated, **facts},
    )


MACHINES = st.builds(
    machine,
    cloud=st.sampled_from(["aws", "azure", "gcp"]),
    name=st.sampled_from("abcdef"),
    kind=st.integers(0, len(ACCELERATORS) - 1),
    count=st.sampled_from([0.125, 0.5, 1.0, 2.0, 8.0]),
    vcpus=st.none() | st.integers(1, 896),
    physical_cores=st.none() | st.integers(1, 448),
    memory_bytes=st.none() | st.floats(0.5 * GIB, 32768 * GIB),
    cpu_architecture=st.sampled_from([None, "x86_64", "arm64"]),
    isa=st.none() | st.lists(st.sampled_from(["avx2", "avx512", "neon"]), unique=True).map(tuple),
    shared_cpu=st.booleans(),
    local_disk_bytes=st.sampled_from([None, 0.0, 1e12]),
)


@given(MACHINES)
def test_a_machine_is_most_like_itself(one: Machine) -> None:
    assert distance(one, one) == Distance(accelerator=0.0, count=0.0, rest=0.0)


@given(MACHINES, MACHINES)
def test_the_way_there_is_as_far_as_the_way_back(one: Machine, other: Machine) -> None:
    assert distance(one, other) == distance(other, one)


@given(MACHINES, MACHINES)
def test_no_distance_is_below_zero_or_unbounded(one: Machine, other: Machine) -> None:
    apart = distance(one, other)
    assert all(0.0 <= value < 1000.0 for value in msgspec.structs.astuple(apart))


@given(MACHINES, MACHINES)
def test_the_cloud_and_the_name_do_not_matter(one: Machine, other: Machine) -> None:
    elsewhere = msgspec.structs.replace(other, cloud="gcp", instance_type="another")
    assert distance(one, elsewhere) == distance(one, other)


@given(MACHINES, st.lists(MACHINES, max_size=6), st.integers(0, 7))
def test_the_nearest_come_first(one: Machine, among: list[Machine], most: int) -> None:
    found = most_like(one, among, most)
    distances = [distance(one, other) for other in found]
    assert distances == sorted(distance(one, other) for other in among)[:most]


@given(st.integers(1, 4), st.integers(1, 4), st.integers(1, 896), st.floats(GIB, 4096 * GIB))
def test_an_equal_accelerator_of_another_cloud_comes_before_an_unequal_one(
    kind: int, other_kind: int, vcpus: int, memory_bytes: float
) -> None:
    if kind == other_kind:
        return
    one = machine(kind=kind)
    equal = machine(
        "gcp", "equal", kind=kind, vcpus=vcpus, memory_bytes=memory_bytes, cpu_architecture="arm64"
    )
    unequal = machine("gcp", "unequal", kind=other_kind)
    assert most_like(one, [unequal, equal], 1) == [equal]


@given(st.integers(1, 5), st.integers(1, 5))
def test_any_accelerator_is_nearer_to_another_one_than_to_none(kind: int, other: int) -> None:
    one = machine(kind=kind)
    assert distance(one, machine(kind=other, vcpus=512)) < distance(one, machine(kind=0))


def test_the_number_of_accelerators_counts_before_the_rest() -> None:
    one = machine(kind=1, count=4.0)
    few, many = machine("gcp", "few", kind=1, count=1.0), machine("gcp", "many", kind=1, count=4.0, vcpus=96)
    assert most_like(one, [few, many], 2) == [many, few]


def test_a_doubling_is_one_apart_both_ways() -> None:
    apart = distance(machine(), machine(vcpus=8, memory_bytes=4 * GIB))
    assert apart.rest == pytest.approx(1.0 + 2.0)


def test_another_makers_accelerator_is_further_than_a_weaker_one_of_the_same_maker() -> None:
    one = machine(kind=2)
    assert distance(one, machine(kind=1)) < distance(one, machine(kind=4))


@pytest.mark.parametrize("fact", ["vcpus", "memory_bytes", "isa", "cpu_architecture"])
def test_not_to_be_described_is_no_advantage(fact: str) -> None:
    assert distance(machine(), machine(**{fact: None})).rest == 1.0


def test_equally_near_machines_keep_their_order() -> None:
    first, second = machine("gcp", "b"), machine("gcp", "a")
    assert most_like(machine(), [first, second], 2) == [first, second]
