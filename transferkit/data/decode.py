"""Encoded bytes to pixels in TensorFlow's own ops: the one decoder of training, cache, prediction and export.

Because all four run these very ops, what a network saw in training is what it is served, bit for bit on one
machine. Nothing here knows Keras, so an export that carries the graph needs TensorFlow alone.

**What is taken**: JPEG (greyscale, RGB, CMYK, YCCK, progressive), PNG (greyscale, palette, alpha, 16 bits),
GIF (the first frame), BMP (palettes included) and, where TensorFlow itself can (:func:`graph_formats`), WebP.
Alpha is dropped, not blended; 16-bit samples keep their upper byte; EXIF orientation is not looked at.

**Large JPEGs** are decoded at 1/2, 1/4 or 1/8 by the scaled inverse DCT where at least ``DCT_GAP`` times the
wanted size remains: measured against decoding whole, pixels of the result differ by less than one grey level
on average, and the work is a fraction. The export does the same, so nothing differs between the two.

**Resizing** averages areas where it shrinks and interpolates bilinearly where it grows. Plain bilinear, which
many pipelines use, reads four pixels of a large photo and skips the rest.
"""

from __future__ import annotations

import tensorflow as tf

from transferkit.data.bmp import decode_palette_bmp, is_palette_bmp

__all__ = ["DCT_GAP", "DECODER_VERSION", "RESIZES", "decode", "graph_formats", "resize_image"]

# Part of every cache key: raised whenever the pixels that come out for the same bytes change.
DECODER_VERSION = 1
RESIZES = ("stretch", "crop", "pad")
DCT_GAP = 2.0  # a scaled decode must leave this many times the wanted size on each axis


def decode(encoded: tf.Tensor, size: tuple[int, int], resize: str = "stretch") -> tf.Tensor:
    """Decodes one image and resizes it.

    Args:
        encoded: scalar string, the bytes of an image file.
        size: height and width of the result in pixels.
        resize: ``"stretch"`` changes the aspect ratio, ``"crop"`` takes the largest central part of the
            wanted ratio, ``"pad"`` fits the whole image in and fills the rest with black.

    Returns:
        uint8 ``[height, width, 3]``, RGB.

    Raises:
        ValueError: ``resize`` is none of :data:`RESIZES`.
        tf.errors.InvalidArgumentError: when run on bytes that are no image of :func:`graph_formats`.
    """
    encoded = tf.convert_to_tensor(encoded, tf.string)
    is_jpeg = tf.equal(tf.strings.substr(encoded, 0, 3), b"\xff\xd8\xff")
    image = tf.cond(
        is_jpeg,
        lambda: _decode_jpeg(encoded, size, resize),
        lambda: _decode_other(encoded),
    )
    image.set_shape([None, None, 3])
    return resize_image(image, size, resize)


def resize_image(image: tf.Tensor, size: tuple[int, int], resize: str = "stretch") -> tf.Tensor:
    """Resizes a decoded image as :func:`decode` does.

    Args:
        image: uint8 ``[h, w, 3]`` of any size.
        size: height and width of the result in pixels.
        resize: see :func:`decode`.

    Returns:
        uint8 ``[height, width, 3]``.
    """
    _check(resize)
    height, width = size
    shape = tf.shape(image)
    if resize == "crop":
        rows, columns = _crop_extent(shape[0], shape[1], height, width)
        top, left = (shape[0] - rows) // 2, (shape[1] - columns) // 2
        image = image[top : top + rows, left : left + columns]
        shape = tf.stack([rows, columns, 3])
    target = tf.constant([height, width], tf.int32)
    if resize == "pad":
        scale = tf.reduce_min(tf.cast(target, tf.float64) / tf.cast(shape[:2], tf.float64))
        fitted = tf.cast(tf.round(tf.cast(shape[:2], tf.float64) * scale), tf.int32)
        target = tf.clip_by_value(fitted, 1, target)
    pixels = _resample(image, shape[:2], target)
    if resize == "pad":
        before = (tf.constant([height, width]) - target) // 2
        after = tf.constant([height, width]) - target - before
        pixels = tf.pad(pixels, [[before[0], after[0]], [before[1], after[1]], [0, 0]])
    return tf.ensure_shape(pixels, [height, width, 3])


