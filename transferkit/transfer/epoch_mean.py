"""The means of loss and accuracy over the epoch so far."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from transferkit.keras3 import keras

__all__ = ["EpochMean"]


class EpochMean:
    """Means over images that begin anew at each epoch's first step, by themselves.

    They are part of the training graph, so they are in the checkpoints, and a resumed epoch ends with the
    means that the uninterrupted one would have.

    Args:
        steps: training steps of one epoch.
    """

    def __init__(self, steps: int) -> None:
        self.steps = steps
        self.total, self.weight, self.right = (
            keras.Variable(
                # All replicas of a step assign the same value.
                np.float32(0),
                trainable=False,
                aggregation="only_first_replica",
                name=f"epoch_{name}",
            )
            for name in ("total", "weight", "right")
        )

    @property
    def variables(self) -> list[keras.Variable]:
        """What the means are made of."""
        return [self.total, self.weight, self.right]

    def update(self, value: tf.Tensor, right: tf.Tensor, weight: tf.Tensor, step: tf.Tensor) -> None:
        """Takes one step's values in.

        Args:
            value: scalar, the loss, a mean over the batch.
            right: scalar, how many images of the batch were answered right.
            weight: scalar, how many images the batch has.
            step: scalar, steps done before this one.
        """
        kept = tf.cast(tf.not_equal(tf.cast(step, tf.int64) % self.steps, 0), tf.float32)
        self.total.assign(kept * self.total.value + weight * value)
        self.weight.assign(kept * self.weight.value + weight)
        self.right.assign(kept * self.right.value + right)

    @property
    def has_steps(self) -> bool:
        """Whether there has been a step."""
        return bool(self.weight.numpy())

    def result(self) -> float:
        """The mean loss; NaN before the first step."""
        weight = float(self.weight.numpy())
        return float(self.total.numpy()) / weight if weight else float("nan")

    def accuracy(self) -> float:
        """The share of images that were answered right, 0 to 1; NaN before the first step.

        It is that of the network while it learned: with dropout, on augmented images, over the whole epoch.
        """
        weight = float(self.weight.numpy())
        return float(self.right.numpy()) / weight if weight else float("nan")
