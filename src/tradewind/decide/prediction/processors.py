"""Which processor a machine has, and what one of its cores can do.

Width and clock are facts of the generation, taken from vendors' optimization manuals; speed without
vectors and memory bandwidth were fitted on published measurements (llama.cpp on AWS instances by
SpareCores, 2025), so that one core of AMD Zen 3 is 1.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np

__all__ = ["PROCESSORS", "Certainty", "Dies", "Processor", "drawn_bytes_per_s", "identify"]

Certainty = Literal["model", "instructions", "guess"]
"""How a processor was recognised: by its model, by vendor and instruction set, or hardly at all."""


@dataclass(frozen=True)
class Dies:
    """What a socket draws from memory whose cores stand on dies, each with one link to the memory's die."""

    cores: int
    """On one die."""
    core_bytes_per_s: float
    die_bytes_per_s: float
    socket_bytes_per_s: float


@dataclass(frozen=True)
class Processor:
    """A generation of processors."""

    name: str
    vendor: str
    architecture: str
    pattern: str
    """Of the model's name, as clouds and operating systems write it."""
    clock_ghz: float
    """With all cores busy."""
    flops_per_cycle: int
    """fp32, one core, fused multiply-adds count twice."""
    scalar_per_clock: float
    """Speed of code without wide vectors per clock, one core of Zen 3 = 1."""
    core_bandwidth_bytes_per_s: float
    """What one core can draw from memory alone."""
    socket_bandwidth_bytes_per_s: float
    """What all cores can draw together, with memory of `memory_mt_per_s`."""
    memory_mt_per_s: float
    avx512: bool = False
    dies: Dies | None = None
    """None where all cores share one way to memory, or nobody has measured it."""


def _row(
    name: str,
    vendor: str,
    pattern: str,
    clock_ghz: float,
    flops_per_cycle: int,
    scalar_per_clock: float,
    core_gb_per_s: float,
    socket_gb_per_s: float,
    memory_mt_per_s: float,
    avx512: bool = False,
    die_gb_per_s: tuple[float, float, float] | None = None,
) -> Processor:
    return Processor(
        name=name,
        vendor=vendor,
        architecture="arm64" if vendor == "arm" else "x86_64",
        pattern=pattern,
        clock_ghz=clock_ghz,
        flops_per_cycle=flops_per_cycle,
        scalar_per_clock=scalar_per_clock,
        core_bandwidth_bytes_per_s=core_gb_per_s * 1e9,
        socket_bandwidth_bytes_per_s=socket_gb_per_s * 1e9,
        memory_mt_per_s=memory_mt_per_s,
        avx512=avx512,
        dies=Dies(8, *(rate * 1e9 for rate in die_gb_per_s)) if die_gb_per_s else None,
    )


PROCESSORS: Final[tuple[Processor, ...]] = (
    _row("AMD Zen 1", "amd", r"\b7[0-9A-Z][0-9]1\b", 2.4, 16, 0.75, 7.0, 40.0, 2667.0),
    _row("AMD Zen 2", "amd", r"\b7[0-9A-Z][0-9]2\b", 3.1, 32, 0.87, 13.0, 90.0, 2933.0),
    _row(
        "AMD Zen 3",
        "amd",
        r"\b7[0-9A-Z][0-9]3X?\b",
        3.4,
        32,
        1.0,
        15.0,
        85.0,
        3200.0,
        die_gb_per_s=(17.0, 40.0, 72.0),
    ),
    # Zen 4 executes 512-bit instructions in two halves: no wider than Zen 3.
    _row(
        "AMD Zen 4",
        "amd",
        r"\b9[0-9A-Z][0-9]4[A-Z]?\b",
        3.6,
        32,
        1.12,
        15.5,
        110.0,
        4800.0,
        die_gb_per_s=(25.0, 37.0, 225.0),
    ),
    _row(
        "AMD Zen 5",
        "amd",
        r"\b9[0-9A-Z][0-9]5[A-Z]?\b",
        4.3,
        64,
        1.25,
        25.0,
        135.0,
        6400.0,
        avx512=True,
        die_gb_per_s=(29.0, 52.0, 330.0),
    ),
    _row("Intel Ivy Bridge", "intel", r"\bE5-\d{4}L? v2\b", 2.6, 16, 0.65, 6.0, 60.0, 1866.0),
    _row(
        "Intel Haswell/Broadwell",
        "intel",
        r"\bE\d?-\d{4}[A-Z]* v[34]\b|\bE-2\d{3}G\b",
        2.6,
        32,
        0.72,
        8.0,
        80.0,
        2400.0,
    ),
    _row("Intel Granite Rapids", "intel", r"\b6[79]\d\dP", 3.6, 64, 1.08, 11.0, 230.0, 6400.0, avx512=True),
    _row(
        "Intel Emerald Rapids",
        "intel",
        r"\b[3-8]5\d\d[A-Z+]*\b",
        3.2,
        64,
        1.02,
        10.0,
        260.0,
        5600.0,
        avx512=True,
    ),
    _row(
        "Intel Sapphire Rapids",
        "intel",
        r"\b[3-8]4\d\d[A-Z+]*\b",
        3.1,
        64,
        1.0,
        10.0,
        240.0,
        4800.0,
        avx512=True,
    ),
    _row("Intel Ice Lake", "intel", r"\b[3-8]3\d\d[A-Z]*\b", 3.2, 64, 0.92, 11.0, 110.0, 3200.0, avx512=True),
    _row(
        "Intel Cascade Lake", "intel", r"\b[3-8]2\d\d[A-Z]*\b", 3.1, 64, 0.75, 9.0, 85.0, 2933.0, avx512=True
    ),
    _row("Intel Skylake", "intel", r"\b[3-8]1\d\d[A-Z]*\b", 3.0, 64, 0.75, 9.0, 80.0, 2667.0, avx512=True),
    _row("Arm Cortex-A72", "arm", r"\bA72\b", 2.3, 8, 0.42, 2.5, 60.0, 2400.0),
    _row("Arm Neoverse-N1", "arm", r"\bN1\b", 2.6, 16, 0.75, 5.0, 120.0, 3200.0),
    _row("Arm Neoverse-V1", "arm", r"\bV1\b", 2.6, 32, 0.95, 7.0, 190.0, 4800.0),
    _row("Arm Neoverse-N2", "arm", r"\bN2\b", 3.4, 16, 0.95, 7.5, 240.0, 5600.0),
    _row("Arm Neoverse-V2", "arm", r"\bV2\b", 2.8, 32, 1.1, 7.5, 245.0, 5600.0),
)
"""Recognised in this order. Bandwidths: least squares on 1 / (1/core + cores/socket), residual 5-15 % median.

Bandwidths of core, die and socket: read off the same measurements, one stream of llama-7B with 4.08 GB of weights on
1 to 96 cores of one socket (7R13, 9R14, 9R45). Twelve channels of DDR5-4800 and of DDR5-6400 have 461 and 614 GB/s
(AMD EPYC 9004 and 9005 data sheets), of which such a stream draws half."""

