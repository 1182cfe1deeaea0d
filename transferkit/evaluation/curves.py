"""ROC and precision-recall curves, with their areas, thinned to what a screen can show."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

__all__ = ["Curve", "areas", "one_curve", "rank"]

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


@dataclass(frozen=True)
class Ranking:
    """Where the positives stand among all: enough for both curves, however many negatives there are.

    Attributes:
        positives: how many positives have each distinct score, ascending.
        not_below: how many negatives have at least that score.
        above: how many negatives have more.
        negatives: how many negatives there are.
    """

    positives: np.ndarray
    not_below: np.ndarray
    above: np.ndarray
    negatives: int

    @property
    def found(self) -> np.ndarray:
        """How many positives have at least each score."""
        return np.cumsum(self.positives[::-1])[::-1]

    @property
    def areas(self) -> tuple[float, float]:
        """ROC area, ties counting half, and average precision as a step function."""
        wins = self.negatives - self.not_below + (self.not_below - self.above) / 2
        total = int(self.positives.sum())
        roc = float((self.positives * wins).sum() / (total * self.negatives))
        precision = self.found / (self.found + self.not_below)
        return roc, float((self.positives * precision).sum() / total)


def rank(positives: np.ndarray, scores: Iterable[np.ndarray]) -> Ranking | None:
    """Ranks positives among all scores, which may come in parts: only the positives' own are kept.

    Args:
        positives: scores of the positives, any shape.
        scores: those of all, the positives included.

    Returns:
        None without both kinds.
    """
    values, counts = np.unique(positives, return_counts=True)
    total, below, not_above = 0, np.zeros(len(values), np.int64), np.zeros(len(values), np.int64)
    for part in scores:
        ordered = np.sort(part, axis=None)
        total += len(ordered)
        below += np.searchsorted(ordered, values, "left")
        not_above += np.searchsorted(ordered, values, "right")
    found = np.cumsum(counts[::-1])[::-1]
    negatives = total - int(counts.sum())
    if not len(values) or not negatives:
        return None
    return Ranking(counts, total - below - found, total - not_above - (found - counts), negatives)


def areas(truth: np.ndarray, scores: np.ndarray) -> tuple[float, float] | None:
    """ROC area and average precision of bool ``truth [N]`` by ``scores [N]``; None without both kinds."""
    found = rank(scores[truth], [scores])
    return None if found is None else found.areas


def one_curve(name: str, positives: np.ndarray, scores: Iterable[np.ndarray]) -> Curve | None:
    """The curves of what :func:`rank` takes; None without both kinds.

    Args:
        name: of the class.
        positives: bool ``[N]``.
        scores: float ``[N]`` in parts.
    """
    ranking = rank(positives, scores)
    if ranking is None:
        return None
    found, total = ranking.found, int(ranking.positives.sum())
    # Corners alone: between two scores of positives only negatives come in.
    before = found - ranking.positives
    false = np.stack([ranking.above, ranking.not_below])[:, ::-1].T.ravel() / ranking.negatives
    true = np.stack([before, found])[:, ::-1].T.ravel() / total
    least = np.concatenate([[ranking.negatives], ranking.above[:-1]])
    precision = np.stack([found / (found + least), found / (found + ranking.not_below)]).T.ravel()
    roc = _thin(np.concatenate([[0.0], false, [1.0]]), np.concatenate([[0.0], true, [1.0]]))
    drawn = _thin(np.append(np.repeat(found, 2) / total, 0.0), np.append(precision, 1.0))
    return Curve(name, *ranking.areas, *roc, *drawn)


def _thin(x: np.ndarray, y: np.ndarray) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Points even along the curve's own length, both ends kept."""
    length = np.concatenate([[0.0], np.cumsum(np.abs(np.diff(x)) + np.abs(np.diff(y)))])
    wanted = np.linspace(0, length[-1], MOST_POINTS)
    kept = np.unique(np.searchsorted(length, wanted).clip(0, len(x) - 1))
    return tuple(np.round(x[kept], 5).tolist()), tuple(np.round(y[kept], 5).tolist())
