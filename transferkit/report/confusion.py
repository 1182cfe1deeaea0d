"""The confusion matrix so that it can be read: cells with numbers for few classes, a picture for many."""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np

from transferkit.data.check.thumbnail import data_uri
from transferkit.evaluation.confusions import Confused, confused_pairs

__all__ = ["Matrix", "matrix"]

# A table of more columns than this no longer fits a screen; then a picture with labels takes over.
MOST_COLUMNS = 24
# What the script that names the cell under the pointer may weigh.
_MOST_CELLS = 20_000


@dataclass(frozen=True)
class Matrix:
    """What the page draws.

    Attributes:
        classes: names in order.
        cells: rows of (count, share of the row) for a table, or None where a picture takes over.
        picture: PNG data URI of ``[C, C]`` pixels, transparent where nothing is.
        cell: pixels a cell in the large view.
        pairs: the most frequent confusions.
        found: JSON of ``[true, said, count]`` for the cell under the pointer.
    """

    classes: tuple[str, ...]
    cells: list[list[tuple[int, float]]] | None
    picture: str | None
    cell: int
    pairs: list[Confused]
    found: str


def matrix(confusion: np.ndarray, classes: tuple[str, ...]) -> Matrix:
    """Prepares int ``confusion [C, C]`` (rows the truth) for the page."""
    share = confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    small = len(classes) <= MOST_COLUMNS
    cells = None
    if small:
        cells = [
            [(int(n), float(s)) for n, s in zip(counts, shares, strict=True)]
            for counts, shares in zip(confusion, share, strict=True)
        ]
    filled = np.argwhere(confusion)
    listed = (
        []
        if small or len(filled) > _MOST_CELLS
        else [[int(t), int(p), int(confusion[t, p])] for t, p in filled]
    )
    return Matrix(
        classes=classes,
        cells=cells,
        picture=None if small else _picture(share),
        cell=16 if len(classes) <= 60 else 12,
        pairs=confused_pairs(confusion, classes),
        found=json.dumps(listed, separators=(",", ":")),
    )


def _picture(share: np.ndarray) -> str:
    """Green for the diagonal, red off it, both stronger with the share: on a dark page as on a light one."""
    from PIL import Image

    pixels = np.zeros((*share.shape, 4), dtype=np.uint8)
    pixels[...] = (214, 69, 0, 0)
    # The root and a floor lift rare confusions, which are what one looks for, above the background.
    pixels[..., 3] = np.where(share > 0, 70 + 185 * np.sqrt(share), 0).round()
    right = np.arange(len(share))
    pixels[right, right, :3] = (0, 140, 105)
    return data_uri(Image.fromarray(pixels, "RGBA"), "PNG")
