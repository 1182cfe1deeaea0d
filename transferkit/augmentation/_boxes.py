"""Rectangles within images."""

from __future__ import annotations

import tensorflow as tf

__all__ = ["boxes"]


def boxes(images: tf.Tensor, area: tf.Tensor, stretch: tf.Tensor, x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    """Which pixels lie in one rectangle an image, bool ``[N, h, w, 1]``.

    Args:
        images: ``[N, h, w, 3]``.
        area: share of the image, ``[N]``.
        stretch: width over square width, ``[N]``; the rectangle stays within the image.
        x, y: where it lies, ``[N]``, 0 (left, top) to 1.
    """
    shape = tf.shape(images)
    width = tf.minimum(tf.sqrt(area) * stretch, 1.0)
    height = tf.minimum(area / tf.maximum(width, 1e-6), 1.0)
    left, top = x * (1 - width), y * (1 - height)
    across = (tf.cast(tf.range(shape[2]), tf.float32) + 0.5) / tf.cast(shape[2], tf.float32)
    down = (tf.cast(tf.range(shape[1]), tf.float32) + 0.5) / tf.cast(shape[1], tf.float32)
    columns = (across[None] >= left[:, None]) & (across[None] < (left + width)[:, None])
    rows = (down[None] >= top[:, None]) & (down[None] < (top + height)[:, None])
    return (rows[:, :, None] & columns[:, None, :])[..., None]
