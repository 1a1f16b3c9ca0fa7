from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tradewind.domain.errors import CannotMeasure, DataError
from tradewind.domain.goal import Quality
from tradewind.lab.models import METRICS, Metric, Split
from tradewind.lab.optimization.judge import LEVEL, groups, judge, score

ACCURACY = METRICS["accuracy"]
RESAMPLES = 200
drops = st.floats(0.0, 0.3)


def answers(labels, right_rate, seed):
    """One probability a row, on the right side of one half at this rate."""
    right = np.random.default_rng(seed).random(len(labels)) < right_rate
    return np.where(right == (labels == 1), 0.9, 0.1)


def tables(rows, seed, column="band"):
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, 2, rows)
    labels[:2] = [0, 1]
    return Split({"x": np.zeros((rows, 1))}, labels, {column: generator.choice(["high", "low"], rows)})


def decide(test, original, variant, quality, metric=ACCURACY, seed=0):
    judged = groups(test, quality.slices)
    scores = [
        score(metric, test.labels, outputs, judged, seed=seed, resamples=RESAMPLES)
        for outputs in (original, variant)
    ]
    return judge(metric, quality, judged, *scores, data_sha256="0")


@settings(max_examples=30, deadline=None)
@given(
    rows=st.integers(40, 200),
    seed=st.integers(0, 99),
    max_drop=drops,
    name=st.sampled_from(["accuracy", "average_precision", "roc_auc", "f1"]),
)
def test_a_variant_that_answers_like_the_original_is_within(rows, seed, max_drop, name):
    test = tables(rows, seed)
    outputs = answers(test.labels, 0.7, seed)
    quality = Quality(max_drop=max_drop, slices=("band",))
    found = decide(test, outputs, outputs.copy(), quality, metric=METRICS[name])
    assert found.within, found.reason
    assert found.delta == found.delta_low == found.delta_high == 0.0
    assert found.low <= found.value <= found.high


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 99), rate=st.floats(0.5, 0.9), one=drops, other=drops)
def test_what_is_within_a_small_drop_is_within_a_larger_one(seed, rate, one, other):
    test = tables(150, seed)
    original, variant = answers(test.labels, 0.85, seed), answers(test.labels, rate, seed + 100)
    strict, loose = sorted((one, other))
    by_strict, by_loose = (
        decide(test, original, variant, Quality(max_drop=drop, slices=("band",))) for drop in (strict, loose)
    )
    assert by_loose.within or not by_strict.within
    assert by_strict.within == (not by_strict.reason)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 99))
def test_the_same_rows_and_seed_give_the_same_judgement(seed):
    test = tables(100, seed)
    original, variant = answers(test.labels, 0.8, 1), answers(test.labels, 0.7, 2)
    quality = Quality(slices=("band",))
    first, second = (decide(test, original, variant, quality, seed=seed) for _ in range(2))
    assert first == second
    assert first.value - first.baseline == pytest.approx(first.delta)
    assert first.delta_low <= first.delta_high


def test_equally_good_variants_are_called_different_no_more_often_than_the_level_says():
    trials, called = 200, 0
    for seed in range(trials):
        test = tables(300, seed)
        found = decide(
            test,
            answers(test.labels, 0.85, 2 * seed + 1000),
            answers(test.labels, 0.85, 2 * seed + 1001),
            Quality(),
            seed=seed,
        )
        called += found.delta_low > 0.0 or found.delta_high < 0.0
    # 5 % of 200, and three standard deviations.
    assert called <= 200 * (1.0 - LEVEL) + 9.3, f"{called} of {trials} equal pairs were called different"


def test_a_certain_loss_and_an_uncertain_one_are_told_apart():
    test = tables(2000, 0)
    original = answers(test.labels, 0.95, 1)
    worse = decide(test, original, answers(test.labels, 0.8, 2), Quality(max_drop=0.01))
    assert not worse.within
    assert worse.delta < -0.1
    assert worse.reason.startswith("loses 0.1")
    assert worse.reason.endswith("over 2000 rows), allowed 0.01")

    labels = np.tile([0, 1], 30)
    few = Split({"x": np.zeros((60, 1))}, labels)
    original, variant = np.abs(labels - 0.1), np.abs(labels - 0.1)
    original[:3], variant[3:6] = 1.0 - original[:3], 1.0 - variant[3:6]
    unsure = decide(few, original, variant, Quality(max_drop=0.01))
    assert unsure.delta == 0.0
    assert not unsure.within
    assert "may lose up to" in unsure.reason
    assert "more than 60 rows would tell better" in unsure.reason


