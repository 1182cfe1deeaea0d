"""What each epoch gave, and what follows from it: the best epoch, and whether to stop.

Both follow from the rows alone, so a resumed run, which reads its rows back, decides as the uninterrupted one
would have.
"""

from __future__ import annotations

import json
import math
import os
import zlib
from dataclasses import dataclass, field
from pathlib import Path

from transferkit.errors import UserError, fault
from transferkit.files.whole_file import whole_file
from transferkit.recipe.metrics import less_is_better
from transferkit.type_names import NamedValues

__all__ = ["History", "is_better"]

_SUM = "crc32"


def is_better(metric: str, value: float, than: float | None, min_delta: float = 0.0) -> bool:
    """Whether a metric's value improves on another by more than ``min_delta``; NaN never does.

    >>> is_better("loss", 0.4, 0.5), is_better("accuracy", 0.4, 0.5), is_better("loss", 0.45, 0.5, 0.1)
    (True, False, False)

    Args:
        metric: its name says whether less is better.
        value: the new one.
        than: the old one; None where there is none.
        min_delta: 0 or more, in the unit of the metric.
    """
    if math.isnan(value):
        return False
    if than is None:
        return True
    if less_is_better(metric):
        return value < than - min_delta
    return value > than + min_delta


@dataclass
class History:
    """The epochs of one phase, kept in a file of one JSON object a line, each with its checksum.

    Attributes:
        path: the file; rows are appended to it as they come.
        metric: the validation metric that decides.
        rows: one dictionary an epoch, ``epoch`` 0 being the state before the phase.
    """

    path: Path
    metric: str = "loss"
    rows: list[NamedValues] = field(default_factory=list)

    @classmethod
    def open(cls, path: Path, metric: str) -> History:
        """Reads the rows of an earlier process; a half-written last line, as a kill leaves it, is dropped.

        Raises:
            UserError: a whole line was changed.
        """
        history = cls(path, metric)
        if path.exists():
            lines = path.read_bytes().splitlines(keepends=True)
            for number, line in enumerate(lines, 1):
                row = _read(line)
                if row is None:
                    # A kill leaves a line without its end.
                    if line.endswith(b"\n"):
                        hint = (
                            "it was changed: what followed from it is unknown; start again with --overwrite"
                        )
                        raise UserError(fault(f"{path}:{number}", hint=hint))
                    break
                history.rows.append(row)
            history._write()
        return history

    def go_back(self, step: int) -> int:
        """Drops what was evaluated after a step of the optimizer; returns how many rows that were."""
        kept = [row for row in self.rows if row["step"] <= step]
        dropped = len(self.rows) - len(kept)
        if dropped:
            self.rows[:] = kept
            self._write()
        return dropped

    def _write(self) -> None:
        with whole_file(self.path) as beside:
            beside.write_text("".join(map(_line, self.rows)), "utf-8")

    def append(self, row: NamedValues) -> None:
        """Adds an epoch and has it on disk before returning."""
        self.rows.append(row)
        with open(self.path, "a", encoding="utf-8") as file:
            file.write(_line(row))
            file.flush()
            os.fsync(file.fileno())

    def best(self) -> NamedValues | None:
        """The row with the best metric, the earliest of equals; None where no row has a number."""
        best = None
        for row in self.rows:
            if is_better(self.metric, self._value(row), None if best is None else self._value(best)):
                best = row
        return best

    def improves(self, row: NamedValues) -> bool:
        """Whether a row, not added yet, is the best so far; the first one is, whatever its number."""
        best = self.best()
        than = None if best is None else self._value(best)
        return not self.rows or is_better(self.metric, self._value(row), than)

    def should_stop(self, patience: int | None, min_delta: float = 0.0, metric: str | None = None) -> bool:
        """Whether a metric has not improved by more than ``min_delta`` for ``patience`` evaluations.

        Args:
            patience: None never stops.
            min_delta: what counts as an improvement.
            metric: by default the one that decides which epoch is best.
        """
        if patience is None:
            return False
        metric = metric or self.metric
        best: float | None = None
        waited = 0
        for value in self.values(metric):
            if is_better(metric, value, best, min_delta):
                best, waited = value, 0
            else:
                waited += 1
        return waited >= patience

    def values(self, metric: str) -> list[float]:
        """A metric of the validation images at every evaluation so far."""
        return [float(row[f"val_{metric}"]) for row in self.rows]

    def _value(self, row: NamedValues) -> float:
        return float(row[f"val_{self.metric}"])


def _line(row: NamedValues) -> str:
    return json.dumps({**row, _SUM: zlib.crc32(json.dumps(row).encode())}) + "\n"


def _read(line: bytes) -> NamedValues | None:
    """The row of a line; None where it is not whole."""
    try:
        row = json.loads(line)
        found = row.pop(_SUM)
    except (ValueError, KeyError, AttributeError, TypeError):
        return None
    return row if found == zlib.crc32(json.dumps(row).encode()) else None
