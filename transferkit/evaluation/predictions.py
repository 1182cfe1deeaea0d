"""``predictions.csv``: one row an evaluated image, so that figures can be computed again from it.

Columns: ``path``, ``label``, ``predicted``, then ``probability:CLASS`` for each class in class order. For
multi-label images ``labels`` and ``predicted`` hold JSON lists of class names.

Of many classes only the likeliest are listed: after ``predicted`` come ``probability_of_label`` (not for
multi-label images), then ``class_1``, ``probability_1``, ``class_2`` … with the likeliest first.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from transferkit.errors import UserError, fault
from transferkit.evaluation.row_chunks import row_parts
from transferkit.files import csv_files
from transferkit.files.whole_file import whole_file

if TYPE_CHECKING:
    from transferkit.evaluation.evaluation import Evaluation

__all__ = ["Predictions", "parse_top", "read_predictions", "write_predictions"]

_PREFIX, _OF_LABEL = "probability:", "probability_of_label"
# From more classes on, so many of the likeliest are listed unless the recipe says otherwise.
MANY_CLASSES, FEW = 200, 20


@dataclass(frozen=True, eq=False)
class Predictions:
    """What a ``predictions.csv`` holds.

    Attributes:
        classes: class names in label order.
        paths: N names.
        labels: int64 ``[N]``, or bool ``[N, C]`` for multi-label images.
        predicted: the same shape: what was predicted at the time, with the thresholds of the time.
        given: float32 ``[N, C]``, or ``[N, K]`` where only some classes are listed for each image.
        listed: int64 ``[N, K]``: which classes these are, -1 for none; None where all are. The last column is
            the label where images have one.
        top: how many of the likeliest classes are listed; None where all are.
    """

    classes: tuple[str, ...]
    paths: tuple[str, ...]
    labels: np.ndarray
    predicted: np.ndarray
    given: np.ndarray
    listed: np.ndarray | None = None
    top: int | None = None

    @cached_property
    def probabilities(self) -> np.ndarray:
        """float32 ``[N, C]``; 0 for what is not listed."""
        if self.listed is None:
            return self.given
        every = np.zeros((len(self.paths), len(self.classes) + 1), np.float32)  # the last column is for -1
        np.put_along_axis(every, self.listed, self.given, axis=1)
        return every[:, :-1]


def parse_top(wanted: str, classes: int) -> int | None:
    """How many classes ``evaluation.predictions`` lists for each image; None for all.

    >>> parse_top("auto", 3000), parse_top("auto", 10), parse_top("top:3", 10), parse_top("top:30", 10)
    (20, None, 3, None)
    """
    if wanted == "auto":
        wanted = f"top:{FEW}" if classes > MANY_CLASSES else "all"
    top = classes if wanted == "all" else int(wanted.removeprefix("top:"))
    return top if top < classes else None


def write_predictions(evaluation: Evaluation, path: str | Path, top: int | None = None) -> Path:
    """Writes the table whole or not at all. Probabilities are written so that float32 reads back equal.

    Images without paths are numbered from 0.

    Args:
        evaluation: what to write.
        path: of the file.
        top: list so many of the likeliest classes of each image, and every predicted one; None lists all.
    """
    path = Path(path)
    names = evaluation.classes
    multi = evaluation.kind == "multi"
    where = evaluation.paths or tuple(str(i) for i in range(len(evaluation.probabilities)))
    if top is not None and multi:
        top = min(len(names), max(top, int(evaluation.predicted.sum(axis=1).max())))
    head = ["path", "labels" if multi else "label", "predicted"]
    if top is None:
        head += [_PREFIX + name for name in names]
    else:
        head += [] if multi else [_OF_LABEL]
        head += [
            column for place in range(1, top + 1) for column in (f"class_{place}", f"probability_{place}")
        ]

    def side(marked: np.ndarray) -> str:
        if not multi:
            return names[int(marked)]
        return json.dumps([names[c] for c in np.flatnonzero(marked)], ensure_ascii=False)

    with whole_file(path) as beside, open(beside, "w", newline="", encoding="utf-8") as file:
        writer = csv_files.Writer(file, "\r\n")
        writer.writerow(head)
        for part in row_parts(evaluation.probabilities):
            given = evaluation.probabilities[part]
            ranked = None if top is None else _ranked(given, evaluation.predicted[part], top)
            for at, name in enumerate(where[part]):
                row = part.start + at
                cells = [name, side(evaluation.labels[row]), side(evaluation.predicted[row])]
                # Nine significant digits tell any two float32 apart.
                if ranked is None:
                    cells += [f"{p:.9g}" for p in given[at]]
                else:
                    cells += [] if multi else [f"{given[at, evaluation.labels[row]]:.9g}"]
                    for c in ranked[at].tolist():
                        cells += [names[c], f"{given[at, c]:.9g}"]
                writer.writerow(cells)
    return path


def _ranked(given: np.ndarray, predicted: np.ndarray, top: int) -> np.ndarray:
    """int64 ``[n, top]``: the likeliest classes, the first among equals first; all predicted ones."""
    order = given.copy()
    if predicted.ndim == 1:
        order[np.arange(len(given)), predicted] = np.inf
    else:
        order[predicted] += 2  # ahead of all others, in their own order
    if top < given.shape[1]:
        chosen = np.sort(np.argpartition(-order, top - 1, axis=1)[:, :top], axis=1)
    else:
        chosen = np.tile(np.arange(top), (len(given), 1))
    values = np.take_along_axis(order if predicted.ndim == 1 else given, chosen, axis=1)
    return np.take_along_axis(chosen, np.argsort(-values, axis=1, kind="stable"), axis=1)


def read_predictions(path: str | Path, classes: Sequence[str] | None = None) -> Predictions:
    """Reads what :func:`write_predictions` wrote.

    Args:
        path: the file.
        classes: the run's class names in label order, which a file that lists only the likeliest does not
            say; without them those that occur in the file are taken, sorted.

    Raises:
        UserError: no such file, or a file that is something else; says which line.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(
            fault(str(path), expected="a predictions.csv of an evaluated run", hint="no such file")
        )
    with open(path, newline="", encoding="utf-8") as file:
        reader = csv_files.Reader(file)
        head = next(reader, [])
        if head[:1] != ["path"] or head[1:2] not in (["label"], ["labels"]) or head[2:3] != ["predicted"]:
            expected = f"the columns path, label, predicted, {_PREFIX}CLASS, …"
            raise UserError(fault(str(path), ",".join(head[:4]), expected))
        table = _Table(path, head)
        for line, row in enumerate(reader, start=2):
            table.add(line, row)
    return table.read(classes)


