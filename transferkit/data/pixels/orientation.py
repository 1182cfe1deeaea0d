"""EXIF orientation in graph ops: the tag read from the bytes of JPEG, PNG and WebP, and the image turned.

The tag is an entry of the first directory of a TIFF structure ("Exif 2.32", CIPA DC-008): SHORT (LONG is
accepted), one value, 1 to 8. Whatever is broken, cut short or out of range is no orientation: the image
stays as it is.
"""

from __future__ import annotations

import tensorflow as tf

from transferkit.data.pixels.encoded_in_graph import apart, big, little, part

__all__ = ["jpeg_orientation", "png_orientation", "turned", "webp_orientation"]

_TAG = 0x0112
_UPRIGHT = 1
_SEARCHED = 100_000  # bytes; a larger file takes longer to search than to walk


def jpeg_orientation(encoded: tf.Tensor) -> tf.Tensor:
    """int32 scalar, 1 to 8, of the bytes of a JPEG: from its first APP1 segment that holds EXIF.

    The segments are walked up to the first that is neither an APPn nor a comment. Most files without EXIF
    have none of these, or JFIF's alone, which two comparisons show; of others that are small, so that the
    walk would be felt beside the decoding, a search for the word tells sooner.
    """
    jfif = tf.equal(tf.strings.substr(encoded, 2, 4), b"\xff\xe0\x00\x10")
    first = tf.minimum(tf.where(jfif, 20, 2), tf.strings.length(encoded))
    bare = tf.equal(tf.strings.substr(encoded, first, 2), b"\xff\xdb")

    def lacks_word() -> tf.Tensor:
        size = tf.strings.length(encoded)
        before = tf.strings.length(tf.strings.split(encoded, b"Exif\0", maxsplit=1)[0])
        return tf.equal(before, size)

    small = ~bare & (tf.strings.length(encoded) <= _SEARCHED)
    without = tf.cond(small, lacks_word, lambda: bare)
    return tf.cond(without, lambda: tf.constant(_UPRIGHT), lambda: apart(_jpeg_orientation, encoded))


