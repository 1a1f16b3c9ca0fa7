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
    "CapabilityRow",
    "EfficiencyRow",
    "InstanceRow",
    "PartRow",
    "PriceRow",
    "QuarantineRow",
    "RegionRow",
    "ServiceRegionRow",
    "ServiceRow",
    "SourceRow",
    "SpecRow",
    "StorageRow",
    "StorageTierRow",
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
    """What one machine type costs in one region (or zone) under one purchase option (table `offers`)."""

    cloud: CloudName
    region: RegionName
    zone: Annotated[
        str | None, _says("where a spot price holds; null when it holds for the whole region")
    ] = None
    instance_type: Annotated[str, _says("the cloud's own name of the machine type")]
    purchase: Annotated[
        Purchase,
        _says(
            "on_demand, spot, commit_1y or commit_3y (the hourly rate of a commitment, whether it is used or not)"
        ),
    ]
    price_usd_per_hour: Annotated[float, _says("US dollars an hour for one machine, Linux, shared tenancy")]
    stated_price_usd: Annotated[float, _says("the price as the source states it, per stated_unit")]
    stated_unit: Annotated[
        str,
        _says(
            "hour; month (730 h); 1 year (8760 h) or 3 years (26280 h): the total of the term; "
            "parts: the sum of table price_parts"
        ),
    ]
    terms: Annotated[str | None, _says("what a commitment is and how it is paid; null for other prices")] = (
        None
    )
    interruption: Annotated[
        str | None, _says("the cloud's own class of how often such a spot machine is taken back, a month")
    ] = None
    source: Annotated[str, _says("the source, as table sources names it")]
    as_of: AsOfDay
    as_of_precision: Precision
    confidence: Annotated[
        str, _says(_CONFIDENCE + "; before age: when planning, a price older than a year is C")
    ]
    remark: Annotated[str | None, _says("what is unusual about this price and why it is believed")] = None


class PartRow(Noun, frozen=True, kw_only=True):
    """A part of a price that was composed: processor, memory, accelerator, disk (table `price_parts`)."""

    cloud: CloudName
    region: RegionName
    instance_type: Annotated[str, _says("the machine type that the part belongs to")]
    purchase: Annotated[Purchase, _says("as in offers")]
    part: Annotated[str, _says("what it is, such as n1-standard-8, T4 or TPU-v5e chip")]
    quantity: Annotated[float, _says("how many of its unit the machine has")]
    unit: Annotated[str, _says("machine, accelerator, vCPU, GiB of memory or GiB of disk")]
    usd_per_unit_hour: Annotated[float, _says("US dollars an hour for one unit")]
    source: Annotated[str, _says("the source, as table sources names it")]
    as_of: AsOfDay


class SourceRow(Noun, frozen=True, kw_only=True):
    """Where facts come from: one row a published file or answer (table `sources`)."""

    source: Annotated[str, _says("the name by which rows of other tables call it")]
    publisher: Annotated[str, _says("who collected or published it")]
    file: Annotated[str, _says("the file as it was read, or the address that was asked")]
    sha256: Annotated[str | None, _says("hash of the bytes that were read")]
    as_of: AsOfDay
    licence: Annotated[str, _says("under which it may be used")]
    locator: Annotated[
        str | None,
        _says(
            "where in the file a price stands, with {cloud}, {region}, {instance_type} and {key} filled in"
        ),
    ]
    keys: Annotated[
        str | None, _says("what {key} is for each purchase option, as `purchase: key; purchase: key`")
    ]
    read_as: Annotated[str, _says("what was done with what it states, in one sentence")]
    rows: Annotated[int, _says("how many rows of all tables name it")]


