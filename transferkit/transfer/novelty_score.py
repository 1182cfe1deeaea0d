"""The score of a photo that is like nothing the network was trained on, as a part of its graph."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from transferkit.evaluation.novelty import NoveltyModel
from transferkit.type_names import Variable

__all__ = ["Novelty"]


class Novelty:
    """:class:`transferkit.evaluation.novelty.NoveltyModel` as two products, which every format holds.

    Args:
        arrays: what :meth:`NoveltyModel.arrays` gives.

    Attributes:
        flat: :meth:`NoveltyModel.flat`.
        variables: what the score depends on; nothing trains them.
    """

    def __init__(self, arrays: Mapping[str, Any]) -> None:
        self.flat = NoveltyModel.from_arrays(arrays).flat()
        self._axes, self._shift, self._signs, self._kernel, self._bias = (
            tf.Variable(value, trainable=False, name=f"novelty_{name}") for name, value in self.flat.items()
        )

    @property
    def variables(self) -> list[Variable]:
        """What is kept of it with the network."""
        return [self._axes, self._shift, self._signs, self._kernel, self._bias]

    def __call__(self, features: tf.Tensor) -> tf.Tensor:
        """Scores float32 ``[N]`` of standardised features ``[N, D]``; above 1 a photo is unknown."""
        rows = tf.cast(features, tf.float32)
        length = tf.sqrt(tf.maximum(tf.reduce_sum(tf.square(rows), axis=1, keepdims=True), 1e-12))
        rows = rows / length
        turned = tf.matmul(rows, self._axes) + self._shift
        common = tf.reduce_sum(self._signs * tf.square(turned), axis=1)
        return common + tf.reduce_min(tf.matmul(rows, self._kernel) + self._bias, axis=1)
