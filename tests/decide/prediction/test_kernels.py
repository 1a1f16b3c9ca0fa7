"""The time of operators: laws of rooflines, tiles and power, then published rates."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tradewind.decide.prediction import kernels
from tradewind.decide.prediction.devices import DeviceColumns, columns_of
from tradewind.files.sheets import devices

CONSTANTS = {name: value for name, (value, _, _) in kernels.ASSUMED.items()}
SHEETS = {device.name: device for device in devices()}
sizes = st.floats(1.0, 20_000.0).map(np.ceil)
names = st.sampled_from(["A100-80GB", "H100-SXM", "T4", "RTX-4090", "MI300X", "TPU-v5e", "Xeon-8480+"])


def column(name: str, precision: str = "bf16") -> DeviceColumns:
    return columns_of([SHEETS[name]], [precision])


def tflops(name: str, size: float = 8192.0, precision: str = "bf16", operand: float = 2.0) -> float:
    seconds = kernels.gemm_s(
        size, size, size, column(name, precision), CONSTANTS, bytes_a=operand, bytes_b=operand
    )
    return float(2.0 * size**3 / seconds[0] / 1e12)


def attention(name: str, **wanted: float) -> float:
    """Useful TFLOP/s of flash attention with 16 k tokens and a hidden size of 2048."""
    keys, dim = wanted.get("keys", 2048.0), wanted.get("dim", 128.0)
    causal, backward = bool(wanted.get("causal")), bool(wanted.get("backward"))
    batch, heads = 16384.0 / keys, 2048.0 / dim
    seconds = kernels.attention_s(
        batch, heads, heads, keys, keys, dim, column(name), CONSTANTS,
        causal=causal, flash=True, backward=backward,
    )  # fmt: skip
    flops = 4.0 * batch * heads * keys * keys * dim * (0.5 if causal else 1.0) * (2.5 if backward else 1.0)
    return float(flops / seconds[0] / 1e12)


@settings(max_examples=60, deadline=None)
@given(sizes, sizes, sizes, names)
def test_no_product_beats_the_data_sheet(m: float, k: float, n: float, name: str) -> None:
    device = column(name)
    seconds = kernels.gemm_s(m, k, n, device, CONSTANTS)[0]
    assert seconds >= 2.0 * m * k * n / device.peak_flops_per_s[0]
    assert seconds >= 2.0 * (m * k + k * n + m * n) / device.memory_bandwidth_bytes_per_s[0]


@settings(max_examples=60, deadline=None)
@given(sizes, sizes, sizes, names)
def test_a_deeper_product_takes_no_less(m: float, k: float, n: float, name: str) -> None:
    one, twice = (kernels.gemm_s(m, depth, n, column(name), CONSTANTS)[0] for depth in (k, 2.0 * k))
    # Splitting along k starts at certain depths and then gains a little.
    assert twice >= 0.999 * one


@settings(max_examples=40, deadline=None)
@given(sizes, sizes, sizes, st.integers(1, 8))
def test_a_batch_is_no_slower_than_its_products_one_by_one(m: float, k: float, n: float, batch: int) -> None:
    device = column("A100-80GB")
    together = kernels.gemm_s(m, k, n, device, CONSTANTS, batch=float(batch))[0]
    assert together <= batch * kernels.gemm_s(m, k, n, device, CONSTANTS)[0] * (1 + 1e-9)


def test_rows_are_independent() -> None:
    both = columns_of([SHEETS["A100-80GB"], SHEETS["TPU-v5e"]], ["bf16", "bf16"])
    together = kernels.gemm_s(np.array([512.0, 4096.0]), 4096.0, np.array([4096.0, 512.0]), both, CONSTANTS)
    alone = [
        kernels.gemm_s(512.0, 4096.0, 4096.0, column("A100-80GB"), CONSTANTS)[0],
        kernels.gemm_s(4096.0, 4096.0, 512.0, column("TPU-v5e"), CONSTANTS)[0],
    ]
    np.testing.assert_allclose(together, alone)


def test_one_tile_more_than_a_wave_holds_costs_most_of_a_wave() -> None:
    # 108 units hold 108 tiles of 256 x 128; two rows of tiles more start another wave.
    full, over = (
        kernels.gemm_s(rows, 8192.0, 128.0, column("A100-80GB"), CONSTANTS, bytes_a=0.0)[0]
        for rows in (256.0 * 108.0, 256.0 * 110.0)
    )
    assert over > 1.2 * full


def test_one_row_reads_the_weights_at_the_rate_of_the_memory() -> None:
    device = column("A100-80GB")
    seconds = kernels.gemm_s(1.0, 8192.0, 57344.0, device, CONSTANTS)[0]
    rate = 2.0 * 8192.0 * 57344.0 / seconds / device.memory_bandwidth_bytes_per_s[0]
    assert 0.75 < rate < 0.85


@pytest.mark.parametrize(
    ("name", "size", "lowest", "highest"),
    [
        # Around the rates of mag-/gpu_benchmark (best shapes) and of qhduan/transformers-benchmarks.
        ("A100-80GB", 8192.0, 225, 275),
        ("A100-80GB-PCIe", 8192.0, 200, 260),
        ("H100-SXM", 8192.0, 640, 800),
        ("H100-PCIe", 8192.0, 420, 520),
        ("L40S", 8192.0, 215, 270),
        ("RTX-4090", 8192.0, 140, 178),
        ("A10G", 8192.0, 58, 71),
        ("V100-32GB", 8192.0, 85, 105),
        ("MI300X", 8192.0, 580, 780),
        # What practitioners report, without a table at hand.
        ("L4", 4096.0, 50, 75),
        ("T4", 4096.0, 24, 40),
        ("B200", 8192.0, 1400, 1760),
        ("TPU-v5e", 8192.0, 168, 190),
    ],
)
def test_large_products_reach_published_rates(name: str, size: float, lowest: float, highest: float) -> None:
    assert lowest <= tflops(name, size) <= highest


def test_power_tells_apart_devices_of_one_chip() -> None:
    ratio = [kernels.sustained_ratio(column(name), CONSTANTS)[0] for name in ("H100-SXM", "H100-96GB-500W")]
    assert ratio[0] > ratio[1] > 0.5 * ratio[0]


def test_vector_units_are_not_limited_by_power() -> None:
    assert tflops("V100-32GB", precision="fp32", operand=4.0) / 15.7 > 0.88


@settings(max_examples=60, deadline=None)
@given(st.floats(1.0, 1e11), st.floats(1.0, 3.0), names)
def test_memory_bound_time_grows_with_the_bytes(size: float, more: float, name: str) -> None:
    device = column(name)
    less, longer = (kernels.memory_bound_s(bytes_, device, CONSTANTS)[0] for bytes_ in (size, size * more))
    assert longer >= less >= CONSTANTS["kernel_latency_s"]


def test_long_streams_run_at_a_fixed_share_of_the_bandwidth() -> None:
    device = column("H100-SXM")
    seconds = kernels.memory_bound_s(1e11, device, CONSTANTS)[0]
    share = 1e11 / seconds / device.memory_bandwidth_bytes_per_s[0]
    assert share == pytest.approx(CONSTANTS["memory_bandwidth_ratio"], rel=0.01)


@pytest.mark.parametrize(
    ("name", "wanted", "lowest", "highest"),
    [
        # Dao 2023, abstract: FlashAttention-2 reaches 50 to 73 % of the peak of A100.
        ("A100-80GB", {"dim": 64.0}, 156, 228),
        ("A100-80GB", {"dim": 128.0}, 156, 228),
        ("A100-80GB", {"dim": 128.0, "backward": 1.0}, 156, 228),
        ("A100-80GB", {"dim": 128.0, "keys": 8192.0, "causal": 1.0}, 156, 228),
        # Shah et al. 2024, abstract: on H100, from 35 % of the peak before to 740 TFLOP/s.
        ("H100-SXM", {"dim": 128.0, "keys": 8192.0}, 346, 740),
    ],
)
def test_flash_attention_reaches_published_rates(
    name: str, wanted: dict[str, float], lowest: float, highest: float
) -> None:
    assert lowest <= attention(name, **wanted) <= highest


@pytest.mark.parametrize("backward", [False, True])
def test_flash_beats_scores_in_memory_and_a_mask_saves_work(backward: bool) -> None:
    def seconds(causal: bool, flash: bool) -> float:
        return float(
            kernels.attention_s(
                4.0, 16.0, 16.0, 2048.0, 2048.0, 64.0, column("A100-80GB"), CONSTANTS,
                causal=causal, flash=flash, backward=backward,
            )[0]
        )  # fmt: skip

    assert seconds(True, True) < seconds(False, True) < seconds(False, False)


def test_one_query_reads_its_keys_and_values_at_the_rate_of_the_memory() -> None:
    device = column("A100-80GB")
    seconds = kernels.attention_s(
        64.0, 64.0, 8.0, 1.0, 8192.0, 128.0, device, CONSTANTS, causal=True, flash=True, backward=False
    )[0]
    read = 2.0 * 2.0 * 64.0 * 8.0 * 8192.0 * 128.0
    assert 0.75 < read / seconds / device.memory_bandwidth_bytes_per_s[0] < 0.9


def test_a_convolution_with_one_pixel_is_a_product() -> None:
    device = column("A100-80GB")
    convolved = kernels.convolution_s(32.0, 56.0**2, 256.0, 256.0, 1.0, 1.0, device, CONSTANTS)[0]
    product = kernels.gemm_s(32.0 * 56.0**2, 256.0, 256.0, device, CONSTANTS)[0]
    assert convolved == pytest.approx(product, rel=0.1)


def test_passes_over_memory_cost_what_they_move() -> None:
    device = column("A100-80GB")
    assert kernels.optimizer_s(1e9, 30.0, device, CONSTANTS) == kernels.memory_bound_s(
        3e10, device, CONSTANTS
    )
    assert kernels.embedding_s(1e6, 1024.0, device, CONSTANTS) == kernels.memory_bound_s(
        4.096e9, device, CONSTANTS
    )
    assert kernels.loss_s(1e4, 5e4, device, CONSTANTS) == kernels.memory_bound_s(8e9, device, CONSTANTS)
