"""Batch normalisation whose statistics are those of the real rows of a batch, over all replicas.

A last batch that is filled up has rows that stand for no image, and a batch that replicas share is in parts.
Keras's own layer would take the statistics of the filled-up part. Here they are those of the whole batch, as
one device would have them of the rows alone.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import tensorflow as tf

from transferkit.backbones._keras import keras

__all__ = ["BatchStatistics", "counted_rows"]

_tracing = threading.local()


@contextmanager
def counted_rows(weights: tf.Tensor | None, replicas: int = 1) -> Iterator[None]:
    """Within it, while a step is traced: which rows of its batch count.

    Args:
        weights: float32 ``[N]``, 1 for a row that counts and 0 for one that fills up; None where all count.
        replicas: over how many devices the batch is divided.
    """
    _tracing.rows = (weights, replicas) if weights is not None or replicas > 1 else None
    try:
        yield
    finally:
        _tracing.rows = None


class BatchStatistics(keras.layers.Layer):  # type: ignore[misc]
    """Calls a ``BatchNormalization`` layer; in a step whose rows do not all count, computes for it.

    The layer and its weights are shared, not copied.
    """

    def __init__(self, layer: keras.Layer) -> None:
        super().__init__(name=layer.name, dtype=layer.dtype_policy)
        self.layer = layer
        self.built = True

    def call(self, inputs: Any, training: bool = False, mask: Any = None) -> Any:
        rows = getattr(_tracing, "rows", None)
        if rows is None or not training or mask is not None or not self.layer.trainable:
            return self.layer(inputs, training=training, mask=mask)
        return self._normalised(inputs, *rows)

    def _normalised(self, inputs: Any, weights: tf.Tensor | None, replicas: int) -> Any:
        layer = self.layer
        axis = layer.axis % len(inputs.shape)
        axes = [place for place in range(len(inputs.shape)) if place != axis]
        values = tf.cast(inputs, tf.float32)
        if weights is None:
            weights = tf.ones(tf.shape(inputs)[:1])
        wide = tf.reshape(weights, [-1] + [1] * (len(inputs.shape) - 1))
        each = tf.cast(tf.size(inputs) // (tf.shape(inputs)[0] * tf.shape(inputs)[axis]), tf.float32)
        count = _summed(tf.reduce_sum(weights), replicas) * each
        mean = _summed(tf.reduce_sum(wide * values, axes), replicas) / count
        shape = [1] * len(inputs.shape)
        shape[axis] = inputs.shape[axis]
        away = tf.math.squared_difference(values, tf.reshape(mean, shape))
        variance = _summed(tf.reduce_sum(wide * away, axes), replicas) / count
        for moving, found in ((layer.moving_mean, mean), (layer.moving_variance, variance)):
            moving.assign(moving * layer.momentum + found * (1.0 - layer.momentum))
        made = keras.ops.batch_normalization(
            values,
            mean,
            variance,
            axis=axis,
            offset=layer.beta if layer.center else None,
            scale=layer.gamma if layer.scale else None,
            epsilon=layer.epsilon,
        )
        return keras.ops.cast(made, layer.compute_dtype)

    def compute_output_spec(self, inputs: Any, training: bool = False, mask: Any = None) -> Any:
        return self.layer.compute_output_spec(inputs, training=training, mask=mask)


def _summed(value: tf.Tensor, replicas: int) -> tf.Tensor:
    """The sum over replicas, through which gradients go."""
    if replicas == 1:
        return value
    context = tf.distribute.get_replica_context()
    return context.all_reduce(tf.distribute.ReduceOp.SUM, value)
