"""Paired comparison of two models."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy.stats import binom

from transferkit.errors import UserError
from transferkit.evaluation import compare, evaluate, read_predictions


def make(right, classes=("a", "b"), paths=None, labels=None):
    """An evaluation whose i-th image is right where right[i] is."""
    labels = np.zeros(len(right), int) if labels is None else labels
    said = np.where(right, labels, 1 - labels)
    paths = [str(i) for i in range(len(right))] if paths is None else paths
    return evaluate(labels, np.eye(2, dtype=np.float32)[said], classes, paths, resamples=0)


def test_counts_and_exact_p_value():
    first = make(np.array([1] * 50 + [0] * 10 + [1] * 2))
    second = make(np.array([1] * 50 + [1] * 10 + [0] * 2))
    found = compare(first, second)
    assert (found.images, found.both_right, found.both_wrong) == (62, 50, 0)
    assert (found.only_first_right, found.only_second_right) == (2, 10)
    assert found.only_first == ("60", "61")
    assert found.p_value == pytest.approx(2 * binom.cdf(2, 12, 0.5))
    assert found.difference == pytest.approx(8 / 62)
    assert 0 < found.low < found.difference < found.high
    assert "second is better by 12.9 points" in found.verdict
    json.dumps(found.to_dict(), allow_nan=False)


def test_the_same_model_twice():
    one = make(np.array([1, 0, 1, 1]))
    found = compare(one, one)
    assert (found.p_value, found.difference) == (1, 0)
    # Four images on which two models agree say little about others.
    assert found.high == pytest.approx(-found.low) == pytest.approx(1.96 / 6, abs=1e-4)
    assert "chance" in found.verdict


def test_a_few_images_more_are_no_proof():
    found = compare(make(np.array([1] * 20 + [0] * 3)), make(np.ones(23)))
    assert found.difference > 0.1
    assert found.p_value == pytest.approx(0.25)
    assert "chance" in found.verdict


def test_the_interval_covers_the_true_difference_as_often_as_it_says():
    rng = np.random.default_rng(0)
    hits = 0
    for _ in range(1000):
        draw = rng.choice(4, size=300, p=[0.7, 0.05, 0.15, 0.1])
        found = compare(make(draw < 2), make((draw == 0) | (draw == 2)))
        hits += found.low <= 0.10 <= found.high
    assert 935 <= hits <= 965


def test_images_match_by_path_whatever_the_order_and_the_rest_is_counted():
    first = make(np.array([1, 0, 1]), paths=["x", "y", "z"])
    second = make(np.array([1, 1]), paths=["y", "x"])
    found = compare(first, second)
    assert (found.images, found.left_out, found.only_second) == (2, 1, ("y",))


def test_images_match_by_content_where_keys_are_given():
    first = make(np.array([1, 0]), paths=["old/x", "old/y"])
    second = make(np.array([0, 1]), paths=["new/y", "new/x"])
    found = compare(first, second, first_keys=["1", "2"], second_keys=["2", "1"])
    assert (found.both_right, found.both_wrong) == (1, 1)


def test_another_class_order_is_the_same():
    labels = np.array([0, 1, 1])
    first = make(np.array([1, 1, 0]), classes=("a", "b"), labels=labels)
    second = make(np.array([1, 1, 0]), classes=("b", "a"), labels=1 - labels)
    assert compare(first, second).p_value == 1


def test_files_compare_as_evaluations_do(tmp_path):
    first, second = make(np.array([1, 1, 0, 1])), make(np.array([1, 0, 0, 0]))
    read = [
        read_predictions(e.write_predictions(tmp_path / f"{i}.csv")) for i, e in enumerate((first, second))
    ]
    assert compare(*read) == compare(first, second)


@pytest.mark.parametrize(
    ("second", "says"),
    [
        (make(np.ones(2), classes=("a", "c")), "same classes"),
        (make(np.ones(2), paths=["p", "q"]), "some image in both"),
        (make(np.ones(2), labels=np.array([0, 1])), "image 1"),
        (make(np.array([1, 0]), paths=["0", "0"]), "several"),
    ],
)
def test_what_cannot_be_compared(second, says):
    with pytest.raises(UserError, match=says):
        compare(make(np.ones(2)), second)
