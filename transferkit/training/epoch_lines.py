"""The lines of a phase that stay: a row an epoch, in columns that fit 80 characters."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

__all__ = ["HEADER", "epoch_line", "time_left"]

HEADER = "   epoch     loss  accuracy  val loss  val accuracy     rate    left"


def epoch_line(row: Mapping[str, Any], epochs: int, best: bool, left: float | None) -> str:
    """One epoch in words.

    Args:
        row: of the history.
        epochs: of the phase, where it does not end sooner.
        best: no evaluation before was as good.
        left: seconds that the phase takes still, where it does not end sooner; None where unknown.

    >>> row = {"epoch": 7, "loss": 0.51234, "accuracy": 0.84, "val_loss": 0.61, "val_accuracy": 0.8}
    >>> print(HEADER + "\\n" + epoch_line({**row, 'learning_rate': 3e-4}, 40, True, 75.2))
       epoch     loss  accuracy  val loss  val accuracy     rate    left
        7/40   0.5123     0.840    0.6100         0.800   0.0003    1:15  best
    """
    cells = [
        f"{row['epoch']}/{epochs}".rjust(8),
        _figure(row.get("loss"), 4).rjust(9),
        _figure(row.get("accuracy"), 3).rjust(10),
        _figure(row.get("val_loss"), 4).rjust(10),
        _figure(row.get("val_accuracy"), 3).rjust(14),
        f"{row.get('learning_rate', math.nan):.3g}".rjust(9),
        ("" if left is None else time_left(left)).rjust(8),
    ]
    return "".join(cells) + ("  best" if best else "")


def time_left(seconds: float) -> str:
    """Minutes and seconds, or hours too.

    >>> time_left(59.6), time_left(3700)
    ('1:00', '1:01:40')
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _figure(value: float | None, digits: int) -> str:
    if value is None:
        return ""
    return f"{value:.{digits}f}" if abs(value) < 1000 else f"{value:.3g}"
