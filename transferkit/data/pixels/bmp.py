"""BMP in graph ops: palettes, 15, 16 and 32 bits with any masks, and alpha where the header names its mask.

TensorFlow's own decoder takes palette indices for grey levels and knows neither masks nor 16 bits. Layout:
Microsoft, BITMAPFILEHEADER, BITMAPINFOHEADER, BITMAPV4HEADER. All numbers are little-endian, rows are padded
to four bytes and stand bottom up unless the height is negative. Run-length encoding and OS/2's first header
are refused here; :mod:`transferkit.data.pixels.transcode` has Pillow read them.
"""

from __future__ import annotations

import tensorflow as tf

from transferkit.data.pixels.encoded_in_graph import little, part, signed

__all__ = ["BITS", "HEADER", "LEAST_INFO", "decode_bmp"]

HEADER = 54  # file header and the first fields of the info header
LEAST_INFO = 40  # bytes of the info header that has these fields
# Bits a pixel to the compressions (0 none, 3 and 6 masks) that are decoded here.
BITS = {1: (0,), 2: (0,), 4: (0,), 8: (0,), 16: (0, 3, 6), 24: (0,), 32: (0, 3, 6)}
_MASKS = {16: (0x7C00, 0x03E0, 0x001F, 0), 32: (0xFF0000, 0x00FF00, 0x0000FF, 0)}


def decode_bmp(encoded: tf.Tensor) -> tf.Tensor:
    """uint8 ``[h, w, 3]`` of the bytes of a BMP, or ``[h, w, 4]`` where it may be transparent.

    Raises:
        tf.errors.InvalidArgumentError: when run on a file that ends too early or is of another kind.
    """
    head = part(encoded, 0, HEADER)
    bits, compression = little(head[28:30]), little(head[30:34])
    known = [
        tf.equal(bits, one) & tf.equal(compression, kind) for one, kinds in BITS.items() for kind in kinds
    ]
    sound = tf.reduce_any(tf.stack(known)) & (little(head[14:18]) >= LEAST_INFO)
    check = tf.debugging.Assert(
        sound & (tf.strings.length(encoded) > HEADER), ["no BMP that is known, or one that is compressed"]
    )
    with tf.control_dependencies([check]):
        bits = tf.identity(bits)
    return tf.cond(
        bits <= 8,
        lambda: _palette(encoded, head),
        lambda: tf.cond(
            tf.equal(bits, 24),
            lambda: tf.io.decode_bmp(encoded, channels=3),
            lambda: _masks(encoded, head),
        ),
    )


def _palette(encoded: tf.Tensor, head: tf.Tensor) -> tf.Tensor:
    data = tf.io.decode_raw(encoded, tf.uint8)
    info_size, bits, colours = little(head[14:18]), little(head[28:30]), little(head[46:50])
    colours = tf.where(tf.equal(colours, 0), tf.bitwise.left_shift(1, bits), colours)
    palette = tf.reshape(tf.slice(data, [14 + info_size], [4 * colours]), [colours, 4])[:, 2::-1]
    packed, width, bottom_up = _rows(data, head, bits)
    # The leftmost pixel of a byte is in its upper bits.
    shifts = tf.cast(tf.range(8 - bits, -1, -bits), tf.uint8)
    mask = tf.cast(tf.bitwise.left_shift(1, bits) - 1, tf.uint8)
    indices = tf.bitwise.bitwise_and(tf.bitwise.right_shift(packed[..., tf.newaxis], shifts), mask)
    indices = tf.reshape(indices, [tf.shape(packed)[0], -1])[:, :width]
    return _upright(tf.gather(palette, tf.cast(indices, tf.int32)), bottom_up)


def _masks(encoded: tf.Tensor, head: tf.Tensor) -> tf.Tensor:
    data = tf.io.decode_raw(encoded, tf.uint8)
    bits, info_size = little(head[28:30]), little(head[14:18])
    width_in_bytes = bits // 8
    packed, width, bottom_up = _rows(data, head, bits)
    pixels = tf.reshape(packed[:, : width * width_in_bytes], [tf.shape(packed)[0], width, width_in_bytes])
    pixels = tf.pad(pixels, [[0, 0], [0, 0], [0, 4 - width_in_bytes]])
    numbers = tf.bitcast(pixels, tf.uint32)

    stated = tf.bitcast(tf.reshape(tf.cast(part(encoded, HEADER, 16), tf.uint8), [4, 4]), tf.uint32)
    # The masks of red, green and blue follow the first info header; that of alpha is a field of later ones.
    has_alpha = (info_size >= 56) | tf.equal(little(head[30:34]), 6)
    stated *= tf.cast(tf.stack([True, True, True, has_alpha]), tf.uint32)
    usual = tf.where(tf.equal(bits, 16), *(tf.constant(_MASKS[kind], tf.uint32) for kind in (16, 32)))
    masks = tf.where(tf.equal(little(head[30:34]), 0), usual, stated)
    channels = _channels(numbers[..., tf.newaxis], masks)
    # No mask, or an alpha that is nowhere set, as some writers leave it: opaque.
    opaque = tf.equal(tf.reduce_max(channels[..., 3]), 0)
    image = channels[..., : tf.where(opaque, 3, 4)]
    return _upright(image, bottom_up)


def _channels(numbers: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
    """uint8 of the bits of uint32 ``numbers`` below each mask: stretched to 8 bits, or their upper 8."""
    one = tf.constant(1, tf.uint32)
    lowest = tf.bitwise.bitwise_and(mask, tf.bitwise.invert(mask) + one)
    shift = tf.cast(tf.math.round(tf.math.log(tf.maximum(tf.cast(lowest, tf.float64), 1)) / _LOG2), tf.uint32)
    most = tf.bitwise.right_shift(mask, shift)
    bits = tf.math.round(tf.math.log(tf.cast(most, tf.float64) + 1) / _LOG2)
    values = tf.bitwise.right_shift(tf.bitwise.bitwise_and(numbers, mask), shift)
    small = values * tf.constant(255, tf.uint32) // tf.maximum(most, one)
    large = tf.bitwise.right_shift(values, tf.cast(tf.maximum(bits - 8, 0), tf.uint32))
    return tf.cast(tf.where(bits <= 8, small, large), tf.uint8)


_LOG2 = 0.6931471805599453


def _rows(data: tf.Tensor, head: tf.Tensor, bits: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """uint8 ``[rows, stride]`` as stored, the width in pixels, and whether the last row comes first."""
    width, height = signed(head[18:22]), signed(head[22:26])
    rows = tf.abs(height)
    stride = (width * bits + 31) // 32 * 4
    packed = tf.reshape(tf.slice(data, [little(head[10:14])], [rows * stride]), [rows, stride])
    return packed, width, height > 0


def _upright(image: tf.Tensor, bottom_up: tf.Tensor) -> tf.Tensor:
    return tf.cond(bottom_up, lambda: tf.reverse(image, [0]), lambda: image)
