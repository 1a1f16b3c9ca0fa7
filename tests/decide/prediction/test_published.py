"""Rows of published tables: recognised, answered in order, and never by what was measured."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tradewind.decide.prediction.jobs import MEASURED, training_jobs
from tradewind.decide.prediction.published import Prediction, kind_of, predict_rows
from tradewind.decide.prediction.scoring import CONSTANT_MFU, score
from tradewind.files import sheets

TRAINING = {
    "model": "llama3-8b", "seq": "8192", "gpus": "32", "gpu_type": "H100-SXM", "tp": "1", "pp": "1", "dp": "32",
    "micro_batch": "1", "global_batch": "64", "precision": "bf16", "zero_stage": "3", "act_ckpt": "selective",
    "framework": "torchtitan FSDP2", "step_time_s": "",
}  # fmt: skip
CNN = {
    "model": "resnet50", "family": "timm", "gmacs": "4.09", "macts_m": "11.1", "params": "25600000", "img_size": "224",
    "batch": "256", "gpus": "1", "device": "RTX-3090", "precision": "amp", "framework": "PyTorch 2.0 eager nchw",
    "seq_in": "", "seq_out": "", "latency_ms": "", "samples_per_s": "",
}  # fmt: skip
DECODER = {
    "model": "Llama-2-7b", "family": "decoder", "seq_in": "512", "seq_out": "128", "batch": "8", "gpus": "1",
    "device": "A100-SXM-80GB", "tp": "1", "pp": "1", "precision": "fp16", "framework": "FasterTransformer",
    "latency_ms": "",
}  # fmt: skip
PRODUCT = {"device": "A100-SXM-80GB", "M": "4096", "K": "4096", "N": "4096", "dtype": "fp16", "time_ms": ""}
SUM = {"cluster": "a100_dgx", "op": "all_reduce", "world": "8", "devices_per_node": "8", "bytes": "268435456"}
ROWS = {"training": TRAINING, "counted": CNN, "generation": DECODER, "gemm": PRODUCT, "collective": SUM}


def predict(*rows: dict[str, str]) -> list[Prediction]:
    return predict_rows(list(rows), sheets.devices(), sheets.architectures(), sheets.calibration())


@pytest.mark.parametrize("kind", ROWS)
def test_rows_are_known_by_their_columns(kind: str) -> None:
    assert kind_of(ROWS[kind]) == kind


def test_every_row_is_answered_in_order() -> None:
    rows = [
        SUM,
        {"nonsense": "1"},
        TRAINING,
        CNN,
        PRODUCT,
        {**TRAINING, "gpu_type": "no such thing"},
        DECODER,
    ]
    found = predict(*rows)
    assert [one.kind for one in found] == [
        "collective",
        None,
        "training",
        "counted",
        "gemm",
        "training",
        "generation",
    ]
    answered = [one for one in found if not math.isnan(one.seconds)]
    assert len(answered) == 5
    for one in answered:
        assert 0.0 < one.low < one.seconds < one.high
        assert one.because
    assert "its columns are nonsense" in found[1].because
    assert "no such thing" in found[5].because


@settings(max_examples=25, deadline=None)
@given(
    kind=st.sampled_from(sorted(ROWS)),
    lies=st.dictionaries(
        st.sampled_from(sorted(MEASURED)), st.sampled_from(["0.001", "1", "1e9", "nan", "fast"])
    ),
)
def test_what_was_measured_changes_nothing(kind: str, lies: dict[str, str]) -> None:
    assert repr(predict({**ROWS[kind], **lies})) == repr(predict(ROWS[kind]))


def test_rows_do_not_influence_each_other() -> None:
    together = predict(*ROWS.values())
    for row, one in zip(ROWS.values(), together, strict=True):
        alone = predict(row)[0]
        assert alone.seconds == pytest.approx(one.seconds, rel=1e-9)


def test_known_figures_are_near() -> None:
    """torchtitan's README: Llama 3 8B on H100 with FSDP2, about 5,800 to 6,700 tokens a second and device in bf16."""
    one = predict({**TRAINING, "gpus": "128", "dp": "128", "global_batch": "128"})[0]
    rate = 8192 / one.seconds
    assert 4500 < rate < 8500
    # NVIDIA nccl-tests on a DGX A100: 220 to 235 GB/s of bus bandwidth for large sums.
    reduced = predict(SUM)[0]
    assert 268435456 * 2 * 7 / 8 / reduced.seconds == pytest.approx(225e9, rel=0.2)
    # An A100 computes large products in fp16 at 230 to 270 TFLOP/s.
    product = predict(PRODUCT)[0]
    assert 2 * 4096**3 / product.seconds == pytest.approx(245e12, rel=0.15)


