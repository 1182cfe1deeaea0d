"""The same photos in other encodings: what users send is not what training read.

Each variant is made with Pillow from a held-out photo, at most ``SIDE`` pixels a side. What is compared later
is the network and the artefact on the same bytes, so a variant need not look like its photo.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

__all__ = ["SIDE", "VARIANTS", "write_colours", "write_variants"]

SIDE = 512


def _alpha(image: Any) -> Any:
    """A photo that is half transparent along a gradient."""
    from PIL import Image

    faded = image.convert("RGBA")
    faded.putalpha(Image.linear_gradient("L").resize(faded.size))
    return faded


# Name, ending, what is done to an RGB image, arguments of Pillow's ``save``.
VARIANTS: tuple[tuple[str, str, Callable[[Any], Any], dict[str, Any]], ...] = (
    ("jpeg", ".jpg", lambda image: image, {"quality": 90}),
    ("png", ".png", lambda image: image, {}),
    ("greyscale", ".jpg", lambda image: image.convert("L"), {"quality": 90}),
    ("cmyk", ".jpg", lambda image: image.convert("CMYK"), {"quality": 90}),
    ("palette", ".png", lambda image: image.quantize(64), {}),
    ("alpha", ".png", _alpha, {}),
)


def write_variants(photos: Sequence[str | Path], folder: Path) -> dict[str, Path]:
    """Writes each variant from the photos in turn.

    Args:
        photos: files that Pillow can read, at least one.
        folder: where to.

    Returns:
        Variant to file; empty where Pillow reads none of the photos.
    """
    from PIL import Image

    images = []
    for photo in photos[: len(VARIANTS)]:
        try:
            with Image.open(photo) as opened:
                opened.draft("RGB", (SIDE, SIDE))
                opened.thumbnail((SIDE, SIDE))
                images.append(opened.convert("RGB"))
        except (OSError, ValueError, Image.DecompressionBombError):
            continue
    written: dict[str, Path] = {}
    for number, (name, ending, change, settings) in enumerate(VARIANTS):
        if images:
            file = folder / f"{name}{ending}"
            change(images[number % len(images)]).save(file, **settings)
            written[name] = file
    return written


def write_colours(file: Path) -> str:
    """Writes a PNG of fields in strong colours, wider than high: turned channels or sides show."""
    import numpy as np
    from PIL import Image

    fields = np.random.default_rng(0).choice([0, 96, 255], (5, 8, 3)).astype(np.uint8)
    Image.fromarray(fields.repeat(23, axis=0).repeat(19, axis=1)).save(file)
    return str(file)
