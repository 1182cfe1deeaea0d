"""Photos in, a table of features out."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from transferkit.code_permission import allowing
from transferkit.data.file_names import shown
from transferkit.data.splits.ledger import Ledger
from transferkit.data.unusable_files import Refused
from transferkit.runs.features.photos import Photo, find_photos, read_photos, readable_of
from transferkit.runs.finished.run import Run
from transferkit.runs.prediction.arguments import places_of
from transferkit.tensorflow_startup import start_tensorflow
from transferkit.training.progress import Progress
from transferkit.type_names import Override

__all__ = ["Embedding", "embed"]


@dataclass(frozen=True)
class Embedding:
    """Features of photos, row by row.

    Attributes:
        photos: where each lies, its label where that is known, its split (the place's own, else that of a run
            that has the photo), and the hash of its content.
        features: float32 ``[N, D]``: what the head of the network decides on, before it is standardised.
        unreadable: the files that have none, each with its reason.
    """

    photos: tuple[Photo, ...]
    features: np.ndarray
    unreadable: tuple[Refused, ...] = ()

    def __len__(self) -> int:
        return len(self.photos)

    def columns(self) -> dict[str, list[str | None]]:
        """``path``, ``label``, ``split`` and ``sha256`` of the rows; None where something is unknown."""
        return {
            "path": [shown(one.path) for one in self.photos],
            "label": [one.label for one in self.photos],
            "split": [one.split for one in self.photos],
            "sha256": [one.sha256 for one in self.photos],
        }

    def save(self, to: str | os.PathLike[str]) -> tuple[Path, ...]:
        """Writes a ``.parquet``, ``.npz``, ``.npy`` or ``.tsv`` file.

        Returns:
            The files written: beside ``.npy``, which holds numbers alone, a ``.csv`` says what its rows are;
            beside ``.tsv`` lies what TensorBoard's projector wants.

        Raises:
            UserError: it has another ending, the package for it is missing, or it cannot be written.
        """
        from transferkit.runs.features.table_files import write_table

        return write_table(self, Path(to))


def embed(
    model: str | os.PathLike[str],
    photos: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    *,
    overrides: Sequence[Override] = (),
    quiet: bool = True,
    allow_code: bool = False,
) -> Embedding:
    """The features of photos, computed once and kept in the cache of activations.

    Args:
        model: a run's folder, whose network is taken as training left it, or the name of a backbone.
        photos: a folder of class folders, a manifest, an archive or TFRecords, which give labels; or image
            files and folders of them.
        overrides: of a recipe, for a backbone: such as ``"backbone.input_size=320"``.
        quiet: show no progress.
        allow_code: as of :func:`transferkit.retrain`.

    Raises:
        UserError: there is no such run, backbone or photo.
    """
    places = places_of(photos)
    progress = Progress(quiet)
    with allowing(allow_code):
        found = find_photos(places)
        start_tensorflow()
        from transferkit.runs.features.extractor import Extractor, is_run

        with progress.stage("network", doing="building it and loading its weights"):
            extractor = Extractor.of(model, overrides)
        read, bad = read_photos(found)
        items = [(str(one.sha256), one.path) for one in read]
        features, readable, failures = extractor.features(items, progress)
        if is_run(model):
            read = _with_splits(read, Run(model))
    bad += [Refused(shown(os.fspath(one.path)), one.reason) for one in failures]
    return Embedding(tuple(readable_of(read, readable)), features, tuple(bad))


def _with_splits(photos: Sequence[Photo], run: Run) -> list[Photo]:
    """Photos, with a run's own splits where their place names none: by content, wherever they lie."""
    splits = {row.sha256: row.split for row in Ledger.read(run.path / "split.csv").rows}
    return [replace(one, split=one.split or splits.get(str(one.sha256))) for one in photos]
