"""Shares from a symmetric Beta distribution."""

from __future__ import annotations

import functools

import numpy as np
import tensorflow as tf

__all__ = ["beta"]

POINTS = 4097


def beta(alpha: float, even: tf.Tensor) -> tf.Tensor:
    """Shares from Beta(alpha, alpha) for numbers ``[N]`` even in [0, 1): its inverse distribution function,
    read from a table."""
    table = tf.constant(_table(alpha))
    place = even * (POINTS - 1)
    low = tf.floor(place)
    row = tf.cast(low, tf.int32)
    one, other = tf.gather(table, row), tf.gather(table, tf.minimum(row + 1, POINTS - 1))
    return one + (place - low) * (other - one)


@functools.lru_cache(maxsize=16)
def _table(alpha: float) -> np.ndarray:
    from scipy.stats import beta as distribution

    result: np.ndarray = distribution.ppf(np.linspace(0, 1, POINTS), alpha, alpha).astype(np.float32)
    return result
