"""The index of a store: which row stands where, as fixed-size records that are appended and checked.

The file opens with :data:`HEADER` (mark, first segment number not yet used, a random number) and goes on with
:data:`RECORD`.
A record is appended after the row that it names is on disk: it is the commit. What a killed process leaves is
at worst a torn last record, whose checksum is wrong; it is not read, and the next writer cuts it off. A
damaged record among sound ones is passed over, and its row is computed again.
Segment numbers are never used twice, so an index read earlier never names another row's place. They begin at
a random number, since a cache that was removed is begun anew beside processes that still use what it held.
The header's random number tells a new index from the one that was read: file systems give inodes again.
"""

from __future__ import annotations

import os
import secrets
import zlib
from pathlib import Path

import numpy as np

__all__ = ["HEADER", "NOWHERE", "RECORD", "Index", "digests_of"]

_MARK = b"TKACTIV3"
HEADER = np.dtype([("mark", "S8"), ("next_segment", "<u4"), ("number", "<u8"), ("crc", "<u4")])
RECORD = np.dtype(
    [("digest", "S32"), ("segment", "<u4"), ("slot", "<u4"), ("row_crc", "<u4"), ("crc", "<u4")]
)
NOWHERE = -1
# Bytes that the checksum at the end of each covers.
_CHECKED, _CHECKED_HEADER = RECORD.itemsize - 4, HEADER.itemsize - 4


def digests_of(hashes: list[str]) -> np.ndarray:
    """Content hashes (64 hexadecimal digits each) as ``S32`` ``[n]``, the currency of index and store."""
    return np.frombuffer(bytes.fromhex("".join(hashes)), "S32")


class Index:
    """An index file, read as far as it has been written.

    Attributes:
        records: :data:`RECORD` ``[n]``, in the order of writing.
        next_segment: first segment number that was never used, as far as the header knows.
        header: what the file begins with, another one each time that it is written anew; empty where it is
            missing.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.records = np.empty(0, RECORD)
        self.next_segment = secrets.randbits(30)
        self._sorted = np.empty(0, "S32")
        self._order = np.empty(0, np.int64)
        self.header = b""
        self._end = 0  # of what was read: with the header, all that is needed to see whether others wrote

    def refresh(self) -> bool:
        """Reads what was written since the last time; True where that was anything."""
        try:
            with open(self.path, "rb") as file:
                header = file.read(HEADER.itemsize)
                size = os.fstat(file.fileno()).st_size
                if header == self.header and size == self._end:
                    return False
                if header != self.header or size < self._end:
                    # Evicted or removed by another process, and written anew.
                    self.__init__(self.path)  # type: ignore[misc]
                    self.header = header
                    readable, self.next_segment = _read_header(header)
                    if not readable:
                        return True  # of another version: the next writer starts the file anew
                    self._end = HEADER.itemsize
                file.seek(self._end)
                data = file.read()
        except FileNotFoundError:
            changed = len(self.records) > 0
            self.__init__(self.path)  # type: ignore[misc]
            return changed
        fresh, length = _sound(data)
        self.records = np.concatenate([self.records, fresh])
        # Bytes after the last sound record stay unread until they are one.
        self._end += length
        if len(self.records):
            self.next_segment = max(self.next_segment, int(self.records["segment"].max()) + 1)
        self._order = np.argsort(self.records["digest"], kind="stable")
        self._sorted = self.records["digest"][self._order]
        return True

    def find(self, digests: np.ndarray) -> np.ndarray:
        """Positions in :attr:`records`, int64 ``[n]``, :data:`NOWHERE` for digests that are not there."""
        if not len(self._sorted):
            return np.full(len(digests), NOWHERE, np.int64)
        # The last record of a digest counts: it was written because the place before was lost.
        at = np.maximum(np.searchsorted(self._sorted, digests, side="right") - 1, 0)
        return np.where(self._sorted[at] == digests, self._order[at], NOWHERE)

    def append(self, records: np.ndarray) -> None:
        """Commits records whose rows are on disk. Only under the store's lock, after :meth:`refresh`."""
        end = self._end
        with open(self.path, "r+b" if end else "w+b") as file:
            if not end:
                file.write(_header(self.next_segment))
                end = HEADER.itemsize
            file.truncate(end)  # a torn record of a killed writer
            file.seek(end)
            file.write(_sealed(records).tobytes())
            file.flush()
            os.fsync(file.fileno())
        self.refresh()

    def rewrite(self, records: np.ndarray) -> None:
        """Replaces the file by one with these records alone. Only under the store's lock."""
        beside = self.path.with_suffix(".new")
        with open(beside, "wb") as file:
            file.write(_header(self.next_segment))
            file.write(_sealed(records).tobytes())
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, self.path)
        self.refresh()


def _header(next_segment: int) -> bytes:
    start = np.array([(_MARK, next_segment, secrets.randbits(64), 0)], HEADER).tobytes()[:_CHECKED_HEADER]
    return start + np.array([zlib.crc32(start)], "<u4").tobytes()


def _read_header(data: bytes) -> tuple[bool, int]:
    """Whether records of this version follow, and the first segment number that was never used."""
    header = np.frombuffer(data.ljust(HEADER.itemsize, b"\0"), HEADER)[0]
    if zlib.crc32(data[:_CHECKED_HEADER]) != header["crc"]:
        return True, 0  # damaged: the records have checksums of their own
    return header["mark"] == _MARK, int(header["next_segment"])


def _sealed(records: np.ndarray) -> np.ndarray:
    records = records.copy()
    records["crc"] = [zlib.crc32(record.tobytes()[:_CHECKED]) for record in records]
    return records


def _sound(data: bytes) -> tuple[np.ndarray, int]:
    """The records whose checksum is right, and the length of ``data`` up to the end of the last of them."""
    records = np.frombuffer(data, RECORD, count=len(data) // RECORD.itemsize)
    view, size = memoryview(data), RECORD.itemsize
    sums = [zlib.crc32(view[start : start + _CHECKED]) for start in range(0, len(records) * size, size)]
    sound = np.flatnonzero(records["crc"] == np.array(sums, np.uint32))
    return records[sound], (int(sound[-1]) + 1) * size if len(sound) else 0