def test_a_loss_in_one_slice_is_seen_though_the_whole_is_within():
    rows = 5000
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 2, rows)
    rare = generator.random(rows) < 0.05
    test = Split({"x": np.zeros((rows, 1))}, labels, {"channel": np.where(rare, "atm", "web")})
    original = answers(labels, 0.95, 1)
    variant = np.where(rare, 1.0 - original, original)
    quality = Quality(max_drop=0.06, slices=("channel",), slice_max_drop=0.1)
    found = decide(test, original, variant, quality)
    assert not found.within
    assert "in channel=atm" in found.reason
    assert "channel=web" not in found.reason
    by_name = {one.slice: one for one in found.slices}
    assert by_name["channel=web"].delta == 0.0
    assert by_name["channel=atm"].delta < -0.8
    assert by_name["channel=atm"].rows == rare.sum()


def test_slices_that_are_too_small_are_named_and_decide_nothing():
    labels = np.tile([0, 1], 100)
    column = np.where(np.arange(200) < 10, "tiny", "large").astype("<U8")
    column[np.flatnonzero(labels == 1)[-40:]] = "oneclass"
    test = Split({"x": np.zeros((200, 1))}, labels, {"kind": column})
    original = answers(labels, 0.9, 0)
    variant = np.where(np.isin(column, ["tiny", "oneclass"]), 1.0 - original, original)
    found = decide(test, original, variant, Quality(max_drop=1.0, slices=("kind",)))
    assert found.within
    assert found.reason == "too few rows to tell: kind=oneclass (40 rows), kind=tiny (10 rows)"
    assert [one.slice for one in found.slices] == ["kind=large"]


def test_slices_of_logits_are_scored_like_the_whole():
    # Within one slice all logits lie between 0 and 1, and would alone be taken for probabilities.
    labels = np.tile([0, 1], 100)
    near = np.arange(200) < 100
    logits = np.where(near, np.where(labels == 1, 0.3, 0.2), np.where(labels == 1, 8.0, -8.0))
    test = Split({"x": np.zeros((200, 1))}, labels, {"near": near})
    found = decide(test, logits, logits, Quality(slices=("near",)))
    by_name = {one.slice: one.value for one in found.slices}
    assert by_name == {"near=False": 1.0, "near=True": 0.5}
    assert found.value == 0.75


def test_the_minimum_binds_the_original_too():
    test = tables(300, 0)
    original = answers(test.labels, 0.7, 1)
    found = decide(test, original, original, Quality(minimum=0.99))
    assert not found.within
    assert found.reason == f"accuracy is {found.value:.3g}, the minimum is 0.99"


def test_a_metric_that_refuses_some_resamples_still_judges():
    def prepare(labels, outputs):
        def scorer(weights):
            if weights[0] > 4:
                raise DataError("refused")
            return float(weights @ (labels == (outputs > 0.5)) / weights.sum())

        return scorer

    test = tables(100, 0)
    outputs = answers(test.labels, 0.8, 1)
    assert decide(test, outputs, outputs, Quality(), metric=Metric("own", False, prepare)).within


def test_too_few_rows_of_a_class_are_an_error_of_the_data():
    labels = np.zeros(100, dtype=int)
    labels[0] = 1
    test = Split({"x": np.zeros((100, 1))}, labels)
    with pytest.raises(DataError, match=r"not defined on \d+% of the resamples of 100 test rows"):
        decide(test, labels * 0.5, labels * 0.5, Quality(), metric=METRICS["average_precision"])


def test_outputs_that_are_not_finite_cannot_be_measured():
    test = tables(50, 0)
    outputs = answers(test.labels, 0.8, 1)
    broken = outputs.copy()
    broken[3] = np.nan
    with pytest.raises(CannotMeasure, match="not finite in 1 of 50 rows"):
        decide(test, outputs, broken, Quality())


def test_a_column_of_numbers_is_no_slicing():
    test = Split({"x": np.zeros((99, 1))}, np.tile([0, 1, 1], 33), {"amount": np.arange(99.0)})
    with pytest.raises(DataError, match="amount has 99 values, at most 50 can be judged; give bands"):
        groups(test, ("amount",))


def test_a_metric_that_is_not_defined_on_the_test_split_says_so():
    def prepare(labels, outputs):
        return lambda weights: float("nan")

    test = tables(60, 0)
    with pytest.raises(DataError, match="own is not defined on these 60 rows"):
        decide(test, test.labels, test.labels, Quality(), metric=Metric("own", False, prepare))


def test_a_missing_slice_column_is_named():
    with pytest.raises(DataError, match="the test split has no slice column 'chanel'"):
        groups(tables(60, 0), ("chanel",))
