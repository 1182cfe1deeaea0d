"""Cross entropy: the loss of one class an image."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from transferkit.losses._base import Loss

if TYPE_CHECKING:
    import tensorflow as tf

__all__ = ["CrossEntropy"]


class CrossEntropy(Loss):
    """``-sum over classes of weight * label * log softmax(logits)``, with label smoothing."""

    def per_sample(self, labels: tf.Tensor, logits: tf.Tensor, weights: np.ndarray | None) -> tf.Tensor:
        import tensorflow as tf

        weighted = self.smoothed(labels)
        if weights is not None:
            # The weight is that of the true class, smoothed mass included, as scikit-learn weighs samples.
            weighted *= tf.reduce_sum(labels * weights, axis=-1, keepdims=True)
        return -tf.reduce_sum(weighted * tf.nn.log_softmax(logits), axis=-1)
