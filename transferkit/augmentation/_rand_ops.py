"""The changes that RandAugment draws from, each for one float32 image ``[h, w, 3]`` of 0 to 255.

Every one takes a strength from -1 to 1 and does nothing at 0. The largest strengths are those of the paper.
"""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf

from transferkit.augmentation._chance import affine
from transferkit.augmentation._ops import blend, grey, warp

__all__ = ["OPERATIONS", "change"]


def _blended(towards: Callable[[tf.Tensor], tf.Tensor]) -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor]:
    """From nearly ``towards(image)`` at -1 to as far on the other side at 1."""
    return lambda image, strength: blend(towards(image[None]), image[None], 1 + 0.9 * strength[None])[0]


def _blurred(images: tf.Tensor) -> tf.Tensor:
    kernel = tf.constant([[1.0, 1.0, 1.0], [1.0, 5.0, 1.0], [1.0, 1.0, 1.0]]) / 13.0
    padded = tf.pad(images, [[0, 0], [1, 1], [1, 1], [0, 0]], mode="REFLECT")
    return tf.nn.depthwise_conv2d(
        padded, tf.tile(kernel[:, :, None, None], [1, 1, 3, 1]), [1, 1, 1, 1], "VALID"
    )


def _posterise(image: tf.Tensor, strength: tf.Tensor) -> tf.Tensor:
    step = 2.0 ** tf.round(4 * tf.abs(strength))
    return tf.floor(image / step) * step


def _solarise(image: tf.Tensor, strength: tf.Tensor) -> tf.Tensor:
    return tf.where(image > 255 * (1 - tf.abs(strength)), 255 - image, image)


def _stretch(image: tf.Tensor, strength: tf.Tensor) -> tf.Tensor:
    low, high = tf.reduce_min(image, axis=(0, 1)), tf.reduce_max(image, axis=(0, 1))
    stretched = tf.math.divide_no_nan(image - low, high - low) * 255
    return image + tf.abs(strength) * (tf.where(high > low, stretched, image) - image)


def _moved(image: tf.Tensor, *parts: tf.Tensor | float) -> tf.Tensor:
    a, b, c, d, e, f = parts
    return warp(image[None], affine(a, b, c, d, e, f, tf.zeros([1])))[0]


def _turned(image: tf.Tensor, strength: tf.Tensor) -> tf.Tensor:
    cos, sin = tf.cos(0.52 * strength), tf.sin(0.52 * strength)
    return _moved(image, cos, -sin, 0.0, sin, cos, 0.0)


OPERATIONS: tuple[Callable[[tf.Tensor, tf.Tensor], tf.Tensor], ...] = (
    lambda image, strength: image,
    _blended(tf.zeros_like),
    _blended(lambda images: tf.reduce_mean(grey(images), axis=(1, 2, 3), keepdims=True)),
    _blended(grey),
    _blended(_blurred),
    _posterise,
    _solarise,
    _stretch,
    lambda image, strength: _moved(image, 1.0, 0.3 * strength, 0.0, 0.0, 1.0, 0.0),
    lambda image, strength: _moved(image, 1.0, 0.0, 0.0, 0.3 * strength, 1.0, 0.0),
    lambda image, strength: _moved(image, 1.0, 0.0, 0.6 * strength, 0.0, 1.0, 0.0),
    lambda image, strength: _moved(image, 1.0, 0.0, 0.0, 0.0, 1.0, 0.6 * strength),
    _turned,
)


def change(images: tf.Tensor, which: tf.Tensor, strength: tf.Tensor, magnitude: float) -> tf.Tensor:
    """One change of each image.

    Args:
        images: float32 ``[N, h, w, 3]``.
        which: float32 ``[N]``; its whole part is the number of the operation.
        strength: float32 ``[N]``, -1 to 1.
        magnitude: 0 to 1, what the strength is multiplied by.
    """

    def one(parts: tuple[tf.Tensor, tf.Tensor, tf.Tensor]) -> tf.Tensor:
        image, number, strong = parts
        branches = [lambda op=op: op(image, strong) for op in OPERATIONS]
        return tf.ensure_shape(tf.switch_case(number, branches), image.shape)

    numbers = tf.minimum(tf.cast(which, tf.int32), len(OPERATIONS) - 1)
    return tf.map_fn(one, (images, numbers, strength * magnitude), fn_output_signature=tf.float32)