class _Table:
    """The rows of a file, as they are read."""

    def __init__(self, path: Path, head: list[str]) -> None:
        self.path = path
        self.columns = len(head)
        self.multi = head[1] == "labels"
        self.of_label = head[3:4] == [_OF_LABEL]
        self.first = 4 if self.of_label else 3
        # A class may be called class_1: the full form's columns all have their prefix.
        self.full = all(column.startswith(_PREFIX) for column in head[3:])
        self.classes = [column.removeprefix(_PREFIX) for column in head[3:]] if self.full else []
        self.number = {name: place for place, name in enumerate(self.classes)}
        self.paths: list[str] = []
        self.sides: tuple[list[list[int]], list[list[int]]] = ([], [])
        self.given: list[np.ndarray] = []
        self.listed: list[np.ndarray] = []

    def add(self, line: int, row: list[str]) -> None:
        try:
            if len(row) != self.columns:
                received, wanted = len(row) - self.first, self.columns - self.first
                what = "probabilities for {} classes" if self.full else "cells of classes instead of {}"
                raise ValueError(f"{received} {what.format(wanted)}")
            names = [json.loads(cell) if self.multi else [cell] for cell in row[1:3]]
            numbers = [[self._number(name) for name in side] for side in names]
            if self.full:
                self.given.append(np.array(row[3:], np.float32))
            else:
                listed = [self._number(name) for name in row[self.first :: 2]]
                given = row[self.first + 1 :: 2]
                if self.of_label:
                    listed, given = [*listed, numbers[0][0]], [*given, row[3]]
                self.listed.append(np.array(listed, np.int64))
                self.given.append(np.array(given, np.float32))
        except (ValueError, KeyError, TypeError) as error:
            raise UserError(fault(f"{self.path}:{line}", ",".join(row[:3]), hint=str(error))) from error
        self.paths.append(row[0])
        for side, found in zip(self.sides, numbers, strict=True):
            side.append(found)

    def _number(self, name: str) -> int:
        if not self.full and name not in self.number:
            self.number[name] = len(self.classes)
            self.classes.append(name)
        return self.number[name]

    def read(self, classes: Sequence[str] | None) -> Predictions:
        """The whole, in the order of ``classes``."""
        width = self.columns - 3 if self.full else (self.columns - self.first) // 2 + self.of_label
        order = np.arange(len(self.classes))
        names = self.classes
        if not self.full:
            names = sorted(self.classes) if classes is None else list(classes)
            place = {name: number for number, name in enumerate(names)}
            if unknown := [name for name in self.classes if name not in place]:
                raise UserError(fault(str(self.path), unknown[0], "the run's own classes"))
            order = np.array([place[name] for name in self.classes], np.int64)
        given = np.stack(self.given) if self.given else np.zeros((0, width), np.float32)
        listed = None
        if not self.full:
            listed = order[np.stack(self.listed)] if self.listed else np.zeros((0, width), np.int64)
        truth, said = (_array(side, order, len(names), self.multi) for side in self.sides)
        top = None if self.full else width - self.of_label
        return Predictions(tuple(names), tuple(self.paths), truth, said, given, listed, top)


def _array(rows: list[list[int]], order: np.ndarray, classes: int, multi: bool) -> np.ndarray:
    if not multi:
        return order[np.array([row[0] for row in rows], np.int64)]
    marked = np.zeros((len(rows), classes), dtype=bool)
    for i, row in enumerate(rows):
        marked[i, order[row]] = True
    return marked
