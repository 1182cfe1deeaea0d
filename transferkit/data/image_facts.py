"""What the bytes of an image file state before any pixel: format, size, depth, alpha, frames, orientation.

The five common formats are read here, a few dozen bytes of each, so that nothing is allocated for a size
that only a header claims. The others are opened by their reader in Pillow, which decodes nothing yet.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import BinaryIO

from transferkit.data.foreign_formats import reason_not_read
from transferkit.data.pixels.gif_blocks import gif_frames

__all__ = ["Facts", "format_of", "orientation_in", "read_facts"]

_EXIF = b"Exif\0\0"
_ORIENTATION = 0x0112
_PNG_MODES = {0: "L", 2: "RGB", 3: "P", 4: "LA", 6: "RGBA"}
_JPEG_MODES = {1: "L", 3: "RGB", 4: "CMYK"}
_SIGNATURES = (
    (b"\xff\xd8\xff", "jpeg"), (b"\x89PNG\r\n\x1a\n", "png"), (b"GIF87a", "gif"), (b"GIF89a", "gif"),
    (b"BM", "bmp"), (b"II*\0", "tiff"), (b"MM\0*", "tiff"), (b"II+\0", "tiff"), (b"MM\0+", "tiff"),
    (b"\0\0\0\x0cjP  \r\n\x87\n", "jpeg2000"), (b"\xff\x4f\xff\x51", "jpeg2000"),
)  # fmt: skip


@dataclass(frozen=True)
class Facts:
    """What a header states.

    Attributes:
        format: ``jpeg``, ``png`` and so on, by content.
        width, height: in pixels, as they are stored; of a GIF the larger of screen and frames.
        mode: Pillow's name of the pixel layout: ``RGB``, ``L``, ``CMYK``, ``P``, ``RGBA``, ``I;16`` …
        bits: of a sample.
        alpha: pixels may be transparent.
        orientation: EXIF orientation 1 to 8; 1 is upright.
        frames: more than 1 where the file is animated.
        progressive: a JPEG whose coefficients are held as a whole.
    """

    format: str
    width: int
    height: int
    mode: str
    bits: int = 8
    alpha: bool = False
    orientation: int = 1
    frames: int = 1
    progressive: bool = False

    @property
    def bytes_a_pixel(self) -> int:
        """What a pixel takes while it is decoded: up to four channels, and the RGB made of them twice."""
        if self.bits > 8:
            return 14
        return 10 if self.alpha else 3


def format_of(head: bytes) -> str | None:
    """The format by the first 16 bytes, whatever the file's name says, or None for one that is not read."""
    for signature, name in _SIGNATURES:
        if head.startswith(signature):
            return name
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return "webp"
    if head[4:8] == b"ftyp" and head[8:12] in (b"avif", b"avis", b"mif1"):
        return "avif"
    if head[:1] == b"P" and head[1:2] in b"123456" and head[2:3].isspace():
        return "ppm"
    return None


def read_facts(file: BinaryIO) -> Facts:
    """Reads the header of a file that may be anything; the file may be anywhere afterwards.

    Raises:
        ValueError: it is no image of a format that is read, or its header is broken; says which.
        Exception: whatever Pillow's readers raise on the less common formats.
    """
    file.seek(0)
    head = file.read(64)
    kind = format_of(head)
    if kind is None:
        raise ValueError(reason_not_read(head, "image format that is read"))
    read = _READERS.get(kind)
    if read is None:
        from transferkit.data.pixels.pillow import facts_of, open_image

        with open_image(file) as image:
            return facts_of(image, kind)
    try:
        return read(file, head)
    except (struct.error, IndexError):
        raise ValueError(f"the header is cut short ({kind})") from None


