"""The time of collectives: laws of rings and tiers, then published rates."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tradewind.decide.prediction import collectives
from tradewind.decide.prediction.devices import DeviceColumns, columns_of
from tradewind.files.sheets import devices

CONSTANTS = {name: value for name, (value, _, _) in collectives.ASSUMED.items()}
STEPS = ("collective_start_s", "link_step_s", "network_step_s", "quick_start_s")
SHEETS = {device.name: device for device in devices()}
COLLECTIVES = [
    collectives.all_reduce_s,
    collectives.reduce_scatter_s,
    collectives.all_gather_s,
    collectives.all_to_all_s,
]
bytes_ = st.floats(1.0, 1e11)
machines = st.integers(1, 64)
inside = st.sampled_from([1, 2, 4, 8])


def column(name: str = "A100-80GB", **changes: float) -> DeviceColumns:
    return replace(columns_of([SHEETS[name]], ["bf16"]), **{key: np.array([v]) for key, v in changes.items()})


@pytest.mark.parametrize("collective", COLLECTIVES)
def test_one_member_waits_for_nobody(collective) -> None:
    assert collective(1e9, 1.0, 1.0, column(), CONSTANTS)[0] == 0.0


@pytest.mark.parametrize("collective", COLLECTIVES)
@settings(max_examples=40, deadline=None)
@given(bytes_, st.floats(1.0, 10.0), machines, inside)
def test_more_bytes_take_no_less(collective, size: float, more: float, count: int, members: int) -> None:
    world = float(count * members)
    less, longer = (
        collective(amount, world, float(members), column(), CONSTANTS)[0] for amount in (size, size * more)
    )
    assert longer >= less


@settings(max_examples=60, deadline=None)
@given(bytes_, machines, inside)
def test_an_all_reduce_is_its_two_halves(size: float, count: int, members: int) -> None:
    where = (float(count * members), float(members), column(), CONSTANTS)
    halves = collectives.reduce_scatter_s(size, *where)[0] + collectives.all_gather_s(size, *where)[0]
    assert collectives.all_reduce_s(size, *where)[0] == pytest.approx(halves, rel=1e-9)


@pytest.mark.parametrize("world", [2.0, 3.0, 8.0])
def test_without_latency_a_ring_moves_its_share_and_no_more(world: float) -> None:
    # Patarasuk and Yuan 2009: 2 (N - 1) / N of the array, at the rate that a ring reaches of the link.
    silent = {**CONSTANTS, **dict.fromkeys(STEPS, 0.0)}
    device = column()
    rate = CONSTANTS["link_bandwidth_ratio"] * CONSTANTS["collective_bandwidth_ratio"]
    expected = 2.0 * (world - 1.0) / world * 1e9 / (rate * device.link_bytes_per_s[0])
    assert collectives.all_reduce_s(1e9, world, world, device, silent)[0] == pytest.approx(expected)


@settings(max_examples=60, deadline=None)
@given(bytes_, st.integers(2, 32), st.sampled_from([2, 4, 8]))
def test_members_in_one_machine_are_no_slower_than_apart(size: float, count: int, members: int) -> None:
    world = float(count * members)
    near = collectives.all_reduce_s(size, world, float(members), column(), CONSTANTS)[0]
    apart = collectives.all_reduce_s(size, world, 1.0, column(), CONSTANTS)[0]
    assert near <= apart * (1 + 1e-9)


def test_the_slowest_tier_sets_the_pace() -> None:
    slow = column(network_bytes_per_s=1e9)
    across = collectives.all_reduce_s(1e9, 16.0, 8.0, slow, CONSTANTS)[0]
    faster_links = collectives.all_reduce_s(
        1e9, 16.0, 8.0, column(network_bytes_per_s=1e9, link_bytes_per_s=1e12), CONSTANTS
    )[0]
    assert across == pytest.approx(faster_links)
    wider = collectives.all_reduce_s(1e9, 16.0, 8.0, column(network_bytes_per_s=2e9), CONSTANTS)[0]
    assert wider == pytest.approx(0.5 * across, rel=0.01)


@pytest.mark.parametrize("collective", COLLECTIVES[:3])
def test_a_mesh_of_all_members_is_as_fast_as_a_switch_and_a_part_of_it_slower(collective) -> None:
    def seconds(world: float, meshed: bool) -> float:
        return float(collective(1e10, world, world, column("MI300X"), CONSTANTS, meshed=meshed)[0])

    assert seconds(8.0, True) == pytest.approx(seconds(8.0, False))
    assert seconds(2.0, True) == pytest.approx(7.0 * seconds(2.0, False), rel=0.01)


def test_small_arrays_take_the_quick_way() -> None:
    tiny = collectives.all_reduce_s(1024.0, 8.0, 8.0, column(), CONSTANTS)[0]
    assert tiny < CONSTANTS["collective_start_s"]


def test_a_neighbour_is_reached_over_the_link_and_another_machine_over_the_network() -> None:
    device = column()
    near, far = (collectives.send_s(1e9, stride, device, CONSTANTS)[0] for stride in (7.0, 8.0))
    slower = device.link_bytes_per_s[0] / device.network_bytes_per_s[0]
    assert far / near == pytest.approx(
        slower * CONSTANTS["link_bandwidth_ratio"] / CONSTANTS["network_bandwidth_ratio"], rel=0.01
    )


@pytest.mark.parametrize(
    ("name", "world", "inside", "lowest", "highest"),
    [
        # nccl-tests' bus bandwidth in GB/s at 1 GiB: NVIDIA/nccl issue 527 (A100 40 GB), 230.8 in a machine.
        ("A100-40GB", 8.0, 8.0, 195, 245),
        ("H100-SXM", 8.0, 8.0, 300, 400),
    ],
)
def test_all_reduces_reach_published_bus_bandwidths(
    name: str, world: float, inside: float, lowest: float, highest: float
) -> None:
    seconds = collectives.all_reduce_s(2.0**30, world, inside, column(name), CONSTANTS)[0]
    assert lowest <= 2.0 * (world - 1.0) / world * 2.0**30 / seconds / 1e9 <= highest


def test_machines_with_a_network_of_400_gbit_reach_30_gb_per_s() -> None:
    # NVIDIA/nccl issue 527: three and four p4d.24xlarge, 50 GB/s for 8 devices, 31.8 and 29.6 GB/s.
    device = column("A100-40GB", network_bytes_per_s=50e9 / 8.0)
    for count in (3.0, 4.0):
        world = 8.0 * count
        seconds = collectives.all_reduce_s(2.0**30, world, 8.0, device, CONSTANTS)[0]
        assert 27 <= 2.0 * (world - 1.0) / world * 2.0**30 / seconds / 1e9 <= 40
