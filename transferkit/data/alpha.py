"""Transparent pixels laid over a ground, in graph ops and in bounded memory."""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf

from transferkit.recipe.colour import Colour

__all__ = ["by_rows", "laid_over"]

_PIXELS_AT_ONCE = 1 << 20  # temporaries take some 50 bytes a pixel


def laid_over(image: tf.Tensor, background: Colour | None) -> tf.Tensor:
    """uint8 ``[h, w, 3]`` of an image with alpha: ``alpha * colour + (1 - alpha) * background``, rounded.

    Args:
        image: uint8 ``[h, w, 4]``, not premultiplied.
        background: RGB; None drops alpha and shows the colours that it hides.
    """
    if background is None:
        return image[..., :3]
    ground = tf.constant(background, tf.float32)

    def blend(rows: tf.Tensor) -> tf.Tensor:
        wide = tf.cast(rows, tf.float32)
        # Never half way between two levels, since 255 is odd: float32 rounds as exact numbers would.
        return tf.cast(tf.round(ground + (wide[..., :3] - ground) * (wide[..., 3:] * (1 / 255))), tf.uint8)

    return by_rows(image, blend)


def by_rows(image: tf.Tensor, change: Callable[[tf.Tensor], tf.Tensor]) -> tf.Tensor:
    """``change`` of an image, some rows at a time: ``[r, w, channels]`` to uint8 ``[r, w, any]``."""
    shape = tf.shape(image)
    at_once = tf.maximum(1, _PIXELS_AT_ONCE // tf.maximum(1, shape[1]))

    def in_parts() -> tf.Tensor:
        count = (shape[0] + at_once - 1) // at_once
        parts = tf.TensorArray(tf.uint8, count, infer_shape=False, element_shape=[None, None, None])

        def one(number: tf.Tensor, made: tf.TensorArray) -> tuple[tf.Tensor, tf.TensorArray]:
            rows = image[number * at_once : (number + 1) * at_once]
            return number + 1, made.write(number, change(rows))

        _, parts = tf.while_loop(
            lambda number, made: number < count, one, [tf.constant(0), parts], parallel_iterations=1
        )
        return parts.concat()

    return tf.cond(shape[0] <= at_once, lambda: change(image), in_parts)
