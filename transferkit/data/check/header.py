"""What a file says of itself in its first bytes: format, size, orientation. No pixel is decoded."""

from __future__ import annotations

import os
from dataclasses import dataclass

from transferkit.data.check.limits import Limits, refusal
from transferkit.data.image_facts import Facts, read_facts
from transferkit.data.pixels.pillow import pillow_reason
from transferkit.data.unusable_files import Kind

__all__ = ["Header", "beyond", "read_header", "stated_format"]

_BY_SUFFIX = {
    "jpg": "jpeg", "jpeg": "jpeg", "jpe": "jpeg", "jfif": "jpeg", "png": "png", "gif": "gif", "bmp": "bmp",
    "dib": "bmp", "webp": "webp", "tif": "tiff", "tiff": "tiff", "avif": "avif",
}  # fmt: skip
_MOST_BYTES = 4  # for each of `max_pixels`, while an image is decoded; one without transparency takes 3


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
        bits: of a sample.
        alpha: pixels may be transparent.
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
    bits: int = 8
    alpha: bool = False
    kind: Kind = "unreadable"


def read_header(
    path: str | os.PathLike[str], root: str | os.PathLike[str], limits: Limits | None = None
) -> Header:
    """Reads the header of a file that may be anything. Never raises for what is in the file.

    Args:
        path: of the file.
        root: folder of the data; what links lead out of it is refused.
        limits: of bytes and pixels; the usual ones by default.
    """
    limits = limits or Limits()
    reason = refusal(path, root, limits)
    if reason:
        return Header(str(reason), beyond=True, kind=reason.kind)
    size = os.stat(path).st_size
    try:
        with open(path, "rb") as file:
            facts = read_facts(file)
    except Exception as error:  # Pillow's readers raise whatever their formats bring about
        return Header(pillow_reason(error), size)
    above = beyond(facts, limits)
    return Header(
        above, size, facts.format, facts.width, facts.height, facts.mode, facts.orientation, facts.frames,
        above is not None, facts.bits, facts.alpha, "limit" if above is not None else "unreadable",
    )  # fmt: skip


def stated_format(name: str) -> str | None:
    """The format that a file name claims, or None where it claims none that is known."""
    return _BY_SUFFIX.get(name.rpartition(".")[2].lower())


def beyond(facts: Facts, limits: Limits) -> str | None:
    """Why an image is not to be decoded whatever it shows: its sides, its pixels, or their depth."""
    pixels, sides = facts.width * facts.height, f"{facts.width} × {facts.height} pixels"
    if pixels > limits.pixels or max(facts.width, facts.height) > limits.side:
        return f"{sides}, above the limit of {limits.pixels:,} (or {limits.side:,} a side)"
    most = limits.pixels * _MOST_BYTES // facts.bytes_a_pixel
    if pixels > most:
        what = "more than 8 bits a sample" if facts.bits > 8 else "transparency"
        return f"{sides} with {what}, above the limit of {most:,} (max_pixels is {limits.pixels:,})"
    return None
