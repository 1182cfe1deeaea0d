"""ROC and precision-recall curves, with their areas, thinned to what a screen can show."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["Curve", "areas", "one_curve"]

# Enough that a polyline looks like the curve; a report of 50 classes stays small.
MOST_POINTS = 101


@dataclass(frozen=True)
class Curve:
    """One class against the rest (or all decisions pooled) over all thresholds.

    Attributes:
        name: the class, or ``micro`` for all decisions pooled.
        roc_auc: area under the ROC curve, 0 to 1.
        average_precision: area under the precision-recall curve as a step function, 0 to 1.
        false_positive_rate, true_positive_rate: the ROC curve's points, from (0, 0) to (1, 1).
        recall, precision: the precision-recall curve's points, recall falling.
    """

    name: str
    roc_auc: float
    average_precision: float
    false_positive_rate: tuple[float, ...]
    true_positive_rate: tuple[float, ...]
    recall: tuple[float, ...]
    precision: tuple[float, ...]


def areas(truth: np.ndarray, scores: np.ndarray) -> tuple[float, float] | None:
    """ROC area and average precision of bool ``truth [N]`` by ``scores [N]``; None without both kinds."""
    if truth.all() or not truth.any():
        return None
    from sklearn.metrics import average_precision_score, roc_auc_score

    return float(roc_auc_score(truth, scores)), float(average_precision_score(truth, scores))


def one_curve(name: str, truth: np.ndarray, scores: np.ndarray) -> Curve | None:
    """The curves of bool ``truth [N]`` by ``scores [N]``; None without both kinds in the truth."""
    found = areas(truth, scores)
    if found is None:
        return None
    from sklearn.metrics import precision_recall_curve, roc_curve

    false, true, _ = roc_curve(truth, scores)
    precision, recall, _ = precision_recall_curve(truth, scores)
    roc, drawn = _thin(false, true), _thin(recall, precision)
    return Curve(name, *found, *roc, *drawn)


def _thin(x: np.ndarray, y: np.ndarray) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Points even along the curve's own length, both ends kept."""
    length = np.concatenate([[0.0], np.cumsum(np.abs(np.diff(x)) + np.abs(np.diff(y)))])
    wanted = np.linspace(0, length[-1], MOST_POINTS)
    kept = np.unique(np.searchsorted(length, wanted).clip(0, len(x) - 1))
    return tuple(np.round(x[kept], 5).tolist()), tuple(np.round(y[kept], 5).tolist())
