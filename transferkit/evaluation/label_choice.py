"""Which photos to label next: those that the model doubts and that are unlike what is labelled already.

One after the other the photo with the largest product of doubt and distance is taken, and then counts as
labelled (greedy k-centre, Sener and Savarese 2018, arXiv 1708.00489, weighted by the margin). So a second
photo of the same kind has little to add, and a copy of a chosen one nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["Chosen", "choose_photos", "doubt_of"]

# Cosine distance below which two photos are one for this purpose: frames of a burst, other encodings.
NEAR = 0.02
# What a photo counts that the model is sure of: coverage matters there too, as it may be surely wrong.
_SURE = 0.1


@dataclass(frozen=True)
class Chosen:
    """A photo to label.

    Attributes:
        place: its number among the candidates.
        doubt: 0 to 1.
        distance: cosine distance to what was labelled or chosen before it.
    """

    place: int
    doubt: float
    distance: float


def doubt_of(probabilities: np.ndarray, thresholds: np.ndarray | None = None) -> np.ndarray:
    """How much the model doubts, float64 ``[N]`` in 0 to 1: 1 less the margin of the two likeliest classes.

    Args:
        probabilities: ``[N, C]``.
        thresholds: of models of several labels, ``[C]``: the least sure decision counts, 1 at the threshold.
    """
    values = probabilities.astype(np.float64)
    if thresholds is None:
        top = np.sort(values, axis=1)[:, -2:]
        return np.asarray(1 - (top[:, 1] - top[:, 0]))
    room = np.where(values >= thresholds, 1 - thresholds, thresholds)
    return np.asarray(1 - (np.abs(values - thresholds) / np.maximum(room, 1e-9)).min(axis=1))


def choose_photos(features: np.ndarray, doubt: np.ndarray, labelled: np.ndarray, count: int) -> list[Chosen]:
    """The photos to label, the most useful first.

    Args:
        features: float ``[N, D]`` of the candidates.
        doubt: float ``[N]``, of :func:`doubt_of`.
        labelled: float ``[M, D]`` of the photos that have labels, from which the middle is taken.
        count: how many.

    Returns:
        Up to ``count``; fewer where what is left is as good as copies of what is labelled or chosen.
    """
    middle = (labelled if len(labelled) else features).mean(axis=0)
    rows, known = _turned(features, middle), _turned(labelled, middle)
    distance = np.full(len(rows), 2.0)
    for start in range(0, len(known), 1024):
        distance = np.minimum(distance, 1 - (rows @ known[start : start + 1024].T).max(axis=1))
    weight = _SURE + (1 - _SURE) * np.clip(doubt, 0, 1)
    chosen: list[Chosen] = []
    while len(chosen) < min(count, len(rows)):
        place = int(np.argmax(np.where(distance > NEAR, weight * distance, -1.0)))
        if distance[place] <= NEAR:
            break
        chosen.append(Chosen(place, float(doubt[place]), float(distance[place])))
        distance = np.minimum(distance, 1 - rows @ rows[place])
        distance[place] = 0.0
    return chosen


def _turned(rows: np.ndarray, middle: np.ndarray) -> np.ndarray:
    """Rows from the middle, brought to length 1."""
    moved = rows.astype(np.float32) - middle.astype(np.float32)
    return np.asarray(moved / np.maximum(np.linalg.norm(moved, axis=1, keepdims=True), 1e-12))
