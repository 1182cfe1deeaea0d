"""Multi-label figures against scikit-learn's and against hand-made cases."""

from __future__ import annotations

import json

import numpy as np
import pytest
from sklearn import metrics as sk

from transferkit.evaluation import evaluate


@pytest.fixture
def tagged():
    rng = np.random.default_rng(1)
    labels = rng.random((300, 4)) < [0.1, 0.3, 0.5, 0.7]
    scores = 1 / (1 + np.exp(-(rng.normal(size=labels.shape) + 3 * labels - 1.5)))
    return labels, scores.astype(np.float32)


def test_figures_agree_with_scikit_learn(tagged):
    labels, scores = tagged
    found = evaluate(labels, scores, list("abcd"))
    said = scores >= 0.5
    assert found.kind == "multi"
    assert found.metrics["accuracy"] == pytest.approx(sk.accuracy_score(labels, said))
    assert found.metrics["hamming_accuracy"] == pytest.approx(1 - sk.hamming_loss(labels, said))
    for average in ("micro", "macro", "weighted", "samples"):
        expected = sk.f1_score(labels, said, average=average, zero_division=0)
        assert found.metrics[f"f1_{average}"] == pytest.approx(expected)
    assert found.metrics["average_precision_macro"] == pytest.approx(
        sk.average_precision_score(labels, scores, average="macro")
    )
    assert found.metrics["roc_auc_macro"] == pytest.approx(sk.roc_auc_score(labels, scores, average="macro"))
    np.testing.assert_array_equal(found.confusion, sk.multilabel_confusion_matrix(labels, said))
    assert [row.precision for row in found.per_class] == pytest.approx(
        sk.precision_score(labels, said, average=None)
    )
    for name in ("accuracy", "hamming_accuracy", "log_loss"):
        low, high = found.interval(name)
        assert low < found.metrics[name] < high
    json.dumps(found.to_dict(), allow_nan=False)


def test_a_threshold_a_class(tagged):
    labels, scores = tagged
    found = evaluate(labels, scores, list("abcd"), threshold=[0.0, 0.5, 0.5, 1.0])
    assert found.predicted[:, 0].all()
    assert not found.predicted[:, 3].any()
    assert found.per_class[0].recall == 1
    assert found.per_class[3].precision is None


def test_one_class_is_a_yes_or_no_question():
    found = evaluate([[1], [0], [1]], np.float32([[0.9], [0.2], [0.3]]), ["cat"], resamples=0)
    assert found.confusion.shape == (1, 2, 2)
    assert found.confusion[0].tolist() == [[1, 0], [1, 1]]
    assert found.per_class[0].recall == 0.5


def test_a_class_that_never_occurs_is_undefined(tagged):
    labels, scores = tagged
    labels = labels.copy()
    labels[:, 2] = False
    found = evaluate(labels, scores, list("abcd"), resamples=0)
    assert found.per_class[2].recall is None
    assert found.per_class[2].roc_auc is None
    assert found.metrics["roc_auc_macro"] > 0.9


def test_a_row_is_correct_only_as_a_whole():
    found = evaluate([[1, 0], [1, 1]], np.float32([[0.9, 0.1], [0.9, 0.1]]), ["a", "b"], resamples=0)
    assert found.correct.tolist() == [True, False]
