"""Data sheets: specifications of machine types, accelerators, and surcharges of managed services."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import msgspec

from tradewind.decide.catalog.dates import read_as_of
from tradewind.decide.catalog.machines import architecture, instruction_sets, shares_cpu
from tradewind.decide.catalog.provenance import grade
from tradewind.decide.catalog.rows import (
    AcceleratorRow,
    QuarantineRow,
    SpecRow,
    SurchargeRow,
)
from tradewind.decide.catalog.texts import Row, cloud_of, scaled, text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tradewind.domain.noun import Cloud

__all__ = [
    "ACCELERATOR_COLUMNS",
    "SPECS_DAY",
    "SPEC_COLUMNS",
    "SURCHARGE_COLUMNS",
    "read_accelerators",
    "read_specs",
    "read_surcharges",
]

SPECS_DAY: Final = "2026-01-31"
SPECS_SOURCE: Final = "SpareCores/sc-data-dumps 2026-01-31 (CC BY-SA 4.0)"

SPEC_COLUMNS: Final = (
    "provider",
    "instance_type",
    "family",
    "status",
    "vcpus",
    "physical_cores",
    "cpu_allocation",
    "cpu_architecture",
    "cpu_manufacturer",
    "cpu_model",
    "cpu_ghz",
    "l2_cache_bytes",
    "l3_cache_bytes",
    "isa",
    "memory_mib",
    "memory_generation",
    "memory_mt_s",
    "gpu_count",
    "gpu_manufacturer",
    "gpu_model",
    "gpu_memory_min_mib",
    "local_storage_gb",
    "network_gbps",
)


def read_specs(rows: Iterable[Row]) -> tuple[list[SpecRow], list[QuarantineRow]]:
    """The specifications in the project's words, sorted; caught: more cores than threads, a type twice."""
    found: dict[tuple[str, str], SpecRow] = {}
    caught: list[QuarantineRow] = []
    for row in sorted(rows, key=lambda row: (row["provider"], row["instance_type"])):
        spec = _spec(row)
        problem = ""
        if (spec.cloud, spec.instance_type) in found:
            problem = "a second row for the same type"
        elif spec.physical_cores is not None and spec.physical_cores > (spec.vcpus or 0):
            problem = f"{spec.physical_cores} cores but {spec.vcpus} vCPUs"
        if problem:
            caught.append(
                QuarantineRow(
                    of_table="specs",
                    cloud=spec.cloud,
                    region="",
                    item=spec.instance_type,
                    purchase="",
                    price_usd=None,
                    invariant="spec_is_consistent",
                    reason=problem,
                    source=spec.source,
                    as_of=spec.as_of,
                )
            )
        else:
            found[(spec.cloud, spec.instance_type)] = spec
    return list(found.values()), caught


def _spec(row: Row) -> SpecRow:
    vendor, model = row["cpu_manufacturer"], row["cpu_model"]
    return SpecRow(
        cloud=cloud_of(row),
        instance_type=row["instance_type"],
        family=text(row, "family"),
        active=row["status"] == "ACTIVE",
        vcpus=_whole(row, "vcpus"),
        physical_cores=_whole(row, "physical_cores"),
        shared_cpu=shares_cpu(row["provider"], row["instance_type"], row["cpu_allocation"]),
        cpu_architecture=architecture(row["cpu_architecture"], vendor, model),
        cpu_vendor=text(row, "cpu_manufacturer"),
        cpu_model=text(row, "cpu_model"),
        cpu_ghz=scaled(row, "cpu_ghz", 1.0),
        l2_cache_bytes=scaled(row, "l2_cache_bytes", 1.0),
        l3_cache_bytes=scaled(row, "l3_cache_bytes", 1.0),
        isa=instruction_sets(row["isa"]),
        memory_bytes=scaled(row, "memory_mib", 2.0**20),
        memory_generation=text(row, "memory_generation"),
        memory_mt_per_s=scaled(row, "memory_mt_s", 1.0),
        gpu_count=scaled(row, "gpu_count", 1.0),
        gpu_vendor=text(row, "gpu_manufacturer"),
        gpu_model=text(row, "gpu_model"),
        gpu_memory_bytes=scaled(row, "gpu_memory_min_mib", 2.0**20),
        local_disk_bytes=scaled(row, "local_storage_gb", 1e9),
        network_gbps=scaled(row, "network_gbps", 1.0),
        source=SPECS_SOURCE,
        as_of=SPECS_DAY,
    )


