"""Changes of colour, for float32 images ``[N, h, w, 3]`` of 0 to 255."""

from __future__ import annotations

import tensorflow as tf

__all__ = ["blend", "grey", "turn_hue", "warp"]

# ITU-R BT.601, as in the YIQ colour space.
_LUMA = (0.299, 0.587, 0.114)
_TO_YIQ = ((0.299, 0.587, 0.114), (0.596, -0.274, -0.322), (0.211, -0.523, 0.312))


def grey(images: tf.Tensor) -> tf.Tensor:
    """The luma of each pixel, ``[N, h, w, 1]``."""
    return tf.reduce_sum(images * tf.constant(_LUMA), axis=-1, keepdims=True)


def blend(one: tf.Tensor, other: tf.Tensor, share: tf.Tensor) -> tf.Tensor:
    """``one + share * (other - one)`` with a share ``[N]`` for each image, which may be above 1."""
    return tf.clip_by_value(one + share[:, None, None, None] * (other - one), 0.0, 255.0)


def turn_hue(images: tf.Tensor, angle: tf.Tensor) -> tf.Tensor:
    """Colours turned by angles ``[N]`` in radians about the grey axis of YIQ."""
    to = tf.constant(_TO_YIQ)
    back = tf.linalg.inv(to)
    cos, sin, none, one = tf.cos(angle), tf.sin(angle), tf.zeros_like(angle), tf.ones_like(angle)
    turn = tf.reshape(tf.stack([one, none, none, none, cos, -sin, none, sin, cos], axis=1), (-1, 3, 3))
    whole = back @ turn @ to
    return tf.clip_by_value(tf.einsum("nhwc,ndc->nhwd", images, whole), 0.0, 255.0)


def warp(images: tf.Tensor, matrices: tf.Tensor) -> tf.Tensor:
    """Images resampled bilinearly; outside, the image is mirrored at its edge.

    Args:
        images: float32 ``[N, h, w, 3]``.
        matrices: float32 ``[N, 3, 3]`` from new to old positions, each from -1 to 1 across the image.
    """
    shape = tf.shape(images)
    height, width = tf.cast(shape[1], tf.float32), tf.cast(shape[2], tf.float32)
    # Pixel i of n has its centre at (2 i + 1) / n - 1.
    zero = tf.zeros_like(width)
    one = tf.ones_like(width)
    to = tf.reshape(
        tf.stack([2 / width, zero, 1 / width - 1, zero, 2 / height, 1 / height - 1, zero, zero, one]), (3, 3)
    )
    whole = tf.linalg.inv(to) @ matrices @ to
    flat = tf.reshape(whole, (-1, 9))[:, :8]
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=images,
        transforms=flat,
        output_shape=shape[1:3],
        interpolation="BILINEAR",
        fill_mode="REFLECT",
        fill_value=0.0,
    )