_BY_NAME: Final = {processor.name: processor for processor in PROCESSORS}

# What the instruction set leaves open is read as the older generation: it promises less.
_BY_INSTRUCTIONS: Final[tuple[tuple[str, str, str], ...]] = (
    ("amd", "avx512_bf16", "AMD Zen 4"),
    ("amd", "avx512", "AMD Zen 4"),
    ("amd", "avx2", "AMD Zen 3"),
    ("intel", "amx_int8", "Intel Sapphire Rapids"),
    ("intel", "avx512_vnni", "Intel Cascade Lake"),
    ("intel", "avx512", "Intel Skylake"),
    ("intel", "avx2", "Intel Haswell/Broadwell"),
    ("arm", "sve", "Arm Neoverse-V1"),
    ("arm", "i8mm", "Arm Neoverse-N2"),
    ("arm", "neon", "Arm Neoverse-N1"),
)


def drawn_bytes_per_s(processor: Processor, cores: Any, memory_mt_per_s: float | None = None) -> Any:
    """What `cores` busy cores of one socket draw from memory together; a number or an array, as `cores` is.

    Dies are filled one after the other. Limits of cores, dies and socket add as squares of resistances.

    >>> zen4 = identify(vendor="AMD", architecture=None, model="9R14", isa=None)[0]
    >>> [round(float(drawn_bytes_per_s(zen4, cores)) / 1e9) for cores in (2, 8, 32, 96)]  # 31, 37, 127, 205 measured
    [29, 36, 122, 200]
    """
    faster = (memory_mt_per_s or processor.memory_mt_per_s) / processor.memory_mt_per_s
    dies = processor.dies
    if dies is None:
        socket = processor.socket_bandwidth_bytes_per_s * faster
        return cores / (1.0 / processor.core_bandwidth_bytes_per_s + cores / socket)
    limits = (
        cores * dies.core_bytes_per_s,
        np.ceil(cores / dies.cores) * dies.die_bytes_per_s,
        dies.socket_bytes_per_s * faster,
    )
    return sum(limit**-2.0 for limit in limits) ** -0.5


def identify(
    *, vendor: str | None, architecture: str | None, model: str | None, isa: tuple[str, ...] | None
) -> tuple[Processor, Certainty]:
    """The generation of a processor, and how it was recognised.

    >>> identify(vendor="Intel", architecture="x86_64", model="8375C", isa=None)[0].name
    'Intel Ice Lake'
    >>> identify(vendor="AuthenticAMD", architecture="x86_64", model="AMD EPYC", isa=("avx2",))[1]
    'instructions'
    >>> identify(vendor=None, architecture=None, model=None, isa=None)[1]
    'guess'
    """
    maker = _maker(vendor, architecture, model)
    if model:
        for processor in PROCESSORS:
            if maker in ("", processor.vendor) and re.search(processor.pattern, model):
                return processor, "model"
    words = set(isa or ())
    for owner, word, name in _BY_INSTRUCTIONS:
        if word in words and owner == (maker or "intel"):
            return _BY_NAME[name], "instructions"
    oldest = {"arm": "Arm Neoverse-N1", "amd": "AMD Zen 2"}.get(maker, "Intel Haswell/Broadwell")
    return _BY_NAME[oldest], "guess"


def _maker(vendor: str | None, architecture: str | None, model: str | None) -> str:
    """Either amd, intel or arm, or "" when nothing says it."""
    words = f"{vendor or ''} {model or ''}".lower()
    if architecture == "arm64" or any(word in words for word in ("neoverse", "cortex", "graviton", "ampere")):
        return "arm"
    if "amd" in words or "epyc" in words:
        return "amd"
    return "intel" if "intel" in words or "xeon" in words else ""
