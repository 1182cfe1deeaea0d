"""Encoded bytes to pixels in TensorFlow's own ops: the one decoder of training, cache, prediction and export.

Because all four run these very ops, what a network saw in training is what it is served, bit for bit on one
machine. Nothing here knows Keras, so an export that carries the graph needs TensorFlow alone. What decides
the pixels is one value, :class:`~transferkit.data.pixels.decoding.Decoding`.

**What is taken**: JPEG (greyscale, RGB, CMYK, YCCK, progressive), PNG (all kinds, also without an end
marker), GIF (the first frame), BMP (palettes, 15 to 32 bits) and, where TensorFlow itself can
(:func:`graph_formats`), still WebP. Everything else that training and ``predict`` read goes through
:mod:`transferkit.data.pixels.transcode`, which hands the graph a PNG; given such bytes as they are, the graph
of an export refuses them, and never answers otherwise.

**Transparency** (alpha, a transparent palette entry, a transparent colour) is laid over ``background``
before resizing; None drops it and shows the colours behind it.

**Deep samples** keep their upper 8 bits: of 16, or of ``depth``, or (``"auto"``) of the least of 8, 10, 12,
14 and 16 bits that holds all visible values of the image.

**EXIF orientation** 1 to 8 is applied before resizing and cropping; a broken tag is no orientation.

**Large JPEGs** are decoded at 1/2, 1/4 or 1/8 by the scaled inverse DCT where at least ``DCT_GAP`` times the
wanted size remains: measured against decoding whole, pixels of the result differ by less than one grey level
on average, and the work is a fraction. The export does the same, so nothing differs between the two.

**Resizing** averages areas where it shrinks and interpolates bilinearly where it grows. Plain bilinear, which
many pipelines use, reads four pixels of a large photo and skips the rest.
"""

from __future__ import annotations

import tensorflow as tf

from transferkit.data.pixels.alpha import laid_over
from transferkit.data.pixels.bmp import decode_bmp
from transferkit.data.pixels.decoding import Decoding
from transferkit.data.pixels.encoded_in_graph import apart
from transferkit.data.pixels.gif import decode_gif
from transferkit.data.pixels.orientation import jpeg_orientation, png_orientation, turned, webp_orientation
from transferkit.data.pixels.png import decode_png
from transferkit.data.pixels.webp import decode_webp, decodes_webp, is_webp

__all__ = ["DCT_GAP", "decode", "graph_formats", "resize_image"]

DCT_GAP = 2.0  # a scaled decode must leave this many times the wanted size on each axis


def decode(encoded: tf.Tensor, decoding: Decoding) -> tf.Tensor:
    """Decodes one image and resizes it.

    Args:
        encoded: scalar string, the bytes of an image file.
        decoding: what decides the pixels.

    Returns:
        uint8 ``[height, width, 3]``, RGB.

    Raises:
        tf.errors.InvalidArgumentError: when run on bytes that are no image of :func:`graph_formats`.
    """
    encoded = tf.convert_to_tensor(encoded, tf.string)
    is_jpeg = tf.equal(tf.strings.substr(encoded, 0, 3), b"\xff\xd8\xff")
    image, orientation = tf.cond(
        is_jpeg,
        lambda: _decode_jpeg(encoded, decoding),
        lambda: apart(lambda data: _decode_other(data, decoding), encoded),
    )
    if decoding.exif:
        upright = tf.equal(orientation, 1)
        image = tf.cond(upright, lambda: image, lambda: apart(turned, image, orientation))
    image.set_shape([None, None, 3])
    return resize_image(image, decoding)


def resize_image(image: tf.Tensor, decoding: Decoding) -> tf.Tensor:
    """Resizes a decoded image as :func:`decode` does.

    Args:
        image: uint8 ``[h, w, 3]`` of any size.
        decoding: of it, ``size`` and ``resize``.

    Returns:
        uint8 ``[height, width, 3]``.
    """
    height, width = decoding.size
    shape = tf.shape(image)
    if decoding.resize == "crop":
        rows, columns = _crop_extent(shape[0], shape[1], height, width)
        top, left = (shape[0] - rows) // 2, (shape[1] - columns) // 2
        image = image[top : top + rows, left : left + columns]
        shape = tf.stack([rows, columns, 3])
    target = tf.constant([height, width], tf.int32)
    if decoding.resize == "pad":
        scale = tf.reduce_min(tf.cast(target, tf.float64) / tf.cast(shape[:2], tf.float64))
        fitted = tf.cast(tf.round(tf.cast(shape[:2], tf.float64) * scale), tf.int32)
        target = tf.clip_by_value(fitted, 1, target)
    pixels = _resample(image, shape[:2], target)
    if decoding.resize == "pad":
        before = (tf.constant([height, width]) - target) // 2
        after = tf.constant([height, width]) - target - before
        pixels = tf.pad(pixels, [[before[0], after[0]], [before[1], after[1]], [0, 0]])
    return tf.ensure_shape(pixels, [height, width, 3])


