"""Transformers of known shape, whole sequences at a time: laws, how rows are read, and published times as cases."""

from dataclasses import replace

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
GPUS = st.sampled_from(["T4", "V100-16GB", "A100-40GB", "H100-SXM", "RTX-4090"])
BASE = {
    "model": "bert-base-uncased",
    "batch": "8",
    "seq_in": "128",
    "device": "A100-40GB",
    "precision": "fp16",
}


def read(*rows: dict[str, str]) -> encoders.EncoderRead:
    return encoders.encoder_calls_of(rows, devices(), architectures())


def seconds(**columns: str) -> float:
    found = read({**BASE, "framework": "PyTorch", **columns})
    assert not found.reasons, found.reasons
    if found.training[0]:
        step = encoders.encoder_step_s(
            found.calls, found.device, CONSTANTS, devices=found.devices, optimizer=found.optimizer
        )
        return float(step[0])
    return float(encoders.encoder_forward_s(found.calls, found.device, CONSTANTS)[0])


@settings(deadline=None, max_examples=30)
@given(device=GPUS, batch=st.integers(1, 64), tokens=st.integers(8, 512))
def test_more_sequences_and_longer_ones_take_longer(device: str, batch: int, tokens: int) -> None:
    here = seconds(device=device, batch=str(batch), seq_in=str(tokens))
    assert here <= seconds(device=device, batch=str(2 * batch), seq_in=str(tokens)) * 1.05
    assert here <= seconds(device=device, batch=str(batch), seq_in=str(2 * tokens)) * 1.05


@settings(deadline=None, max_examples=30)
@given(device=GPUS, batch=st.integers(1, 64), tokens=st.integers(8, 512))
def test_no_call_is_faster_than_its_arithmetic_at_the_peak(device: str, batch: int, tokens: int) -> None:
    found = read(
        {**BASE, "device": device, "batch": str(batch), "seq_in": str(tokens), "framework": "TensorRT"}
    )
    floor = 2.0 * 85e6 * batch * tokens / found.device.peak_flops_per_s[0]
    assert encoders.encoder_forward_s(found.calls, found.device, CONSTANTS)[0] > floor


def test_engines_are_faster_than_python_most_of_all_when_there_is_little_to_do() -> None:
    small, large = ({"batch": "1", "seq_in": "32"}, {"batch": "64", "seq_in": "384"})
    gains = [seconds(**size) / seconds(**size, framework="FasterTransformer") for size in (small, large)]
    assert gains[0] > 2.0
    assert gains[0] > gains[1] > 1.0


def test_removed_padding_saves_time() -> None:
    note = "EFF removes padding: mean real length is Seq_len/2"
    assert seconds(batch="32", notes=note) < seconds(batch="32")


def test_an_image_is_its_patches_and_one_token_more() -> None:
    found = read({"model": "ViT-B_16-384", "layers": "12", "hidden": "768", "heads": "12", "img_size": "384",
                  "batch": "1", "device": "T4", "precision": "fp16"})  # fmt: skip
    assert found.calls.tokens[0] == 577.0


def test_training_is_forward_and_twice_as_much_backward_and_an_optimizer() -> None:
    call, step = seconds(batch="64"), seconds(batch="64", family="train")
    assert 2.9 * call < step < 4.0 * call
    assert step < seconds(batch="64", family="train", gpus="8") < 1.6 * step


def test_a_row_that_cannot_be_read_says_why() -> None:
    found = read({**BASE, "model": "unheard of"}, {**BASE, "device": "abacus"}, {**BASE, "seq_in": ""})
    assert "layers and width" in found.reasons[0]
    assert "abacus" in found.reasons[1]
    assert found.rows.tolist() == [2]
    assert found.unknown == (("sequence length",),)


def test_chips_with_several_cores_run_a_network_on_each() -> None:
    found = read(
        {**BASE, "device": "Inf2.xlarge", "precision": "Matmult-BF16", "framework": "PyTorch Neuron"}
    )
    assert found.calls.copies[0] == 2.0
    assert found.calls.engine[0]


