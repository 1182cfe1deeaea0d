"""PNG in graph ops: transparency of every kind, samples of 16 bits, and files without an end marker."""

from __future__ import annotations

import tensorflow as tf

from transferkit.data.pixels.alpha import blended, by_rows, largest_by_rows
from transferkit.data.pixels.decoding import DEPTHS, Decoding
from transferkit.data.pixels.encoded_in_graph import apart, part

__all__ = ["decode_png"]

_END = b"\x00\x00\x00\x00IEND\xaeB`\x82"


def decode_png(encoded: tf.Tensor, decoding: Decoding) -> tf.Tensor:
    """uint8 ``[h, w, 3]`` of the bytes of a PNG, or ``[h, w, 4]`` where it may be transparent; not turned.

    Raises:
        tf.errors.InvalidArgumentError: when run on a file that is damaged or ends before its last row.
    """
    encoded = _with_end(encoded)
    return tf.cond(
        tf.equal(part(encoded, 24, 1)[0], 16),
        lambda: apart(lambda data: _sixteen_bits(data, decoding), encoded),
        lambda: _eight_bits(encoded),
    )


def _with_end(encoded: tf.Tensor) -> tf.Tensor:
    """Some writers forget the last chunk, which says nothing; the decoder insists on it."""
    size = tf.strings.length(encoded)
    tail = tf.strings.substr(encoded, tf.maximum(0, size - len(_END)), len(_END))
    return tf.cond(tf.equal(tail, _END), lambda: encoded, lambda: tf.strings.join([encoded, _END]))


def _eight_bits(encoded: tf.Tensor) -> tf.Tensor:
    # Alpha stands in the colour type, or in a chunk before the pixels.
    before = tf.strings.split(encoded, b"IDAT", maxsplit=1)[0]
    channel = tf.not_equal(tf.bitwise.bitwise_and(part(encoded, 25, 1)[0], 4), 0)
    chunk = tf.strings.regex_full_match(before, rb"(?s)\C*tRNS\C*")
    return tf.cond(
        channel | chunk,
        lambda: tf.io.decode_png(encoded, channels=4),
        lambda: tf.io.decode_png(encoded, channels=3),
    )


def _sixteen_bits(encoded: tf.Tensor, decoding: Decoding) -> tf.Tensor:
    image = tf.io.decode_png(encoded, channels=4, dtype=tf.uint16)
    bits = tf.constant(16) if decoding.depth == "format" else tf.constant(decoding.depth)
    if decoding.depth == "auto":
        bits = _used_bits(image)
    most = tf.cast(tf.bitwise.left_shift(1, bits) - 1, tf.uint16)
    shift = tf.cast(bits - 8, tf.uint16)

    def shortened(rows: tf.Tensor) -> tf.Tensor:
        colours = tf.bitwise.right_shift(tf.minimum(rows[..., :3], most), shift)
        alpha = tf.bitwise.right_shift(rows[..., 3:], tf.constant(8, tf.uint16))
        return blended(tf.cast(tf.concat([colours, alpha], -1), tf.uint8), decoding.background)

    return by_rows(image, shortened)


def _used_bits(image: tf.Tensor) -> tf.Tensor:
    """int32 scalar: the least of :data:`DEPTHS` that holds every visible colour of uint16 ``[h, w, 4]``."""

    def most_visible(rows: tf.Tensor) -> tf.Tensor:
        visible = tf.where(rows[..., 3:] > 0, rows[..., :3], tf.constant(0, tf.uint16))
        return tf.cast(tf.reduce_max(visible), tf.int32)

    enough = largest_by_rows(image, most_visible) < tf.bitwise.left_shift(1, tf.constant(DEPTHS))
    return tf.constant(DEPTHS)[tf.argmax(tf.cast(enough, tf.int32))]
