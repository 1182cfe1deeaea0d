"""The lines of a phase that stay: a row an epoch, in columns that fit 80 characters; fewer in less room."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

__all__ = ["HEADER", "epoch_line", "header", "time_left"]

_WIDTHS = {
    "epoch": 8,
    "loss": 9,
    "accuracy": 10,
    "val loss": 10,
    "val accuracy": 14,
    "rate": 9,
    "left": 8,
}
# Columns that are left out in a narrow terminal, one after the other.
_FIRST_OUT = ("rate", "loss", "accuracy", "left")
_BEST = "  best"


def _columns(room: int | None) -> list[str]:
    shown = list(_WIDTHS)
    for name in _FIRST_OUT:
        if room is None or sum(_WIDTHS[one] for one in shown) + len(_BEST) <= room:
            break
        shown.remove(name)
    return shown


def header(room: int | None = None) -> str:
    """What stands above the rows.

    Args:
        room: characters of a line; None for any number.
    """
    return "".join(name.rjust(_WIDTHS[name]) for name in _columns(room))


HEADER = header()


def epoch_line(
    row: Mapping[str, Any], epochs: int, best: bool, left: float | None, room: int | None = None
) -> str:
    """One epoch in words.

    Args:
        row: of the history.
        epochs: of the phase, where it does not end sooner.
        best: no evaluation before was as good.
        left: seconds that the phase takes still, where it does not end sooner; None where unknown.
        room: characters of a line; None for any number.

    >>> row = {"epoch": 7, "loss": 0.51234, "accuracy": 0.84, "val_loss": 0.61, "val_accuracy": 0.8}
    >>> print(HEADER + "\\n" + epoch_line({**row, 'learning_rate': 3e-4}, 40, True, 75.2))
       epoch     loss  accuracy  val loss  val accuracy     rate    left
        7/40   0.5123     0.840    0.6100         0.800   0.0003    1:15  best
    >>> print(header(40) + "\\n" + epoch_line({**row, 'learning_rate': 3e-4}, 40, True, 75.2, 40))
       epoch  val loss  val accuracy
        7/40    0.6100         0.800  best
    """
    cells = {
        "epoch": f"{row['epoch']}/{epochs}",
        "loss": _figure(row.get("loss"), 4),
        "accuracy": _figure(row.get("accuracy"), 3),
        "val loss": _figure(row.get("val_loss"), 4),
        "val accuracy": _figure(row.get("val_accuracy"), 3),
        "rate": f"{row.get('learning_rate', math.nan):.3g}",
        "left": "" if left is None else time_left(left),
    }
    return "".join(cells[name].rjust(_WIDTHS[name]) for name in _columns(room)) + (_BEST if best else "")


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