def orientation_in(block: bytes) -> int:
    """The orientation in a TIFF structure, 1 where there is none that is sound: as the graph reads it."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(block[:4])
    if order is None or len(block) < 10:
        return 1
    (directory,) = struct.unpack_from(order + "I", block, 4)
    if directory + 2 > len(block):
        return 1
    (count,) = struct.unpack_from(order + "H", block, directory)
    for number in range(min(count, (len(block) - directory - 2) // 12)):
        at = directory + 2 + 12 * number
        tag, kind, values = struct.unpack_from(order + "HHI", block, at)
        if tag == _ORIENTATION and kind in (3, 4) and values == 1:
            (value,) = struct.unpack_from(order + ("H" if kind == 3 else "I"), block, at + 8)
            if 1 <= value <= 8:
                return int(value)
    return 1


def _jpeg(file: BinaryIO, head: bytes) -> Facts:
    orientation, leading = 1, True
    file.seek(2)
    while True:
        start, marker = _exactly(file.read(2), 2)
        if start != 0xFF:
            raise ValueError("the header is broken (jpeg)")
        if marker == 0xFF:
            file.seek(-1, os.SEEK_CUR)
            continue
        if marker == 0x01 or 0xD0 <= marker <= 0xD8:
            continue
        (length,) = struct.unpack(">H", file.read(2))
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            bits, height, width, components = struct.unpack(">BHHB", file.read(6))
            mode = _JPEG_MODES.get(components, "RGB")
            return Facts(
                "jpeg", width, height, mode, bits, orientation=orientation, progressive=marker in (0xC2, 0xC6)
            )
        if marker in (0xD9, 0xDA):
            raise ValueError("the header is broken (jpeg)")
        body = max(2, length) - 2
        # The first EXIF segment counts, and only before the first segment of another kind.
        leading = leading and (0xE0 <= marker <= 0xEF or marker == 0xFE)
        if leading and marker == 0xE1 and body > 6:
            taken = file.read(body)
            if taken.startswith(_EXIF):
                orientation, leading = orientation_in(taken[6:]), False
        else:
            file.seek(body, os.SEEK_CUR)


def _png(file: BinaryIO, head: bytes) -> Facts:
    length, kind, width, height, bits, colour = struct.unpack_from(">I4sIIBB", head, 8)
    (stated,) = struct.unpack_from(">I", head, 29)
    if kind != b"IHDR" or length != 13 or zlib.crc32(head[12:29]) != stated or not width or not height:
        raise ValueError("the header is broken (png)")
    mode = (
        "I;16"
        if (bits, colour) == (16, 0)
        else "1"
        if (bits, colour) == (1, 0)
        else _PNG_MODES.get(colour, "?")
    )
    facts = Facts("png", width, height, mode, bits, alpha=bool(colour & 4))
    at = 33
    while len(part := _at(file, at, 12)) >= 8:
        length, kind = struct.unpack_from(">I4s", part)
        if kind == b"tRNS":
            facts = replace(facts, alpha=True)
        elif kind == b"acTL" and len(part) == 12:
            facts = replace(facts, frames=max(1, struct.unpack_from(">I", part, 8)[0]))
        elif kind == b"eXIf" and facts.orientation == 1:
            facts = replace(facts, orientation=orientation_in(_at(file, at + 8, min(length, 1 << 20))))
        elif kind == b"IEND":
            break
        at += 12 + length
    return facts


def _gif(file: BinaryIO, head: bytes) -> Facts:
    width, height = struct.unpack_from("<HH", head, 6)
    frames = list(gif_frames(lambda at, length: _at(file, at, length)))
    if not frames:
        raise ValueError("the header is cut short (gif)")
    # A frame may claim more than the screen, and is decoded whole all the same.
    width = max([width, *(frame.width for frame in frames)])
    height = max([height, *(frame.height for frame in frames)])
    return Facts(
        "gif", width, height, "P", alpha=any(frame.transparent for frame in frames), frames=len(frames)
    )


def _bmp(file: BinaryIO, head: bytes) -> Facts:
    (info,) = struct.unpack_from("<I", head, 14)
    if info == 12:
        width, height, _, bits = struct.unpack_from("<HHHH", head, 18)
    else:
        width, height, _, bits = struct.unpack_from("<iiHH", head, 18)
    if width <= 0 or height == 0:
        raise ValueError("the header is broken (bmp)")
    return Facts("bmp", width, abs(height), "P" if bits <= 8 else "RGB", alpha=info >= 56 and bits == 32)


def _webp(file: BinaryIO, head: bytes) -> Facts:
    kind = head[12:16]
    if kind == b"VP8L":
        bits = int.from_bytes(_exactly(head[21:25], 4), "little")
        width, height, alpha = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1, bool(bits >> 28 & 1)
        return Facts("webp", width, height, "RGBA" if alpha else "RGB", alpha=alpha)
    if kind == b"VP8 ":
        width, height = struct.unpack_from("<HH", head, 26)
        return Facts("webp", width & 0x3FFF, height & 0x3FFF, "RGB")
    if kind != b"VP8X":
        raise ValueError("the header is broken (webp)")
    flags = head[20]
    width, height = (int.from_bytes(_exactly(head[at : at + 3], 3), "little") + 1 for at in (24, 27))
    orientation, frames = 1, 0
    for name, at, length in _chunks(file):
        frames += name == b"ANMF"
        if name == b"EXIF" and flags & 0x08 and orientation == 1:
            block = _at(file, at, min(length, 1 << 20))
            orientation = orientation_in(block.removeprefix(_EXIF))
    alpha = bool(flags & 0x10)
    mode = "RGBA" if alpha else "RGB"
    return Facts("webp", width, height, mode, alpha=alpha, orientation=orientation, frames=max(1, frames))


def _chunks(file: BinaryIO) -> Iterator[tuple[bytes, int, int]]:
    """Name, place of the content and its length of each chunk of a RIFF file."""
    at = 12
    while len(part := _at(file, at, 8)) == 8:
        name, length = struct.unpack("<4sI", part)
        yield name, at + 8, length
        at += 8 + length + length % 2


def _at(file: BinaryIO, at: int, length: int) -> bytes:
    file.seek(at)
    return file.read(length)


def _exactly(data: bytes, length: int) -> bytes:
    if len(data) < length:
        raise IndexError
    return data


_READERS: dict[str, Callable[[BinaryIO, bytes], Facts]] = {
    "jpeg": _jpeg, "png": _png, "gif": _gif, "bmp": _bmp, "webp": _webp,
}  # fmt: skip