@pytest.mark.parametrize(
    ("columns", "milliseconds"),
    [
        # NVIDIA/FasterTransformer, docs/bert_guide.md: BERT base, 12 layers.
        ({"device": "A100-80GB", "framework": "FasterTransformer", "batch": "32", "seq_in": "384"}, 14.67),
        ({"device": "T4", "framework": "FasterTransformer", "batch": "32", "seq_in": "128"}, 32.3),
        ({"device": "A100-80GB", "framework": "PyTorch TorchScript", "batch": "1", "seq_in": "32"}, 4.2),
        (
            {
                "device": "T4",
                "framework": "FasterTransformer",
                "batch": "8",
                "seq_in": "384",
                "precision": "fp32",
            },
            142.0,
        ),
    ],
)
def test_published_times_of_bert_base(columns: dict[str, str], milliseconds: float) -> None:
    assert seconds(**columns) * 1e3 == pytest.approx(milliseconds, rel=0.3)


@pytest.mark.parametrize(
    ("device", "batch", "samples_per_s"),
    # Lambda, GPU benchmarks (mixed precision), 2023: BERT base on SQuAD, 384 tokens.
    [("V100-16GB", "48", 189.0), ("A100-80GB", "320", 443.0), ("RTX-6000-Ada", "192", 255.0)],
)
def test_published_rates_of_training_bert_base(device: str, batch: str, samples_per_s: float) -> None:
    row = {"family": "train", "framework": "PyTorch NGC", "seq_in": "384", "precision": "fp16-amp"}
    assert float(batch) / seconds(device=device, batch=batch, **row) == pytest.approx(samples_per_s, rel=0.25)


def test_memory_holds_the_weights_and_training_their_states() -> None:
    found = read({**BASE, "batch": "1"})
    call = encoders.encoder_memory_bytes(found.calls, CONSTANTS)[0]
    step = encoders.encoder_training_memory_bytes(found.calls, CONSTANTS)[0]
    weights = found.calls.networks.parameters[0]
    assert 2.0 * weights < call
    assert 16.0 * weights < step
    assert np.isfinite(step)


def test_rows_that_matrix_units_cannot_take_are_slow_unless_an_engine_pads_them() -> None:
    def image(edge: int, **columns: str) -> float:
        shape = {"model": "ViT-B_16", "layers": "12", "hidden": "768", "heads": "12", "seq_in": str(edge)}
        return seconds(**shape, batch="64", **columns)

    assert image(577) > 1.2 * image(576)
    assert image(577, framework="FasterTransformer") < 1.05 * image(576, framework="FasterTransformer")
    assert image(577, precision="fp32") < 1.05 * image(576, precision="fp32")


def test_fused_attention_starts_fewer_kernels() -> None:
    small = {"batch": "1", "seq_in": "32", "framework": "FasterTransformer"}
    assert seconds(**small) < 0.8 * seconds(**small, precision="fp32")


def test_what_a_network_remembers_is_scored_again() -> None:
    row = {**BASE, "model": "Transformer-XL base", "family": "train", "framework": "PyTorch", "seq_in": ""}
    found = read(row)
    assert found.calls.remembers[0]
    assert found.calls.tokens[0] == 192.0
    forgets = replace(found.calls, remembers=np.array([False]))
    here, there = (
        encoders.encoder_forward_s(calls, found.device, CONSTANTS)[0] for calls in (found.calls, forgets)
    )
    assert here != there


def test_of_two_stacks_a_table_may_state_one() -> None:
    found = read({**BASE, "model": "switchxl4", "layers": "24", "hidden": "1024", "heads": "32", "batch": "1",
                  "seq_in": "512", "precision": "fp32", "device": "V100-32GB-PCIe", "framework": "PyTorch"})  # fmt: skip
    assert found.calls.networks.layers[0] == 48.0
    # NeuSight (ASPLOS 2025), measured with PyTorch 2.1: 323 ms.
    seconds_ = encoders.encoder_forward_s(found.calls, found.device, CONSTANTS)[0]
    assert seconds_ == pytest.approx(0.323, rel=0.3)


@pytest.mark.parametrize(
    ("model", "batch", "milliseconds"),
    # AWS Neuron documentation, inference performance of Inf2 (2.21, 2025): 128 tokens on each core.
    [
        ("bert-base-uncased", "1", 0.999),
        ("bert-large-uncased", "1", 2.694),
        ("bert-base-uncased", "8", 5.974),
    ],
)
def test_published_times_on_inferentia(model: str, batch: str, milliseconds: float) -> None:
    row = {"device": "Inf2.xlarge", "precision": "bf16", "framework": "PyTorch Neuron"}
    assert seconds(model=model, batch=batch, **row) * 1e3 == pytest.approx(milliseconds, rel=0.3)
