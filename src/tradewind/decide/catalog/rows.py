"""The catalogue's tables in the project's own words: one noun a row, one described field a column.

Every row names its source and a day. What no source states is null, never a guess. Sizes are bytes
(1 GiB = 2**30, 1 GB = 1e9), money is US dollars.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from tradewind.domain.noun import Cloud, Noun, Purchase

__all__ = [
    "AcceleratorRow",
    "InstanceRow",
    "PriceRow",
    "QuarantineRow",
    "RegionRow",
    "SpecRow",
    "StorageRow",
    "SurchargeRow",
    "TransferRow",
]

_SOURCE = "who published it, and in which file or version"
_AS_OF = "ISO day of the fact; where the source is vaguer, see as_of_precision"
_PRECISION = (
    "how exact as_of is: day; year (the first day that the source allows); repository (the day of the "
    "collection, the fact may be older); before (the source says only that it is older than this); compiled "
    "(the source gives no day; the newest day of the collection it came with)"
)
_CONFIDENCE = "A: copied from the vendor's list; B: derived from it; C: old, second-hand or unverified"


def _says(meaning: str) -> msgspec.Meta:
    return msgspec.Meta(description=meaning)


Source = Annotated[str, _says(_SOURCE)]
AsOfDay = Annotated[str, _says(_AS_OF)]
Precision = Annotated[str, _says(_PRECISION)]
CloudName = Annotated[Cloud, _says("aws, azure or gcp")]
RegionName = Annotated[str, _says("the cloud's own name of the region")]


class PriceRow(Noun, frozen=True, kw_only=True):
    """What one machine type costs in one region under one purchase option (table `offers`)."""

    cloud: CloudName
    region: RegionName
    instance_type: Annotated[str, _says("the cloud's own name of the machine type")]
    purchase: Annotated[
        Purchase,
        _says(
            "on_demand, spot, commit_1y or commit_3y (the hourly rate of a commitment, whether it is used or not)"
        ),
    ]
    price_usd_per_hour: Annotated[float, _says("US dollars an hour for one machine, Linux, shared tenancy")]
    source: Source
    as_of: AsOfDay
    as_of_precision: Precision
    confidence: Annotated[
        str, _says(_CONFIDENCE + "; before age: when planning, a price older than a year is C")
    ]
    remark: Annotated[str | None, _says("what is unusual about this price and why it is believed")] = None


class InstanceRow(Noun, frozen=True, kw_only=True):
    """What a machine type has, as freely licensed lists state it (table `instances`).

    Null where only `specs` states it; loading fills these from there.
    """

    cloud: CloudName
    instance_type: Annotated[str, _says("the cloud's own name of the machine type")]
    family: Annotated[str, _says("the types that differ from this one only in size")]
    vcpus: Annotated[int | None, _says("virtual processors (hardware threads)")]
    memory_bytes: Annotated[float | None, _says("main memory in bytes")]
    accelerator: Annotated[str | None, _says("name in table accelerators; null when there is none")]
    accelerator_count: Annotated[float, _says("accelerators in the machine; a fraction for a slice of one")]
    network_gbps: Annotated[float | None, _says("baseline bandwidth, summed over network cards, in Gbit/s")]
    local_disk_bytes: Annotated[
        float | None, _says("disk inside the machine, in bytes; 0 when there is none")
    ]
    source: Source
    as_of: AsOfDay


class SpecRow(Noun, frozen=True, kw_only=True):
    """What is inside a machine type: processor, caches, memory (table `specs`, under its own licence)."""

    cloud: CloudName
    instance_type: Annotated[str, _says("the cloud's own name of the machine type")]
    family: Annotated[str | None, _says("the source's name of the family")]
    active: Annotated[bool, _says("false when the cloud no longer sells it")]
    vcpus: Annotated[int | None, _says("virtual processors (hardware threads)")]
    physical_cores: Annotated[int | None, _says("cores; half the vCPUs where two threads share one")]
    shared_cpu: Annotated[bool, _says("burstable or shared-core: not for a sustained load")]
    cpu_architecture: Annotated[
        str | None, _says("x86_64 or arm64; null where the source has only its default")
    ]
    cpu_vendor: Annotated[str | None, _says("Intel, AMD, AWS, Ampere, Microsoft, ...")]
    cpu_model: Annotated[str | None, _says("such as 8488C, 7763 or Neoverse-V1")]
    cpu_ghz: Annotated[
        float | None,
        _says("clock as the cloud states it: sustained, base or turbo; do not compare between clouds"),
    ]
    l2_cache_bytes: Annotated[float | None, _says("level-2 cache in bytes")]
    l3_cache_bytes: Annotated[float | None, _says("level-3 cache in bytes")]
    isa: Annotated[
        tuple[str, ...] | None,
        _says(
            "instruction sets of avx2, avx512, avx512_vnni, avx512_bf16, amx_bf16, amx_int8, neon, sve, i8mm; "
            "null when no source lists them"
        ),
    ]
    memory_bytes: Annotated[float | None, _says("main memory in bytes")]
    memory_generation: Annotated[str | None, _says("such as DDR5")]
    memory_mt_per_s: Annotated[
        float | None, _says("transfer rate of the memory modules, mega-transfers per second")
    ]
    gpu_count: Annotated[float | None, _says("GPUs in the machine, as the source counts")]
    gpu_vendor: Annotated[str | None, _says("maker of the GPUs")]
    gpu_model: Annotated[str | None, _says("model of the GPUs")]
    gpu_memory_bytes: Annotated[float | None, _says("memory of one GPU in bytes")]
    local_disk_bytes: Annotated[float | None, _says("disk inside the machine, in bytes")]
    network_gbps: Annotated[float | None, _says("network bandwidth in Gbit/s, where stated")]
    source: Source
    as_of: AsOfDay


class AcceleratorRow(Noun, frozen=True, kw_only=True):
    """An accelerator by its data sheet: dense peaks, never the figures "with sparsity" (table `accelerators`)."""

    name: Annotated[str, _says("the name that table instances uses")]
    vendor: Annotated[str, _says("maker")]
    memory_bytes: Annotated[float, _says("memory of one accelerator in bytes")]
    memory_type: Annotated[str | None, _says("such as HBM3")]
    memory_bandwidth_bytes_per_s: Annotated[float | None, _says("peak, bytes per second")]
    fp32_flops_per_s: Annotated[float | None, _says("dense peak, operations per second")]
    tf32_flops_per_s: Annotated[float | None, _says("dense peak, operations per second")]
    fp16_flops_per_s: Annotated[float | None, _says("dense peak, operations per second")]
    bf16_flops_per_s: Annotated[float | None, _says("dense peak, operations per second")]
    fp8_flops_per_s: Annotated[float | None, _says("dense peak, operations per second")]
    int8_ops_per_s: Annotated[float | None, _says("dense peak, operations per second")]
    interconnect: Annotated[str | None, _says("what joins accelerators of one machine")]
    interconnect_bytes_per_s: Annotated[float | None, _says("peak in one direction, bytes per second")]
    power_w: Annotated[float | None, _says("thermal design power in watts")]
    clouds: Annotated[str | None, _says("where it is for rent, in the source's words")]
    source: Source
    as_of: AsOfDay
    as_of_precision: Precision
    confidence: Annotated[
        str, _says("A: vendor's data sheet; B: second-hand or incomplete; C: sources disagree")
    ]
    remark: Annotated[str | None, _says("what the source adds to its confidence")]


class StorageRow(Noun, frozen=True, kw_only=True):
    """Keeping data in an object store's standard tier, first volume step (table `storage`)."""

    cloud: CloudName
    region: RegionName
    service: Annotated[str, _says("such as S3")]
    tier: Annotated[str, _says("such as Standard")]
    usd_per_gb_month: Annotated[float, _says("per GB (1e9 bytes) and month")]
    stated_price_usd: Annotated[float, _says("the price as published")]
    stated_unit: Annotated[str, _says("the unit as published: GB or GiB-month; a GB is taken as 1e9 bytes")]
    source: Source
    as_of: AsOfDay
    as_of_precision: Precision
    confidence: Annotated[str, _says(_CONFIDENCE)]


