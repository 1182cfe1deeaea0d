"""The line that each epoch leaves."""

from __future__ import annotations

import pytest

from transferkit.training.epoch_lines import HEADER, epoch_line, header, time_left

ROW = {
    "epoch": 7,
    "loss": 0.51234,
    "accuracy": 0.84,
    "val_loss": 0.61,
    "val_accuracy": 0.8,
    "learning_rate": 3e-4,
}


def test_columns_stand_below_their_names_within_80_characters():
    line = epoch_line(ROW, 40, True, 75.2)
    assert line.split() == ["7/40", "0.5123", "0.840", "0.6100", "0.800", "0.0003", "1:15", "best"]
    assert len(line) <= 80
    for name, cell in (("epoch", "7/40"), ("val loss", "0.6100"), ("left", "1:15")):
        assert HEADER.index(name) + len(name) == line.index(cell) + len(cell)
    assert "best" not in epoch_line(ROW, 40, False, None)


@pytest.mark.parametrize(
    "changes",
    [
        {"loss": 123456.789, "val_loss": float("nan")},
        {"epoch": 1000, "val_loss": 1e30, "learning_rate": 1.23456e-7},
        {"accuracy": None, "loss": None, "val_accuracy": float("nan")},
    ],
)
def test_odd_figures_keep_the_columns(changes):
    line = epoch_line({**ROW, **changes}, 1000, True, 360_000)
    assert len(line) <= 80
    assert line.endswith("100:00:00  best")


def test_time():
    assert [time_left(seconds) for seconds in (0, 59.6, 3700)] == ["0:00", "1:00", "1:01:40"]


@pytest.mark.parametrize("room", [38, 40, 50, 60, 72, 80, 120, None])
def test_in_a_narrow_terminal_columns_are_left_out_and_the_others_stay_below_their_names(room):
    line, names = epoch_line(ROW, 40, True, 75.2, room), header(room)
    assert room is None or len(line) <= room
    assert len(line) == len(names) + len("  best")
    for name, cell in (("epoch", "/40"), ("val loss", "0."), ("val accuracy", "0.")):
        assert names.count(name) >= 1
        assert cell in line
    assert ("rate" in names) == (room is None or room >= 74)
