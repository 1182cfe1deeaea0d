"""Metrics of heads: what Keras has not, and weights of the shape that Keras needs to weigh each value."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from transferkit.keras_import import keras
from transferkit.type_names import Metric, Tensor, Tensors

__all__ = ["MajorityShare", "update_mean", "update_pair"]


class MajorityShare(keras.metrics.Mean):  # type: ignore[misc]
    """The accuracy of always predicting the commoner of two classes, from labels of 0 and 1."""

    def result(self) -> Any:
        larger = keras.ops.maximum(self.total, self.count - self.total)
        return keras.ops.divide_no_nan(larger, self.count)


def update_mean(metric: Metric, values: Any, weights: Tensor = None) -> None:
    """Adds ``values`` to a mean, each with its weight (weights are broadcast to them).

    Args:
        metric: a Keras Mean.
        values: any shape.
        weights: broadcast to them; None counts each once.
    """
    values = tf.cast(values, tf.float32)
    values, weights = _of_known_rank(values, _broadcast(weights, values))
    metric.update_state(values, sample_weight=weights)


def update_pair(metric: Metric, labels: Tensors, predictions: Tensors, weights: Tensor = None) -> None:
    """Adds labels and predictions of one shape to a metric, each value with its weight.

    Args:
        metric: a Keras metric of two tensors.
        labels: any shape.
        predictions: of that shape.
        weights: broadcast to them; None counts each once.
    """
    # In one type: Keras would round a label of 0.7 to compare it with a class.
    labels, predictions = tf.cast(labels, tf.float32), tf.cast(predictions, tf.float32)
    labels, predictions, weights = _of_known_rank(labels, predictions, _broadcast(weights, labels))
    metric.update_state(labels, predictions, sample_weight=weights)


def _of_known_rank(*several: Any) -> list[Any]:
    """The tensors as they are, or as vectors where the graph does not know a rank: Keras asks for it."""
    if all(one is None or one.shape.rank is not None for one in several):
        return list(several)
    return [None if one is None else tf.reshape(one, [-1]) for one in several]


def _broadcast(weights: Tensor, values: Any) -> Any:
    return None if weights is None else tf.broadcast_to(weights, tf.shape(values))
