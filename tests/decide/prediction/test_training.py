"""Laws of the time of a training step, and cases whose answer is known."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradewind.decide.prediction.architectures import architecture_of
from tradewind.decide.prediction.devices import columns_of, device_of
from tradewind.decide.prediction.fitted import assumed
from tradewind.decide.prediction.layouts import layout_columns
from tradewind.decide.prediction.training import StepTimes, TrainingSetting, step_times
from tradewind.decide.prediction.transformers import transformer_columns
from tradewind.domain.architecture import Transformer
from tradewind.domain.layout import TrainingLayout
from tradewind.files import sheets

CONSTANTS = {name: constant.value for name, constant in assumed().constants.items()}


def network(name: str) -> Transformer:
    found = architecture_of(name, sheets.architectures())
    assert isinstance(found, Transformer)
    return found


def step(
    layouts: list[TrainingLayout],
    *,
    model: str = "llama3-8b",
    device: str = "H100-SXM",
    precision: str = "bf16",
    tokens: float = 4096.0,
    flash: float = 1.0,
    compiled: float = 1.0,
    constants: dict[str, float] = CONSTANTS,
) -> StepTimes:
    n = len(layouts)
    sheet = device_of(device, sheets.devices())
    assert sheet is not None

    def column(value: float) -> np.ndarray:
        return np.full(n, value)

    setting = TrainingSetting(
        tokens=column(tokens),
        flash=column(flash),
        compiled=column(compiled),
        async_tensor=column(0.0),
        graphs=column(0.0),
        gradient_bytes=column(2.0),
        products_again=column(0.0),
        operand_bytes=column({"fp8": 1.0, "fp4": 0.5}.get(precision, 2.0)),
    )
    return step_times(
        transformer_columns([network(model)] * n),
        columns_of([sheet] * n, [precision] * n),
        columns_of([sheet] * n, ["bf16"] * n),
        layout_columns(layouts),
        setting,
        constants,
    )


def seconds(layout: TrainingLayout, **more: object) -> float:
    return float(step([layout], **more).total_s[0])  # type: ignore[arg-type]


def test_the_parts_add_up_and_none_is_negative() -> None:
    times = step(
        [
            TrainingLayout(data=8, zero_stage=3, micro_batch=2),
            TrainingLayout(tensor=8, sequence_parallel=True, micro_batch=4, checkpointing="full"),
            TrainingLayout(tensor=2, pipeline=4, micro_batch=1, accumulation=8),
            TrainingLayout(context=2, data=4, zero_stage=1, micro_batch=1, checkpointing="selective"),
        ]
    )
    parts = [getattr(times, field.name) for field in dataclasses.fields(times)]
    for part in parts:
        assert (np.asarray(part) >= 0.0).all()
    np.testing.assert_allclose(np.sum(parts, axis=0), times.total_s)
    shares = times.shares(0)
    assert sum(share for _, share in shares) == pytest.approx(1.0)
    assert [share for _, share in shares] == sorted((share for _, share in shares), reverse=True)


@given(
    micro=st.sampled_from([1, 2, 4, 8]), accumulation=st.integers(1, 16), data=st.sampled_from([1, 2, 8, 64])
)
def test_more_work_takes_longer(micro: int, accumulation: int, data: int) -> None:
    layout = TrainingLayout(data=data, zero_stage=3, micro_batch=micro, accumulation=accumulation)
    more = TrainingLayout(data=data, zero_stage=3, micro_batch=micro, accumulation=accumulation + 1)
    full = TrainingLayout(
        data=data, zero_stage=3, micro_batch=micro, accumulation=accumulation, checkpointing="full"
    )
    base = seconds(layout)
    assert seconds(more) > base
    assert seconds(full) > base
    assert seconds(layout, tokens=8192.0) > base


@given(micro=st.sampled_from([1, 4]), data=st.sampled_from([1, 8, 16]))
def test_a_faster_device_is_not_slower(micro: int, data: int) -> None:
    layout = TrainingLayout(data=data, zero_stage=3, micro_batch=micro)
    assert seconds(layout, device="H100-SXM") < seconds(layout, device="A100-80GB")
    assert seconds(layout, device="A100-80GB") < seconds(layout, device="V100-32GB")


def test_no_step_is_faster_than_its_products_at_the_peak() -> None:
    layout = TrainingLayout(micro_batch=4)
    model = network("llama3-8b")
    flops = 3 * 4096 * 4 * float(transformer_columns([model]).forward_flops_per_token(4096.0)[0])
    assert seconds(layout) > flops / 989.4e12


def test_full_recomputation_adds_about_a_forward_pass() -> None:
    """Korthikanti et al. 2022: a third more, if all is computed again (they measured 30 to 40 %)."""
    plain = seconds(TrainingLayout(micro_batch=8), device="A100-80GB")
    again = seconds(TrainingLayout(micro_batch=8, checkpointing="full"), device="A100-80GB")
    assert 1.2 < again / plain < 1.4


def test_the_bubble_is_the_closed_form() -> None:
    """Narayanan et al. 2021: (p - 1) / m of the ideal time, divided by v when stages interleave."""
    for virtual in (1, 2):
        layout = TrainingLayout(pipeline=8, virtual_stages=virtual, micro_batch=1, accumulation=16)
        times = step([layout], model="megatron 175B", tokens=2048.0, device="A100-80GB")
        busy = float((times.products_s + times.attention_s + times.elementwise_s + times.vocabulary_s)[0])
        # The head makes the last stage slower than the average one, by which the bubble is counted.
        assert float(times.bubble_s[0]) == pytest.approx(7 / 16 / virtual * busy, rel=0.12)


def test_one_device_sends_nothing() -> None:
    times = step([TrainingLayout(micro_batch=2)])
    for name in ("tensor_s", "expert_s", "context_s", "bubble_s", "pipeline_s", "data_s"):
        assert float(getattr(times, name)[0]) == 0.0


def test_tensor_parallelism_beyond_the_machine_is_dearer() -> None:
    """Every device has its share of the network, so that the ring of eight a machine slows only a little more."""
    within = step([TrainingLayout(tensor=8, micro_batch=2)])
    beyond = step([TrainingLayout(tensor=16, micro_batch=2)])
    assert float(beyond.tensor_s[0]) > 1.2 * float(within.tensor_s[0])


def test_accumulation_hides_the_traffic_of_data_parallelism() -> None:
    """Gradients travel once a step without ZeRO 3, and for each micro-batch with it."""
    few, many = (TrainingLayout(data=64, zero_stage=1, micro_batch=1, accumulation=m) for m in (1, 8))
    assert float(step([many]).data_s[0]) <= float(step([few]).data_s[0]) * 1.01
    few3, many3 = (TrainingLayout(data=64, zero_stage=3, micro_batch=1, accumulation=m) for m in (1, 8))
    assert float(step([many3]).data_s[0]) > 4.0 * float(step([few3]).data_s[0])


def test_adapters_cost_about_two_thirds() -> None:
    """4 operations for each weight and token instead of 6: frozen weights need no gradient of their own."""
    all_weights = seconds(TrainingLayout(micro_batch=8))
    adapters = seconds(TrainingLayout(micro_batch=8, lora_rank=16))
    assert 0.6 < adapters / all_weights < 0.85


def test_rows_do_not_influence_each_other() -> None:
    layouts = [
        TrainingLayout(data=8, zero_stage=3, micro_batch=2),
        TrainingLayout(tensor=4, pipeline=2, micro_batch=1, accumulation=4),
    ]
    together = step(layouts).total_s
    alone = np.concatenate([step([layout]).total_s for layout in layouts])
    np.testing.assert_allclose(together, alone, rtol=1e-12)


def test_experts_are_active_only_where_tokens_go() -> None:
    """A mixture takes about as long as a dense network of its active weights, plus the way to the experts."""
    mixture = seconds(TrainingLayout(data=8, expert=8, zero_stage=1, micro_batch=2), model="mixtral-8x7b")
    dense = seconds(TrainingLayout(data=8, zero_stage=1, micro_batch=2), model="llama2-13b")
    assert 0.7 < mixture / dense < 1.6
