"""AWS: recorded answers of DescribeInstanceTypes and DescribeInstanceTypeOfferings, from the package moto."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tradewind.decide.catalog.accelerators import accelerator_of
from tradewind.decide.catalog.lists.origin import Origin
from tradewind.decide.catalog.machines import family_of
from tradewind.decide.catalog.rows import InstanceRow

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["TYPES", "read_offered", "read_types"]

TYPES: Final = Origin(
    source="moto 5.2.5: recorded EC2 DescribeInstanceTypes",
    publisher="moto",
    as_of="2026-07-20",
    as_of_precision="compiled",
    licence="Apache-2.0",
    confidence="A",
    file="raw/aws_instance_types_moto-5.2.5.json.gz",
    locator="{instance_type}",
    read_as="vCPUs, memory, network cards (baseline summed), local disks and accelerators as the vendor describes them",
)


def read_types(found: Mapping[str, Mapping[str, Any]]) -> tuple[InstanceRow, ...]:
    """The shape of every machine type."""
    return tuple(_shape(name, found[name]) for name in sorted(found))


def _shape(name: str, described: Mapping[str, Any]) -> InstanceRow:
    accelerator, count = _accelerator(name, described)
    network = described.get("NetworkInfo", {})
    cards = network.get("NetworkCards", [])
    storage = described.get("InstanceStorageInfo")
    return InstanceRow(
        cloud="aws",
        instance_type=name,
        family=family_of("aws", name),
        vcpus=described["VCpuInfo"]["DefaultVCpus"],
        memory_bytes=described["MemoryInfo"]["SizeInMiB"] * 2.0**20,
        accelerator=accelerator,
        accelerator_count=count,
        network_gbps=_sum(cards, "BaselineBandwidthInGbps"),
        network_peak_gbps=_sum(cards, "PeakBandwidthInGbps"),
        efa=network.get("EfaSupported"),
        local_disk_bytes=storage["TotalSizeInGB"] * 1e9 if storage else 0.0,
        local_disk_kind=None
        if not storage
        else "nvme"
        if storage.get("NvmeSupport") in ("required", "supported")
        else "other",
        source=TYPES.source,
        as_of=TYPES.as_of,
    )


def _sum(cards: Iterable[Mapping[str, Any]], key: str) -> float | None:
    """The bandwidth of all cards together; None when one of them states none."""
    stated = [card.get(key) for card in cards]
    known = [float(value) for value in stated if value is not None]
    return sum(known) if known and len(known) == len(stated) else None


def _accelerator(name: str, described: Mapping[str, Any]) -> tuple[str | None, float]:
    """The accelerator's name in our table, and how many; a fraction where the machine has a slice of one.

    The memory that the answers state for Neuron devices is not used: Trainium2 stands there with 512 GiB
    where the data sheet says 96.
    """
    for key, devices in (
        ("GpuInfo", "Gpus"),
        ("NeuronInfo", "NeuronDevices"),
        ("InferenceAcceleratorInfo", "Accelerators"),
    ):
        for device in described.get(key, {}).get(devices, []):
            share = device.get("GpuPartitionSize", 1.0)
            memory = device.get("MemoryInfo", {}).get("SizeInMiB") if key == "GpuInfo" else None
            found = accelerator_of(
                "aws",
                name,
                device.get("Manufacturer", "AWS"),
                device["Name"],
                None if memory is None else memory * 2.0**20 / share,
            )
            # A slice of a GPU counts as no GPU, but as one logical GPU.
            return found, float(device["Count"] or share * device.get("LogicalGpuCount", 0))
    return None, 0.0


def read_offered(regions: Mapping[str, Iterable[Mapping[str, str]]]) -> frozenset[tuple[str, str]]:
    """The pairs of machine type and region in which the vendor offers the type."""
    return frozenset(
        (offered["InstanceType"], region) for region, found in regions.items() for offered in found
    )
