"""Where the photos of a run lie in the plane that shows most of what differs between their features."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from transferkit.evaluation import Evaluation
from transferkit.report.feature_map import MapFacts, MapPoint
from transferkit.runs.folder.kept_features import FILE
from transferkit.training.images import Images

__all__ = ["map_facts"]

_POINTS, _WRONG, _FITTED = 400, 100, 2000


def map_facts(folder: Path, images: Images, evaluation: Evaluation, seed: int) -> MapFacts | None:
    """The map; None where the run keeps no features.

    Args:
        folder: of the run, still partial.
        images: of the run.
        evaluation: of its held-out images.
        seed: draws which photos are shown.
    """
    if not (folder / FILE).exists() or len(images) < 4:
        return None
    from sklearn.decomposition import PCA

    with np.load(folder / FILE, allow_pickle=False) as kept:
        values = kept["values"]
    rng = np.random.default_rng(seed)
    held_out = images.of_split(images.held_out)
    wrong = held_out[np.flatnonzero(~evaluation.correct)]
    wrong = np.sort(rng.permutation(wrong)[:_WRONG])
    others = np.setdiff1d(rng.permutation(len(images))[: 2 * _POINTS], held_out[~evaluation.correct])
    shown = np.concatenate([wrong, np.sort(rng.permutation(others)[: _POINTS - len(wrong)])])
    some = values if len(values) <= _FITTED else values[np.sort(rng.permutation(len(values))[:_FITTED])]
    plane = PCA(2, svd_solver="randomized", random_state=0).fit(some)
    placed = plane.transform(values[shown])
    low, high = placed.min(axis=0), placed.max(axis=0)
    placed = (placed - low) / np.maximum(high - low, 1e-9)
    ledger, predicted = images.ledger, _predicted(evaluation, held_out)
    points = tuple(
        MapPoint(
            float(x),
            float(y),
            " + ".join(ledger.names(images.rows[index])) or "no label",
            images.paths[index],
            predicted.get(int(index), ""),
        )
        for index, (x, y) in zip(shown, placed, strict=True)
    )
    return MapFacts(points, len(images), float(plane.explained_variance_ratio_.sum()))


def _predicted(evaluation: Evaluation, held_out: np.ndarray) -> dict[int, str]:
    """What images were taken for, of those that were answered wrong."""
    found = {}
    for row in np.flatnonzero(~evaluation.correct):
        given = evaluation.predicted[row]
        names = [evaluation.classes[k] for k in (np.flatnonzero(given) if np.ndim(given) else [given])]
        found[int(held_out[row])] = " + ".join(names) or "no label"
    return found
