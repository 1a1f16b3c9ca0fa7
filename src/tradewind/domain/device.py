"""Device: one accelerator (or one CPU socket) as its maker's data sheet describes it."""

from __future__ import annotations

from typing import Literal

from tradewind.domain.noun import Noun

__all__ = ["Device", "DeviceKind"]

DeviceKind = Literal["gpu", "tpu", "npu", "cpu"]
"""npu: chips for networks only, such as Trainium, Inferentia and Gaudi."""


class Device(Noun, frozen=True, kw_only=True):
    """One accelerator, by its data sheet: dense rates, without sparsity. None where no source states it.

    The last four fields describe the machines that are usually built of it; an Offer that states its own
    links or network comes before them.
    """

    name: str
    """As in the catalogue's table of accelerators where it is listed there, such as "H100-SXM"."""
    aliases: tuple[str, ...] = ()
    """Other names of it, and the bare name that means it among several variants: "H100"."""
    vendor: str
    kind: DeviceKind
    generation: str
    """The microarchitecture in lower case: pascal, volta, turing, ampere, ada, hopper, blackwell, cdna3, tpu-v5e, ..."""
    year: int
    process_nm: float | None = None
    units: int | None = None
    """Streaming multiprocessors, compute units, or matrix cores."""
    clock_ghz: float | None = None
    """Boost."""
    memory_bytes: float
    memory_bandwidth_bytes_per_s: float
    cache_bytes: float | None = None
    """The last level on the chip."""
    peak_flops_per_s: dict[str, float]
    """By precision: fp32 (without matrix units), tf32, fp16, bf16, fp8, int8, fp4; dense, fp32 accumulation where stated.

    "fp32_matrix" where matrix units take fp32 as it is (AMD's)."""
    power_w: float | None = None
    link: str | None = None
    """What joins the devices of a machine: NVLink4, PCIe4 x16, ICI, NeuronLink, Infinity Fabric, RoCE."""
    link_bytes_per_s: float | None = None
    """Per device and direction to its peers in the machine, over `link`."""
    devices_per_machine: int = 8
    """How many are joined by `link`: 8 of a DGX, 72 of a GB200 rack, a slice of TPUs."""
    network_bytes_per_s: float | None = None
    """Per device and direction between machines, as these are usually built."""
    source: str
    as_of: str
    confidence: str
    """A: the maker's data sheet; B: derived from it or second-hand; C: sources disagree or from memory."""
