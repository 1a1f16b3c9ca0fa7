from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as peer

from tradewind.domain.errors import CannotMeasure, DataError
from tradewind.lab.models import METRICS, load_metric

BINARY = ("accuracy", "average_precision", "roc_auc", "f1")


@st.composite
def scored(draw):
    """Labels with both classes, scores of few values (many ties), and whole weights."""
    rows = draw(st.integers(2, 40))
    labels = np.array(draw(st.lists(st.integers(0, 1), min_size=rows, max_size=rows)))
    labels[:2] = (0, 1)
    scores = np.array(draw(st.lists(st.integers(-3, 3), min_size=rows, max_size=rows)), dtype=np.float32)
    weights = np.array(draw(st.lists(st.integers(0, 4), min_size=rows, max_size=rows)))
    weights[:2] += 1
    return labels, scores, weights


@given(scored())
@settings(deadline=None)
def test_ranking_metrics_agree_with_their_peer_on_tied_and_weighted_rows(case):
    labels, scores, weights = case
    ours = {name: METRICS[name].weighted(labels, scores, weights) for name in BINARY}
    answers = (scores > 0).astype(int) if scores.max() > 1.01 or scores.min() < -0.01 else scores > 0.5
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = {
            "average_precision": peer.average_precision_score(labels, scores, sample_weight=weights),
            "roc_auc": peer.roc_auc_score(labels, scores, sample_weight=weights),
            "accuracy": peer.accuracy_score(labels, answers, sample_weight=weights),
            "f1": peer.f1_score(labels, answers, sample_weight=weights),
        }
    assert ours == pytest.approx(theirs, abs=1e-12)


@given(scored())
@settings(deadline=None)
def test_a_weight_is_a_number_of_repetitions(case):
    labels, scores, weights = case
    index = np.repeat(np.arange(len(labels)), weights)
    for metric in METRICS.values():
        if metric.name in ("accuracy", "f1") and (scores.max() > 1) != (scores[index].max() > 1):
            continue  # whether a column holds probabilities is judged on all rows
        if metric.name in ("accuracy", "f1") and (scores.min() < 0) != (scores[index].min() < 0):
            continue
        repeated = metric(labels[index], scores[index])
        assert metric.weighted(labels, scores, weights) == pytest.approx(repeated), metric.name


@given(scored())
@settings(deadline=None)
def test_two_logits_rank_as_their_difference(case):
    labels, scores, _ = case
    logits = np.stack([-scores / 2, scores / 2], axis=1)
    for name in ("average_precision", "roc_auc"):
        assert METRICS[name](labels, logits) == pytest.approx(METRICS[name](labels, scores))
        assert METRICS[name](labels, scores[:, None]) == METRICS[name](labels, scores)


def test_classification_of_several_classes_agrees_with_its_peer():
    generator = np.random.default_rng(0)
    labels, outputs = generator.integers(0, 4, 200), generator.standard_normal((200, 4))
    answers = outputs.argmax(axis=1)
    assert METRICS["accuracy"](labels, outputs) == pytest.approx(peer.accuracy_score(labels, answers))
    assert METRICS["f1"](labels, outputs) == pytest.approx(peer.f1_score(labels, answers, average="macro"))


def test_squared_error_agrees_with_its_peer_and_does_not_broadcast_a_column_over_a_row():
    generator = np.random.default_rng(0)
    labels, outputs = generator.standard_normal(50), generator.standard_normal((50, 1))
    weights = generator.integers(0, 3, 50)
    theirs = -peer.mean_squared_error(labels, outputs[:, 0], sample_weight=weights)
    assert METRICS["neg_mean_squared_error"].weighted(labels, outputs, weights) == pytest.approx(theirs)


def test_a_column_of_probabilities_is_cut_at_one_half_and_one_of_logits_at_zero():
    labels = np.array([0, 1])
    assert METRICS["accuracy"](labels, np.array([0.4, 0.6])) == 1.0
    assert METRICS["accuracy"](labels, np.array([-0.4, 0.6])) == 1.0
    assert METRICS["accuracy"](labels, np.array([0.2, 3.0])) == 0.5


@pytest.mark.parametrize("name", ["average_precision", "roc_auc"])
def test_one_class_has_no_ranking(name):
    labels, scores = np.zeros(3, dtype=int), np.arange(3.0)
    assert np.isnan(METRICS[name].weighted(labels, scores, np.ones(3)))
    with pytest.raises(DataError, match="all classes"):
        METRICS[name](labels, scores)


def test_what_does_not_fit_is_refused():
    with pytest.raises(DataError, match="labels hold 1, 2; it takes 0 and 1"):
        METRICS["roc_auc"](np.array([2, 1]), np.array([0.0, 1.0]))
    with pytest.raises(DataError, match=r"shape \[2, 3\]"):
        METRICS["roc_auc"](np.array([0, 1]), np.zeros((2, 3)))
    with pytest.raises(DataError, match="3 labels, but 2 rows"):
        METRICS["accuracy"](np.array([0, 1, 1]), np.zeros(2))
    with pytest.raises(CannotMeasure, match="not finite in 1 of 2 rows, first in row 1"):
        METRICS["accuracy"](np.array([0, 1]), np.array([[0.0, 1.0], [np.nan, 1.0]]))


def test_the_users_metric_gets_resampled_rows(make_goal, project):
    folder = project(metric="def ours(labels, outputs):\n    return (labels * outputs[:, 0]).sum()\n")
    metric = load_metric(make_goal(metric="small.metric:ours"), folder)
    labels, outputs = np.array([1, 2, 3]), np.array([[1.0], [10.0], [100.0]])
    assert metric(labels, outputs) == 321.0
    assert metric.prepared(labels, outputs)(np.array([2, 0, 1])) == 302.0


def test_errors_of_the_users_metric_are_one_line(make_goal, project):
    folder = project(
        metric="def bad(labels, outputs):\n    return 1 / 0\ndef text(a, b):\n    return 'high'\n"
    )
    metric = load_metric(make_goal(metric="small.metric:bad"), folder)
    with pytest.raises(DataError, match=r"raised ZeroDivisionError: division by zero \(small/metric.py:2\)"):
        metric(np.zeros(2), np.zeros(2))
    with pytest.raises(DataError, match="returned str; return one number"):
        load_metric(make_goal(metric="small.metric:text"), folder)(np.zeros(2), np.zeros(2))


def test_an_unknown_metric_names_the_nearest(make_goal, tmp_path):
    with pytest.raises(DataError, match=r"'acuracy'; did you mean accuracy\?"):
        load_metric(make_goal(metric="acuracy"), tmp_path)
