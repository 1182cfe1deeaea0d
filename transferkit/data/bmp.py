"""Palette BMPs in graph ops: TensorFlow's decoder takes their palette indices for grey levels.

Layout: Microsoft, BITMAPFILEHEADER and BITMAPINFOHEADER. All numbers are little-endian, rows are padded to
four bytes and stand bottom up unless the height is negative.
"""

from __future__ import annotations

import tensorflow as tf

__all__ = ["decode_palette_bmp", "is_palette_bmp"]

_HEADER = 54  # file header and the first fields of the info header


def is_palette_bmp(encoded: tf.Tensor) -> tf.Tensor:
    """Scalar bool: an uncompressed BMP with 1, 4 or 8 bits a pixel.

    Args:
        encoded: scalar string, the bytes of any file.
    """

    def look() -> tf.Tensor:
        header = _bytes(tf.strings.substr(encoded, 0, _HEADER))
        bits, compression = _number(header, 28, 2), _number(header, 30, 4)
        return tf.reduce_any(tf.equal(bits, [1, 4, 8])) & tf.equal(compression, 0)

    is_bmp = tf.equal(tf.strings.substr(encoded, 0, 2), b"BM") & (tf.strings.length(encoded) > _HEADER)
    return tf.cond(is_bmp, look, lambda: tf.constant(False))


def decode_palette_bmp(encoded: tf.Tensor) -> tf.Tensor:
    """Decodes what :func:`is_palette_bmp` accepts.

    Args:
        encoded: scalar string, the bytes of the file.

    Returns:
        uint8 ``[h, w, 3]``, RGB.

    Raises:
        tf.errors.InvalidArgumentError: when run on a file that ends too early.
    """
    data = _bytes(encoded)
    pixels_at, info_size = _number(data, 10, 4), _number(data, 14, 4)
    width, height = _signed(data, 18), _signed(data, 22)
    bits, colours = _number(data, 28, 2), _number(data, 46, 4)
    colours = tf.where(tf.equal(colours, 0), tf.bitwise.left_shift(1, bits), colours)
    palette = tf.reshape(tf.slice(data, [14 + info_size], [4 * colours]), [colours, 4])[:, 2::-1]

    rows = tf.abs(height)
    stride = (width * bits + 31) // 32 * 4
    packed = tf.reshape(tf.slice(data, [pixels_at], [rows * stride]), [rows, stride, 1])
    # The leftmost pixel of a byte is in its upper bits.
    shifts = tf.cast(tf.range(8 - bits, -1, -bits), tf.uint8)
    mask = tf.cast(tf.bitwise.left_shift(1, bits) - 1, tf.uint8)
    indices = tf.bitwise.bitwise_and(tf.bitwise.right_shift(packed, shifts), mask)
    indices = tf.reshape(indices, [rows, -1])[:, :width]
    indices = tf.cond(height > 0, lambda: tf.reverse(indices, [0]), lambda: indices)
    return tf.gather(palette, tf.cast(indices, tf.int32))


def _bytes(text: tf.Tensor) -> tf.Tensor:
    return tf.io.decode_raw(text, tf.uint8)


def _number(data: tf.Tensor, at: int, length: int) -> tf.Tensor:
    """int32 of an unsigned little-endian number; more than 31 bits come out negative and fail later."""
    weights = tf.constant([1 << (8 * place) for place in range(length)], tf.int64)
    total = tf.reduce_sum(tf.cast(tf.slice(data, [at], [length]), tf.int64) * weights)
    return tf.cast(total, tf.int32)


def _signed(data: tf.Tensor, at: int) -> tf.Tensor:
    return _number(data, at, 4)  # the cast to int32 above wraps as two's complement does
