"""What a file says of itself in its first bytes: format, size, orientation. No pixel is decoded."""

from __future__ import annotations

import os
import warnings
from dataclasses import dataclass

from transferkit.data.check.limits import Limits, refusal
from transferkit.data.left_out import Kind
from transferkit.data.pillow import pillow_reason

__all__ = ["Header", "read_header", "stated_format"]

_BY_SUFFIX = {
    "jpg": "jpeg", "jpeg": "jpeg", "jpe": "jpeg", "jfif": "jpeg", "png": "png", "gif": "gif", "bmp": "bmp",
    "dib": "bmp", "webp": "webp", "tif": "tiff", "tiff": "tiff", "avif": "avif",
}  # fmt: skip
_ORIENTATION = 0x0112


@dataclass(frozen=True)
class Header:
    """Facts of one file; those behind ``refused`` are unknown where it is set.

    Attributes:
        refused: why the file is not to be decoded, or None.
        beyond: it is refused before it is decoded, whatever can decode it.
        kind: of the refusal: ``missing``; ``limit``, of its size or its place; or ``unreadable``.
        bytes: size of the file.
        format: ``jpeg``, ``png`` and so on, by content.
        width, height: in pixels.
        mode: Pillow's name of the pixel layout: ``RGB``, ``L``, ``CMYK``, ``P``, ``RGBA``, ``I;16`` …
        orientation: EXIF orientation 1 to 8; 1 is upright.
        frames: more than 1 where the file is animated.
    """

    refused: str | None
    bytes: int = 0
    format: str | None = None
    width: int = 0
    height: int = 0
    mode: str | None = None
    orientation: int = 1
    frames: int = 1
    beyond: bool = False
    kind: Kind = "unreadable"


def read_header(
    path: str | os.PathLike[str], root: str | os.PathLike[str], limits: Limits | None = None
) -> Header:
    """Reads the header of a file that may be anything. Never raises for what is in the file."""
    limits = limits or Limits()
    reason = refusal(path, root, limits)
    if reason:
        return Header(str(reason), beyond=True, kind=reason.kind)
    from PIL import Image

    size = os.stat(path).st_size
    most = Image.MAX_IMAGE_PIXELS
    try:
        with warnings.catch_warnings():
            # The limit here is ours, and it is checked below on numbers, before any pixel is decoded.
            warnings.simplefilter("ignore")
            Image.MAX_IMAGE_PIXELS = None
            with Image.open(path) as image:
                return _facts(image, size, limits)
    except Exception as error:  # Pillow's plugins raise whatever their formats bring about
        return Header(pillow_reason(error), size)
    finally:
        Image.MAX_IMAGE_PIXELS = most


def stated_format(name: str) -> str | None:
    """The format that a file name claims, or None where it claims none that is known."""
    return _BY_SUFFIX.get(name.rpartition(".")[2].lower())


def _facts(image: object, size: int, limits: Limits) -> Header:
    width, height = image.size  # type: ignore[attr-defined]
    kind = (image.format or "").lower()  # type: ignore[attr-defined]
    # An MPO is a JPEG with a second picture behind it, as some cameras and phones write it.
    kind = {"mpo": "jpeg", "dib": "bmp"}.get(kind, kind)
    if width * height > limits.pixels or max(width, height) > limits.side:
        reason = (
            f"{width} × {height} pixels, above the limit of {limits.pixels:,} (or {limits.side:,} a side)"
        )
        return Header(reason, size, kind, width, height, beyond=True, kind="limit")
    try:
        orientation = int(image.getexif().get(_ORIENTATION, 1) or 1)  # type: ignore[attr-defined]
    except Exception:  # broken EXIF says nothing of the picture
        orientation = 1
    frames = 1 if kind == "jpeg" else int(getattr(image, "n_frames", 1))
    orientation = orientation if 1 <= orientation <= 8 else 1
    return Header(None, size, kind, width, height, image.mode, orientation, frames)  # type: ignore[attr-defined]
