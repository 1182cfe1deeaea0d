"""The training photos that are most like a photo, in the features of a run."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from transferkit.code_permission import allowing
from transferkit.data.unusable_files import Refused
from transferkit.errors import UserError, fault
from transferkit.runs.features.photos import find_photos, read_photos, readable_of
from transferkit.runs.finished.run import Run
from transferkit.runs.prediction.arguments import check_count, places_of
from transferkit.tensorflow_startup import start_tensorflow
from transferkit.training.progress import Progress

__all__ = ["Neighbour", "Similar", "nearest", "similar"]


@dataclass(frozen=True)
class Neighbour:
    """A training photo near another photo.

    Attributes:
        path: where it lies.
        label: what it is; with several labels a JSON list.
        distance: 1 less the cosine of the two features, each less the mean of the training photos: 0 for the
            same photo, about 1 for one that has nothing to do with it, 2 at most.
    """

    path: str
    label: str
    distance: float


@dataclass(frozen=True)
class Similar:
    """The neighbours of one photo, the nearest first."""

    path: str
    neighbours: tuple[Neighbour, ...]


def similar(
    run: Run | str | os.PathLike[str],
    photos: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    *,
    count: int = 5,
    data: str | os.PathLike[str] | None = None,
    quiet: bool = True,
    allow_code: bool = False,
) -> list[Similar]:
    """Finds the training photos of a run that are most like each photo.

    Args:
        run: a run or its folder.
        photos: image files and folders.
        count: neighbours of each.
        data: where the run's photos lie now, if they moved and are not in the cache.
        quiet: show no progress.
        allow_code: as of :func:`transferkit.retrain`.

    Raises:
        UserError: there is no such run or photo, one cannot be read, or the training photos are gone.
    """
    opened = run if isinstance(run, Run) else Run(run)
    places = places_of(photos)
    check_count("count", count)
    progress = Progress(quiet)
    with allowing(allow_code):
        read, bad = read_photos(find_photos(places))
        start_tensorflow()
        from transferkit.runs.features.extractor import Extractor
        from transferkit.runs.features.training_features import features_of_run

        with progress.stage("network", doing="building it and loading its weights"):
            extractor = Extractor.of_run(opened)
        trained = features_of_run(opened, extractor, progress, data=data)
        asked, readable, failures = extractor.features(
            [(str(one.sha256), one.path) for one in read], progress
        )
    bad += [Refused(os.fspath(one.path), one.reason) for one in failures]
    if bad:
        raise UserError(*(fault(one.name, hint=one.reason) for one in bad))
    distances, nearest_of = nearest(asked, trained.values, count)
    found = []
    for photo, row, there in zip(readable_of(read, readable), distances, nearest_of, strict=True):
        near = (
            Neighbour(trained.paths[place], trained.rows[place].label, float(distance))
            for distance, place in zip(row, there, strict=True)
        )
        found.append(Similar(photo.path, tuple(near)))
    return found


def nearest(asked: np.ndarray, known: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Cosine distances to the nearest rows, less the mean of the known ones, and which those are.

    Args:
        asked: float32 ``[M, D]``.
        known: float32 ``[N, D]``.
        count: of rows wanted, at most ``N``.

    Returns:
        float32 and int64 ``[M, count]``, the nearest first; rows at the same distance in their own order.
    """
    middle = known.mean(axis=0, dtype=np.float64).astype(np.float32)
    turned = _lengths_1(known - middle)
    distances, places = [], []
    for one in _lengths_1(asked - middle):
        row = np.maximum(1 - turned @ one, 0)
        order = np.argsort(row, kind="stable")[:count]
        distances.append(row[order])
        places.append(order)
    shape = (len(asked), min(count, len(known)))
    return np.array(distances, np.float32).reshape(shape), np.array(places, np.int64).reshape(shape)


def _lengths_1(rows: np.ndarray) -> np.ndarray:
    result: np.ndarray = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    return result
