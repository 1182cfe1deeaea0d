"""Accuracy, precision and recall at probabilities that the user names."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from transferkit.estimator.heads.keys import MetricKeys
from transferkit.estimator.heads.updating import update_pair
from transferkit.keras_import import keras
from transferkit.type_names import Metric, Tensor, Tensors

__all__ = ["threshold_metrics", "update_threshold_metrics"]

_KINDS = (
    (MetricKeys.ACCURACY_AT_THRESHOLD, "BinaryAccuracy", "threshold"),
    (MetricKeys.PRECISION_AT_THRESHOLD, "Precision", "thresholds"),
    (MetricKeys.RECALL_AT_THRESHOLD, "Recall", "thresholds"),
)


def threshold_metrics(thresholds: Sequence[float]) -> dict[str, Any]:
    """Key -> metric, three for each threshold."""
    return {
        key % threshold: getattr(keras.metrics, kind)(name=key % threshold, **{argument: threshold})
        for threshold in thresholds
        for key, kind, argument in _KINDS
    }


def update_threshold_metrics(
    thresholds: Sequence[float],
    metric: Callable[[str], Metric],
    labels: Tensors,
    scores: Tensor,
    weights: Tensor,
) -> None:
    """Adds labels of 0 and 1 with their scores to each of them.

    Args:
        thresholds: above 0 and below 1.
        metric: gives the metric of a key.
        labels: 0 or 1, any shape.
        scores: 0 to 1, of that shape.
        weights: of the values, or None.
    """
    for threshold in thresholds:
        for key, _, _ in _KINDS:
            update_pair(metric(key % threshold), labels, scores, weights)
