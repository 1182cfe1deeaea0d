"""The mean of a training quantity over the epoch so far."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from transferkit.keras3 import keras

__all__ = ["EpochMean"]


class EpochMean:
    """A mean over images that begins anew at each epoch's first step, by itself.

    It is part of the training graph, so it is in the checkpoints, and a resumed epoch ends with the mean that
    the uninterrupted one would have.

    Args:
        steps: training steps of one epoch.
    """

    def __init__(self, steps: int) -> None:
        self.steps = steps
        self.total = keras.Variable(np.float32(0), trainable=False, name="epoch_total")
        self.weight = keras.Variable(np.float32(0), trainable=False, name="epoch_weight")

    @property
    def variables(self) -> list[keras.Variable]:
        """What the mean is made of."""
        return [self.total, self.weight]

    def update(self, value: tf.Tensor, weight: tf.Tensor, step: tf.Tensor) -> None:
        """Takes one step's value in.

        Args:
            value: scalar, a mean over the batch.
            weight: scalar, images in the batch.
            step: scalar, steps done before this one.
        """
        kept = tf.cast(tf.not_equal(tf.cast(step, tf.int64) % self.steps, 0), tf.float32)
        weight = tf.cast(weight, tf.float32)
        self.total.assign(kept * self.total.value + weight * value)
        self.weight.assign(kept * self.weight.value + weight)

    @property
    def has_steps(self) -> bool:
        """Whether there has been a step."""
        return bool(self.weight.numpy())

    def result(self) -> float:
        """The mean; NaN before the first step."""
        weight = float(self.weight.numpy())
        return float(self.total.numpy()) / weight if weight else float("nan")