class TransferRow(Noun, frozen=True, kw_only=True):
    """Moving data out of a region, one row a step of the monthly volume (table `transfer`)."""

    cloud: CloudName
    region: Annotated[str, _says("region, or * for the price that holds where no region has its own")]
    kind: Annotated[
        str,
        _says(
            "internet (to users), inter_region (to another region of the cloud) or inter_zone (inside a region)"
        ),
    ]
    from_gb: Annotated[
        float, _says("GB (1e9 bytes) in a month from which the step holds, until the next one")
    ]
    usd_per_gb: Annotated[float, _says("per GB (1e9 bytes); 0 in the free step")]
    stated_price_usd: Annotated[float, _says("the price as published")]
    stated_unit: Annotated[str, _says("the unit as published: GB or GiB; a GB is taken as 1e9 bytes")]
    stated_region: Annotated[str, _says("the region for which it was published")]
    source: Source
    as_of: AsOfDay
    as_of_precision: Precision
    confidence: Annotated[str, _says(_CONFIDENCE)]


class RegionRow(Noun, frozen=True, kw_only=True):
    """A region, where it is, and how clean its electricity is (table `regions`)."""

    cloud: CloudName
    region: RegionName
    place: Annotated[str | None, _says("city, state or country, as the source names it")]
    place_group: Annotated[
        str | None, _says("europe, us, northamerica, southamerica, asia, australia, africa, me or china")
    ]
    grid_gco2e_per_kwh: Annotated[float | None, _says("grams of CO2 equivalent per kWh of the local grid")]
    carbon_free_share: Annotated[float | None, _says("share of carbon-free electricity, 0 to 1")]
    machine_types: Annotated[int, _says("how many machine types have a price here")]
    source: Source
    as_of: AsOfDay
    as_of_precision: Precision


class SurchargeRow(Noun, frozen=True, kw_only=True):
    """What a managed service asks for a machine, against the bare machine (table `surcharges`)."""

    cloud: CloudName
    service: Annotated[str, _says("such as SageMaker")]
    instance_type: Annotated[str, _says("the bare machine's type")]
    managed_usd_per_hour: Annotated[float, _says("US dollars an hour for the managed machine")]
    bare_usd_per_hour: Annotated[float, _says("US dollars an hour for the bare machine at the same time")]
    ratio: Annotated[float, _says("managed / bare")]
    source: Source
    as_of: AsOfDay
    as_of_precision: Precision
    confidence: Annotated[str, _says(_CONFIDENCE)]


class QuarantineRow(Noun, frozen=True, kw_only=True):
    """A row that breaks an invariant: kept here with the reason, and not used (table `quarantine`)."""

    of_table: Annotated[str, _says("the table it would have been in")]
    cloud: Annotated[str, _says("cloud")]
    region: Annotated[str, _says("region")]
    item: Annotated[str, _says("machine type, service or accelerator")]
    purchase: Annotated[str, _says("purchase option, kind or tier; empty where there is none")]
    price_usd: Annotated[float | None, _says("the price as published; null when it is no number")]
    invariant: Annotated[str, _says("the rule that it breaks")]
    reason: Annotated[str, _says("what is wrong, in one line")]
    source: Annotated[str, _says("as the list states it")]
    as_of: Annotated[str, _says("as the list states it")]
