"""The score of a photo that is like nothing the network was trained on, as a part of its graph."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

__all__ = ["Novelty"]


class Novelty:
    """:class:`transferkit.evaluation.novelty.NoveltyModel` in TensorFlow.

    Args:
        arrays: what it is made of: ``means``, ``axes``, ``weights``, ``rest`` and ``threshold``.

    Attributes:
        variables: what the score depends on; nothing trains them.
    """

    def __init__(self, arrays: Mapping[str, Any]) -> None:
        scale = float(arrays["threshold"])
        means, axes = np.asarray(arrays["means"], np.float64), np.asarray(arrays["axes"], np.float64)
        weights = np.asarray(arrays["weights"], np.float64) / scale
        self._rest = float(arrays["rest"]) / scale
        # Axes with their weights drawn in; a weight may be negative, where an axis varies more than the rest.
        self._signs = tf.constant(np.sign(weights), tf.float32)
        scaled = axes * np.sqrt(np.abs(weights))
        named = {"means": means, "axes": scaled, "turned": means @ scaled}
        self._means, self._axes, self._turned = (
            tf.Variable(value.astype(np.float32), trainable=False, name=f"novelty_{name}")
            for name, value in named.items()
        )

    @property
    def variables(self) -> list[Any]:
        """What is kept of it with the network."""
        return [self._means, self._axes, self._turned]

    def __call__(self, features: tf.Tensor) -> tf.Tensor:
        """Scores float32 ``[N]`` of standardised features ``[N, D]``; above 1 a photo is unknown."""
        rows = tf.cast(features, tf.float32)
        length = tf.sqrt(tf.maximum(tf.reduce_sum(tf.square(rows), axis=1, keepdims=True), 1e-12))
        rows = rows / length
        turned = tf.matmul(rows, self._axes)
        return tf.reduce_min(self._distances(rows, turned), axis=1)

    def _distances(self, rows: tf.Tensor, turned: tf.Tensor) -> tf.Tensor:
        """To each class, ``[N, C]``: a class at a time, so that nothing cancels and no memory is taken."""

        def one(class_: tuple[tf.Tensor, tf.Tensor]) -> tf.Tensor:
            mean, there = class_
            flat = self._rest * tf.reduce_sum(tf.square(rows - mean), axis=1)
            return flat + tf.reduce_sum(self._signs * tf.square(turned - there), axis=1)

        spec = tf.TensorSpec([None], tf.float32)
        return tf.transpose(tf.map_fn(one, (self._means, self._turned), fn_output_signature=spec))