class InstanceRow(Noun, frozen=True, kw_only=True):
    """What a machine type has, as freely licensed lists state it (table `shapes`).

    Null where only `specs` states it; the view `instances` joins the two.
    """

    cloud: CloudName
    instance_type: Annotated[str, _says("the cloud's own name of the machine type")]
    family: Annotated[str, _says("the types that differ from this one only in size")]
    vcpus: Annotated[int | None, _says("virtual processors (hardware threads)")]
    memory_bytes: Annotated[float | None, _says("main memory in bytes")]
    accelerator: Annotated[str | None, _says("name in table accelerators; null when there is none")]
    accelerator_count: Annotated[float, _says("accelerators in the machine; a fraction for a slice of one")]
    accelerator_link: Annotated[
        str | None, _says("what joins the accelerators of this machine; null: unknown or a single one")
    ] = None
    network_gbps: Annotated[float | None, _says("baseline bandwidth, summed over network cards, in Gbit/s")]
    network_peak_gbps: Annotated[float | None, _says("burst bandwidth, summed over network cards")] = None
    efa: Annotated[bool | None, _says("whether machines can bypass the kernel to reach each other")] = None
    local_disk_bytes: Annotated[
        float | None, _says("disk inside the machine, in bytes; 0 when there is none")
    ]
    local_disk_kind: Annotated[str | None, _says("nvme or other; null: unknown or none")] = None
    vcpus_from: Annotated[str | None, _says("where vcpus is from when it is not from source")] = None
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


class EfficiencyRow(Noun, frozen=True, kw_only=True):
    """How much of a data sheet was reached in a measurement (table `efficiency`)."""

    accelerator: Annotated[str, _says("name in table accelerators")]
    machine: Annotated[str | None, _says("the machine type on which it was measured")]
    figure: Annotated[
        str, _says("host_to_device, peer_to_peer, memory_bandwidth, or a data type: the matmul rate")
    ]
    measured: Annotated[float, _says("bytes per second, or operations per second for a data type")]
    datasheet: Annotated[float | None, _says("the data sheet's figure in the same unit")]
    fraction: Annotated[float | None, _says("measured / datasheet")]
    source: Source
    as_of: AsOfDay
    confidence: Annotated[str, _says("A: measured and published with its method; B, C: less")]


class StorageRow(Noun, frozen=True, kw_only=True):
    """A price of keeping or touching stored data, one row a step of the monthly volume (table `storage`)."""

    cloud: CloudName
    region: RegionName
    service: Annotated[str, _says("S3, Blob Storage, Cloud Storage, EBS, Persistent Disk, ...")]
    tier: Annotated[str, _says("the cloud's name of the class, with its redundancy: Standard, Cool LRS, gp3")]
    item: Annotated[
        str,
        _says(
            "storage, write_requests, read_requests, list_requests, other_requests, transition, retrieval, "
            "retrieval_requests, early_deletion, monitoring, iops, throughput, index"
        ),
    ]
    detail: Annotated[str, _says("what the item needs to be told apart, such as expedited; else empty")] = ""
    from_gb: Annotated[float, _says("GB (1e9 bytes) a month from which the step holds")] = 0.0
    usd: Annotated[float, _says("US dollars per unit")]
    unit: Annotated[
        str, _says("GB-month, GB (1e9 bytes), 1000 requests, 1000 objects, 1000 tags, IOPS-month, MB/s-month")
    ]
    stated_price_usd: Annotated[float, _says("the price as published")]
    stated_unit: Annotated[str, _says("the unit as published; a GB is taken as 1e9 bytes")]
    source: Source
    as_of: AsOfDay
    as_of_precision: Precision
    confidence: Annotated[str, _says(_CONFIDENCE)]


