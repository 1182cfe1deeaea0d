"""Best epoch and early stopping follow from the rows, also from those that a killed run left."""

from __future__ import annotations

import doctest
import math

import pytest

from transferkit.training import history
from transferkit.training.history import History


def filled(path, metric, values):
    made = History(path, metric)
    for epoch, value in enumerate(values):
        made.append({"epoch": epoch, f"val_{metric}": value})
    return made


def test_docstring_examples():
    assert doctest.testmod(history).failed == 0


@pytest.mark.parametrize(
    ("metric", "values", "best"),
    [
        ("loss", [1.0, 0.5, 0.5, 0.7], 1),
        ("accuracy", [0.1, 0.8, 0.9, 0.85], 2),
        ("loss", [math.nan, 0.9, math.nan], 1),
        ("loss", [0.3, 0.4, 0.5], 0),
    ],
)
def test_the_earliest_best_epoch_is_kept(tmp_path, metric, values, best):
    assert filled(tmp_path / "h", metric, values).best()["epoch"] == best


def test_a_history_without_a_number_has_no_best(tmp_path):
    assert filled(tmp_path / "h", "loss", [math.nan]).best() is None


def test_stopping_waits_for_patience_and_counts_from_the_last_improvement(tmp_path):
    made = filled(tmp_path / "h", "loss", [1.0, 0.9, 0.8999, 0.8998])
    assert not made.should_stop(3)
    assert made.should_stop(2, min_delta=0.01)
    assert not made.should_stop(None)
    made.append({"epoch": 4, "val_loss": 0.5})
    assert not made.should_stop(2, min_delta=0.01)


def test_half_a_line_is_dropped_and_the_rest_read_back(tmp_path):
    path = tmp_path / "h"
    made = filled(path, "loss", [1.0, 0.5])
    with open(path, "a") as file:
        file.write('{"epoch": 2, "val_l')
    again = History.open(path, "loss")
    assert again.rows == made.rows
    again.append({"epoch": 2, "val_loss": 0.4})
    assert History.open(path, "loss").rows[-1]["epoch"] == 2
