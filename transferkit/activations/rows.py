"""Rows of several memory-mapped segment files, read as if they were one array."""

from __future__ import annotations

import itertools
import mmap
import os
from pathlib import Path

import numpy as np

__all__ = ["Rows", "map_segment"]

# Pages that were read count as this process's memory until they are given back; the system keeps them cached.
_GIVE_BACK = 4 * 1024**2


def map_segment(path: Path, rows: int, row_bytes: int) -> mmap.mmap:
    """Maps the first rows of a segment file. The map outlives the file's removal.

    Raises:
        OSError: the file is missing or shorter.
    """
    with open(path, "rb") as file:
        if os.fstat(file.fileno()).st_size < rows * row_bytes:
            raise OSError(f"{path} is shorter than its index says")
        return mmap.mmap(file.fileno(), rows * row_bytes, access=mmap.ACCESS_READ)


class Rows:
    """A read-only array ``[M, *shape]`` whose rows lie in memory-mapped files.

    Indexing with a number gives one row, with a slice or an integer array a new array of those rows. Memory
    use stays flat however much is read: pages are given back to the system as reading goes on.

    Attributes:
        shape: ``(M, *shape)``.
        dtype: as stored, float32 or float16.
    """

    def __init__(
        self,
        maps: dict[int, mmap.mmap],
        segments: np.ndarray,
        slots: np.ndarray,
        shape: tuple[int, ...],
        dtype: np.dtype,
    ) -> None:
        self.shape = (len(segments), *shape)
        self.dtype = np.dtype(dtype)
        self._maps = maps
        self._views = {
            number: np.frombuffer(mapped, dtype).reshape(-1, *shape) for number, mapped in maps.items()
        }
        self._segments = segments
        self._slots = slots
        self._row_bytes = int(np.prod(shape, dtype=np.int64)) * self.dtype.itemsize
        self._read = 0

    def __len__(self) -> int:
        return self.shape[0]

    @property
    def nbytes(self) -> int:
        """Bytes of all rows."""
        return len(self) * self._row_bytes

    def __array__(self, dtype=None, copy=None) -> np.ndarray:
        return np.asarray(self[:], dtype)

    def __getitem__(self, rows) -> np.ndarray:
        if isinstance(rows, slice):
            rows = np.arange(*rows.indices(len(self)))
        rows = np.asarray(rows)
        if rows.dtype == bool:
            rows = np.flatnonzero(rows)
        if not rows.size:
            rows = rows.astype(np.int64)  # what an empty list becomes is an array of floats
        if not rows.ndim:
            return self[rows[np.newaxis]][0]
        flat = rows.reshape(-1)
        if len(flat) and not (-len(self) <= flat.min() and flat.max() < len(self)):
            raise IndexError(f"a row among {flat.min()} to {flat.max()} is outside 0 to {len(self) - 1}")
        return self._gather(flat).reshape(*rows.shape, *self.shape[1:])

    def _gather(self, rows: np.ndarray) -> np.ndarray:
        out = np.empty((len(rows), *self.shape[1:]), self.dtype)
        segments, slots = self._segments[rows], self._slots[rows]
        order = np.argsort(segments, kind="stable")
        bounds = np.flatnonzero(np.diff(segments[order], prepend=-1, append=-1))
        for start, end in itertools.pairwise(bounds):
            places = order[start:end]
            out[places] = self._views[int(segments[places[0]])][slots[places]]
        self._read += out.nbytes
        if self._read >= _GIVE_BACK:
            self._read = 0
            self._give_back()
        return out

    def _give_back(self) -> None:
        if hasattr(mmap, "MADV_DONTNEED"):
            for mapped in self._maps.values():
                mapped.madvise(mmap.MADV_DONTNEED)
