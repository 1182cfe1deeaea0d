"""predictions.csv: what is written reads back the same."""

from __future__ import annotations

import csv

import numpy as np
import pytest

from transferkit.errors import UserError
from transferkit.evaluation import evaluate, read_predictions

CLASSES = ["a, b", 'say "c"', "dé"]


def test_round_trip(tmp_path, predicted):
    labels, probabilities, _ = predicted(samples=50, classes=3)
    paths = [f"über/{i},.jpg" for i in range(50)]
    found = evaluate(labels, probabilities, CLASSES, paths)
    back = read_predictions(found.write_predictions(tmp_path / "predictions.csv"))
    assert back.classes == tuple(CLASSES)
    assert back.paths == tuple(paths)
    np.testing.assert_array_equal(back.probabilities, found.probabilities)
    np.testing.assert_array_equal(back.labels, labels)
    np.testing.assert_array_equal(back.predicted, found.predicted)
    assert evaluate(back.labels, back.probabilities, back.classes).metrics == found.metrics
    assert [path.name for path in tmp_path.iterdir()] == ["predictions.csv"]


def test_columns(tmp_path):
    found = evaluate([1], [[0.25, 0.75]], ["cat", "dog"], ["x.jpg"])
    found.write_predictions(tmp_path / "p.csv")
    with open(tmp_path / "p.csv", newline="") as file:
        assert list(csv.DictReader(file)) == [
            {"path": "x.jpg", "label": "dog", "predicted": "dog",
             "probability:cat": "0.25", "probability:dog": "0.75"}
        ]  # fmt: skip


def test_multi_label_round_trip(tmp_path):
    labels = np.array([[1, 0, 1], [0, 0, 0]])
    found = evaluate(labels, np.float32([[0.9, 0.1, 0.4], [0.1, 0.2, 0.3]]), CLASSES, ["x", "y"])
    back = read_predictions(found.write_predictions(tmp_path / "p.csv"))
    np.testing.assert_array_equal(back.labels, labels)
    np.testing.assert_array_equal(back.predicted, found.predicted)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a,b\n1,2\n", "expected the columns"),
        ("path,label,predicted,probability:a\nx,a,b,1\n", "p.csv:2"),
        ("path,label,predicted,probability:a\nx,a,a,one\n", "p.csv:2"),
        ("path,label,predicted,probability:a\nx,a,a,1,2\n", "2 probabilities for 1"),
    ],
)
def test_another_file_is_refused_by_line(tmp_path, text, says):
    (tmp_path / "p.csv").write_text(text)
    with pytest.raises(UserError, match=says):
        read_predictions(tmp_path / "p.csv")


def test_no_file(tmp_path):
    with pytest.raises(UserError, match="no such file"):
        read_predictions(tmp_path / "p.csv")
