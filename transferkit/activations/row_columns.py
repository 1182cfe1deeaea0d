"""Some columns of kept rows, read as if they were all that is kept."""

from __future__ import annotations

from typing import Any

import numpy as np

from transferkit.activations.rows import Rows

__all__ = ["Columns"]


class Columns(Rows):
    """A read-only array ``[M, K]`` of ``K`` columns of rows ``[M, D]``.

    Args:
        rows: what is kept.
        columns: int64 ``[K]``: which of its columns, in the order wanted.
    """

    def __init__(self, rows: Rows, columns: np.ndarray) -> None:
        self.shape = (len(rows), len(columns))
        self.dtype = rows.dtype
        self._rows = rows
        self._columns = np.asarray(columns)

    @property
    def nbytes(self) -> int:
        """Bytes that these columns take."""
        return len(self) * len(self._columns) * self.dtype.itemsize

    def __getitem__(self, rows: Any) -> np.ndarray:
        return self._rows[rows][..., self._columns]
