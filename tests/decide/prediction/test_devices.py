"""Texts to devices and arithmetics, and devices to columns without gaps."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from msgspec.structs import replace

from tradewind.decide.prediction.devices import (
    DeviceColumns,
    columns_of,
    device_of,
    devices_in,
    has_matrix_units,
    peak_of,
    precision_of,
)
from tradewind.domain.device import Device, DeviceKind
from tradewind.domain.errors import InputError
from tradewind.files.sheets import devices

ALL = devices()
BY_NAME = {device.name: device for device in ALL}
COMPUTES = ("fp32", "tf32", "fp16", "bf16", "fp8", "fp4", "int8")
KEPT_NAMES = st.sampled_from([(d, name) for d in ALL for name in (d.name, *d.aliases)])

# ---- Names


@given(
    KEPT_NAMES,
    st.sampled_from(["{}", "NVIDIA {}", "{} (x8)", "DGX {}"]),
    st.sampled_from("-_ "),
    st.booleans(),
)
def test_every_name_and_alias_finds_its_device(
    named: tuple[Device, str], frame: str, separator: str, upper: bool
) -> None:
    device, name = named
    text = frame.format(name.replace("-", separator))
    found = device_of(text.upper() if upper else text, ALL)
    assert found is not None
    assert found.name == device.name


@given(st.text(max_size=40))
def test_any_text_is_answered(text: str) -> None:
    assert device_of(text, ALL) is None or device_of(text, ALL) in ALL
    assert devices_in(text) >= 1


@pytest.mark.parametrize(
    ("text", "name"),
    [
        # As drivers write them.
        ("NVIDIA H100 80GB HBM3", "H100-SXM"),
        ("NVIDIA H100 PCIe", "H100-PCIe"),
        ("NVIDIA A100-SXM4-40GB", "A100-40GB"),
        ("NVIDIA A100 80GB PCIe", "A100-80GB-PCIe"),
        ("Tesla V100-SXM2-16GB", "V100-16GB"),
        ("Tesla P100-SXM2-16GB", "P100-SXM"),
        ("NVIDIA GH200 480GB", "GH200"),
        ("NVIDIA RTX PRO 6000 Blackwell Server Edition", "RTX-PRO-6000-BSE"),
        ("NVIDIA RTX PRO 6000 Blackwell Max-Q Workstation Edition", "RTX-PRO-6000-MaxQ"),
        ("NVIDIA RTX PRO 6000 Blackwell Workstation Edition", "RTX-PRO-6000"),
        ("NVIDIA RTX 6000 Ada Generation", "RTX-6000-Ada"),
        ("NVIDIA GeForce RTX 3090 Ti", "RTX-3090Ti"),
        ("NVIDIA GeForce GTX 1080 Ti", "GTX-1080Ti"),
        ("Quadro RTX 6000", "Quadro-RTX-6000"),
        ("NVIDIA RTX A6000", "RTX-A6000"),
        ("Radeon RX 7900 XTX", "RX-7900XTX"),
        ("Intel(R) Xeon(R) Platinum 8259CL CPU @ 2.50GHz", "Xeon-8259CL"),
        ("Intel(R) Xeon(R) CPU E5-2686 v4 @ 2.30GHz", "Xeon-E5-2686v4"),
        ("AMD EPYC 7R13 Processor", "EPYC-7R13"),
        # As tables of measurements write them.
        ("AMD Instinct MI300X-NPS1-SPX-192GB-750W", "MI300X"),
        ("NVIDIA GH200 Grace Hopper Superchip 144GB", "GH200-144GB"),
        ("NVIDIA GH200 Grace Hopper Superchip 96GB", "GH200"),
        ("H100-SXM-96GB-HBM2e-500W", "H100-96GB-500W"),
        ("NVIDIA H200-SXM-141GB-CTS", "H200-SXM"),
        ("LambdaCloud A100 40GB PCIe", "A100-40GB-PCIe"),
        ("Tesla_V100-PCIE-32GB", "V100-32GB-PCIe"),
        ("V100-SXM3-32GB", "V100-32GB-SXM3"),
        ("V100 16G", "V100-16GB"),
        ("a100_pairwise_nvlink", "A100-80GB-PCIe"),
        ("NVIDIA Jetson AGX Orin 64G", "Jetson-AGX-Orin-64GB"),
        ("CPU-i9-10940X", "i9-10940X"),
        ("DGX-GB300", "GB300"),
        ("RTX3090", "RTX-3090"),
        ("TPU v6", "TPU-v6e"),
        ("TPU v5 lite", "TPU-v5e"),
        ("v4-128", "TPU-v4"),
        ("MI250X 128GB", "MI250X-module"),
        # The bare name is the usual variant.
        ("A100", "A100-80GB"),
        ("V100", "V100-16GB"),
        ("H100", "H100-SXM"),
        ("MI250X", "MI250X"),
        # Machines of clouds.
        ("Inf2.48xlarge", "Inferentia2"),
        ("Inf2.48xlarge NeuronCore-v2", "NeuronCore-v2"),
        ("trn1.32xlarge/trn1n.32xlarge", "Trainium"),
        ("p4d.24xlarge", "A100-40GB"),
        ("a2-highgpu-8g", "A100-40GB"),
        ("a2-ultragpu-1g", "A100-80GB"),
        ("Standard_ND96asr_A100_v4", "A100-80GB"),
    ],
)
def test_what_others_write(text: str, name: str) -> None:
    found = device_of(text, ALL)
    assert found is not None
    assert found.name == name


@pytest.mark.parametrize(
    "text", ["", "UntetherAI speedAI240 Slim", "Standard_NC6s_v3", "m7i.large", "A1000X", "0GB"]
)
def test_what_is_no_device_that_is_known(text: str) -> None:
    assert device_of(text, ALL) is None


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("Inf2.48xlarge", 12),
        ("inf1.6xlarge", 4),
        ("inf2.xlarge", 1),
        ("trn1.32xlarge/trn1n.32xlarge", 16),
        ("trn1.32xlarge NeuronCore-v2", 32),
        ("v5p-128", 64),
        ("v4-128", 64),
        ("v5e-256", 256),
        ("TPU v5litepod-16", 16),
        ("v6e-8", 8),
        ("H100", 1),
    ],
)
def test_how_many_devices_a_machine_has(text: str, count: int) -> None:
    assert devices_in(text) == count


# ---- Arithmetic


@pytest.mark.parametrize(
    ("text", "compute", "weight_bytes", "activation_bytes", "mixed"),
    [
        ("fp32", "fp32", 4.0, 4.0, False),
        ("fp32, sequence-length=128", "fp32", 4.0, 4.0, False),
        ("tf32", "tf32", 4.0, 4.0, False),
        ("fp16", "fp16", 2.0, 2.0, False),
        ("bf16", "bf16", 2.0, 2.0, False),
        ("amp", "fp16", 4.0, 2.0, True),
        ("fp16-amp", "fp16", 4.0, 2.0, True),
        ("amp_bf16", "bf16", 4.0, 2.0, True),
        ("Autocast:BF16/AMP", "bf16", 4.0, 2.0, True),
        ("Autocast:BF16+FP32Optimizer", "bf16", 4.0, 2.0, True),
        ("Autocast:BF16+SR", "bf16", 2.0, 2.0, False),
        ("Matmult-BF16", "bf16", 2.0, 4.0, True),
        ("MXFP8", "fp8", 1.03125, 2.0, False),
        ("FP8-CS(BF16?)", "fp8", 1.0, 2.0, False),
        ("NVFP4", "fp4", 0.5625, 2.0, False),
        ("int8-v2", "int8", 1.0, 1.0, False),
        ("FP16 weights:int8", "fp16", 1.0, 2.0, False),
        ("FP16 weights:bf16", "bf16", 2.0, 2.0, False),
        ("Q4_K_M", "int8", 0.606, 4.0, False),
        ("Q8_0", "int8", 1.0625, 4.0, False),
    ],
)
def test_words_for_precision(
    text: str, compute: str, weight_bytes: float, activation_bytes: float, mixed: bool
) -> None:
    found = precision_of(text)
    assert (found.compute, found.mixed) == (compute, mixed)
    assert (found.weight_bytes, found.activation_bytes) == (weight_bytes, activation_bytes)


@pytest.mark.parametrize("text", ["", "fast", "fp", "sixteen"])
def test_an_unknown_precision_is_an_error_that_names_it(text: str) -> None:
    with pytest.raises(InputError, match=f"precision {text!r}"):
        precision_of(text)


@pytest.mark.parametrize("compute", COMPUTES)
def test_every_key_of_a_sheet_is_a_word(compute: str) -> None:
    assert precision_of(compute).compute == compute


# ---- Columns


@given(st.lists(st.tuples(st.sampled_from(ALL), st.sampled_from(COMPUTES)), max_size=20))
def test_columns_have_no_gap_and_keep_what_is_stated(rows: list[tuple[Device, str]]) -> None:
    found = columns_of([device for device, _ in rows], [compute for _, compute in rows])
    assert len(found) == len(rows)
    for name in DeviceColumns.__dataclass_fields__:
        column = getattr(found, name)
        assert column.shape == (len(rows),)
        assert np.all(np.isfinite(column))
        assert column.dtype == np.bool_ or np.all(column > 0.0), f"{name}: {column}"
    kinds = found.is_gpu.astype(int) + found.is_tpu + found.is_npu + found.is_cpu
    assert np.all(kinds == 1)
    for i, (device, compute) in enumerate(rows):
        assert found.peak_flops_per_s[i] == peak_of(device, compute)
        assert found.memory_bytes[i] == device.memory_bytes
        assert device.power_w is None or found.power_w[i] == device.power_w
        assert device.cache_bytes is None or found.cache_bytes[i] == device.cache_bytes


@given(st.sampled_from(ALL))
def test_what_a_sheet_leaves_out_is_estimated_within_a_factor_of_five(device: Device) -> None:
    """The estimates, applied to the devices whose figures are known. Chips for networks differ more among themselves."""
    assume(
        device.kind == "cpu"
        or (device.kind == "gpu" and has_matrix_units(device) and device.link != "network")
    )
    bare = replace(device, units=None, power_w=None, process_nm=None, clock_ghz=None)
    known, guess = (columns_of([one], ["bf16"]) for one in (device, bare))
    for name in ("units", "clock_hz", "power_w", "process_nm"):
        assert 0.2 < getattr(guess, name)[0] / getattr(known, name)[0] < 5.0, name


@pytest.mark.parametrize(
    ("name", "precision", "tflops"),
    [
        ("V100-16GB", "bf16", 125.0),  # has no bf16: as fp16
        ("V100-16GB", "tf32", 15.7),
        ("V100-16GB", "fp8", 125.0),
        ("A100-80GB", "fp8", 312.0),
        ("P100", "amp", 18.7),  # no matrix units: vectors of fp16
        ("P4", "amp", 5.5),  # fp16 is no faster: fp32
        ("MI100", "fp32", 46.1),  # matrix units take fp32
        ("H100-SXM", "NVFP4", 1978.9),
        ("TPU-v4", "fp32", 275.0),  # products of fp32 are passes of bf16
        ("Inferentia", "fp32", 64.0),
        ("RTX-3090", "amp", 71.0),
        ("RTX-4090", "amp_bf16", 165.0),
        ("i9-10940X", "bf16", 2.957),
    ],
)
def test_the_nearest_precision_that_a_device_computes(name: str, precision: str, tflops: float) -> None:
    assert columns_of([BY_NAME[name]], [precision]).peak_flops_per_s[0] == pytest.approx(tflops * 1e12)


@pytest.mark.parametrize(
    ("name", "has"),
    [
        ("V100-16GB", True),
        ("A10G", True),
        ("MI100", True),
        ("RX-7900XTX", True),
        ("TPU-v2", True),
        ("Xeon-8488C", True),
        ("P100", False),
        ("P40", False),
        ("MI50", False),
        ("i9-10940X", False),
        ("EPYC-9R14", False),
    ],
)
def test_matrix_units(name: str, has: bool) -> None:
    assert has_matrix_units(BY_NAME[name]) is has


def test_take_keeps_the_order_asked() -> None:
    found = columns_of(ALL, ["bf16"] * len(ALL))
    rows = np.array([5, 2, 2])
    assert found.take(rows).memory_bytes.tolist() == [ALL[i].memory_bytes for i in (5, 2, 2)]
    assert len(found.take(found.is_tpu)) == int(found.is_tpu.sum())


@pytest.mark.parametrize("kind", ["gpu", "tpu", "npu", "cpu"])
def test_a_device_of_which_little_is_known_has_columns_too(kind: DeviceKind) -> None:
    device = Device(
        name="X",
        vendor="Y",
        kind=kind,
        generation="z",
        year=2024,
        memory_bytes=96e9,
        memory_bandwidth_bytes_per_s=4e12,
        peak_flops_per_s={"bf16": 800e12},
        source="made up",
        as_of="2026-11-25",
        confidence="C",
    )
    found = columns_of([device], ["fp32"])
    for name in DeviceColumns.__dataclass_fields__:
        column = getattr(found, name)
        assert column.dtype == np.bool_ or column[0] > 0.0, name
    with pytest.raises(InputError, match="device X: no peak rate"):
        columns_of([replace(device, peak_flops_per_s={})], ["fp32"])


def test_errors() -> None:
    with pytest.raises(ValueError, match="zip"):
        columns_of(ALL, ["bf16"])
    with pytest.raises(InputError, match="precision 'fast'"):
        columns_of(ALL[:1], ["fast"])