def test_memory_tells_what_does_not_fit() -> None:
    fits, not_at_all = predict(
        TRAINING, {**TRAINING, "model": "llama3-70b", "gpus": "1", "dp": "1", "global_batch": "1"}
    )
    assert fits.fits is True
    assert not_at_all.fits is False
    assert not_at_all.memory_bytes > 80 * 2**30


def test_what_a_row_leaves_out_is_said_and_chosen() -> None:
    bare = {
        "model": "llama3-8b",
        "gpus": "8",
        "gpu_type": "A100-SXM-80GB",
        "global_batch": "64",
        "seq": "4096",
    }
    one = predict(bare)[0]
    assert one.seconds > 0
    assert "not stated" in one.because
    assert "micro-batch" in one.because
    ways = training_jobs(bare, 0, sheets.devices(), sheets.architectures())
    assert not isinstance(ways, str)
    assert {way.layout.global_batch for way in ways} == {64}


def test_scores_are_errors_against_what_was_measured() -> None:
    exact = predict(TRAINING)[0]
    rows = [{**TRAINING, "step_time_s": str(exact.seconds * factor)} for factor in (1.0, 1.25, 0.5)]
    found = score(rows, [exact] * 3)
    assert found.compared == 3
    assert found.median == pytest.approx(0.2)
    assert found.coverage == pytest.approx(
        sum(exact.low <= exact.seconds * f <= exact.high for f in (1.0, 1.25, 0.5)) / 3
    )
    constant = abs(exact.ideal_s / CONSTANT_MFU / exact.seconds - 1.0)
    assert score(rows[:1], [exact]).constant_median == pytest.approx(constant)


def test_regret_is_what_the_chosen_layout_takes_longer() -> None:
    layouts = [
        {**TRAINING, "tp": tp, "dp": dp, "step_time_s": seconds}
        for tp, dp, seconds in (("1", "32", "1.2"), ("2", "16", "1.0"), ("4", "8", "2.0"))
    ]
    predictions = predict(*layouts)
    chosen = min(range(3), key=lambda place: predictions[place].seconds)
    found = score(layouts, predictions)
    assert found.regret_jobs == 1
    assert found.regret_mean == pytest.approx(float(layouts[chosen]["step_time_s"]) - 1.0)


@settings(max_examples=60, deadline=None)
@given(
    kind=st.sampled_from(sorted(ROWS)),
    data=st.data(),
    cell=st.sampled_from(["", "0", "-1", "nan", "inf", "1e30", "abc", "0.5", "1e9", "w4a16-magic"]),
)
def test_no_cell_of_one_row_costs_the_others_their_answer(kind: str, data: st.DataObject, cell: str) -> None:
    name = data.draw(st.sampled_from(sorted(ROWS[kind])))
    broken, whole = predict({**ROWS[kind], name: cell}, ROWS[kind])
    assert whole.seconds == pytest.approx(predict(ROWS[kind])[0].seconds, rel=1e-9)
    assert math.isnan(broken.seconds) or 0.0 <= broken.seconds < math.inf
    assert broken.because


def test_an_unknown_precision_is_assumed_said_and_told_wider() -> None:
    known, strange = predict(TRAINING, {**TRAINING, "precision": "fp11-special"})
    assert "fp11-special" in strange.because
    assert strange.seconds == pytest.approx(known.seconds)
    assert strange.high / strange.low > known.high / known.low
