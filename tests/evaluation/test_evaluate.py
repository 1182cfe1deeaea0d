"""Single-label figures against scikit-learn's and against hand-made cases."""

from __future__ import annotations

import json
import subprocess
import sys
import warnings

import numpy as np
import pytest
from sklearn import metrics as sk

from transferkit.evaluation import evaluate
from transferkit.evaluation.single_label import macro_f1, macro_recall


def names(count):
    return [f"class {i}" for i in range(count)]


def test_figures_agree_with_scikit_learn(predicted):
    labels, probabilities, _ = predicted()
    found = evaluate(labels, probabilities, names(5), top=(2, 3, 5))
    said = probabilities.argmax(axis=1)
    exact = probabilities / probabilities.sum(axis=1, keepdims=True, dtype=np.float64)
    expected = {
        "accuracy": sk.accuracy_score(labels, said),
        "top_2_accuracy": sk.top_k_accuracy_score(labels, probabilities, k=2),
        "top_3_accuracy": sk.top_k_accuracy_score(labels, probabilities, k=3),
        "balanced_accuracy": sk.balanced_accuracy_score(labels, said),
        "precision_macro": sk.precision_score(labels, said, average="macro"),
        "recall_weighted": sk.recall_score(labels, said, average="weighted"),
        "f1_macro": sk.f1_score(labels, said, average="macro"),
        "f1_weighted": sk.f1_score(labels, said, average="weighted"),
        "log_loss": sk.log_loss(labels, exact),
        "kappa": sk.cohen_kappa_score(labels, said),
        "roc_auc_macro": sk.roc_auc_score(labels, exact, multi_class="ovr"),
    }
    for name, value in expected.items():
        assert found.metrics[name] == pytest.approx(value, abs=1e-5), name
    assert "top_5_accuracy" not in found.metrics
    np.testing.assert_array_equal(found.confusion, sk.confusion_matrix(labels, said))
    assert [row.samples for row in found.per_class] == np.bincount(labels).tolist()
    assert sum(row.predicted for row in found.per_class) == len(labels)


def test_everything_is_ready_for_json(predicted):
    labels, probabilities, _ = predicted(samples=60)
    found = evaluate(labels, probabilities, names(5))
    assert json.loads(json.dumps(found.to_dict(), allow_nan=False))["metrics"] == found.metrics


def test_a_class_without_samples_is_undefined_and_no_warning():
    probabilities = np.float32([[0.8, 0.2, 0], [0.3, 0.7, 0], [0.6, 0.4, 0]])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = evaluate([0, 1, 1], probabilities, ["a", "b", "never seen"])
    row = found.per_class[2]
    assert (row.recall, row.precision, row.f1, row.roc_auc, row.samples) == (None, None, None, None, 0)
    # Macro figures leave it out instead of counting a 0 for it.
    assert found.metrics["recall_macro"] == pytest.approx((1 + 0.5) / 2)
    assert found.metrics["balanced_accuracy"] == pytest.approx((1 + 0.5) / 2)


def test_one_class_only_has_no_kappa_and_no_areas():
    found = evaluate([1, 1], np.float32([[0, 1], [0.2, 0.8]]), ["a", "b"])
    assert found.metrics["accuracy"] == 1
    assert found.metrics["kappa"] is None
    assert found.metrics["roc_auc_macro"] is None


def test_top_k_breaks_ties_as_the_prediction_does():
    found = evaluate([0, 2], np.full((2, 4), 0.25, np.float32), names(4), top=(2,))
    assert found.metrics["accuracy"] == 0.5
    assert found.metrics["top_2_accuracy"] == 0.5


def test_a_sure_mistake_has_a_finite_loss():
    found = evaluate([0, 1], np.float32([[0, 1], [0, 1]]), ["a", "b"])
    assert found.metrics["log_loss"] == pytest.approx(-np.log(1e-7) / 2)


def test_calibration_error_by_hand():
    # Two decisions at 0.9 of which one is right, two at 0.6 of which both are: gaps 0.4 and 0.4.
    probabilities = np.float32([[0.9, 0.1], [0.9, 0.1], [0.6, 0.4], [0.6, 0.4]])
    found = evaluate([0, 1, 0, 0], probabilities, ["a", "b"])
    assert found.metrics["expected_calibration_error"] == pytest.approx(0.4, abs=1e-6)
    filled = [row for row in found.reliability if row.samples]
    assert [(row.samples, row.accuracy) for row in filled] == [(2, 1.0), (2, 0.5)]
    assert all(row.low < row.confidence <= row.high for row in filled)


def test_brier_by_hand():
    found = evaluate([0, 1], np.float32([[0.8, 0.2], [0.6, 0.4]]), ["a", "b"])
    assert found.metrics["brier"] == pytest.approx((2 * 0.04 + 2 * 0.36) / 2)


