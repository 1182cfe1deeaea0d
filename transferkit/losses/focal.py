"""Focal loss: samples that are right already weigh less (Lin et al. 2017, arXiv:1708.02002)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np
from pydantic import Field, PrivateAttr

from transferkit.losses._base import Loss

if TYPE_CHECKING:
    import tensorflow as tf

__all__ = ["Focal"]


class Focal(Loss):
    """``-(1 - p)^gamma * log p`` of the true class; with ``gamma = 0`` it is cross entropy.

    For data of any number of labels, the same of each label's presence and absence, averaged.
    """

    labels: ClassVar[str] = "both"

    gamma: float = Field(
        2.0,
        ge=0,
        le=10,
        description="focusing exponent: the larger, the less samples count that are already right",
    )
    _multi_label: bool = PrivateAttr(False)

    def for_labels(self, multi_label: bool) -> Loss:
        made = self.model_copy()
        made._multi_label = multi_label
        return made

    def per_sample(self, labels: tf.Tensor, logits: tf.Tensor, weights: np.ndarray | None) -> tf.Tensor:
        import tensorflow as tf

        if self._multi_label:
            smooth = labels * (1 - self.label_smoothing) + self.label_smoothing / 2
            positive = np.float32(1) if weights is None else weights
            present = tf.sigmoid(-logits) ** self.gamma * tf.math.log_sigmoid(logits)
            absent = tf.sigmoid(logits) ** self.gamma * tf.math.log_sigmoid(-logits)
            return -tf.reduce_mean(positive * smooth * present + (1 - smooth) * absent, axis=-1)
        logs = tf.nn.log_softmax(logits)
        weighted = self.smoothed(labels)
        if weights is not None:
            weighted *= tf.reduce_sum(labels * weights, axis=-1, keepdims=True)
        # 1 - exp(0) has no gradient for a power below 1, so the share that is wrong stays off 0.
        wrong = tf.maximum(1 - tf.exp(logs), 1e-7)
        return -tf.reduce_sum(weighted * wrong**self.gamma * logs, axis=-1)
