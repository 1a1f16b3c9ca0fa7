"""Which device and arithmetic a text means, and devices as columns of figures without gaps.

Shapes: every column of `DeviceColumns` is (n,), one row a device at one precision. What a data sheet leaves out is
filled by the estimates that stand at the end of this file, so that a model of time needs no case for it.
"""

from __future__ import annotations

import functools
import math
import re
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from tradewind.domain.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tradewind.domain.device import Device

__all__ = [
    "Arithmetic",
    "DeviceColumns",
    "columns_of",
    "device_of",
    "devices_in",
    "has_matrix_units",
    "peak_of",
    "precision_of",
]

# ---- Which device a text means


_FORMS: Final = ("sxm", "pcie", "nvl")
_PARTS: Final = ("module", "oam", "gcd", "tile")
_SPELLINGS: Final = (
    (r"max[-_ ]?q\b", " maxq "),
    (r"(\d)\s*gi?b?\b", r"\1gb "),
    (r"\bsxm(\d)\b", r" sxm sxm\1 "),
    (r"\bpci[-_ ]?e\w*", " pcie "),
    (r"\b(\d{4})[-_ ]?(ti|super|xtx?)\b", r" \1\2 "),
    (r"\b(rtx|gtx|quadro|geforce|titan|tpu|epyc|xeon|gaudi|arc|max)[-_ ]?(?=\w)", r" \1 "),
    (r"^v(\d\w*)-\d+$", r"tpu v\1"),
)
"""Ways of writing the same: "Max-Q", "80 GB" and "80G", "SXM4", "PCI-E", "3090 Ti", "RTX3090", and "v4-128"."""


def device_of(text: str, devices: Sequence[Device]) -> Device | None:
    """The device that a published table, a cloud or a driver means; None where none of its names is in the text.

    A device is found by the words of its name and aliases that tell it from all others ("rtx", "6000", "ada"); the
    longest such name wins. Among its variants decide the memory and the form (SXM, PCIe, NVL) that the text states,
    then the variant of which most words stand in the text: so a bare "H100" is the variant that has that alias.

    >>> from tradewind.files.sheets import devices
    >>> [device_of(text, devices()).name for text in ("DGX-GB300", "NVIDIA_A100-PCIE-40GB", "v5p-128")]
    ['GB300', 'A100-40GB-PCIe', 'TPU-v5p']
    """
    words = _words(text)
    memories = [amount for word in words if (amount := _memory_gib(word))]
    forms = words & set(_FORMS)
    best: Device | None = None
    best_rank: tuple[float, ...] = ()
    for device in devices:
        longest = contained = 0
        for name in (device.name, *device.aliases):
            named = _words(name)
            identity = {word for word in named if not _qualifies(word)}
            if identity <= words:
                longest = max(longest, sum(map(len, identity)))
                contained = max(contained, len(named) if named <= words else 0)
        if not longest:
            continue
        apart = min((abs(math.log(m * 2.0**30 / device.memory_bytes)) for m in memories), default=0.0)
        wrong_form = bool(forms) and bool(form := _form(device)) and form not in forms
        # Makers count 1000 or 1024 and leave out what the device keeps: 10 % apart is the same memory.
        rank = (float(longest), -float(apart > 0.1) - float(wrong_form), float(contained), -apart)
        if rank > best_rank:
            best, best_rank = device, rank
    return best


@functools.lru_cache(maxsize=4096)
def _words(text: str) -> frozenset[str]:
    spelled = text.lower().replace("_", " ")
    for pattern, replacement in _SPELLINGS:
        spelled = re.sub(pattern, replacement, spelled)
    return frozenset(re.findall(r"[a-z0-9]+", spelled))


@functools.lru_cache(maxsize=4096)
def _qualifies(word: str) -> bool:
    """Whether a word tells variants of one device apart."""
    return (
        word.startswith("sxm") or word in _FORMS + _PARTS or bool(re.fullmatch(r"\d+(gb|w)|hbm\d?e?", word))
    )


def _memory_gib(word: str) -> float:
    found = re.fullmatch(r"([1-9]\d{0,4})gb", word)
    return float(found[1]) if found else 0.0


def _form(device: Device) -> str:
    if named := _words(device.name) & set(_FORMS):
        return min(named)
    link = device.link or ""
    if device.vendor != "NVIDIA" or link == "network":
        return ""
    return "sxm" if link.startswith("NVLink") else "pcie"


_CHIPS: Final = {
    "inf1.6xlarge": 4, "inf1.24xlarge": 16, "inf2.24xlarge": 6, "inf2.48xlarge": 12,
    "trn1.32xlarge": 16, "trn1n.32xlarge": 16, "trn2.48xlarge": 16, "trn2u.48xlarge": 16,
}  # fmt: skip
"""Chips of the machines of AWS that have more than one (AWS Neuron documentation, instance sizes)."""
_CORES_PER_CHIP: Final = {"inf1": 4, "inf2": 2, "trn1": 2, "trn2": 8}


