"""Pictures in rows with captions, as one image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["Tile", "draw_sheet"]

_TILE, _GAP, _LINE, _TEXT = 144, 8, 20, 13
_PAPER, _INK, _SOFT = (255, 255, 255), (22, 25, 29), (85, 94, 104)


@dataclass(frozen=True)
class Tile:
    """One picture, uint8 ``[h, w, 3]``, and what stands below it."""

    pixels: np.ndarray
    caption: str = ""


def draw_sheet(title: str, header: Sequence[str], rows: Sequence[tuple[str, Sequence[Tile]]]) -> Any:
    """An RGB Pillow image: the title, the columns' names, then each row's title with its tiles below.

    Text that is wider than its place is cut short; letters that the built-in font lacks are shown as ``?``.

    Args:
        title: of the sheet.
        header: the columns' names.
        rows: title and tiles of each row.
    """
    from PIL import Image, ImageDraw, ImageFont

    columns = max([len(header), *(len(tiles) for _, tiles in rows)])
    captions = [any(tile.caption for tile in tiles) for _, tiles in rows]
    width = _GAP + columns * (_TILE + _GAP)
    height = 2 * (_LINE + _GAP) + sum(_LINE + _TILE + _GAP + (_LINE if has else 0) for has in captions)
    sheet = Image.new("RGB", (width, height), _PAPER)
    pen = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(_TEXT)

    def write(x: int, y: int, text: str, room: int, ink: tuple[int, int, int]) -> None:
        text = text.encode("latin-1", "replace").decode("latin-1")
        whole = text
        while text and pen.textlength(text if text == whole else f"{text}...", font=font) > room:
            text = text[:-1]
        pen.text((x, y), text if text == whole else f"{text}...", fill=ink, font=font)

    write(_GAP, _GAP // 2, title, width - 2 * _GAP, _INK)
    y = _LINE + _GAP
    for column, name in enumerate(header):
        write(_GAP + column * (_TILE + _GAP), y, name, _TILE, _SOFT)
    y += _LINE
    for (name, tiles), has_captions in zip(rows, captions, strict=True):
        write(_GAP, y, name, width - 2 * _GAP, _INK)
        y += _LINE
        for column, tile in enumerate(tiles):
            x = _GAP + column * (_TILE + _GAP)
            picture = Image.fromarray(tile.pixels)
            scale = _TILE / max(picture.size)
            picture = picture.resize((round(picture.width * scale), round(picture.height * scale)))
            sheet.paste(picture, (x, y))
            write(x, y + _TILE, tile.caption, _TILE, _SOFT)
        y += _TILE + _GAP + (_LINE if has_captions else 0)
    return sheet
