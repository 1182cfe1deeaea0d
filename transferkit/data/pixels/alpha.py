"""Transparent pixels laid over a ground, in graph ops and in bounded memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from transferkit.recipe.colour import Colour

__all__ = ["blended", "by_rows", "laid_over", "largest_by_rows"]

_PIXELS_AT_ONCE = 1 << 19  # temporaries take some 50 bytes a pixel


def laid_over(image: tf.Tensor, background: Colour | None) -> tf.Tensor:
    """uint8 ``[h, w, 3]`` of an image with alpha: ``alpha * colour + (1 - alpha) * background``, rounded.

    Args:
        image: uint8 ``[h, w, 4]``, not premultiplied.
        background: RGB; None drops alpha and shows the colours that it hides.
    """
    if background is None:
        return image[..., :3]
    return by_rows(image, lambda rows: blended(rows, background))


def blended(rows: tf.Tensor, background: Colour | None) -> tf.Tensor:
    """:func:`laid_over` for a few rows."""
    if background is None:
        return rows[..., :3]
    ground = tf.constant(background, tf.float32)
    wide = tf.cast(rows, tf.float32)
    # Never half way between two levels, since 255 is odd: float32 rounds as exact numbers would.
    return tf.cast(tf.round(ground + (wide[..., :3] - ground) * (wide[..., 3:] * (1 / 255))), tf.uint8)


def by_rows(image: tf.Tensor, change: Callable[[tf.Tensor], tf.Tensor]) -> tf.Tensor:
    """``change`` of an image, some rows at a time: ``[h, w, channels]`` to uint8 ``[h, w, 3]``."""
    at_once, count = _parts(image)

    def in_parts() -> tf.Tensor:
        made = tf.TensorArray(tf.uint8, count, infer_shape=False, element_shape=[None, None, 3])

        def one(number: tf.Tensor, made: tf.TensorArray) -> tuple[tf.Tensor, tf.TensorArray]:
            return number + 1, made.write(number, change(image[number * at_once : (number + 1) * at_once]))

        return _over(count, one, made).concat()

    return tf.cond(count <= 1, lambda: change(image), in_parts)


def largest_by_rows(image: tf.Tensor, value: Callable[[tf.Tensor], tf.Tensor]) -> tf.Tensor:
    """The largest int32 scalar that ``value`` gives for the parts of an image."""
    at_once, count = _parts(image)

    def one(number: tf.Tensor, largest: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        part = image[number * at_once : (number + 1) * at_once]
        return number + 1, tf.maximum(largest, value(part))

    return _over(count, one, tf.constant(0))


def _parts(image: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Rows of a part, and how many parts there are."""
    shape = tf.shape(image)
    at_once = tf.maximum(1, _PIXELS_AT_ONCE // tf.maximum(1, shape[1]))
    return at_once, (shape[0] + at_once - 1) // at_once


def _over(count: tf.Tensor, one: Callable[..., Any], start: Any) -> Any:
    """``one(number, made)`` for each part in turn, never two at once."""
    loop = tf.while_loop(
        lambda number, made: number < count, one, [tf.constant(0), start], parallel_iterations=1
    )
    return loop[1]