class StorageTierRow(Noun, frozen=True, kw_only=True):
    """What a storage class is: how long data must stay, how fast they come (table `storage_tiers`)."""

    cloud: CloudName
    service: Annotated[str, _says("as in storage")]
    tier: Annotated[str, _says("as in storage")]
    kind: Annotated[str, _says("object, block, local_disk or data_lake")]
    access: Annotated[str, _says("hot, cool, cold or archive; how often it is meant to be read")]
    minimum_days: Annotated[
        int | None,
        _says("data deleted earlier are charged as if they had stayed this long; null: not stated"),
    ]
    first_byte: Annotated[str | None, _says("how long the first byte takes, as the cloud words it")]
    about: Annotated[str, _says("what it is, in one line")]
    source: Source
    as_of: AsOfDay


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
    to: Annotated[
        str,
        _says("the region or part of the world that the data go to; * for all that have no row of their own"),
    ] = "*"
    from_gb: Annotated[
        float, _says("GB (1e9 bytes) in a month from which the step holds, until the next one")
    ]
    usd_per_gb: Annotated[
        float,
        _says(
            "per GB (1e9 bytes), both ends together; 0 in the free step, and where the cloud says it is free"
        ),
    ]
    stated_price_usd: Annotated[float, _says("the price as published")]
    stated_unit: Annotated[
        str,
        _says(
            "the unit as published: GB or GiB; at each end where both are charged; a GB is taken as 1e9 bytes"
        ),
    ]
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
    country: Annotated[str | None, _says("ISO 3166-1 code of the country it stands in, such as DE")]
    jurisdictions: Annotated[
        tuple[str, ...],
        _says("bodies of law it stands under: the country's code in lower case, and eu, eea or gdpr"),
    ]
    grid_gco2e_per_kwh: Annotated[float | None, _says("grams of CO2 equivalent per kWh of the local grid")]
    carbon_free_share: Annotated[float | None, _says("share of carbon-free electricity, 0 to 1")]
    machine_types: Annotated[int, _says("how many machine types have a price here")]
    source: Annotated[str, _says("who states place and carbon")]
    as_of: AsOfDay
    as_of_precision: Precision


class ServiceRow(Noun, frozen=True, kw_only=True):
    """A managed service (table `services`)."""

    cloud: CloudName
    service: Annotated[str, _says("SageMaker, Azure Machine Learning, Vertex AI, Lake Formation, ...")]
    kind: Annotated[str, _says("machine_learning or data_lake")]
    about: Annotated[str, _says("what it is, in one line")]
    surcharge_low: Annotated[float | None, _says("managed over bare price, lowest known; null: no source")]
    surcharge_likely: Annotated[float | None, _says("median of the known ones; null: no source")]
    surcharge_high: Annotated[float | None, _says("highest known; null: no source")]
    spot: Annotated[bool | None, _says("whether it runs on spot machines; null: unknown")]
    autoscaling: Annotated[bool | None, _says("whether it scales serving by itself; null: unknown")]
    price_note: Annotated[str | None, _says("what else it charges, in the vendor's words; null: no source")]
    source: Source
    as_of: AsOfDay


class CapabilityRow(Noun, frozen=True, kw_only=True):
    """Whether a managed service has what a team may require (table `capabilities`)."""

    cloud: CloudName
    service: Annotated[str, _says("as in services")]
    capability: Annotated[str, _says("a word of `require` in a goal")]
    supported: Annotated[bool | None, _says("null: no source says")]
    how: Annotated[str | None, _says("the feature that gives it, in one line")]
    source: Annotated[str | None, _says("the vendor's page that says so")]
    as_of: Annotated[str | None, _says("ISO day on which the page said so")]


class ServiceRegionRow(Noun, frozen=True, kw_only=True):
    """A region in which a managed service exists (table `service_regions`)."""

    cloud: CloudName
    service: Annotated[str, _says("as in services")]
    region: RegionName
    source: Source
    as_of: AsOfDay


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
    zone: Annotated[str | None, _says("zone; null when it is of the whole region")] = None
    instance_type: Annotated[str | None, _says("machine type; null for rows of other tables")] = None
    item: Annotated[str, _says("machine type, service, accelerator, ...")]
    purchase: Annotated[str, _says("purchase option, kind or tier; empty where there is none")]
    price_usd: Annotated[
        float | None,
        _says("the price as it would have been used: per hour for machines; null when no number"),
    ]
    invariant: Annotated[str, _says("the rule that it breaks")]
    reason: Annotated[str, _says("what is wrong, in one line")]
    source: Annotated[str, _says("as the list states it")]
    as_of: Annotated[str, _says("as the list states it")]