def _whole(row: Row, column: str) -> int | None:
    value = scaled(row, column, 1.0)
    return None if value is None else int(value)


ACCELERATOR_COLUMNS: Final = (
    "name",
    "vendor",
    "memory_gib",
    "mem_type",
    "mem_bw_gb_s",
    "fp32_tflops",
    "tf32_tflops",
    "fp16_tflops",
    "bf16_tflops",
    "fp8_tflops",
    "int8_tops",
    "interconnect",
    "interconnect_gb_s_per_direction",
    "tdp_w",
    "clouds",
    "source",
    "confidence",
)


def read_accelerators(rows: Iterable[Row], compiled: str) -> tuple[list[AcceleratorRow], list[QuarantineRow]]:
    """The accelerators, sorted by name; a later row of a name fills in what the earlier ones do not state.

    `compiled` is the newest day of the collection: data sheets give none of their own. Caught: no memory, a
    confidence that is no letter, a peak with sparsity beside a dense one, and a later row that contradicts an
    earlier one or adds nothing.
    """
    found: dict[str, AcceleratorRow] = {}
    caught: list[QuarantineRow] = []
    for row in sorted(rows, key=lambda row: row["name"]):
        sheet, problem = _accelerator(row, compiled)
        if sheet is not None and sheet.name in found:
            sheet, problem = _filled(found[sheet.name], sheet)
        if sheet is not None:
            found[sheet.name] = sheet
            continue
        caught.append(
            QuarantineRow(
                of_table="accelerators",
                cloud="",
                region="",
                item=row["name"],
                purchase="",
                price_usd=None,
                invariant="accelerator_is_described",
                reason=problem,
                source=row["source"],
                as_of=compiled,
            )
        )
    return list(found.values()), caught


def _accelerator(row: Row, compiled: str) -> tuple[AcceleratorRow | None, str]:
    """The accelerator, or None and what is wrong with the row."""
    memory = scaled(row, "memory_gib", 2.0**30)
    letter, remark = row["confidence"][:1], row["confidence"][1:].strip(" :;()")
    if memory is None or memory <= 0.0:
        return None, f"memory is {row['memory_gib'] or 'not stated'}"
    if letter not in ("A", "B", "C"):
        return None, f"confidence is {row['confidence'] or 'not stated'}"
    sheet = AcceleratorRow(
        name=row["name"],
        vendor=row["vendor"],
        memory_bytes=memory,
        memory_type=text(row, "mem_type"),
        memory_bandwidth_bytes_per_s=scaled(row, "mem_bw_gb_s", 1e9),
        fp32_flops_per_s=scaled(row, "fp32_tflops", 1e12),
        tf32_flops_per_s=scaled(row, "tf32_tflops", 1e12),
        fp16_flops_per_s=scaled(row, "fp16_tflops", 1e12),
        bf16_flops_per_s=scaled(row, "bf16_tflops", 1e12),
        fp8_flops_per_s=scaled(row, "fp8_tflops", 1e12),
        int8_ops_per_s=scaled(row, "int8_tops", 1e12),
        interconnect=text(row, "interconnect"),
        interconnect_bytes_per_s=scaled(row, "interconnect_gb_s_per_direction", 1e9),
        power_w=scaled(row, "tdp_w", 1.0),
        clouds=text(row, "clouds"),
        # Whoever compiled the list calls the copies that were read "stored".
        source=re.sub(r"\bstored\b", "published", row["source"]),
        as_of=compiled,
        as_of_precision="compiled",
        confidence=letter,
        remark=remark or None,
    )
    mixed = _with_sparsity(sheet)
    return (None, mixed) if mixed else (sheet, "")


_BY_HALVES: Final = (
    ("tf32_flops_per_s", "fp16_flops_per_s"),
    ("tf32_flops_per_s", "bf16_flops_per_s"),
    ("fp16_flops_per_s", "fp8_flops_per_s"),
    ("fp16_flops_per_s", "int8_ops_per_s"),
    ("bf16_flops_per_s", "fp8_flops_per_s"),
    ("bf16_flops_per_s", "int8_ops_per_s"),
)
"""A rate, and that of a number half as wide."""

