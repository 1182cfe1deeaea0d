"""GIF in graph ops: the first frame, with its transparent colour replaced by the ground before decoding.

TensorFlow's decoder paints transparent pixels black and does not say which they were. A palette entry is
transparent as a whole, so writing the ground's colour into the palette and taking the flag away gives the
same picture. It also sizes the picture by the largest frame and forgets the screen that frames lie on: the
first frame is decoded as if it lay in the corner, and is put in its place afterwards. Layout: CompuServe,
"Graphics Interchange Format, version 89a".
"""

from __future__ import annotations

import tensorflow as tf

from transferkit.data.pixels.decoding import Decoding
from transferkit.data.pixels.encoded_in_graph import little, part, to_byte
from transferkit.recipe.colour import Colour

__all__ = ["decode_gif"]

_SCREEN = 13  # signature and logical screen descriptor
_EXTENSION, _CONTROL = 0x21, 0xF9
_MOST_PIXELS = 100_000_000


def decode_gif(encoded: tf.Tensor, decoding: Decoding) -> tf.Tensor:
    """uint8 ``[h, w, 3]`` of the bytes of a GIF.

    Raises:
        tf.errors.InvalidArgumentError: when run on a file that is damaged.
    """
    image_at, control_at = _find(encoded)
    opaque = tf.cond(
        control_at > 0,
        lambda: _without_transparency(encoded, image_at, control_at, decoding.background),
        lambda: encoded,
    )
    place = part(encoded, image_at + 1, 8)
    left, top, width, height = (little(place[at : at + 2]) for at in (0, 2, 4, 6))
    cornered = _replaced(opaque, image_at + 1, tf.constant(bytes(4)), 4)
    # Later frames may be larger than the first.
    image = tf.io.decode_image(cornered, channels=3, expand_animations=False)[:height, :width]
    screen = part(encoded, 6, 4)
    columns = tf.maximum(little(screen[:2]), left + width)
    rows = tf.maximum(little(screen[2:]), top + height)
    alone = tf.equal(rows, height) & tf.equal(columns, width)
    ground = decoding.background or (0, 0, 0)
    return tf.cond(alone, lambda: image, lambda: _on_screen(image, left, top, rows, columns, ground))


def _find(encoded: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Where the first image begins, and the block that makes a colour of it transparent (0: none)."""

    def goes_on(at: tf.Tensor, control: tf.Tensor, inside: tf.Tensor) -> tf.Tensor:
        return (inside | tf.equal(part(encoded, at, 1)[0], _EXTENSION)) & (at < tf.strings.length(encoded))

    def step(at: tf.Tensor, control: tf.Tensor, inside: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        head = part(encoded, at, 4)
        # Within an extension: sub-blocks, each behind its length, up to one of length 0.
        is_control = ~inside & tf.equal(head[1], _CONTROL)
        transparent = tf.equal(tf.bitwise.bitwise_and(head[3], 1), 1)
        control = tf.where(is_control, tf.where(transparent, at, 0), control)
        return tf.where(inside, at + 1 + head[0], at + 2), control, ~inside | (head[0] > 0)

    start = _SCREEN + _table(part(encoded, 10, 1)[0])
    at, control, _ = tf.while_loop(goes_on, step, [start, tf.constant(0), tf.constant(False)])
    return at, control


def _table(flags: tf.Tensor) -> tf.Tensor:
    """int32: bytes of the colour table that the flags of a screen or an image announce."""
    size = 3 * tf.bitwise.left_shift(2, tf.bitwise.bitwise_and(flags, 7))
    return tf.where(tf.bitwise.bitwise_and(flags, 0x80) > 0, size, 0)


def _without_transparency(
    encoded: tf.Tensor, image_at: tf.Tensor, control_at: tf.Tensor, background: Colour | None
) -> tf.Tensor:
    flags, index = part(encoded, control_at + 3, 1)[0], part(encoded, control_at + 6, 1)[0]
    encoded = _replaced(encoded, control_at + 3, to_byte(tf.bitwise.bitwise_and(flags, 0xFE)), 1)
    if background is None:
        return encoded
    own = _table(part(encoded, image_at + 9, 1)[0])
    table, size = (
        tf.where(own > 0, image_at + 10, _SCREEN),
        tf.where(own > 0, own, _table(part(encoded, 10, 1)[0])),
    )
    return tf.cond(
        3 * index < size,
        lambda: _replaced(encoded, table + 3 * index, tf.constant(bytes(background)), 3),
        lambda: encoded,
    )


def _replaced(encoded: tf.Tensor, at: tf.Tensor, by: tf.Tensor, length: int) -> tf.Tensor:
    size = tf.strings.length(encoded)
    at = tf.minimum(at, size)
    after = tf.minimum(at + length, size)
    return tf.strings.join(
        [tf.strings.substr(encoded, 0, at), by, tf.strings.substr(encoded, after, size - after)]
    )


def _on_screen(
    image: tf.Tensor, left: tf.Tensor, top: tf.Tensor, rows: tf.Tensor, columns: tf.Tensor, ground: Colour
) -> tf.Tensor:
    """The frame in its place on a screen of the ground's colour."""
    # A few bytes can claim a screen of four billion pixels.
    pixels = tf.cast(rows, tf.int64) * tf.cast(columns, tf.int64)
    check = tf.debugging.Assert(pixels <= _MOST_PIXELS, ["a GIF with too large a screen"])
    with tf.control_dependencies([check]):
        after = tf.stack([rows, columns]) - tf.stack([top, left]) - tf.shape(image)[:2]
    levels = [
        tf.pad(image[..., channel], [[top, after[0]], [left, after[1]]], constant_values=level)
        for channel, level in enumerate(ground)
    ]
    return tf.stack(levels, -1)
