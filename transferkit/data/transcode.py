"""Formats that the graph cannot decode, turned by Pillow into PNG, which it can.

Only formats that are known to be outside the graph come here (moving WebP, any WebP under an older
TensorFlow, TIFF and others). A broken JPEG does not: what the export refuses, training refuses too.
"""

from __future__ import annotations

import io
import warnings

from transferkit.data.decode import graph_formats
from transferkit.data.pillow import pillow_reason

__all__ = ["format_of", "readable_in_graph"]


def format_of(encoded: bytes) -> str | None:
    """The format by the first bytes, whatever the file's name says: bmp, gif, jpeg, png, webp, or None."""
    if encoded.startswith(b"\xff\xd8\xff"):
        return "jpeg"
    if encoded.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    if encoded.startswith((b"GIF87a", b"GIF89a")):
        return "gif"
    if encoded.startswith(b"BM"):
        return "bmp"
    if encoded.startswith(b"RIFF") and encoded[8:12] == b"WEBP":
        return "webp"
    return None


def _is_moving_webp(encoded: bytes) -> bool:
    """Whether the extended header says so: the graph takes the first frame of a GIF, but no moving WebP."""
    return encoded[8:16] == b"WEBPVP8X" and bool(encoded[20:21]) and bool(encoded[20] & 0x02)


def readable_in_graph(encoded: bytes) -> bytes:
    """The same bytes where the graph decodes them, else the image as PNG.

    Args:
        encoded: the bytes of an image file.

    Raises:
        ValueError: Pillow cannot read them either.
    """
    if format_of(encoded) in graph_formats() and not _is_moving_webp(encoded):
        return encoded
    from PIL import Image  # seldom needed, and slow to import

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(encoded)) as image:
                buffer = io.BytesIO()
                image.convert("RGB").save(buffer, "PNG", compress_level=1)
                return buffer.getvalue()
    except Exception as error:  # Pillow's plugins raise whatever their formats bring about
        raise ValueError(pillow_reason(error)) from None
