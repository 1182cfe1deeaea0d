"""Of many photos without labels, those that teach a run most."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from transferkit.code_permission import allowing
from transferkit.data.file_names import shown
from transferkit.data.sources.manifest.label_table import labels_filled_in, write_label_table
from transferkit.data.splits.ledger import Ledger
from transferkit.data.unusable_files import Refused
from transferkit.errors import UserError, fault
from transferkit.evaluation.label_choice import choose_photos, doubt_of
from transferkit.runs.features.photos import find_photos, read_photos, readable_of
from transferkit.runs.finished.run import Run
from transferkit.runs.prediction.arguments import check_count, places_of
from transferkit.tensorflow_startup import start_tensorflow
from transferkit.training.progress import Progress

__all__ = ["LabelNext", "ToLabel", "check_csv", "label_next"]

_NAMED = 2  # likeliest classes that are named of each


@dataclass(frozen=True)
class ToLabel:
    """A photo that is worth a label.

    Attributes:
        path: its file.
        guesses: the likeliest classes with their probabilities.
        doubt: 0 where the model is sure, 1 where two classes are as likely.
        distance: cosine distance to what is labelled or stands before it in the list, 0 to 2.
    """

    path: str
    guesses: tuple[tuple[str, float], ...]
    doubt: float
    distance: float


@dataclass(frozen=True)
class LabelNext:
    """Photos to label, the most useful first.

    Attributes:
        photos: them.
        asked: candidates.
        known: files that the run has, or that are copies of each other, and were left out.
        unreadable: those that cannot be read.
    """

    photos: tuple[ToLabel, ...]
    asked: int
    known: int = 0
    unreadable: tuple[Refused, ...] = ()

    def __len__(self) -> int:
        return len(self.photos)

    def write_csv(self, path: str | os.PathLike[str]) -> Path:
        """Writes ``path``, ``label`` (empty, to be filled in), guesses, ``doubt``, ``distance``.

        A manifest with ``path`` and ``label`` is what ``transferkit extend --data`` takes.
        """
        place = Path(path)
        rows = []
        for one in self.photos:
            (guess, sure), *others = one.guesses
            second = others[0][0] if others else ""
            figures = [f"{sure:.4f}", second, f"{one.doubt:.4f}", f"{one.distance:.4f}"]
            rows.append([shown(os.path.abspath(one.path)), guess, *figures])
        write_label_table(place, rows)
        return place

    def write_page(self, path: str | os.PathLike[str]) -> Path:
        """Writes a page of thumbnails, one file that needs nothing else."""
        from transferkit.report.label_page import write_label_page

        return write_label_page(self.photos, self.asked, Path(path))


def check_csv(path: str | os.PathLike[str]) -> None:
    """Refuses to write over labels that a person filled in.

    Raises:
        UserError: the file is a table with a label in it.
    """
    if filled := labels_filled_in(path):
        hint = "extend the run with them first, or name another file"
        raise UserError(
            fault("--csv", os.fspath(path), "a file without labels", f"{filled} are in it; {hint}")
        )


def label_next(
    run: Run | str | os.PathLike[str],
    data: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    *,
    count: int = 50,
    quiet: bool = True,
    allow_code: bool = False,
) -> LabelNext:
    """Chooses the photos to label next: ``transferkit label next``.

    Args:
        run: a finished run, or its folder.
        data: photos without labels: files and folders.
        count: how many to choose.
        quiet: show no progress.
        allow_code: as of :func:`transferkit.retrain`.

    Raises:
        UserError: there is no such run or photo, or all of them are known.
    """
    opened = run if isinstance(run, Run) else Run(run)
    progress = Progress(quiet)
    places = places_of(data, "data")
    check_count("count", count)
    with allowing(allow_code):
        read, bad = read_photos(find_photos(places))
        ledger = Ledger.read(opened.path / "split.csv")
        taken = {row.sha256 for row in ledger.rows}
        fresh = {str(one.sha256): one for one in reversed(read) if one.sha256 not in taken}
        candidates = sorted(fresh.values(), key=lambda one: one.path)
        if not candidates:
            hint = f"the run has all of these {len(read)} photos" if read else "none can be read"
            raise UserError(
                fault("data", ", ".join(os.fspath(place) for place in places), "photos without labels", hint)
            )
        start_tensorflow()
        from transferkit.runs.features.extractor import Extractor
        from transferkit.runs.features.training_features import features_of_run

        with progress.stage("network", doing="building it and loading its weights"):
            extractor = Extractor.of_run(opened)
        items = [(str(one.sha256), one.path) for one in candidates]
        features, readable, failures = extractor.features(items, progress)
        labelled = features_of_run(opened, extractor, progress, ("train", "val", "test")).values
        probabilities = extractor.probabilities(features)
    bad += [Refused(shown(os.fspath(one.path)), one.reason) for one in failures]
    photos = readable_of(candidates, readable)
    thresholds = opened.thresholds
    limits = None if thresholds is None else np.array([thresholds[name] for name in opened.classes])
    found = choose_photos(features, doubt_of(probabilities, limits), labelled, count)
    rows = tuple(
        ToLabel(photos[one.place].path, _guesses(probabilities[one.place], opened), one.doubt, one.distance)
        for one in found
    )
    return LabelNext(rows, len(photos), len(read) - len(candidates), tuple(bad))


def _guesses(probabilities: np.ndarray, run: Run) -> tuple[tuple[str, float], ...]:
    order = np.argsort(-probabilities, kind="stable")[:_NAMED]
    return tuple((run.classes[index], float(probabilities[index])) for index in order)