def _jpeg_orientation(encoded: tf.Tensor) -> tf.Tensor:

    def head_at(at: tf.Tensor) -> tf.Tensor:
        return part(encoded, at, 10)

    def is_exif(head: tf.Tensor) -> tf.Tensor:
        return tf.reduce_all(tf.equal(head[4:], list(b"Exif\0\0"))) & tf.equal(head[1], 0xE1)

    def goes_on(at: tf.Tensor, head: tf.Tensor) -> tf.Tensor:
        marker = head[1]
        passed_over = ((marker >= 0xE0) & (marker <= 0xEF)) | tf.equal(marker, 0xFE) | tf.equal(marker, 0xFF)
        return tf.equal(head[0], 0xFF) & passed_over & ~is_exif(head)

    def next_segment(at: tf.Tensor, head: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        # Any number of 0xFF may stand before a marker.
        at = at + tf.where(tf.equal(head[1], 0xFF), 1, 2 + tf.maximum(2, big(head[2:4])))
        return at, head_at(at)

    start = tf.constant(2)
    at, head = tf.while_loop(goes_on, next_segment, [start, head_at(start)])
    length = big(head[2:4]) - 8
    found = tf.equal(head[0], 0xFF) & is_exif(head) & (length > 0)
    return tf.cond(found, lambda: _in_tiff(encoded, at + 10, length), lambda: tf.constant(_UPRIGHT))


def png_orientation(encoded: tf.Tensor) -> tf.Tensor:
    """int32 scalar, 1 to 8, of the bytes of a PNG: from its eXIf chunk, which may also follow the pixels."""
    before = tf.strings.length(tf.strings.split(encoded, b"eXIf", maxsplit=1)[0])

    def read() -> tf.Tensor:
        return _in_tiff(encoded, before + 4, big(part(encoded, before - 4, 4)))

    found = before < tf.strings.length(encoded)
    return tf.cond(found, lambda: apart(read), lambda: tf.constant(_UPRIGHT))


def webp_orientation(encoded: tf.Tensor) -> tf.Tensor:
    """int32 scalar, 1 to 8, of the bytes of a WebP: from its EXIF chunk, where the header names one."""
    head = part(encoded, 12, 9)
    extended = tf.equal(tf.strings.substr(encoded, 12, 4), b"VP8X")
    named = extended & tf.not_equal(tf.bitwise.bitwise_and(head[8], 0x08), 0)
    size = tf.strings.length(encoded)

    def chunk_at(at: tf.Tensor) -> tf.Tensor:
        return part(encoded, at, 8)

    def is_exif(head: tf.Tensor) -> tf.Tensor:
        return tf.reduce_all(tf.equal(head[:4], list(b"EXIF")))

    def goes_on(at: tf.Tensor, head: tf.Tensor) -> tf.Tensor:
        return (at >= 0) & (at < size) & ~is_exif(head)

    def next_chunk(at: tf.Tensor, head: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        length = tf.minimum(little(head[4:]), size)
        at = at + 8 + length + length % 2
        return at, chunk_at(at)

    def read() -> tf.Tensor:
        start = tf.constant(12)
        at, head = tf.while_loop(goes_on, next_chunk, [start, chunk_at(start)])
        # Some writers put JPEG's "Exif\0\0" in front of the structure.
        prefix = tf.where(tf.reduce_all(tf.equal(part(encoded, at + 8, 6), list(b"Exif\0\0"))), 6, 0)
        return tf.cond(
            is_exif(head) & (at < size),
            lambda: _in_tiff(encoded, at + 8 + prefix, little(head[4:]) - prefix),
            lambda: tf.constant(_UPRIGHT),
        )

    return tf.cond(named, read, lambda: tf.constant(_UPRIGHT))


def turned(image: tf.Tensor, orientation: tf.Tensor) -> tf.Tensor:
    """The image as it is meant to be seen.

    Args:
        image: ``[h, w, channels]`` as it is stored.
        orientation: int32 scalar, 1 to 8.

    Returns:
        ``[h, w, channels]``, or ``[w, h, channels]`` for 5 and above.
    """

    # 1 to 4 reverse nothing, columns, both or rows; 5 to 8 do the same once rows and columns changed places.
    place = (orientation - 1) % 4
    axes = tf.boolean_mask([0, 1], tf.stack([place >= 2, tf.equal(place, 1) | tf.equal(place, 2)]))

    across = tf.cond(orientation >= 5, lambda: tf.transpose(image, [1, 0, 2]), lambda: image)
    return tf.raw_ops.ReverseV2(tensor=across, axis=axes)


def _in_tiff(encoded: tf.Tensor, start: tf.Tensor, length: tf.Tensor) -> tf.Tensor:
    """The orientation in the TIFF structure at ``start``; 1 where there is none that is sound."""
    start = tf.minimum(start, tf.strings.length(encoded))
    length = tf.clip_by_value(length, 0, tf.strings.length(encoded) - start)
    block = tf.strings.substr(encoded, start, length)
    head = part(block, 0, 8)
    is_little = tf.reduce_all(tf.equal(head[:4], list(b"II*\0")))
    is_big = tf.reduce_all(tf.equal(head[:4], list(b"MM\0*")))

    def number(values: tf.Tensor) -> tf.Tensor:
        return tf.where(is_little, little(values), big(values))

    directory = tf.minimum(number(head[4:]), tf.strings.length(block))
    # A directory that is cut short ends in zeros, which are no tag.
    room = (tf.strings.length(block) - directory - 2) // 12
    count = tf.clip_by_value(number(part(block, directory, 2)), 0, tf.maximum(room, 0))
    entries = tf.reshape(part(block, directory + 2, tf.maximum(count, 1) * 12), [-1, 12])
    tag, kind, values = number(entries[:, :2]), number(entries[:, 2:4]), number(entries[:, 4:8])
    value = tf.where(tf.equal(kind, 3), number(entries[:, 8:10]), number(entries[:, 8:12]))
    sound = tf.equal(tag, _TAG) & (tf.equal(kind, 3) | tf.equal(kind, 4)) & tf.equal(values, 1)
    sound &= (value >= 1) & (value <= 8) & (is_little | is_big) & (count > 0)
    place = tf.argmax(tf.cast(sound, tf.int32))
    return tf.where(tf.reduce_any(sound), value[place], _UPRIGHT)
