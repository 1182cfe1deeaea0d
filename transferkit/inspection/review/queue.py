"""Which photos of a run are worth a look, and why: the surest first of each kind."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from transferkit.data.check.label_errors import cross_validated_probabilities, suspects
from transferkit.data.hashing import hash_file
from transferkit.data.splits.ledger import Ledger
from transferkit.errors import UserError, fault
from transferkit.evaluation import read_predictions
from transferkit.evaluation.label_choice import doubt_of
from transferkit.runs.finished.run import Run
from transferkit.runs.folder.kept_features import FILE, read_kept
from transferkit.runs.folder.located import photo_file, photos_root, with_value

__all__ = ["ToReview", "review_queue"]


@dataclass(frozen=True)
class ToReview:
    """One photo to decide on.

    Attributes:
        sha256: of its content.
        name: as the run's split names it.
        file: where it lies.
        label: its class; with several labels a JSON list.
        guess: the class that it may be instead; empty where nothing says so.
        reason: why it is shown.
    """

    sha256: str
    name: str
    file: Path
    label: str
    guess: str
    reason: str


def review_queue(
    run: Run,
    data: str | os.PathLike[str] | None = None,
    most: int = 200,
    say: Callable[[str], None] | None = None,
) -> list[ToReview]:
    """Photos whose labels look wrong, then the worst mistakes, then the most doubtful, each once.

    Args:
        run: a finished run.
        data: where its photos lie now, if they moved.
        most: of each kind.
        say: told what is left out.

    Raises:
        UserError: none of the photos is there.
    """
    ledger = Ledger.read(run.path / "split.csv")
    recipe = run.recipe if data is None else with_value(run.recipe, "data.path", os.fspath(data))
    root = photos_root(recipe)
    rows = {row.name: row for row in ledger.rows}
    found: dict[str, ToReview] = {}
    absent: set[str] = set()
    others: set[str] = set()

    def add(name: str, guess: str, reason: str) -> None:
        row = rows.get(name)
        if row is None or row.sha256 in found or name in absent or name in others:
            return
        # A decision counts for the content that the run had, whatever file has its name now.
        file = photo_file(root, name)
        content = hash_file(file)
        if content == row.sha256:
            found[row.sha256] = ToReview(row.sha256, name, file, row.label, guess, reason)
        else:
            (absent if content is None else others).add(name)

    for name, guess, margin in _wrong_labels(run, ledger)[:most]:
        add(name, guess, f"looks like {guess}: the other photos say so by a margin of {margin:.2f}")
    for one in run.mistakes(most):
        add(one.name, one.predicted, f"the model says {one.predicted}, with {one.probability:.0%}")
    given = read_predictions(run.path / "predictions.csv", run.classes)
    if not ledger.multi_label:
        doubt = doubt_of(np.asarray(given.probabilities))
        for index in np.argsort(-doubt, kind="stable")[:most]:
            order = np.argsort(-given.probabilities[index], kind="stable")[:2]
            first, second = (run.classes[number] for number in order)
            add(given.paths[index], "", f"the model doubts between {first} and {second}")
    if not found and (absent or others):
        hint = "name the folder where they are now with --data DIR"
        if others:
            hint = f"files of their names hold other pictures, such as {min(others)}; {hint}"
        raise UserError(fault("data", str(recipe.data.path), "the run's photos", hint))
    for names, what in ((absent, "not there"), (others, "another picture now than the run had")):
        if names and say is not None:
            say(f"{len(names)} of them left out, as the file is {what}: such as {min(names)}")
    return list(found.values())


def _wrong_labels(run: Run, ledger: Ledger) -> list[tuple[str, str, float]]:
    """Name, class that it looks like, margin: of all photos whose features the run keeps."""
    if ledger.multi_label or not (run.path / FILE).exists():
        return []
    place = {name: number for number, name in enumerate(run.classes)}
    labels = np.array([place[row.label] for row in ledger.rows])
    kept: Any = read_kept(run, ledger)
    try:
        probabilities = cross_validated_probabilities(kept.values, labels, list(kept.groups))
    except ValueError:  # too few photos of a class to say anything
        return []
    rows = suspects(probabilities, labels)
    return [(ledger.rows[number].name, run.classes[guess], margin) for number, guess, margin in rows]
