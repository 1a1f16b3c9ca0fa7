"""The time of one operator on one device, from the device's data sheet.

Everything is columns: floats or arrays that broadcast, one element for each operator. A product of matrices takes as
long as the slower of its arithmetic and its traffic; its arithmetic is cut into tiles, and tiles into waves over the
units of the chip. Legend: m, k, n of C[m, n] = A[m, k] B[k, n].

Sources: Williams et al. 2009 (roofline); NVIDIA, "Matrix Multiplication Background User's Guide" (tiles and waves);
Dao 2023 and Shah et al. 2024 (attention without its scores in memory).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tradewind.decide.prediction.devices import DeviceColumns

__all__ = [
    "ASSUMED",
    "attention_s",
    "convolution_s",
    "embedding_s",
    "gemm_s",
    "loss_s",
    "memory_bound_s",
    "optimizer_s",
    "sustained_ratio",
]


ASSUMED: Final[dict[str, tuple[float, float, str]]] = {
    "matrix_peak_ratio": (
        0.96,
        0.05,
        "fitted 2026-11 on vidur@7d47513 (A100, A40, H100) and published rates of large products on 20 devices: "
        "share of the peak where power does not limit",
    ),
    "matrix_energy_j_per_flop": (
        1.35e-12,
        0.2e-12,
        "fitted likewise: of a 16-bit flop with its operands at 7 nm and 2048 flops per clock of a unit",
    ),
    "matrix_energy_shrink": (
        0.80,
        0.12,
        "fitted likewise: energy of a flop ~ (process / 7 nm) to this power",
    ),
    "matrix_energy_width": (
        0.37,
        0.07,
        "fitted likewise: energy of a flop ~ (flops per clock of a unit / 2048) to minus this power",
    ),
    "matrix_power_exponent": (
        0.70,
        0.13,
        "fitted likewise: rate ~ power to this, between voltage-bound scaling (1/3) and clock-bound (1)",
    ),
    "processor_peak_ratio": (
        0.75,
        0.1,
        "assumed: what libraries reach on CPUs at the clock of the data sheet",
    ),
    "unit_bytes_per_clock": (
        174.0,
        40.0,
        "fitted likewise: operands that reach one unit of a GPU from its caches",
    ),
    "wave_overhead_clocks": (
        1680.0,
        560.0,
        "fitted likewise: to fill a tile's pipeline and to write the tile",
    ),
    "roofline_sharpness": (2.7, 0.4, "fitted likewise: how sharply arithmetic and traffic hide each other"),
    "memory_bandwidth_ratio": (
        0.89,
        0.04,
        "fitted 2026-11 on sums of vidur@7d47513: streams, of the data sheet's rate",
    ),
    "cache_speedup": (2.2, 0.4, "fitted likewise: of data that fit in the last cache"),
    "product_bandwidth_ratio": (
        0.825,
        0.03,
        "fitted on products of vidur@7d47513 with few rows: reading the weights",
    ),
    "kernel_latency_s": (
        1.8e-6,
        0.5e-6,
        "fitted on sums of vidur@7d47513: an empty kernel, on the device's clock",
    ),
    "product_latency_s": (3.7e-6, 0.5e-6, "fitted on products of vidur@7d47513, likewise"),
    "softmax_flops_per_score": (
        7.0,
        2.5,
        "assumed: fp32 operations of a score that products do not hide, so that attention reaches the 50 to 73 % of "
        "the peak of Dao 2023 (A100) and at most the 740 TFLOP/s of Shah et al. 2024 (H100)",
    ),
    "attention_backward_ratio": (
        2.9,
        0.3,
        "assumed: five products for two (Dao 2022), and a sixth more for adding up the gradients of queries",
    ),
    "attention_score_bytes": (
        12.0,
        3.0,
        "assumed: without flash, scores written, softmax and dropout of 2 + 2 bytes each, a mask, read for the values",
    ),
}
"""Constants of operators: value, standard error, source."""

# Rows and columns of C that one unit of a GPU holds at a time: the shapes that libraries choose from (CUTLASS).
_TILES: Final = ((256.0, 128.0), (128.0, 256.0), (128.0, 128.0), (128.0, 64.0), (64.0, 128.0), (64.0, 64.0))
# Products are cut along k only down to pieces of this length, and into at most so many.
_SHORTEST_SPLIT: Final = 512.0
_MOST_SPLITS: Final = 8.0
# Rows and columns of systolic arrays (TPU v2 to v5p), and what vector units round up to.
_ARRAY: Final = 128.0
_LANES: Final = 16.0
# Queries, and keys, of the blocks of flash attention.
_BLOCK: Final = 128.0


def sustained_ratio(
    device: DeviceColumns, constants: Mapping[str, float], *, operand_bytes: Any = 2.0
) -> Any:
    """Share of the peak that the largest products reach: what the power limit leaves of the clock; (n,), 0 to 1.

    A flop takes an energy that falls with the process, with the size of its operands, and with the width of the unit,
    as wider ones fetch less for each flop. A device whose peak would draw more than its limit slows down.
    """
    c = constants
    narrow = operand_bytes / 2.0
    width = narrow * device.peak_flops_per_s / (device.units * device.clock_hz) / 2048.0
    energy = narrow * c["matrix_energy_j_per_flop"] * (device.process_nm / 7.0) ** c["matrix_energy_shrink"]
    wanted_w = device.peak_flops_per_s * energy * width ** -c["matrix_energy_width"]
    limited = (1.0 + (wanted_w / device.power_w) ** (4.0 * c["matrix_power_exponent"])) ** -0.25
    return np.where(device.is_cpu, c["processor_peak_ratio"], c["matrix_peak_ratio"]) * limited


def gemm_s(
    m: Any,
    k: Any,
    n: Any,
    device: DeviceColumns,
    constants: Mapping[str, float],
    *,
    bytes_a: Any = 2.0,
    bytes_b: Any = 2.0,
    bytes_c: Any = 2.0,
    batch: Any = 1.0,
) -> Any:
    """Seconds of `batch` products C[m, n] = A[m, k] B[k, n]; all broadcast to (n,). `bytes_` are of one element.

    >>> from tradewind.decide.prediction.devices import columns_of, device_of
    >>> from tradewind.files.sheets import devices
    >>> a100 = columns_of([device_of("A100-80GB", devices())], ["bf16"])
    >>> constants = {name: value for name, (value, _, _) in ASSUMED.items()}
    >>> seconds = gemm_s(8192.0, 8192.0, 8192.0, a100, constants)
    >>> round(float(2.0 * 8192.0**3 / seconds[0] / 312e12), 1)
    0.8
    """
    arithmetic = _arithmetic_s(batch, m, k, n, device, constants, np.maximum(bytes_a, bytes_b))
    moved = batch * (bytes_a * m * k + bytes_b * k * n + bytes_c * m * n)
    traffic = moved / (constants["product_bandwidth_ratio"] * device.memory_bandwidth_bytes_per_s)
    return _slower(arithmetic, traffic, constants) + constants["product_latency_s"]


def memory_bound_s(bytes_moved: Any, device: DeviceColumns, constants: Mapping[str, float]) -> Any:
    """Seconds of an operator that does little more than read and write `bytes_moved` in all; (n,).

    What is small against the last cache is still there from the operator before.
    """
    c = constants
    cached = np.exp(-bytes_moved / device.cache_bytes)
    rate = c["memory_bandwidth_ratio"] * device.memory_bandwidth_bytes_per_s
    return bytes_moved / rate * (1.0 - cached * (1.0 - 1.0 / c["cache_speedup"])) + c["kernel_latency_s"]


def attention_s(
    batch: Any,
    heads: Any,
    kv_heads: Any,
    queries: Any,
    keys: Any,
    head_dim: Any,
    device: DeviceColumns,
    constants: Mapping[str, float],
    *,
    causal: Any,
    flash: Any,
    backward: bool,
) -> Any:
    """Seconds of softmax(Q K') V for `batch` sequences, forward or backward, at 16 bits; (n,).

    `causal` and `flash` are flags, columns too: whether a query sees earlier keys alone, and whether scores stay on
    the chip. The last query sees all keys; with fewer keys than queries, a window of half the keys slides. Backward
    is the gradients alone.
    """
    c = constants
    # Flash attention skips whole blocks, so that the diagonal costs half a block more than it must.
    latest = np.minimum(queries, keys)
    early = keys - 0.5 * (latest - 1.0) + np.where(latest > 1, 0.5 * _BLOCK, 0.0)
    visible = np.where(np.asarray(causal) > 0, np.minimum(early, keys), keys)
    scores = batch * heads * queries * visible
    matrix = 4.0 * scores * head_dim / (device.peak_flops_per_s * sustained_ratio(device, c))
    softmax = c["softmax_flops_per_score"] * scores / device.vector_flops_per_s
    # Blocks of queries in waves over the units; few queries share their keys among units instead.
    share = batch * heads * np.ceil(queries / _BLOCK) / device.units
    idle = np.where(device.is_gpu & (queries >= _BLOCK), np.ceil(share) / share, 1.0)
    moved = 2.0 * batch * head_dim * (2.0 * queries * heads + 2.0 * keys * kv_heads)
    traffic = moved / (c["memory_bandwidth_ratio"] * device.memory_bandwidth_bytes_per_s)
    fused = _slower(idle * (matrix + softmax), traffic, c)
    fused = fused * (c["attention_backward_ratio"] if backward else 1.0) + c["kernel_latency_s"]

    groups = batch * heads
    products = gemm_s(queries, head_dim, keys, device, c, batch=groups)
    products = products + gemm_s(queries, keys, head_dim, device, c, batch=groups)
    passes = memory_bound_s(c["attention_score_bytes"] * groups * queries * keys, device, c)
    plain = (2.0 if backward else 1.0) * (products + passes)
    return np.where(np.asarray(flash) > 0, fused, plain)


def convolution_s(
    batch: Any,
    pixels: Any,
    channels_in: Any,
    channels_out: Any,
    kernel_pixels: Any,
    groups: Any,
    device: DeviceColumns,
    constants: Mapping[str, float],
    *,
    stride: Any = 1.0,
    element_bytes: Any = 2.0,
) -> Any:
    """Seconds of a convolution as an implicit product of matrices; (n,).

    `pixels` is the area of the output, `kernel_pixels` that of the kernel. Grouped convolutions fill no tile, so that
    they run on the vector units where that is faster.
    """
    c = constants
    k, n = kernel_pixels * channels_in / groups, channels_out / groups
    arithmetic = _arithmetic_s(groups, batch * pixels, k, n, device, c, element_bytes)
    vector = 2.0 * batch * pixels * k * channels_out / device.vector_flops_per_s
    arithmetic = np.where(np.asarray(groups) > 1, np.minimum(arithmetic, vector), arithmetic)
    moved = batch * pixels * (stride * stride * channels_in + channels_out) + kernel_pixels * channels_in * n
    traffic = element_bytes * moved / (c["memory_bandwidth_ratio"] * device.memory_bandwidth_bytes_per_s)
    return _slower(arithmetic, traffic, c) + c["product_latency_s"]


def embedding_s(
    tokens: Any,
    hidden: Any,
    device: DeviceColumns,
    constants: Mapping[str, float],
    *,
    element_bytes: Any = 2.0,
) -> Any:
    """Seconds to gather `tokens` rows of a table; each is read and written once; (n,)."""
    return memory_bound_s(2.0 * element_bytes * tokens * hidden, device, constants)


def loss_s(tokens: Any, vocab: Any, device: DeviceColumns, constants: Mapping[str, float]) -> Any:
    """Seconds of softmax and cross entropy over the vocabulary, forward and backward; (n,).

    Logits of 2 bytes are cast to 4, read for the maximum and the sum, and replaced by their gradients.
    """
    return memory_bound_s(16.0 * tokens * vocab, device, constants)


def optimizer_s(
    parameters: Any, bytes_per_parameter: Any, device: DeviceColumns, constants: Mapping[str, float]
) -> Any:
    """Seconds of a fused optimizer that reads and writes `bytes_per_parameter` for each of the parameters; (n,)."""
    return memory_bound_s(bytes_per_parameter * parameters, device, constants)


def _slower(one: Any, other: Any, constants: Mapping[str, float]) -> Any:
    """A smooth maximum: arithmetic and traffic of about the same length hide less than all of each other."""
    power = constants["roofline_sharpness"]
    most = np.maximum(np.maximum(one, other), 1e-30)
    return most * (1.0 + (np.minimum(one, other) / most) ** power) ** (1.0 / power)


def _arithmetic_s(
    batch: Any,
    m: Any,
    k: Any,
    n: Any,
    device: DeviceColumns,
    c: Mapping[str, float],
    operand_bytes: Any,
) -> Any:
    """Seconds of the flops alone, in the tiles that suit the product best."""
    rate = device.peak_flops_per_s * sustained_ratio(device, c, operand_bytes=operand_bytes)
    units = device.units
    # A unit reads the rows and columns of its tile from the caches once for each step along k.
    fetched = (
        operand_bytes
        * device.peak_flops_per_s
        / (units * device.clock_hz)
        / (2.0 * c["unit_bytes_per_clock"])
    )
    tiled: Any = np.inf
    for rows, columns in _TILES:
        tiles = batch * np.ceil(m / rows) * np.ceil(n / columns)
        most = np.clip(k / _SHORTEST_SPLIT, 1.0, _MOST_SPLITS)
        splits = np.clip(2.0 ** np.floor(np.log2(units / tiles)), 1.0, most)
        starved = fetched * (1.0 / rows + 1.0 / columns)
        tile_s = 2.0 * rows * columns * (k / splits) * units / rate * (1.0 + starved**2) ** 0.5
        waves = np.ceil(tiles * splits / units)
        tiled = np.minimum(tiled, waves * (tile_s + c["wave_overhead_clocks"] / device.clock_hz))
    step = np.where(device.is_cpu, _LANES, _ARRAY)
    padded = batch * m * np.ceil(k / step) * np.ceil(n / step) * step * step
    return np.where(device.is_gpu, tiled, 2.0 * padded / rate)
