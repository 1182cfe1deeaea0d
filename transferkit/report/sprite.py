"""Many thumbnails in one picture: tiles side by side, row after row."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from transferkit.data.check.thumbnail import small_image

__all__ = ["sprite"]


def sprite(files: Sequence[str | Path], tile: int, background: tuple[int, int, int] = (128, 128, 128)) -> Any:
    """An RGB Pillow image of square tiles, as many a row as there are rows.

    Args:
        files: of the photos; what cannot be read has an empty tile.
        tile: pixels of a tile's side.
        background: of what a photo leaves free.
    """
    from PIL import Image

    across = max(1, math.ceil(math.sqrt(len(files))))
    sheet = Image.new("RGB", (across * tile, math.ceil(max(1, len(files)) / across) * tile), background)
    for number, file in enumerate(files):
        image = small_image(file, tile)
        if image is not None:
            left, top = (number % across) * tile, (number // across) * tile
            sheet.paste(image, (left + (tile - image.width) // 2, top + (tile - image.height) // 2))
    return sheet
