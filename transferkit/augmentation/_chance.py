"""Random numbers that are a function of a seed alone, for a whole batch at once."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

__all__ = ["affine", "batch_seeds", "evenly"]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def _mixed(state: tf.Tensor) -> tf.Tensor:
    """SplitMix64's finaliser (Steele, Lea and Flood 2014): every bit of the input moves every bit."""
    state = tf.bitwise.bitwise_xor(state, tf.bitwise.right_shift(state, tf.constant(30, tf.uint64)))
    state = state * tf.constant(0xBF58476D1CE4E5B9, tf.uint64)
    state = tf.bitwise.bitwise_xor(state, tf.bitwise.right_shift(state, tf.constant(27, tf.uint64)))
    state = state * tf.constant(0x94D049BB133111EB, tf.uint64)
    return tf.bitwise.bitwise_xor(state, tf.bitwise.right_shift(state, tf.constant(31, tf.uint64)))


def batch_seeds(seed: tf.Tensor | int, count: tf.Tensor | int) -> tf.Tensor:
    """A seed for each image of a batch, int64 ``[count]``, out of the batch's one."""
    start = _mixed(tf.cast(seed, tf.uint64) + _GOLDEN)
    return tf.bitcast(_mixed(start + tf.cast(tf.range(count), tf.uint64) * _GOLDEN), tf.int64)


def evenly(seeds: tf.Tensor, count: int, salt: int) -> tf.Tensor:
    """Numbers even in [0, 1), float32 ``[N, count]``, for int64 seeds ``[N]``; another salt gives others."""
    steps = tf.range(1, count + 1, dtype=tf.int64) + salt * 4096
    states = tf.bitcast(seeds, tf.uint64)[:, None] + tf.cast(steps, tf.uint64)[None] * _GOLDEN
    # 24 bits are all that a float32 below 1 can hold evenly.
    bits = tf.bitwise.right_shift(_mixed(_mixed(states)), tf.constant(40, tf.uint64))
    return tf.cast(tf.cast(bits, tf.int64), tf.float32) / 16777216.0


def affine(
    a: tf.Tensor | float, b: tf.Tensor | float, c: tf.Tensor | float,
    d: tf.Tensor | float, e: tf.Tensor | float, f: tf.Tensor | float, like: tf.Tensor,
) -> tf.Tensor:  # fmt: skip
    """Matrices ``[[a, b, c], [d, e, f], [0, 0, 1]]``, float32 ``[N, 3, 3]``; ``like`` is ``[N]``."""
    parts = [tf.zeros_like(like) + one for one in (a, b, c, d, e, f, 0.0, 0.0, 1.0)]
    return tf.reshape(tf.stack(parts, axis=1), (-1, 3, 3))
