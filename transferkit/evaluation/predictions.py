"""``predictions.csv``: one row an evaluated image, so that every figure can be computed again from it.

Columns: ``path``, ``label``, ``predicted``, then ``probability:CLASS`` for each class in class order. For
multi-label images ``labels`` and ``predicted`` hold JSON lists of class names.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from transferkit import csv_files
from transferkit.errors import UserError, fault
from transferkit.whole_file import whole_file

if TYPE_CHECKING:
    from transferkit.evaluation.result import Evaluation

__all__ = ["Predictions", "read_predictions", "write_predictions"]

_PREFIX = "probability:"


@dataclass(frozen=True, eq=False)
class Predictions:
    """What a ``predictions.csv`` holds.

    Attributes:
        classes: class names in column order.
        paths: N names.
        labels: int64 ``[N]``, or bool ``[N, C]`` for multi-label images.
        predicted: the same shape: what was predicted at the time, with the thresholds of the time.
        probabilities: float32 ``[N, C]``.
    """

    classes: tuple[str, ...]
    paths: tuple[str, ...]
    labels: np.ndarray
    predicted: np.ndarray
    probabilities: np.ndarray


def write_predictions(evaluation: Evaluation, path: str | Path) -> Path:
    """Writes the table whole or not at all. Probabilities are written so that float32 reads back equal.

    Images without paths are numbered from 0.
    """
    path = Path(path)
    names = evaluation.classes
    multi = evaluation.kind == "multi"
    where = evaluation.paths or tuple(str(i) for i in range(len(evaluation.probabilities)))
    with whole_file(path) as beside, open(beside, "w", newline="", encoding="utf-8") as file:
        writer = csv_files.Writer(file, "\r\n")
        head = ["path", "labels" if multi else "label", "predicted"]
        writer.writerow([*head, *(_PREFIX + name for name in names)])
        for i, name in enumerate(where):
            if multi:
                truth = json.dumps(
                    [names[c] for c in np.flatnonzero(evaluation.labels[i])], ensure_ascii=False
                )
                said = json.dumps(
                    [names[c] for c in np.flatnonzero(evaluation.predicted[i])], ensure_ascii=False
                )
            else:
                truth, said = names[evaluation.labels[i]], names[evaluation.predicted[i]]
            # Nine significant digits tell any two float32 apart.
            writer.writerow([name, truth, said, *(f"{p:.9g}" for p in evaluation.probabilities[i])])
    return path


def read_predictions(path: str | Path) -> Predictions:
    """Reads what :func:`write_predictions` wrote.

    Raises:
        UserError: no such file, or a file that is something else; says which line.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(
            fault(str(path), expected="a predictions.csv of an evaluated run", mend="no such file")
        )
    with open(path, newline="", encoding="utf-8") as file:
        reader = csv_files.Reader(file)
        head = next(reader, [])
        if head[:1] != ["path"] or head[1:2] not in (["label"], ["labels"]) or head[2:3] != ["predicted"]:
            expected = f"the columns path, label, predicted, {_PREFIX}CLASS, …"
            raise UserError(fault(str(path), ",".join(head[:4]), expected))
        multi = head[1] == "labels"
        classes = tuple(column.removeprefix(_PREFIX) for column in head[3:])
        number = {name: i for i, name in enumerate(classes)}
        paths, labels, predicted, probabilities = [], [], [], []
        for line, row in enumerate(reader, start=2):
            try:
                sides = [json.loads(cell) if multi else [cell] for cell in row[1:3]]
                truth, said = ([number[name] for name in side] for side in sides)
                values = np.array(row[3:], dtype=np.float32)
                if len(values) != len(classes):
                    raise ValueError(f"{len(values)} probabilities for {len(classes)} classes")
            except (ValueError, KeyError) as error:
                raise UserError(fault(f"{path}:{line}", ",".join(row[:3]), mend=str(error))) from error
            paths.append(row[0])
            labels.append(truth)
            predicted.append(said)
            probabilities.append(values)
    return Predictions(
        classes=classes,
        paths=tuple(paths),
        labels=_array(labels, len(classes), multi),
        predicted=_array(predicted, len(classes), multi),
        probabilities=np.stack(probabilities) if probabilities else np.zeros((0, len(classes)), np.float32),
    )


def _array(rows: list[list[int]], classes: int, multi: bool) -> np.ndarray:
    if not multi:
        return np.array([row[0] for row in rows], dtype=np.int64)
    marked = np.zeros((len(rows), classes), dtype=bool)
    for i, row in enumerate(rows):
        marked[i, row] = True
    return marked
