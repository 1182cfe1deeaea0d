"""Binary cross entropy: the loss where an image may have any number of labels."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from transferkit.losses._base import Loss

if TYPE_CHECKING:
    import tensorflow as tf

__all__ = ["BinaryCrossEntropy"]


class BinaryCrossEntropy(Loss):
    """Mean over labels of ``-(w y log p + (1 - y) log(1 - p))``, ``p = sigmoid(logit)``.

    ``class_weights`` are the weights ``w`` of a label's presence.
    """

    labels: ClassVar[str] = "multi"

    def smoothed(self, labels: tf.Tensor) -> tf.Tensor:
        """Labels after smoothing: ``(1 - s) * labels + s / 2``."""
        return labels * (1 - self.label_smoothing) + self.label_smoothing / 2

    def per_sample(self, labels: tf.Tensor, logits: tf.Tensor, weights: np.ndarray | None) -> tf.Tensor:
        import tensorflow as tf

        positive = np.float32(1) if weights is None else weights
        each = tf.nn.weighted_cross_entropy_with_logits(self.smoothed(labels), logits, pos_weight=positive)
        return tf.reduce_mean(each, axis=-1)
