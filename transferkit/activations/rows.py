"""Rows of several segment files, read as if they were one array, in flat memory.

Small arrays are read into memory at once. Large ones are read by position through the system's page cache:
pages of a memory map that were read count as the process's memory, and the system maps sixteen or more
around each that is touched, so scattered reading soon holds the whole file; giving pages back costs more than
it saves (measured on 100 000 rows of 5 kB in random order, CPU time: mapped 0.09 s with 500 MB resident,
given back every 4 MB 0.24 s with up to 440 MB, positioned reads 0.16 s with none). And a map of a file that
is cut short beside the reader ends the process.
"""

from __future__ import annotations

import io
import os
import threading
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["IN_MEMORY_BYTES", "Rows", "Segment"]

IN_MEMORY_BYTES = 64 * 1024**2  # arrays up to this size are held in memory whole


class Segment:
    """An open segment file. It stays readable when the file is removed.

    Args:
        path: the file.
        rows: how many rows of it are needed.
        row_bytes: bytes of one.

    Raises:
        OSError: the file is missing or shorter than that.
    """

    def __init__(self, path: Path, rows: int, row_bytes: int) -> None:
        self._file = io.FileIO(path)
        self._turn = threading.Lock()
        self.bytes = rows * row_bytes
        if os.fstat(self._file.fileno()).st_size < self.bytes:
            raise OSError(f"{path} is shorter than its index says")

    def read_into(self, target: memoryview, offset: int) -> None:
        """Fills ``target`` from the bytes at ``offset``.

        Raises:
            OSError: the file was cut short meanwhile, or cannot be read there.
        """
        while target:
            count = self._read(target, offset)
            if not count:
                raise OSError(f"{self._file.name!r} was cut short")
            target, offset = target[count:], offset + count

    def _read(self, target: memoryview, offset: int) -> int:
        if hasattr(os, "preadv"):
            return os.preadv(self._file.fileno(), [target], offset)
        with self._turn:  # Windows has none: the place is the file's own
            self._file.seek(offset)
            return self._file.readinto(target) or 0


class Rows:
    """A read-only array ``[M, *shape]`` whose rows lie in segment files.

    Indexing with a number gives one row, with a slice or an integer array a new array of those rows.

    Attributes:
        shape: ``(M, *shape)``.
        dtype: as stored, float32 or float16.

    Args:
        segments: the open files by number.
        numbers: int64 ``[M]``: the segment of each row.
        slots: int64 ``[M]``: its place in there.
        shape: of one row.
        dtype: as stored.
    """

    def __init__(
        self,
        segments: dict[int, Segment],
        numbers: np.ndarray,
        slots: np.ndarray,
        shape: tuple[int, ...],
        dtype: np.dtype,
    ) -> None:
        self.shape = (len(numbers), *shape)
        self.dtype = np.dtype(dtype)
        self._segments = segments
        self._numbers = numbers
        self._slots = slots
        self._row_bytes = int(np.prod(shape, dtype=np.int64)) * self.dtype.itemsize
        self._whole: np.ndarray | None = None
        if self.nbytes <= IN_MEMORY_BYTES:
            self._whole = self._gather(np.arange(len(self)))

    def __len__(self) -> int:
        return self.shape[0]

    @property
    def nbytes(self) -> int:
        """Bytes of all rows."""
        return len(self) * self._row_bytes

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.asarray(self[:], dtype)

    def __getitem__(self, rows: Any) -> np.ndarray:
        if isinstance(rows, slice):
            rows = np.arange(*rows.indices(len(self)))
        rows = np.asarray(rows)
        if rows.dtype == bool:
            rows = np.flatnonzero(rows)
        if not rows.size:
            rows = rows.astype(np.int64)  # what an empty list becomes is an array of floats
        if not rows.ndim:
            result: np.ndarray = self[rows[np.newaxis]][0]
            return result
        flat = rows.reshape(-1)
        if len(flat) and not (-len(self) <= flat.min() and flat.max() < len(self)):
            raise IndexError(f"a row among {flat.min()} to {flat.max()} is outside 0 to {len(self) - 1}")
        return self._gather(flat).reshape(*rows.shape, *self.shape[1:])

    def _gather(self, rows: np.ndarray) -> np.ndarray:
        if self._whole is not None:
            result: np.ndarray = self._whole[rows]
            return result
        out = np.empty((len(rows), *self.shape[1:]), self.dtype)
        numbers, slots = self._numbers[rows], self._slots[rows]
        if not out.nbytes:
            return out
        target = memoryview(out.data).cast("B")
        size = self._row_bytes
        # Neighbours in the file that are neighbours here are read at once.
        breaks = (np.diff(numbers) != 0) | (np.diff(slots) != 1)
        starts = np.concatenate([[0], np.flatnonzero(breaks) + 1])
        ends = np.concatenate([starts[1:], [len(rows)]])
        for start, end, number, slot in zip(
            starts.tolist(), ends.tolist(), numbers[starts].tolist(), slots[starts].tolist(), strict=True
        ):
            self._segments[number].read_into(target[start * size : end * size], slot * size)
        return out
