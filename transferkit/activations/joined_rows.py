"""Kept rows of several networks, read as if they were one array."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from transferkit.activations.rows import Rows

__all__ = ["SideBySide"]


class SideBySide(Rows):
    """A read-only float32 array ``[N, D]``, one row an item: what each network gave, one after the other.

    Args:
        sources: for each network the arrays whose mean it is, each with int64 ``[N]``, where every item's row
            stands in it.
    """

    def __init__(self, sources: Sequence[Sequence[tuple[Any, np.ndarray]]]) -> None:
        self.shape = (len(sources[0][0][1]), sum(own[0][0].shape[-1] for own in sources))
        self.dtype = np.dtype(np.float32)
        self._sources = sources

    @property
    def nbytes(self) -> int:
        """Bytes that all of them take."""
        return int(np.prod(self.shape)) * self.dtype.itemsize

    def _gather(self, rows: np.ndarray) -> np.ndarray:
        parts = []
        for own in self._sources:
            values = [np.asarray(array[places[rows]], np.float32) for array, places in own]
            parts.append(np.mean(values, axis=0) if len(values) > 1 else values[0])
        return np.concatenate(parts, axis=-1)
