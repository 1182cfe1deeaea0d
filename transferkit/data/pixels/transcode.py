"""Formats that the graph cannot decode, turned by Pillow into PNG, which it can.

Only what is known to be outside the graph comes here: TIFF, AVIF, JPEG 2000, PPM, moving WebP (any WebP under
an older TensorFlow), and BMP of the kinds that :mod:`transferkit.data.pixels.bmp` leaves. A broken JPEG does
not: what the export refuses, training refuses too. Transparency and orientation are handed on inside the
PNG, so that the graph applies the one rule there is.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from transferkit.data.image_facts import format_of
from transferkit.data.pixels.bmp import BITS, HEADER, LEAST_INFO
from transferkit.data.pixels.decode import graph_formats
from transferkit.data.pixels.decoding import Decoding
from transferkit.data.pixels.deep_samples import eight_bits, is_deep, refuse_shortened
from transferkit.data.pixels.gif_blocks import first_frame
from transferkit.data.pixels.pillow import ORIENTATION, open_image, orientation_of, pillow_reason

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["read_by_graph", "readable_in_graph"]


def readable_in_graph(encoded: bytes, decoding: Decoding) -> bytes:
    """The same bytes where the graph decodes them, else the image as PNG.

    Args:
        encoded: the bytes of an image file.
        decoding: how deep samples are scaled.

    Raises:
        ValueError: Pillow cannot read them either, or they are refused; says why.
    """
    if read_by_graph(encoded):
        # The decoder unpacks all frames of a GIF and hands over the first.
        return first_frame(encoded) if encoded.startswith(b"GIF8") else encoded
    try:
        with open_image(io.BytesIO(encoded)) as image:
            return _as_png(image, decoding)
    except Exception as error:  # Pillow's readers raise whatever their formats bring about
        raise ValueError(pillow_reason(error)) from None


def read_by_graph(encoded: bytes) -> bool:
    """Whether the graph decodes what these bytes state to be; they may be damaged all the same."""
    kind = format_of(encoded[:64])
    if kind not in graph_formats():
        return False
    if kind == "webp":
        return not _is_moving_webp(encoded)
    return kind != "bmp" or _is_plain_bmp(encoded)


def _is_moving_webp(encoded: bytes) -> bool:
    """Whether the extended header says so: the graph takes the first frame of a GIF, but no moving WebP."""
    return encoded[8:16] == b"WEBPVP8X" and bool(encoded[20:21]) and bool(encoded[20] & 0x02)


def _is_plain_bmp(encoded: bytes) -> bool:
    info, bits = (int.from_bytes(encoded[at : at + length], "little") for at, length in ((14, 4), (28, 2)))
    compression = int.from_bytes(encoded[30:34], "little")
    return len(encoded) > HEADER and info >= LEAST_INFO and compression in BITS.get(bits, ())


def _as_png(image: Image, decoding: Decoding) -> bytes:
    from PIL import Image  # seldom needed, and slow to import

    # Pillow's limit is the host program's to set. It is compared here, before it would warn.
    most = Image.MAX_IMAGE_PIXELS
    if most is not None and image.width * image.height > most:
        raise ValueError(f"{image.width} × {image.height} pixels, above Pillow's limit of {most:,}")
    before = orientation_of(image)
    image.load()
    after = orientation_of(image)
    if is_deep(image):
        made = Image.fromarray(eight_bits(image, decoding.depth))
    else:
        refuse_shortened(image, decoding.depth)
        transparent = image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info
        made = image.convert("RGBA" if transparent else "RGB")
        made.info = {}
    if before != after and not decoding.exif:
        # The reader of TIFF turns the image itself.
        made = made.transpose(_inverse(before))
    exif = Image.Exif()
    exif[ORIENTATION] = after
    buffer = io.BytesIO()
    made.save(buffer, "PNG", compress_level=1, exif=exif)
    return buffer.getvalue()


def _inverse(orientation: int) -> Any:
    """What undoes the turn that an orientation asks for."""
    from PIL.Image import Transpose

    ways = (
        Transpose.FLIP_LEFT_RIGHT, Transpose.ROTATE_180, Transpose.FLIP_TOP_BOTTOM, Transpose.TRANSPOSE,
        Transpose.ROTATE_90, Transpose.TRANSVERSE, Transpose.ROTATE_270,
    )  # fmt: skip
    return ways[orientation - 2]
