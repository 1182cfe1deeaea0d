"""Reading encoded files in graph ops, and keeping out of the way of those that need none of it.

Places beyond the end of a file read as zeros, never as errors.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf

__all__ = ["apart", "big", "little", "part", "signed", "to_byte"]

_BYTES = [bytes([value]) for value in range(256)]


def apart(step: Callable[..., Any], *inputs: tf.Tensor) -> Any:
    """``step(*inputs)`` as a function of its own, for the branches of a condition that are seldom taken.

    TensorFlow dissolves conditions into the surrounding graph and then visits every op of the branch that is
    not taken: a few hundred of them cost as much as decoding a small photo. A call is one op.
    """
    if tf.executing_eagerly():
        return step(*inputs)
    return tf.function(step, autograph=False, experimental_attributes={"_noinline": True})(*inputs)


def part(encoded: tf.Tensor, at: tf.Tensor | int, length: tf.Tensor | int) -> tf.Tensor:
    """int32 ``[length]``: the bytes from ``at`` on, filled up with zeros.

    Args:
        encoded: scalar string.
        at: int32 scalar; a negative place and one beyond the end hold nothing but zeros.
        length: int32 scalar, at least 1.
    """
    size = tf.strings.length(encoded)
    at = tf.convert_to_tensor(at, tf.int32)
    at = tf.where(at < 0, size, tf.minimum(at, size))
    taken = tf.strings.substr(encoded, at, length)
    values = tf.io.decode_raw([taken], tf.uint8, fixed_length=length)[0]
    if isinstance(length, int):
        values.set_shape([length])
    return tf.cast(values, tf.int32)


def little(values: tf.Tensor) -> tf.Tensor:
    """int32 of the unsigned little-endian number in the last axis (1 to 4 bytes); too large: 2^31 - 1."""
    return _number(values, [1 << (8 * place) for place in range(values.shape[-1])])


def big(values: tf.Tensor) -> tf.Tensor:
    """The same, big-endian."""
    return _number(values, [1 << (8 * place) for place in reversed(range(values.shape[-1]))])


def signed(values: tf.Tensor) -> tf.Tensor:
    """int32 of a little-endian two's complement number of four bytes."""
    weights = tf.constant([1 << (8 * place) for place in range(4)], tf.int64)
    return tf.cast(tf.reduce_sum(tf.cast(values, tf.int64) * weights, -1), tf.int32)  # the cast wraps


def to_byte(value: tf.Tensor) -> tf.Tensor:
    """Scalar string of one byte with the value 0 to 255."""
    return tf.constant(_BYTES)[value]


def _number(values: tf.Tensor, weights: list[int]) -> tf.Tensor:
    total = tf.reduce_sum(tf.cast(values, tf.int64) * tf.constant(weights, tf.int64), -1)
    return tf.cast(tf.minimum(total, tf.int32.max), tf.int32)
