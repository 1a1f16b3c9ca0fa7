"""The time of a collective among devices, from their links and their network.

Everything is columns. Large arrays travel round a ring through all members, and its slowest hop sets the pace; each
member has its share of the network, so that a ring has as many lanes between two machines as it has members in each.
Small arrays take a way with fewer steps and less bandwidth. A collective takes whichever is shorter.

Sources: Patarasuk and Yuan 2009 (bandwidth-optimal rings); Thakur et al. 2005 (latency of rings and trees); NVIDIA
nccl-tests, doc/PERFORMANCE.md (bus bandwidth); Jeaugey 2019, "Massively Scale Your Deep Learning Training with NCCL
2.4" (trees; protocols for small arrays).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tradewind.decide.prediction.devices import DeviceColumns

__all__ = ["ASSUMED", "all_gather_s", "all_reduce_s", "all_to_all_s", "reduce_scatter_s", "send_s"]

ASSUMED: Final[dict[str, tuple[float, float, str]]] = {
    "link_bandwidth_ratio": (
        0.95,
        0.05,
        "fitted 2026-11 on vidur@7d47513 (A100): share of its link's rate that one device sends to another",
    ),
    "network_bandwidth_ratio": (
        0.95,
        0.15,
        "published all-reduces reach, of the network's rate, all of 400 Gbit/s (NVIDIA/nccl-tests issue 232, one "
        "device each), 0.75 of 8 x 100 Gbit/s (NVIDIA/nccl issue 495), 0.6 of EFA's 400 Gbit/s (issue 527); this "
        "and the next constant together give 0.73",
    ),
    "collective_bandwidth_ratio": (
        0.77,
        0.05,
        "fitted 2026-11 on vidur@7d47513 and vTrain@f8dda84 (V100, A100, PCIe 4): share of the rate between two "
        "devices that a collective reaches",
    ),
    "collective_start_s": (43e-6, 8e-6, "fitted likewise: to start a ring and fill its pipeline"),
    "link_step_s": (2.8e-6, 0.7e-6, "fitted likewise: one hop inside a machine"),
    "network_step_s": (2.0e-5, 0.6e-5, "fitted likewise on two machines of A100: one hop between machines"),
    "quick_start_s": (14e-6, 3e-6, "fitted likewise: to start the way of small arrays"),
    "quick_bandwidth_ratio": (
        0.18,
        0.05,
        "fitted likewise: bandwidth of the way of small arrays, of a ring's",
    ),
}
"""Constants of collectives: value, standard error, source."""


def all_reduce_s(
    bytes_each: Any,
    world: Any,
    per_machine: Any,
    device: DeviceColumns,
    constants: Mapping[str, float],
    *,
    meshed: Any = False,
) -> Any:
    """Seconds until each of `world` devices has the sum of their arrays of `bytes_each`.

    `per_machine` of the members share one machine. A ring sends 2 (N - 1) / N of the array over each hop. `meshed`
    (a flag, or a column of them) says that the devices of a machine are joined pairwise, without a switch: then a
    device reaches the members only over the links that lead to them.
    """
    return _shorter_s(2.0, bytes_each, world, per_machine, device, constants, meshed)


def reduce_scatter_s(
    bytes_whole: Any,
    world: Any,
    per_machine: Any,
    device: DeviceColumns,
    constants: Mapping[str, float],
    *,
    meshed: Any = False,
) -> Any:
    """Seconds until each device has its part of the sum; `bytes_whole` is the array before it is scattered."""
    return _shorter_s(1.0, bytes_whole, world, per_machine, device, constants, meshed)


def all_gather_s(
    bytes_whole: Any,
    world: Any,
    per_machine: Any,
    device: DeviceColumns,
    constants: Mapping[str, float],
    *,
    meshed: Any = False,
) -> Any:
    """Seconds until each device has all parts; `bytes_whole` is the array after it is gathered."""
    return _shorter_s(1.0, bytes_whole, world, per_machine, device, constants, meshed)


def all_to_all_s(
    bytes_each: Any, world: Any, per_machine: Any, device: DeviceColumns, constants: Mapping[str, float]
) -> Any:
    """Seconds until each device has sent an equal share of its `bytes_each` to every member, itself among them.

    What leaves a machine goes over the network, device by device; the rest over the links at the same time.
    """
    c = constants
    world, inside = _members(world, per_machine)
    link, network = (c["collective_bandwidth_ratio"] * rate for rate in _rates(device, c))
    within = bytes_each * (inside - 1.0) / world / link
    across = bytes_each * (world - inside) / world / network
    # All messages are under way at once, so that the number of members adds no steps.
    step = np.where(world > inside, c["network_step_s"], c["link_step_s"])
    return np.where(world > 1, np.maximum(within, across) + c["collective_start_s"] + step, 0.0)


def send_s(bytes_sent: Any, stride: Any, device: DeviceColumns, constants: Mapping[str, float]) -> Any:
    """Seconds to send an array to the device `stride` ranks away: another machine's, if that is beyond this one."""
    c = constants
    near = np.asarray(stride) < device.devices_per_machine
    link, network = _rates(device, c)
    rate = np.where(near, link, network)
    step = np.where(near, c["link_step_s"], c["network_step_s"])
    return bytes_sent / rate + step + 0.5 * c["quick_start_s"]


def _members(world: Any, per_machine: Any) -> tuple[Any, Any]:
    world = np.maximum(world, 1.0)
    return world, np.clip(per_machine, 1.0, world)


def _rates(device: DeviceColumns, c: Mapping[str, float]) -> tuple[Any, Any]:
    """Bytes per second from a device to another of its machine, and to one of another machine."""
    return (
        c["link_bandwidth_ratio"] * device.link_bytes_per_s,
        c["network_bandwidth_ratio"] * device.network_bytes_per_s,
    )


def _shorter_s(
    rounds: float,
    size: Any,
    world: Any,
    per_machine: Any,
    device: DeviceColumns,
    c: Mapping[str, float],
    meshed: Any,
) -> Any:
    """The ring or the way of small arrays; an all-reduce makes two rounds, its halves one."""
    world, inside = _members(world, per_machine)
    machines = world / inside
    link, network = _rates(device, c)
    led_to = (inside - 1.0) / np.maximum(device.devices_per_machine - 1.0, inside - 1.0 + (inside <= 1))
    link = np.where(np.asarray(meshed) > 0, link * led_to, link)
    pace = np.where(inside > 1, link, np.inf)
    pace = np.where(machines > 1, np.minimum(pace, network * inside), pace)
    pace = np.where(world > 1, c["collective_bandwidth_ratio"] * pace, 1.0)
    moved = rounds * (world - 1.0) / world * size
    # Every hop of a ring is a step, but the lanes of different machines run at the same time.
    ring_steps = c["link_step_s"] * (inside - 1.0) + c["network_step_s"] * np.where(
        machines > 1, machines, 0.0
    )
    ring = 0.5 * rounds * c["collective_start_s"] + rounds * ring_steps + moved / pace
    quick_steps = c["link_step_s"] * np.log2(inside) + c["network_step_s"] * np.log2(machines)
    quick = (
        0.5 * rounds * c["quick_start_s"] + rounds * quick_steps + moved / (c["quick_bandwidth_ratio"] * pace)
    )
    return np.where(world > 1, np.minimum(ring, quick), 0.0)