def test_intervals_are_seeded_and_hold_the_figure(predicted):
    labels, probabilities, _ = predicted()
    first, again = (evaluate(labels, probabilities, names(5), seed=3) for _ in range(2))
    assert first.metrics == again.metrics
    for name in ("accuracy", "balanced_accuracy", "f1_macro", "log_loss"):
        low, high = first.interval(name)
        assert low < first.metrics[name] < high
    other = evaluate(labels, probabilities, names(5), seed=4)
    assert other.interval("f1_macro") != first.interval("f1_macro")
    assert evaluate(labels, probabilities, names(5), resamples=0).interval("accuracy") is None


def test_the_accuracy_interval_is_as_wide_as_resampling_samples_makes_it(predicted):
    labels, probabilities, _ = predicted(samples=300)
    found = evaluate(labels, probabilities, names(5), resamples=4000)
    right, rng = found.correct, np.random.default_rng(0)
    plain = [right[rng.integers(0, 300, 300)].mean() for _ in range(4000)]
    np.testing.assert_allclose(found.interval("accuracy"), np.quantile(plain, [0.025, 0.975]), atol=0.01)


@pytest.mark.parametrize(("samples", "least"), [(5, 0.566), (50, 0.929), (1000, 0.996)])
def test_few_images_that_are_all_right_do_not_make_sure(samples, least):
    """Resampling them gives 1 every time; the share of such images may well be lower."""
    labels = np.arange(samples) % 2
    found = evaluate(labels, np.eye(2, dtype=np.float32)[labels], ["a", "b"])
    assert found.interval("accuracy") == pytest.approx((least, 1), abs=5e-4)
    assert found.interval("f1_macro") is None
    wrong = evaluate(1 - labels, np.eye(2, dtype=np.float32)[labels], ["a", "b"])
    assert wrong.interval("accuracy") == pytest.approx((0, 1 - least), abs=5e-4)
    both = evaluate(np.eye(2, dtype=int)[labels], np.eye(2, dtype=np.float32)[labels], ["a", "b"])
    assert both.interval("accuracy") == pytest.approx((least, 1), abs=5e-4)
    assert both.interval("hamming_accuracy") is None


def test_resampled_figures_are_the_figures(predicted):
    labels, probabilities, _ = predicted()
    found = evaluate(labels, probabilities, names(5))
    assert macro_f1(found.confusion[None])[0] == pytest.approx(found.metrics["f1_macro"])
    assert macro_recall(found.confusion[None])[0] == pytest.approx(found.metrics["balanced_accuracy"])


def test_curves_run_from_corner_to_corner_and_are_thin(predicted):
    labels, probabilities, _ = predicted(samples=5000)
    found = evaluate(labels, probabilities, names(5), resamples=0)
    assert [curve.name for curve in found.curves] == ["micro", *names(5)]
    for curve in found.curves:
        assert (curve.false_positive_rate[0], curve.true_positive_rate[0]) == (0, 0)
        assert (curve.false_positive_rate[-1], curve.true_positive_rate[-1]) == (1, 1)
        assert len(curve.recall) == len(curve.precision) <= 102
        area = sk.auc(curve.false_positive_rate, curve.true_positive_rate)
        assert area == pytest.approx(curve.roc_auc, abs=0.01)


def test_two_hundred_classes_have_areas_but_one_curve(predicted):
    labels, probabilities, _ = predicted(samples=1500, classes=200)
    found = evaluate(labels, probabilities, names(200), resamples=50)
    assert len(found.curves) == 1
    assert found.confusion.shape == (200, 200)
    assert found.metrics["roc_auc_macro"] > 0.5


@pytest.mark.parametrize(
    ("labels", "probabilities", "classes", "says"),
    [
        ([0], [[0.5, 0.5]], ["a"], "shape"),
        ([0, 1], [[0.5, 0.5]], ["a", "b"], "labels have shape"),
        ([], np.zeros((0, 2)), ["a", "b"], "no samples"),
        ([2], [[0.5, 0.5]], ["a", "b"], r"expected 0\.\.1"),
        ([-1], [[0.5, 0.5]], ["a", "b"], r"expected 0\.\.1"),
        ([0.0], [[0.5, 0.5]], ["a", "b"], "integers"),
        ([0], [[np.nan, 0.5]], ["a", "b"], "finite"),
        ([0], [[-3.0, 4.0]], ["a", "b"], "logits"),
        ([0], [[0.9, 0.9]], ["a", "b"], "sum to 1"),
        ([[2, 0]], [[0.9, 0.9]], ["a", "b"], "0 or 1"),
        ([0], [[1.0]], ["a"], "tell apart"),
    ],
)
def test_what_is_no_evaluation_is_refused(labels, probabilities, classes, says):
    with pytest.raises(ValueError, match=says):
        evaluate(np.array(labels, dtype=None if len(labels) else int), probabilities, classes)


def test_paths_must_fit():
    with pytest.raises(ValueError, match="2 paths for 1"):
        evaluate([0], [[0.5, 0.5]], ["a", "b"], ["x", "y"])


def test_no_tensorflow_is_imported():
    code = (
        "import sys, transferkit.evaluation; sys.exit('tensorflow' in sys.modules or 'keras' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
