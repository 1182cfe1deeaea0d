"""Pillow for the formats that the graph does not decode, without touching anything of it that others share.

An image is opened by the reader of the format that its first bytes state, never by trying all that are
installed: what starts other programs or is hardly ever used (PostScript, icons, many raw formats) is not
reached from a file that only has an image's name. ``Image.open`` would besides warn by Pillow's own limit,
which belongs to the whole process; here the size is compared before any pixel, and nothing is set.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, BinaryIO

from transferkit.data.foreign_formats import reason_not_read
from transferkit.data.image_facts import Facts, format_of
from transferkit.recipe.colour import WHITE, Colour

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["ORIENTATION", "as_rgb", "facts_of", "open_image", "orientation_of", "pillow_reason"]

_READERS = {
    "jpeg": "JpegImagePlugin.JpegImageFile", "png": "PngImagePlugin.PngImageFile",
    "gif": "GifImagePlugin.GifImageFile", "bmp": "BmpImagePlugin.BmpImageFile",
    "webp": "WebPImagePlugin.WebPImageFile", "tiff": "TiffImagePlugin.TiffImageFile",
    "avif": "AvifImagePlugin.AvifImageFile", "jpeg2000": "Jpeg2KImagePlugin.Jpeg2KImageFile",
    "ppm": "PpmImagePlugin.PpmImageFile",
}  # fmt: skip
ORIENTATION = 0x0112  # the EXIF tag
_ALPHA = ("RGBA", "LA", "PA", "La", "RGBa")
_BITS_PER_SAMPLE = 258


def open_image(file: BinaryIO) -> Any:
    """A Pillow image of which nothing is decoded yet.

    Raises:
        ValueError: it is of no format that is read.
        Exception: Pillow's readers raise whatever their formats bring about; see :func:`pillow_reason`.
    """
    file.seek(0)
    head = file.read(64)
    kind = format_of(head)
    file.seek(0)
    if kind is None:
        raise ValueError(reason_not_read(head, "image format that is read"))
    module, _, name = _READERS[kind].partition(".")
    try:
        reader = getattr(importlib.import_module(f"PIL.{module}"), name)
    except ImportError:
        raise ValueError(f"the installed Pillow does not read {kind}") from None
    return reader(file)


def facts_of(image: Image, kind: str) -> Facts:
    """What an opened image states of itself."""
    bits = 8
    if image.mode.startswith(("I", "F")):
        bits = 16 if image.mode.startswith("I;16") else 32
    if kind == "tiff":
        stated = getattr(image, "tag_v2", {}).get(_BITS_PER_SAMPLE, (bits,))
        bits = max(stated) if isinstance(stated, tuple) else stated
    alpha = image.mode in _ALPHA or "transparency" in image.info
    frames = int(getattr(image, "n_frames", 1))
    width, height = image.size
    return Facts(kind, width, height, image.mode, bits, alpha, orientation_of(image), frames)


def orientation_of(image: Image) -> int:
    """EXIF orientation 1 to 8 of an opened image; broken EXIF says nothing of the picture."""
    try:
        value = image.getexif().get(ORIENTATION, 1)
    except Exception:
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def as_rgb(image: Image, background: Colour | None = WHITE) -> Any:
    """An RGB image with nothing of its source left, transparent pixels laid over ``background``.

    Args:
        image: of any mode with 8 bits a sample.
        background: RGB; None drops transparency.
    """
    from PIL import Image

    if background is not None and (image.mode in _ALPHA or "transparency" in image.info):
        shown = image.convert("RGBA")
        made = Image.new("RGB", shown.size, background)
        made.paste(shown, mask=shown.getchannel("A"))
        return made
    made = image.convert("RGB")
    # What the source said of its transparency would be written, or refused, by whoever saves this.
    made.info = {}
    return made


def pillow_reason(error: Exception) -> str:
    """Why Pillow could not read an image, in one line.

    Its readers raise whatever their formats bring about: struct.error, SyntaxError, MemoryError and others,
    whose names say more than their texts. An OSError or a ValueError of ours is enough by its text.
    """
    plain = isinstance(error, OSError) or type(error) is ValueError
    text = str(error) if plain else f"{type(error).__name__}: {error}"
    return (text.splitlines() or [type(error).__name__])[0][:200]
