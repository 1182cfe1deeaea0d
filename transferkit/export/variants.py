"""The same photos in other encodings: what users send is not what training read.

Each variant is made with Pillow from a held-out photo, at most ``SIDE`` pixels a side. What is compared later
is the network and the artefact on the same bytes, so a variant need not look like its photo.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from transferkit.data.pixels.decoding import Decoding
from transferkit.data.pixels.pillow import pillow_reason
from transferkit.data.reader import read_image

__all__ = ["SIDE", "VARIANTS", "Variant", "write_colours", "write_variants"]

SIDE = 512
_PHOTOS = 6  # that take turns


def _alpha(image: Any) -> Any:
    """A photo that is half transparent along a gradient."""
    from PIL import Image

    faded = image.convert("RGBA")
    faded.putalpha(Image.linear_gradient("L").resize(faded.size))
    return faded


def _deep(bits: int) -> Callable[[Any], Any]:
    """16-bit samples of which so many bits are in use."""

    def change(image: Any) -> Any:
        import numpy as np
        from PIL import Image

        return Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * (((1 << bits) - 1) // 255))

    return change


def _exif(orientation: int, little: bool = True) -> bytes:
    """EXIF with this entry alone, in either byte order."""
    order = "<" if little else ">"
    head = (b"II*\0" if little else b"MM\0*") + struct.pack(order + "I", 8)
    return b"Exif\0\0" + head + struct.pack(order + "HHHIHHI", 1, 0x0112, 3, 1, orientation, 0, 0)


@dataclass(frozen=True)
class Variant:
    """One encoding: its name and ending, what is done to an RGB image, and how that is saved.

    Attributes:
        name: as ``parity.json`` shows it.
        ending: of the file.
        change: makes the image that is saved.
        settings: arguments of Pillow's ``save``.
        side: longer side in pixels.
    """

    name: str
    ending: str
    change: Callable[[Any], Any] = lambda image: image
    settings: Mapping[str, Any] = field(default_factory=dict)
    side: int = SIDE // 2


VARIANTS = (
    Variant("jpeg", ".jpg", settings={"quality": 90}, side=SIDE),
    Variant("png", ".png", side=SIDE),
    Variant("greyscale", ".jpg", lambda image: image.convert("L"), {"quality": 90}, SIDE),
    Variant("cmyk", ".jpg", lambda image: image.convert("CMYK"), {"quality": 90}, SIDE),
    Variant("palette", ".png", lambda image: image.quantize(64), side=SIDE),
    Variant("alpha", ".png", _alpha, side=SIDE),
    Variant("alpha grey", ".png", lambda image: _alpha(image).convert("LA")),
    Variant(
        "alpha palette", ".png", lambda image: image.quantize(64), {"transparency": bytes(range(0, 256, 4))}
    ),
    Variant("alpha colour", ".png", lambda image: image.convert("L"), {"transparency": 128}),
    Variant("alpha webp", ".webp", _alpha, {"lossless": True}),
    Variant("gif", ".gif", lambda image: image.quantize(64), {"transparency": 3}),
    Variant("deep", ".png", _deep(16)),
    Variant("deep 12 bits", ".png", _deep(12)),
    *(Variant(f"exif {turn}", ".jpg", settings={"exif": _exif(turn, turn % 2 == 1)}) for turn in range(1, 9)),
    Variant("exif out of range", ".jpg", settings={"exif": _exif(9)}),
    Variant("exif cut short", ".jpg", settings={"exif": _exif(6)[:-8]}),
    Variant("exif png", ".png", settings={"exif": _exif(6)}),
    Variant("exif webp", ".webp", settings={"exif": _exif(8, little=False)}),
)


def write_variants(
    photos: Sequence[str | Path], folder: Path, decoding: Decoding
) -> tuple[dict[str, Path], dict[str, str]]:
    """Writes each variant from the photos in turn.

    Nothing that goes wrong here ends a run, whose training is done by then: a variant that cannot be made,
    or that this machine cannot read again, is left out and named.

    Args:
        photos: files of any kind.
        folder: where to.
        decoding: how the run makes pixels.

    Returns:
        Variant to file, empty where none of the photos can be read; and the reasons of those left out.
    """
    from PIL import Image

    large = replace(decoding, size=(SIDE, SIDE), resize="stretch")
    images = []
    for photo in photos[:_PHOTOS]:
        try:
            images.append(Image.fromarray(read_image(photo, large)))
        except Exception:  # whatever a damaged file brings about
            continue
    written: dict[str, Path] = {}
    reasons: dict[str, str] = {}
    for number, variant in enumerate(VARIANTS if images else ()):
        file = folder / f"{variant.name.replace(' ', '-')}{variant.ending}"
        try:
            image = images[number % len(images)].resize((variant.side, variant.side * 3 // 4))
            variant.change(image).save(file, **variant.settings)
            read_image(file, decoding)
            written[variant.name] = file
        except Exception as error:  # Pillow's writers raise as many kinds as its readers
            reasons[variant.name] = pillow_reason(error)
    return written, reasons


def write_colours(file: Path) -> str:
    """Writes a PNG of fields in strong colours, wider than high: turned channels or sides show."""
    import numpy as np
    from PIL import Image

    fields = np.random.default_rng(0).choice([0, 96, 255], (5, 8, 3)).astype(np.uint8)
    Image.fromarray(fields.repeat(23, axis=0).repeat(19, axis=1)).save(file)
    return str(file)
