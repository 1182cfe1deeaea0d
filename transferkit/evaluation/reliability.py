"""Whether stated probabilities come true: the reliability curve and the expected calibration error."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["ReliabilityBin", "expected_calibration_error", "reliability_curve"]


@dataclass(frozen=True)
class ReliabilityBin:
    """The decisions whose confidence lies above ``low`` (the first bin: from ``low``) up to ``high``.

    Attributes:
        low, high: the bin's bounds, 0 to 1.
        samples: how many decisions fell into it.
        confidence: their mean confidence, None in an empty bin.
        accuracy: the share of them that was right, None in an empty bin.
    """

    low: float
    high: float
    samples: int
    confidence: float | None
    accuracy: float | None


def reliability_curve(
    confidence: np.ndarray, right: np.ndarray, bins: int = 15
) -> tuple[ReliabilityBin, ...]:
    """Bins decisions by confidence, in bins of equal width.

    Args:
        confidence: ``[N]``, 0 to 1: the probability that each decision gave itself.
        right: bool ``[N]``: whether it was right.
        bins: how many.
    """
    return curve_of(binned(confidence, right, bins=bins))


def binned(
    confidence: np.ndarray, right: np.ndarray, before: np.ndarray | None = None, bins: int = 15
) -> np.ndarray:
    """What a curve is made of, float64 ``[3, bins]``: counts, sums of confidence, how many were right.

    Args:
        confidence, right, bins: as of :func:`reliability_curve`.
        before: of other decisions, which are added.
    """
    edges = np.linspace(0, 1, bins + 1)
    place = np.clip(np.searchsorted(edges, confidence, side="left") - 1, 0, bins - 1)
    weights = (None, confidence, right)
    found = np.stack([np.bincount(place, weight, minlength=bins) for weight in weights]).astype(np.float64)
    return found if before is None else found + before


def curve_of(found: np.ndarray | None) -> tuple[ReliabilityBin, ...]:
    """The curve of what :func:`binned` gave."""
    if found is None:
        return ()
    bins = found.shape[1]
    edges = np.linspace(0, 1, bins + 1)
    count, stated, came_true = found
    return tuple(
        ReliabilityBin(
            low=float(edges[i]),
            high=float(edges[i + 1]),
            samples=int(count[i]),
            confidence=float(stated[i] / count[i]) if count[i] else None,
            accuracy=float(came_true[i] / count[i]) if count[i] else None,
        )
        for i in range(bins)
    )


def expected_calibration_error(curve: tuple[ReliabilityBin, ...]) -> float:
    """The mean gap between confidence and accuracy, weighted by samples (Guo et al. 2017, equation 3)."""
    total = sum(row.samples for row in curve)
    gaps = (
        row.samples * abs(row.confidence - row.accuracy)
        for row in curve
        if row.confidence is not None and row.accuracy is not None
    )
    return sum(gaps) / total if total else 0.0