MOST_BY_HALVES: Final = 2.1
"""Half as wide a number is computed at most twice as fast; data sheets round. With sparsity it is four times."""


def _with_sparsity(sheet: AcceleratorRow) -> str:
    """Which peak must be one with sparsity, since another of the sheet is dense; empty when none is."""
    for wide, narrow in _BY_HALVES:
        dense, stated = getattr(sheet, wide), getattr(sheet, narrow)
        if dense and stated and stated > MOST_BY_HALVES * dense:
            return f"{narrow} {stated:g} is {stated / dense:.1f} times {wide}: is it the peak with sparsity?"
    return ""


_OF_THE_SHEET: Final = ("source", "as_of", "as_of_precision", "confidence", "remark")
"""Fields that say where a row is from; the others describe the accelerator."""


def _filled(first: AcceleratorRow, later: AcceleratorRow) -> tuple[AcceleratorRow | None, str]:
    """The first row with what only the later one states, or None and why the later one is of no use."""
    added: dict[str, Any] = {}
    for field in msgspec.structs.fields(AcceleratorRow):
        stated, new = getattr(first, field.name), getattr(later, field.name)
        if field.name in _OF_THE_SHEET or new is None or new == stated:
            continue
        if stated is not None:
            return (
                None,
                f"a second row for the same accelerator; {field.name} is {new}, first it was {stated}",
            )
        added[field.name] = new
    if not added:
        return None, "a second row for the same accelerator"
    remarks = [remark for remark in (first.remark, later.remark) if remark]
    return (
        msgspec.structs.replace(
            first,
            **added,
            source=f"{first.source}; {', '.join(added)}: {later.source}",
            confidence=max(first.confidence, later.confidence),
            remark="; ".join(remarks) or None,
        ),
        "",
    )


SURCHARGE_COLUMNS: Final = (
    "service",
    "instance",
    "price_managed_usd_h",
    "price_vm_usd_h",
    "surcharge_ratio",
    "as_of",
    "source",
)

_SERVICES: Final[dict[str, tuple[Cloud, str]]] = {"SageMaker": ("aws", "ml.")}
"""Managed service -> its cloud, and what it puts before the machine type."""

RATIO_ROUNDING: Final = 0.001
"""The published ratio has three decimals."""


def read_surcharges(rows: Iterable[Row]) -> tuple[list[SurchargeRow], list[QuarantineRow]]:
    """What managed services cost against bare machines; caught: a ratio that its prices do not give."""
    found: list[SurchargeRow] = []
    caught: list[QuarantineRow] = []
    for row in sorted(rows, key=lambda row: (row["service"], row["instance"])):
        managed, bare = scaled(row, "price_managed_usd_h", 1.0), scaled(row, "price_vm_usd_h", 1.0)
        stated = scaled(row, "surcharge_ratio", 1.0)
        service = _SERVICES.get(row["service"])
        as_of = read_as_of(row["as_of"])
        problem = ""
        if service is None:
            problem = f"{row['service']!r} is not a known service"
        elif as_of is None:
            problem = f"{row['as_of']!r} holds no day"
        elif managed is None or not bare or stated is None:
            problem = "a price or the ratio is missing"
        elif abs(managed / bare - stated) > RATIO_ROUNDING:
            problem = f"{managed:g} / {bare:g} is {managed / bare:.3f}, not {stated:g}"
        elif stated < 1.0:
            problem = f"the managed machine is cheaper than the bare one: ratio {stated:g}"
        if problem or service is None or as_of is None or managed is None or not bare:
            caught.append(
                QuarantineRow(
                    of_table="surcharges",
                    cloud=service[0] if service else "",
                    region="",
                    item=row["instance"],
                    purchase=row["service"],
                    price_usd=managed,
                    invariant="surcharge_is_consistent",
                    reason=problem,
                    source=row["source"],
                    as_of=row["as_of"],
                )
            )
            continue
        found.append(
            SurchargeRow(
                cloud=service[0],
                service=row["service"],
                instance_type=row["instance"].removeprefix(service[1]),
                managed_usd_per_hour=managed,
                bare_usd_per_hour=bare,
                ratio=managed / bare,
                source=row["source"],
                as_of=as_of.day,
                as_of_precision=as_of.precision,
                confidence=grade(row["source"]),
            )
        )
    return found, caught
