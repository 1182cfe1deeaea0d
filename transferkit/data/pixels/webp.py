"""WebP in graph ops, where the installed TensorFlow decodes it: with and without alpha."""

from __future__ import annotations

import tensorflow as tf

__all__ = ["decode_webp", "decodes_webp", "is_webp"]


def decodes_webp() -> bool:
    """Whether the installed TensorFlow has the op."""
    return hasattr(tf.raw_ops, "DecodeWebP")


def is_webp(encoded: tf.Tensor) -> tf.Tensor:
    """Scalar bool."""
    riff = tf.equal(tf.strings.substr(encoded, 0, 4), b"RIFF")
    size = tf.strings.length(encoded)
    return riff & tf.equal(tf.strings.substr(encoded, tf.minimum(8, size), 4), b"WEBP")


def decode_webp(encoded: tf.Tensor) -> tf.Tensor:
    """uint8 ``[h, w, 3]`` of the bytes of a still WebP, or ``[h, w, 4]`` where it has alpha; not turned.

    Raises:
        tf.errors.InvalidArgumentError: when run on a file that is damaged, or that moves.
    """
    # Channels as the file has them: the op refuses any other number. Frames, of which a still image has one.
    return tf.raw_ops.DecodeWebP(contents=encoded, channels=0)[0]
