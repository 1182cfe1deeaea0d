"""What a finished run's files hold, for those who look at it in Python: curves, figures, mistakes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from transferkit.errors import UserError, fault
from transferkit.runs.folder.located import photo_file, photos_root
from transferkit.type_names import NamedValues

if TYPE_CHECKING:
    from transferkit.evaluation import Evaluation
    from transferkit.runs.finished.finished_run import FinishedRun

__all__ = ["Mistake", "read_evaluation", "read_history", "read_mistakes"]


@dataclass(frozen=True)
class Mistake:
    """An evaluated image that was answered wrong.

    Attributes:
        name: of the image, as the split names it.
        file: where it lies, or None where it is not found there now (or lies in an archive).
        label: what it is; with several labels their names, divided by commas.
        predicted: what it was called, in the same way.
        about: the class in doubt: the one that was answered, or the label whose decision is furthest off.
        probability: what ``about`` was given, 0 to 1.
    """

    name: str
    file: Path | None
    label: str
    predicted: str
    about: str
    probability: float


def read_history(run: FinishedRun) -> list[NamedValues]:
    """The rows of ``history.jsonl``.

    Raises:
        UserError: the file is damaged.
    """
    path = run.path / "history.jsonl"
    try:
        return [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    except (OSError, json.JSONDecodeError) as error:
        raise UserError(fault(str(path), hint=f"it cannot be read: {error}")) from None


def read_evaluation(run: FinishedRun) -> Evaluation:
    """The evaluation that ended the run, made again from its ``predictions.csv``, without intervals.

    Where that lists only the likeliest classes, figures that need the others are None.
    """
    from transferkit.evaluation import evaluate, read_predictions

    found = read_predictions(run.path / "predictions.csv", run.classes)
    thresholds = run.thresholds
    more: NamedValues = (
        {} if thresholds is None else {"threshold": [thresholds[name] for name in found.classes]}
    )
    if found.top is not None:
        more |= {"complete": False, "top": [k for k in (3, 5) if k <= found.top]}
    return evaluate(found.labels, found.probabilities, found.classes, found.paths, resamples=0, **more)


def read_mistakes(run: FinishedRun, most: int) -> list[Mistake]:
    """The surest mistakes, the surest first."""
    from transferkit.report import doubtful_classes, names_of, worst_mistakes

    found = run.evaluation
    rows = worst_mistakes(found, most)
    root = photos_root(run.recipe)
    shown = []
    for row, doubtful in zip(rows, doubtful_classes(found, rows).tolist(), strict=True):
        name = found.paths[row] if found.paths is not None else str(row)
        file = photo_file(root, name)
        shown.append(
            Mistake(
                name,
                file if file.is_file() else None,
                names_of(found, found.labels[row]),
                names_of(found, found.predicted[row]),
                found.classes[doubtful],
                float(found.probabilities[row, doubtful]),
            )
        )
    return shown
