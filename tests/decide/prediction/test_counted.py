"""Counted networks: laws of the time of calls and steps, how rows are read, and published rates as cases."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tradewind.decide.prediction import collectives, counted, encoders, kernels
from tradewind.files.sheets import architectures, devices

CONSTANTS = {
    name: entry[0]
    for module in (kernels, collectives, encoders, counted)
    for name, entry in module.ASSUMED.items()
}
GPUS = st.sampled_from(["V100-16GB", "T4", "A100-40GB", "RTX-4090", "H100-SXM", "MI250X", "i9-10940X"])
RESNET = {"model": "resnet50", "gmacs": "4.11", "macts_m": "11.11", "params": "25560000", "img_size": "224"}


def read(*rows: dict[str, str]) -> counted.Read:
    return counted.calls_of(rows, devices(), architectures())


def seconds(**columns: str) -> float:
    row = {
        **RESNET,
        "device": "A100-40GB",
        "batch": "64",
        "precision": "amp",
        "framework": "PyTorch 2.1 eager",
        **columns,
    }
    found = counted.predict_rows([row], devices(), architectures(), CONSTANTS)
    assert found.reasons == [""], found.reasons
    return float(found.seconds[0])


@settings(deadline=None, max_examples=40)
@given(device=GPUS, batch=st.integers(1, 512))
def test_more_samples_take_longer_but_no_longer_than_alone(device: str, batch: int) -> None:
    one, two = seconds(device=device, batch=str(batch)), seconds(device=device, batch=str(2 * batch))
    assert one <= two <= 2.0 * one + 1e-9, (one, two)


@settings(deadline=None, max_examples=25)
@given(device=GPUS, batch=st.integers(1, 256))
def test_no_call_is_faster_than_its_arithmetic_at_the_peak(device: str, batch: int) -> None:
    found = read(
        {**RESNET, "device": device, "batch": str(batch), "precision": "fp16", "framework": "TensorRT"}
    )
    floor = 2.0 * 4.11e9 * batch / found.device.peak_flops_per_s[0]
    assert counted.forward_s(found.calls, found.device, CONSTANTS)[0] > floor


@settings(deadline=None, max_examples=25)
@given(device=GPUS, batch=st.integers(1, 256), macs=st.floats(0.05, 50.0))
def test_more_work_takes_longer(device: str, batch: int, macs: float) -> None:
    less = seconds(device=device, batch=str(batch), gmacs=str(macs))
    assert less <= seconds(device=device, batch=str(batch), gmacs=str(1.5 * macs))
    assert less <= seconds(device=device, batch=str(batch), gmacs=str(macs), macts_m="20")


def test_compilers_leave_less_to_move_and_to_start() -> None:
    for batch in ("1", "256"):
        eager = seconds(batch=batch)
        assert seconds(batch=batch, framework="PyTorch 2.4 dynamo nchw") < eager
        assert seconds(batch=batch, framework="TensorRT 8") < eager


def test_fewer_bits_are_faster_where_the_device_has_units_for_them() -> None:
    by_precision = [seconds(precision=p, batch="256") for p in ("fp32", "tf32", "fp16", "int8")]
    assert by_precision == sorted(by_precision, reverse=True)


def test_training_takes_more_than_two_calls_and_more_devices_do_more_samples() -> None:
    call, step = seconds(), seconds(family="train")
    assert 2.0 * call < step < 8.0 * call
    eight = seconds(family="train", gpus="8")
    assert step <= eight < 2.0 * step


def test_measured_columns_are_never_read() -> None:
    row = {**RESNET, "device": "T4", "batch": "8", "precision": "fp16"}
    told = {
        **row,
        "latency_ms": "1e9",
        "samples_per_s": "1e-9",
        "mem_gib_per_gpu": "7",
        "tokens_per_s_out": "3",
    }
    plain, other = (counted.predict_rows([r], devices(), architectures(), CONSTANTS) for r in (row, told))
    assert plain.seconds[0] == other.seconds[0]
    assert plain.memory_bytes[0] == other.memory_bytes[0]


def test_counts_that_a_row_lacks_come_from_the_architecture_scaled_by_the_image() -> None:
    found = read(
        {"model": "ResNet-50", "device": "T4", "batch": "1", "precision": "fp16"},
        {"model": "ResNet-50", "device": "T4", "batch": "1", "precision": "fp16", "img_size": "448"},
    )
    assert found.calls.macs[0] == pytest.approx(4.09e9, rel=0.02)
    assert found.calls.macs[1] == pytest.approx(4.0 * found.calls.macs[0], rel=1e-6)


def test_a_row_that_cannot_be_read_says_why() -> None:
    rows = [
        {"model": "unheard of", "device": "T4", "batch": "1", "precision": "fp16"},
        {**RESNET, "device": "abacus", "batch": "1"},
        {**RESNET, "device": "T4", "batch": "1", "precision": "fp17"},
        {**RESNET, "device": "T4"},
    ]
    found = counted.predict_rows(rows, devices(), architectures(), CONSTANTS)
    assert np.isnan(found.seconds).tolist() == [True, True, True, False]
    assert "state gmacs and params" in found.reasons[0]
    assert "abacus" in found.reasons[1]
    assert "fp17" in found.reasons[2]
    assert found.reasons[3] == "assumed: precision, batch"
    assert found.kinds == ["", "", "", "counted_call"]


def test_no_rows_are_no_predictions() -> None:
    assert len(counted.predict_rows([], devices(), architectures(), CONSTANTS).seconds) == 0


@pytest.mark.parametrize(
    ("name", "style"),
    [
        ("resnet50", "dense"),
        ("seresnext50_32x4d", "grouped"),
        ("tf_efficientnetv2_s", "mobile"),
        ("vit_base_patch16_224", "vit"),
        ("swin_tiny_patch4_window7_224", "window"),
        ("densenet121", "concat"),
    ],
)
def test_families_have_the_style_of_their_blocks(name: str, style: str) -> None:
    assert counted.style_of(name) == style


def test_scores_are_found_in_the_counts_of_a_vision_transformer() -> None:
    # ViT-B/16 with 577 tokens: 12 layers of 577 (9 x 768 + 12 x 577) elements, of which the scores are half.
    share = counted.score_share(np.array([55.5e9]), np.array([101.6e6]), np.array([86.9e6]))[0]
    assert share == pytest.approx(12.0 * 577.0 / (12.0 * 577.0 + 9.0 * 768.0), abs=0.06)


@pytest.mark.parametrize(
    ("columns", "images_per_s"),
    [
        # Lambda, GPU benchmarks (PyTorch, mixed precision), 2023: images per second of training.
        ({"device": "V100-16GB", "batch": "256"}, 833.0),
        ({"device": "A100-80GB", "batch": "1280"}, 1582.0),
        ({"device": "RTX-6000-Ada", "batch": "928"}, 1146.0),
        ({"device": "Quadro-RTX-8000", "batch": "928"}, 651.0),
        ({"device": "RTX-6000-Ada", "batch": "928", "gpus": "8"}, 9211.0),
    ],
)
def test_published_rates_of_training_resnet50(columns: dict[str, str], images_per_s: float) -> None:
    step = seconds(family="train", framework="PyTorch NGC", **columns)
    expected = float(columns["batch"]) * float(columns.get("gpus", "1")) / step
    assert expected == pytest.approx(images_per_s, rel=0.2)


def test_memory_holds_at_least_the_weights() -> None:
    row = {**RESNET, "device": "T4", "batch": "64", "precision": "fp16"}
    found = counted.predict_rows([row, {**row, "family": "train"}], devices(), architectures(), CONSTANTS)
    assert 2.0 * 25.56e6 < found.memory_bytes[0] < found.memory_bytes[1]


def test_recommenders_read_only_the_rows_that_they_gather() -> None:
    row = {"model": "NCF", "device": "A100-80GB", "batch": "1048576", "precision": "amp", "family": "train"}
    found = counted.predict_rows([row], devices(), architectures(), CONSTANTS)
    # Lambda, GPU benchmarks, 2023: NCF on one A100-80GB trains with 30.8 million samples per second.
    assert found.samples[0] / found.seconds[0] == pytest.approx(30.8e6, rel=0.5)


NEURON = {"precision": "bf16", "framework": "PyTorch Neuron"}


@pytest.mark.parametrize(
    ("columns", "milliseconds"),
    # AWS Neuron documentation, inference performance of Inf2 (2.21, 2025): one call on each core.
    [
        ({"model": "ResNet-18", "batch": "1"}, 0.596),
        ({"model": "ResNet-50", "batch": "1"}, 0.830),
        ({"model": "ResNet-152", "batch": "1"}, 1.185),
        ({"model": "VGG-16", "batch": "1"}, 1.956),
        ({"model": "ResNet-50", "batch": "8"}, 7.283 / 2.0),  # Two calls wait for each core.
    ],
)
def test_published_times_on_inferentia(columns: dict[str, str], milliseconds: float) -> None:
    rows = [{**columns, **NEURON, "img_size": "224", "device": "Inf2.xlarge"}]
    found = counted.predict_rows(rows, devices(), architectures(), CONSTANTS)
    assert found.seconds[0] * 1e3 == pytest.approx(milliseconds, rel=0.3)
    assert found.samples[0] == 2.0 * float(columns["batch"])


@settings(deadline=None, max_examples=20)
@given(device=st.sampled_from(["Inf2.xlarge", "inf1.xlarge", "Trainium2"]), batch=st.integers(1, 64))
def test_chips_for_networks_are_called_once_and_compute_in_16_bits(device: str, batch: int) -> None:
    row = {**RESNET, **NEURON, "device": device, "batch": str(batch)}
    narrow, wide = (
        counted.predict_rows([{**row, "precision": p}], devices(), architectures(), CONSTANTS).seconds[0]
        for p in ("bf16", "fp32")
    )
    assert narrow == wide
    assert narrow > CONSTANTS["npu_call_s"]


def test_the_cores_of_a_chip_share_the_image_of_a_diffusion_model() -> None:
    row = {
        "model": "Stable Diffusion 1.5",
        "img_size": "512",
        "batch": "1",
        "device": "Inf2.xlarge",
        **NEURON,
    }
    found = counted.predict_rows([row], devices(), architectures(), CONSTANTS)
    assert found.samples[0] == 1.0
    # AWS Neuron documentation (2.21, 2025): 2.02 s for 50 steps.
    assert found.seconds[0] == pytest.approx(2.02, rel=0.4)


def test_gradients_of_wide_groups_are_slow_with_channels_last_and_plain_convolutions_fast() -> None:
    def both(model: str) -> float:
        first, last = (
            seconds(model=model, family="train", framework=f"PyTorch 1.12 eager {layout}", batch="256")
            for layout in ("nchw", "nhwc")
        )
        return last / first

    assert both("regnetx_064") > 1.5
    assert both("resnet50") < 1.0


def test_chains_and_group_norms_take_longer_most_of_all_to_train() -> None:
    plain, chain = (seconds(model=model, family="train") for model in ("resnet50", "nf_resnet50"))
    assert plain < chain
    assert seconds(model="resnet50", family="train") < seconds(model="resnet50_gn", family="train")
    assert seconds(model="resnet50") == seconds(model="resnet50_gn")


def test_convolutions_gain_less_from_tf32_than_from_16_bits() -> None:
    wide, middle, narrow = (
        seconds(batch="256", precision=p, framework="TensorFlow") for p in ("fp32", "tf32", "fp16")
    )
    assert wide / middle < 3.0
    assert wide > middle > 1.5 * narrow


def test_without_a_precision_a_device_computes_in_tf32_where_it_can() -> None:
    for device, usual in (("A100-40GB", "tf32"), ("V100-16GB", "amp")):
        row = {**RESNET, "device": device, "batch": "64"}
        blank, stated = (
            counted.predict_rows([{**row, "precision": one}], devices(), architectures(), CONSTANTS)
            for one in ("", usual)
        )
        assert blank.seconds[0] == stated.seconds[0]
        assert blank.reasons == ["assumed: precision"]


def test_libraries_run_the_steps_of_recurrent_layers_and_python_those_of_a_decoder_in_a_loop() -> None:
    row = {
        "device": "A100-80GB",
        "family": "train",
        "precision": "amp",
        "framework": "PyTorch tok/s",
        "batch": "64",
    }
    found = read({**row, "model": "GNMT"}, {**row, "model": "Tacotron 2"})
    assert found.calls.in_library.tolist() == [True, False]
    # Words of 25 + 25, and 840 frames.
    assert found.calls.batch.tolist() == [64.0 * 50.0, 64.0 * 840.0]
