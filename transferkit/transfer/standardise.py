"""Features brought to one scale before they reach the head.

Pooled features differ in scale by an order of magnitude between backbones, so one learning rate would be far
too small for one and too large for another. Each feature is centred, and all are divided by one number, their
common standard deviation: ``(x - mean) / scale``. One divisor for all keeps what the backbone says of their
importance: on flowers and refuse it reached a lower held-out loss than a divisor for each feature, and on
every set of images that was tried a far lower one, in the same epochs, than features left as they are.

Features of several levels have no such common measure: there each level has a divisor of its own, by which
all levels come to the same variance in all, however many features each has. On refuse that was worth three
points of accuracy beside one variance for every feature.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

from transferkit.keras3 import keras
from transferkit.type_names import Variable

__all__ = ["Standardise"]

_AT_ONCE = 256


class Standardise:
    """``(features - mean) / scale``, the identity until :meth:`fit`.

    Args:
        width: length of a feature vector.
        levels: numbers of features of the levels that it is made of, where there are several.

    Attributes:
        variables: ``mean`` float32 ``[width]`` and ``scale`` float32 ``[]`` (``[width]`` with levels); no
            training moves them.
    """

    def __init__(self, width: int, levels: Sequence[int] = ()) -> None:
        self._levels = tuple(levels) if len(levels) > 1 else ()
        one = np.ones(width if self._levels else (), np.float32)
        self.mean = keras.Variable(np.zeros(width, np.float32), trainable=False, name="features_mean")
        self.scale = keras.Variable(one, trainable=False, name="features_scale")

    @property
    def variables(self) -> list[Variable]:
        """Mean and scale of the features."""
        return [self.mean, self.scale]

    def __call__(self, features: tf.Tensor) -> tf.Tensor:
        return (features - self.mean.value) / self.scale.value

    def fit(self, features: np.ndarray, total: Callable[[np.ndarray], np.ndarray] | None = None) -> None:
        """Takes mean and scale from the features of training images.

        Args:
            features: float32 ``[N, width]``.
            total: where several workers have some of them each: the sum over workers of an array float64.
        """
        if total is None:
            mean = features.mean(axis=0, dtype=np.float64)
        else:
            count = float(total(np.array([len(features)], np.float64))[0])
            mean = total(features.sum(axis=0, dtype=np.float64)) / count
        variances = np.empty(len(mean))
        for start in range(0, len(mean), _AT_ONCE):
            part = slice(start, start + _AT_ONCE)
            difference = features[:, part] - mean[part].astype(np.float32)
            if total is None:
                variances[part] = np.mean(np.square(difference), axis=0, dtype=np.float64)
            else:
                variances[part] = total(np.square(difference).sum(axis=0, dtype=np.float64)) / count
        self.mean.assign(mean.astype(np.float32))
        if not self._levels:
            self.scale.assign(_divisor(variances))
            return
        parts = np.split(variances, np.cumsum(self._levels)[:-1])
        share = len(mean) / len(parts)
        divisors = [_divisor(one) * np.sqrt(np.float32(len(one) / share)) for one in parts]
        self.scale.assign(np.repeat(np.asarray(divisors, np.float32), self._levels))

    def narrow(self, columns: np.ndarray, levels: Sequence[int]) -> Standardise:
        """The same for some of the features.

        Args:
            columns: int ``[K]``, which of them.
            levels: numbers of features of the levels that these are made of.
        """
        made = Standardise(len(columns), levels)
        made.mean.assign(np.asarray(self.mean)[columns])
        scale = np.broadcast_to(np.asarray(self.scale), self.mean.shape)[columns]
        made.scale.assign(scale if len(made.scale.shape) else scale[0])
        return made


def _divisor(variances: np.ndarray) -> np.float32:
    """The common standard deviation; features that are all alike carry nothing, and are left as they are."""
    variance = float(np.mean(variances))
    return np.float32(np.sqrt(variance) if variance > 1e-12 else 1.0)