def devices_in(text: str) -> int:
    """How many devices a text counts: those of a named machine with Neuron chips, or of a slice of TPUs; else 1.

    Neuron cores where the text says "NeuronCore". Slices of v2, v3, v4 and v5p are named by cores, two in a chip.

    >>> devices_in("Inf2.48xlarge"), devices_in("Inf2.48xlarge NeuronCore-v2"), devices_in("v5p-128")
    (12, 24, 64)
    """
    lower = text.lower()
    if found := re.search(r"\b(inf\d|trn\d)[nu]?\.\w+", lower):
        return _CHIPS.get(found[0], 1) * (_CORES_PER_CHIP.get(found[1], 1) if "neuroncore" in lower else 1)
    if found := re.search(r"\bv(\d)(p|e|litepod|x)?-(\d+)$", lower):
        by_cores = found[1] in "234" or found[1] + (found[2] or "") == "5p"
        return max(1, int(found[3]) // (2 if by_cores else 1))
    return 1


# ---- Which arithmetic a text means


@dataclass(frozen=True)
class Arithmetic:
    """How a network computes and keeps its numbers."""

    compute: str
    """Of matrix products: a key of `Device.peak_flops_per_s`."""
    weight_bytes: float
    """As read for one use in a matrix product, with the scales of blocks."""
    activation_bytes: float
    """Between layers."""
    mixed: bool
    """Weights are kept in fp32 and products are computed in fewer bits (autocast, AMP)."""


_FP32: Final = Arithmetic("fp32", 4.0, 4.0, mixed=False)
_ARITHMETICS: Final = (
    # Two kinds of numbers in one text: weights that are stored smaller than they are computed with.
    (r"(fp16|bf16)\W+weights?\W*(int8|fp8)|w8a16", Arithmetic("fp16", 1.0, 2.0, mixed=False)),
    (r"w4a16|awq|gptq|\bint4|\bnf4", Arithmetic("fp16", 0.5625, 2.0, mixed=False)),
    # llama.cpp: bits per weight with the scales, 4.85 for Q4_K_M; products are of int8 with int8.
    (r"\bq2_", Arithmetic("int8", 0.33, 4.0, mixed=False)),
    (r"\bq3_", Arithmetic("int8", 0.49, 4.0, mixed=False)),
    (r"\b(i?q4_|q4\b)", Arithmetic("int8", 0.606, 4.0, mixed=False)),
    (r"\bq5_", Arithmetic("int8", 0.71, 4.0, mixed=False)),
    (r"\bq6_", Arithmetic("int8", 0.82, 4.0, mixed=False)),
    (r"\bq8_", Arithmetic("int8", 1.0625, 4.0, mixed=False)),
    # A scale of one byte for each 16 (NVFP4) or 32 (MX) numbers.
    (r"nvfp4|fp4|\bf4\b", Arithmetic("fp4", 0.5625, 2.0, mixed=False)),
    (r"mxfp8|fp8[-_]?mx", Arithmetic("fp8", 1.03125, 2.0, mixed=False)),
    (r"fp8|float8|\bf8\b|e4m3", Arithmetic("fp8", 1.0, 2.0, mixed=False)),
    (r"int8|w8a8", Arithmetic("int8", 1.0, 1.0, mixed=False)),
    # Neuron casts products alone; what is between them stays fp32.
    (r"matmult?[-_ ]?bf16", Arithmetic("bf16", 2.0, 4.0, mixed=True)),
    # Pure bf16 with stochastic rounding keeps no fp32 copy of the weights.
    (r"bf16\W*\+?\W*sr\b", Arithmetic("bf16", 2.0, 2.0, mixed=False)),
    (r"(amp|autocast|mixed).*(bf16|bfloat16)|(bf16|bfloat16).*(amp|mixed|fp32)", Arithmetic("bf16", 4.0, 2.0, mixed=True)),
    (r"\bamp\b|_amp|autocast|mixed", Arithmetic("fp16", 4.0, 2.0, mixed=True)),
    (r"bf16|bfloat16", Arithmetic("bf16", 2.0, 2.0, mixed=False)),
    (r"fp16|float16|\bhalf\b|\bf16\b", Arithmetic("fp16", 2.0, 2.0, mixed=False)),
    (r"tf32", Arithmetic("tf32", 4.0, 4.0, mixed=False)),
    (r"fp32|float32|\bf32\b|\bfloat\b|\bsingle\b", _FP32),
)  # fmt: skip
"""What a text says, the most particular first."""


def precision_of(text: str) -> Arithmetic:
    """The arithmetic that a word of a table or of a framework means. Errors: InputError where it is none that is known.

    >>> precision_of("FP16 weights:int8")
    Arithmetic(compute='fp16', weight_bytes=1.0, activation_bytes=2.0, mixed=False)
    >>> precision_of("amp_bf16").compute
    'bf16'
    """
    for pattern, arithmetic in _ARITHMETICS:
        if re.search(pattern, text.lower()):
            return arithmetic
    raise InputError(
        f"precision {text!r}: not known; write one such as fp32, tf32, bf16, amp, fp8, NVFP4, int8 or Q4_K_M"
    )


# ---- Devices as columns


Column = NDArray[np.float64]
Truths = NDArray[np.bool_]


@dataclass(frozen=True)
class DeviceColumns:
    """The figures of devices, one row a device at one precision: (n,). Nothing is missing."""

    peak_flops_per_s: Column
    """Of matrix products at the row's precision, or at the nearest one that the device computes."""
    vector_flops_per_s: Column
    """fp32 without matrix units."""
    memory_bytes: Column
    memory_bandwidth_bytes_per_s: Column
    cache_bytes: Column
    units: Column
    clock_hz: Column
    power_w: Column
    process_nm: Column
    year: Column
    link_bytes_per_s: Column
    devices_per_machine: Column
    network_bytes_per_s: Column
    is_gpu: Truths
    is_tpu: Truths
    is_npu: Truths
    is_cpu: Truths
    has_matrix_units: Truths

    def __len__(self) -> int:
        return len(self.peak_flops_per_s)

    def take(self, rows: NDArray[np.intp] | Truths) -> DeviceColumns:
        """Some of the rows, in the order asked."""
        return DeviceColumns(**{field.name: getattr(self, field.name)[rows] for field in fields(self)})


def columns_of(devices: Sequence[Device], precisions: Sequence[str]) -> DeviceColumns:
    """The figures of n devices, each at a precision: a key of `peak_flops_per_s` or a word that `precision_of` reads.

    Errors: InputError for an unknown precision; ValueError where the lengths differ.

    >>> from tradewind.files.sheets import devices
    >>> v100 = device_of("V100", devices())
    >>> columns_of([v100, v100], ["fp8", "fp32"]).peak_flops_per_s / 1e12
    array([125. ,  15.7])
    """
    place: dict[tuple[int, str], int] = {}
    table: list[tuple[float, ...]] = []
    rows = np.empty(len(devices), dtype=np.intp)
    for i, (device, precision) in enumerate(zip(devices, precisions, strict=True)):
        key = id(device), precision
        if key not in place:
            place[key] = len(table)
            table.append(_figures(device, precision_of(precision).compute))
        rows[i] = place[key]
    names = [field.name for field in fields(DeviceColumns)]
    figures = np.array(table, dtype=np.float64).reshape(-1, len(names))[rows]
    flags = names.index("is_gpu")
    columns: dict[str, Any] = {name: figures[:, j] for j, name in enumerate(names)}
    return DeviceColumns(**{**columns, **{name: columns[name] > 0.0 for name in names[flags:]}})


_NEAREST: Final = {
    "fp32": ("fp32_matrix", "fp32", "bf16", "fp16"),
    "tf32": ("tf32", "fp32_matrix", "fp32", "bf16", "fp16"),
    "fp16": ("fp16", "bf16", "fp32_matrix", "fp32"),
    "bf16": ("bf16", "fp16", "fp32_matrix", "fp32"),
    "fp8": ("fp8", "bf16", "fp16", "fp32_matrix", "fp32"),
    "fp4": ("fp4", "fp8", "bf16", "fp16", "fp32_matrix", "fp32"),
    "int8": ("int8", "fp8", "bf16", "fp16", "fp32_matrix", "fp32"),
}
"""In which precision a device computes that lacks the asked one: the narrowest that holds its numbers."""


def peak_of(device: Device, compute: str) -> float:
    """Matrix products' rate, in operations per second, at a precision or the nearest that the device computes.

    Errors: InputError where the device states no rate.
    """
    for name in _NEAREST[compute]:
        if name in device.peak_flops_per_s:
            return device.peak_flops_per_s[name]
    raise InputError(f"device {device.name}: no peak rate is known; state peak_flops_per_s of fp32 or bf16")


def has_matrix_units(device: Device) -> bool:
    """Whether it multiplies matrices, not only vectors, in hardware.

    Vector units run 16-bit numbers at most twice as fast as fp32; GPUs with tf32 or bf16 have matrix units.
    """
    rates = device.peak_flops_per_s
    narrow = max(rates.get("fp16", 0.0), rates.get("bf16", 0.0))
    if device.kind in ("tpu", "npu"):
        return True
    if device.kind == "gpu" and ("tf32" in rates or "bf16" in rates):
        return True
    return narrow > 2.5 * rates.get("fp32", math.inf)


def _figures(device: Device, compute: str) -> tuple[float, ...]:
    """The row of `DeviceColumns`, in the order of its fields."""
    nm = device.process_nm or _process_nm(device.year)
    clock_hz = (device.clock_ghz or CLOCK_GHZ) * 1e9
    # What chips for networks state as fp32 is of their matrix units.
    stated = 0.0 if device.kind in ("tpu", "npu") else device.peak_flops_per_s.get("fp32", 0.0)
    vector = stated or peak_of(device, "bf16") / MATRIX_PER_VECTOR
    units = device.units or max(1.0, _units(device, clock_hz))
    link = device.link_bytes_per_s or LINK_BYTES_PER_S
    return (
        peak_of(device, compute),
        vector,
        device.memory_bytes,
        device.memory_bandwidth_bytes_per_s,
        device.cache_bytes or CACHE_BYTES_PER_UNIT * units,
        units,
        clock_hz,
        device.power_w or _power_w(device, nm, vector),
        nm,
        device.year,
        link,
        device.devices_per_machine,
        device.network_bytes_per_s or min(link, NETWORK_BYTES_PER_S / device.devices_per_machine),
        device.kind == "gpu",
        device.kind == "tpu",
        device.kind == "npu",
        device.kind == "cpu",
        has_matrix_units(device),
    )


# ---- Estimates of what a data sheet leaves out

CLOCK_GHZ: Final = 1.5
"""The median of the accelerators of 2016 to 2025 is 1.6."""
MATRIX_PER_VECTOR: Final = 64.0
"""bf16 products of matrix units per fp32 operation of vector units on chips for networks: 33 on TPU v5p (459 TFLOP/s to
14, "How to Scale Your Model", 2025), 78 on Gaudi2 (432 to 5.5)."""
LANES_PER_UNIT: Final = 128.0
LANES_PER_CORE: Final = 16.0
"""fp32 lanes of a multiprocessor (Ampere to Blackwell) and of a processor's core (two vectors of 256 bits), each with a
fused multiply-add per clock."""
MATRIX_EDGE: Final = 128.0
"""A systolic array's rows and columns (TPU v2 to v5p)."""
CACHE_BYTES_PER_UNIT: Final = 0.3e6
"""Of A100 and H100: 40 and 50 MiB for 108 and 132 multiprocessors."""
VECTOR_J_NM: Final = 1.0e-12
MATRIX_J_NM: Final = 0.1e-12
CORE_J_NM: Final = 5e-12
MEMORY_J_PER_BYTE: Final = 40e-12
"""Energy of one fp32 operation of vector units and of one 16-bit operation of matrix units, per nanometre of the process;
of one fp32 operation of a processor, whose cores reorder instructions (EPYC 7763: 280 W, 5 TFLOP/s, 7 nm); and of one byte
from memory. Together 420 W for A100 (400 stated), 770 for H100 (700), 380 for RTX 3090 (350),
260 for TPU v3 (262); cards that are kept at low power (L4, T4) stay 3 times below it."""
LINK_BYTES_PER_S: Final = 16e9
"""PCI Express of the third generation with 16 lanes."""
NETWORK_BYTES_PER_S: Final = 12.5e9
"""100 Gbit/s for a machine."""


def _process_nm(year: int) -> float:
    """16 nm in 2016, half of it each four years: 7 in 2020 is 8, 4 in 2024 is 4."""
    return float(16.0 * 2.0 ** ((2016 - year) / 4.0))


def _power_w(device: Device, nm: float, vector_flops_per_s: float) -> float:
    """With all units and the memory busy."""
    matrix = peak_of(device, "bf16") if has_matrix_units(device) else 0.0
    operations = (
        CORE_J_NM if device.kind == "cpu" else VECTOR_J_NM
    ) * vector_flops_per_s + MATRIX_J_NM * matrix
    return nm * operations + MEMORY_J_PER_BYTE * device.memory_bandwidth_bytes_per_s


def _units(device: Device, clock_hz: float) -> float:
    """Multiprocessors or matrix cores that make the stated rate at the clock."""
    if device.kind in ("tpu", "npu"):
        return peak_of(device, "bf16") / (2.0 * MATRIX_EDGE**2 * clock_hz)
    lanes = LANES_PER_CORE if device.kind == "cpu" else LANES_PER_UNIT
    return peak_of(device, "fp32") / (2.0 * lanes * clock_hz)
