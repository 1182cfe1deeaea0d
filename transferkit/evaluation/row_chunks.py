"""Tables of many images and classes in parts, so that what is computed from them never fills the memory."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

__all__ = ["row_parts"]

_CELLS = 4_000_000


def row_parts(table: np.ndarray) -> Iterator[slice]:
    """Slices of rows of ``table [N, C]`` with some millions of cells each."""
    step = max(1, _CELLS // max(1, table.shape[1]))
    for start in range(0, len(table), step):
        yield slice(start, start + step)
