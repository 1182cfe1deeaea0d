"""Small pictures of images for reports, as data URIs: safe on hostile files, and None where there is none."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from transferkit.data.pixels.deep_samples import eight_bits, is_deep
from transferkit.data.pixels.pillow import ORIENTATION, as_rgb, open_image, orientation_of

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["data_uri", "heated", "small_image", "thumbnail"]

# A thumbnail is worth no more than this: larger images are shown as missing.
MOST_PIXELS = 50_000_000


def thumbnail(source: str | Path | np.ndarray | None, size: int = 96, overlay: Any = None) -> str | None:
    """A JPEG data URI of the image as people see it: upright, on white, or None.

    Args:
        source: a file, or uint8 ``[h, w, 3]``.
        size: of the longer side in pixels.
        overlay: float ``[h, w]`` of any size, 0 to 1: what mattered (Grad-CAM), laid over as heat.
    """
    image = small_image(source, size)
    if image is None:
        return None
    if overlay is not None:
        image = heated(image, np.asarray(overlay, dtype=np.float32))
    return data_uri(image)


def small_image(source: str | Path | np.ndarray | None, size: int) -> Any:
    """An RGB Pillow image of at most ``size`` pixels a side, or None for what cannot be read."""
    from PIL import Image

    if source is None:
        return None
    try:
        if isinstance(source, np.ndarray):
            image = as_rgb(Image.fromarray(source))
        else:
            with open(source, "rb") as file, open_image(file) as opened:
                image = _upright(opened, size)
        if image is not None:
            image.thumbnail((size, size))
        return image
    except Exception:
        # Pillow raises many kinds on hostile files, and a picture that is missing must not end a report.
        return None


def _upright(opened: Any, size: int) -> Any:
    """The whole image as people see it, or None where it is too large for a thumbnail."""
    from PIL import Image, ImageOps

    if opened.width * opened.height > MOST_PIXELS:
        return None
    turn = orientation_of(opened)
    opened.draft("RGB", (size * 2, size * 2))  # JPEG decodes at a fraction of the size, much faster
    opened.load()
    image = Image.fromarray(eight_bits(opened, "auto")) if is_deep(opened) else opened
    image = as_rgb(image)
    if turn != 1 and orientation_of(opened) == turn:
        image.getexif()[ORIENTATION] = turn
        image = ImageOps.exif_transpose(image)
    return image


def data_uri(image: Image, format: str = "JPEG") -> str:
    """A Pillow image as ``data:image/…;base64,…``."""
    file = io.BytesIO()
    image.save(file, format, quality=80)
    return f"data:image/{format.lower()};base64,{base64.b64encode(file.getvalue()).decode()}"


def heated(image: Image, heat: np.ndarray) -> Any:
    """The image in grey with heat from transparent over orange to yellow."""
    from PIL import Image

    scaled = Image.fromarray((heat.clip(0, 1) * 255).astype(np.uint8)).resize(
        image.size, Image.Resampling.BILINEAR
    )
    share = np.asarray(scaled, dtype=np.float32)[..., None] / 255
    grey = np.asarray(image.convert("L"), dtype=np.float32)[..., None]
    colour = np.array([255, 70, 0], np.float32) + share * np.array([0, 160, 0], np.float32)
    mixed = grey * (1 - 0.65 * share) + colour * 0.65 * share
    return Image.fromarray(mixed.round().clip(0, 255).astype(np.uint8))