def graph_formats() -> tuple[str, ...]:
    """The formats that the graph decodes with the installed TensorFlow, lower case, sorted."""
    return ("bmp", "gif", "jpeg", "png", *(("webp",) if decodes_webp() else ()))


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


def _decode_jpeg(encoded: tf.Tensor, decoding: Decoding) -> tuple[tf.Tensor, tf.Tensor]:
    """The image as it is stored, perhaps smaller, and its orientation."""
    orientation = jpeg_orientation(encoded) if decoding.exif else tf.constant(1)
    stored = tf.io.extract_jpeg_shape(encoded)[:2]
    seen = tf.where(orientation >= 5, stored[::-1], stored)
    factors = tf.cast(seen, tf.float64) / tf.constant(decoding.size, tf.float64)
    # A padded image shrinks by the larger factor on both axes, a cropped one by the smaller.
    factor = tf.reduce_max(factors) if decoding.resize == "pad" else tf.reduce_min(factors)
    room = factor / DCT_GAP
    index = tf.cast(room >= 2, tf.int32) + tf.cast(room >= 4, tf.int32) + tf.cast(room >= 8, tf.int32)

    def at(ratio: int) -> tf.Tensor:
        # The default method saves nothing measurable and errs by up to six grey levels.
        return tf.io.decode_jpeg(encoded, channels=3, ratio=ratio, dct_method="INTEGER_ACCURATE")

    image = tf.switch_case(index, [lambda ratio=ratio: at(ratio) for ratio in (1, 2, 4, 8)])
    return image, orientation


def _decode_other(encoded: tf.Tensor, decoding: Decoding) -> tuple[tf.Tensor, tf.Tensor]:
    """The image as it is stored, without transparency, and its orientation."""
    upright = tf.constant(1)

    def begins(*signatures: bytes) -> tf.Tensor:
        return tf.reduce_any([tf.equal(tf.strings.substr(encoded, 0, len(one)), one) for one in signatures])

    cases = [
        (
            begins(b"\x89PNG\r\n\x1a\n"),
            lambda: (decode_png(encoded, decoding), png_orientation(encoded) if decoding.exif else upright),
        ),
        (
            begins(b"GIF87a", b"GIF89a"),
            lambda: (apart(lambda data: decode_gif(data, decoding), encoded), upright),
        ),
        (begins(b"BM"), lambda: (apart(decode_bmp, encoded), upright)),
    ]
    if decodes_webp():
        cases.append((is_webp(encoded), lambda: (decode_webp(encoded), apart(webp_orientation, encoded))))
    # Whatever is left is refused, with the decoder's own reason.
    image, orientation = tf.case(
        cases, lambda: (tf.io.decode_image(encoded, channels=3, expand_animations=False), upright)
    )
    opaque = tf.cond(
        tf.equal(tf.shape(image)[-1], 4),
        lambda: apart(
            lambda layers: laid_over(layers, decoding.background), tf.ensure_shape(image, [None, None, 4])
        ),
        lambda: image,
    )
    return opaque, orientation


def _crop_extent(rows: tf.Tensor, columns: tf.Tensor, height: int, width: int) -> tuple[tf.Tensor, tf.Tensor]:
    """Rows and columns of the largest part with the ratio of height to width, at least one pixel each."""
    high = tf.cast(rows, tf.float64)
    wide = tf.cast(columns, tf.float64)
    extent_rows = tf.cast(tf.round(tf.minimum(high, wide * height / width)), tf.int32)
    extent_columns = tf.cast(tf.round(tf.minimum(wide, high * width / height)), tf.int32)
    return tf.clip_by_value(extent_rows, 1, rows), tf.clip_by_value(extent_columns, 1, columns)