def graph_formats() -> tuple[str, ...]:
    """The formats that the graph decodes with the installed TensorFlow, lower case, sorted."""
    formats = ["bmp", "gif", "jpeg", "png"]
    if hasattr(tf.raw_ops, "DecodeWebP"):  # decode_image knows WebP since the release that brought this op
        formats.append("webp")
    return tuple(formats)


def _resample(image: tf.Tensor, shape: tf.Tensor, target: tf.Tensor) -> tf.Tensor:
    """uint8 ``[h, w, 3]`` to uint8 ``[target..., 3]``: areas where it shrinks, bilinear where it grows."""

    def resized() -> tf.Tensor:
        smaller = tf.minimum(shape, target)
        batch = image[tf.newaxis]
        shrunk = tf.cond(
            tf.reduce_any(smaller < shape),
            lambda: tf.raw_ops.ResizeArea(images=batch, size=smaller, align_corners=False),
            lambda: tf.cast(batch, tf.float32),
        )
        grown = tf.cond(
            tf.reduce_any(smaller < target),
            lambda: tf.raw_ops.ResizeBilinear(
                images=shrunk, size=target, align_corners=False, half_pixel_centers=True
            ),
            lambda: shrunk,
        )
        return tf.saturate_cast(tf.round(grown[0]), tf.uint8)

    return tf.cond(tf.reduce_all(tf.equal(shape, target)), lambda: image, resized)


def _decode_jpeg(encoded: tf.Tensor, size: tuple[int, int], resize: str) -> tf.Tensor:
    shape = tf.cast(tf.io.extract_jpeg_shape(encoded), tf.float64)
    factors = shape[:2] / tf.constant(size, tf.float64)
    # A padded image shrinks by the larger factor on both axes, a cropped one by the smaller.
    factor = tf.reduce_max(factors) if resize == "pad" else tf.reduce_min(factors)
    room = factor / DCT_GAP
    index = tf.cast(room >= 2, tf.int32) + tf.cast(room >= 4, tf.int32) + tf.cast(room >= 8, tf.int32)

    def at(ratio: int) -> tf.Tensor:
        # The default method saves nothing measurable and errs by up to six grey levels.
        return tf.io.decode_jpeg(encoded, channels=3, ratio=ratio, dct_method="INTEGER_ACCURATE")

    return tf.switch_case(index, [lambda ratio=ratio: at(ratio) for ratio in (1, 2, 4, 8)])


def _decode_other(encoded: tf.Tensor) -> tf.Tensor:
    return tf.cond(
        is_palette_bmp(encoded),
        lambda: decode_palette_bmp(encoded),
        lambda: tf.io.decode_image(encoded, channels=3, expand_animations=False),
    )


def _crop_extent(rows: tf.Tensor, columns: tf.Tensor, height: int, width: int) -> tuple[tf.Tensor, tf.Tensor]:
    """Rows and columns of the largest part with the ratio of height to width, at least one pixel each."""
    high = tf.cast(rows, tf.float64)
    wide = tf.cast(columns, tf.float64)
    extent_rows = tf.cast(tf.round(tf.minimum(high, wide * height / width)), tf.int32)
    extent_columns = tf.cast(tf.round(tf.minimum(wide, high * width / height)), tf.int32)
    return tf.clip_by_value(extent_rows, 1, rows), tf.clip_by_value(extent_columns, 1, columns)


def _check(resize: str) -> None:
    if resize not in RESIZES:
        raise ValueError(f"resize: received {resize!r}, expected one of {', '.join(RESIZES)}")
