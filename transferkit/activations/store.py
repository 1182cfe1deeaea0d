"""One store: the activations of one cut, one preprocessing and one precision.

A folder with ``index`` (:mod:`transferkit.activations.index`), ``store.json``, ``lock``, and segments
``NUMBER.seg`` of some 128 MB each: plain rows, one after the other. Writing is done under the lock: rows
first, to disk, then their records. Reading needs no lock. Whole segments are evicted, those unused for
longest first; a reader that has one open keeps it. Each record holds its row's checksum; whoever uses rows
asks for those that are :meth:`~Store.damaged` first.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from transferkit.activations.checksums import row_checksums, sound_rows
from transferkit.activations.index import NOWHERE, RECORD, Index
from transferkit.activations.rows import Rows, Segment
from transferkit.files.lock import locked
from transferkit.files.whole_file import write_whole_shared
from transferkit.type_names import NamedValues

__all__ = ["SEGMENT_BYTES", "Store", "segments_of"]

# Evicted as a whole, and one open file each in a run that reads them.
SEGMENT_BYTES = 128 * 1024**2
_ABOUT = "store.json"
# A cache folder may be removed by hand while it is written; what is removed once more is given up.
_TRIES = 3


@dataclass(frozen=True)
class _Layout:
    shape: tuple[int, ...]
    dtype: str

    @property
    def row_bytes(self) -> int:
        return int(np.prod(self.shape, dtype=np.int64)) * np.dtype(self.dtype).itemsize

    @property
    def rows_per_segment(self) -> int:
        return max(1, SEGMENT_BYTES // max(1, self.row_bytes))


class Store:
    """Rows by content hash.

    Args:
        folder: where it lies; made where it is missing.
        shape: of one row.
        dtype: of what is kept, ``"float32"`` or ``"float16"``.
        about: facts for ``transferkit cache info``: what these rows are.
        make: make what is missing, also what another process removes later; False only looks.
    """

    def __init__(
        self,
        folder: Path,
        shape: tuple[int, ...],
        dtype: str,
        about: NamedValues | None = None,
        make: bool = True,
    ) -> None:
        self.folder = folder
        self.layout = _Layout(tuple(int(length) for length in shape), dtype)
        self._facts = {**(about or {}), "shape": list(self.layout.shape), "dtype": dtype}
        self._make = make
        if make:
            _despite_removal(lambda: self._make_folder(repair=about is not None))
        self._index = Index(folder / "index")
        self._index.refresh()
        self._used: set[int] = set()

    @classmethod
    def open(cls, folder: Path) -> Store:
        """Opens a store that is there.

        Raises:
            OSError: it is not.
            ValueError: its ``store.json`` is not one.
        """
        facts = json.loads((folder / _ABOUT).read_text(encoding="utf-8"))
        shape = facts.get("shape") if isinstance(facts, dict) else None
        if not isinstance(shape, list) or not all(isinstance(one, int) and one > 0 for one in shape):
            raise ValueError(f"{folder / _ABOUT} describes no store")
        if facts.get("dtype") not in ("float16", "float32"):
            raise ValueError(f"{folder / _ABOUT} describes no store")
        return cls(folder, tuple(facts["shape"]), np.dtype(facts["dtype"]).name, make=False)

    def again(self) -> Store:
        """The same store, with a view of its index of its own."""
        return Store(self.folder, self.layout.shape, self.layout.dtype, self._facts)

    def about(self) -> NamedValues:
        """What ``store.json`` says."""
        result: NamedValues = json.loads((self.folder / _ABOUT).read_text(encoding="utf-8"))
        return result

    def __len__(self) -> int:
        return len(self._index.records)

    @property
    def used_segments(self) -> frozenset[int]:
        """Segments that this object has read or written: evicting them would undo its own work."""
        return frozenset(self._used)

    def segment_path(self, number: int) -> Path:
        """The file of a segment."""
        return self.folder / f"{number:010d}.seg"

    def segments(self) -> dict[int, os.stat_result]:
        """The segment files that are there."""
        return segments_of(self.folder)

    def unnamed_segments(self) -> set[int]:
        """Segments that no record names: left by a process that was killed while it wrote or evicted."""
        self._index.refresh()
        return set(self.segments()) - set(self._index.records["segment"].tolist())

    def has(self, digests: np.ndarray, refresh: bool = True) -> np.ndarray:
        """bool ``[n]``: which rows are there.

        Args:
            digests: ``S32`` ``[n]``.
            refresh: look whether other processes wrote some.
        """
        if refresh:
            self._index.refresh()
        positions = self._index.find(digests)
        found = positions != NOWHERE
        if found.any():
            numbers = np.unique(self._index.records["segment"][positions[found]])
            sizes = self.segments()
            self._used.update(int(number) for number in numbers if int(number) in sizes)
            found[found] = self._readable(self._index.records[positions[found]], sizes)
        result: np.ndarray = found
        return result

    def knows(self, digests: np.ndarray) -> np.ndarray:
        """bool ``[n]``: which rows its index names, whether their segments are here or not."""
        self._index.refresh()
        found: np.ndarray = self._index.find(digests) != NOWHERE
        return found

    def add(self, digests: np.ndarray, rows: np.ndarray, room: Callable[[int], None] | None = None) -> None:
        """Writes rows and commits them. Rows that another process has written meanwhile are passed over.

        Args:
            digests: ``S32`` ``[n]``, distinct.
            rows: ``[n, *shape]`` of the store's dtype.
            room: called with the bytes that are about to be written, before they are.
        """
        for tries in range(_TRIES):
            try:
                self._add(digests, rows, room)
                return
            except FileNotFoundError:
                # Removed by hand beside this process: what it had is computed again when it is asked for.
                if tries == _TRIES - 1:
                    raise
                _despite_removal(self._make_folder)

    def _add(self, digests: np.ndarray, rows: np.ndarray, room: Callable[[int], None] | None) -> None:
        with self._locked():
            fresh = ~self.has(digests)
            digests, rows = digests[fresh], np.ascontiguousarray(rows[fresh])
            if not len(digests):
                return
            if room is not None:
                room(rows.nbytes)
            records = np.zeros(len(digests), RECORD)
            records["digest"] = digests
            records["segment"], records["slot"] = self._places(len(digests))
            data = memoryview(rows.data).cast("B")
            records["row_crc"] = row_checksums(self.folder.name, digests, data, self.layout.row_bytes)
            for number in np.unique(records["segment"]):
                here = np.flatnonzero(records["segment"] == number)
                self._write(int(number), int(records["slot"][here[0]]), rows[here])
            self._index.append(records)

    def rows(self, digests: np.ndarray) -> Rows:
        """The rows as one array, in the order of the digests.

        Raises:
            KeyError: one of them is not there.
        """
        with self._locked():
            # Under the lock nobody evicts; once open, a segment stays readable whatever happens to it.
            if not self.has(digests).all():
                raise KeyError("a row that was asked for is not in the store")
            records = self._index.records[self._index.find(digests)]
            opened: dict[int, Segment] = {}
            now = time.time()
            for number in np.unique(records["segment"]).tolist():
                last = int(records["slot"][records["segment"] == number].max())
                opened[number] = Segment(self.segment_path(number), last + 1, self.layout.row_bytes)
                with contextlib.suppress(OSError):  # on a disk that cannot be written
                    os.utime(self.segment_path(number), (now, now))
        return Rows(
            opened,
            records["segment"].astype(np.int64),
            records["slot"].astype(np.int64),
            self.layout.shape,
            np.dtype(self.layout.dtype),
        )

    def evict(self, numbers: set[int]) -> int:
        """Removes segments and their records; returns the bytes freed. Only under the store's lock."""
        self._index.refresh()
        records = self._index.records
        # Records first: a kill in between leaves files without records, which pruning removes.
        kept = records[~np.isin(records["segment"], list(numbers))]
        if len(kept) < len(records):
            self._index.rewrite(kept)
        freed = 0
        for number, status in self.segments().items():
            if number in numbers:
                try:
                    os.unlink(self.segment_path(number))
                except OSError:
                    continue  # Windows keeps a file that is mapped somewhere
                freed += status.st_size
        self._used -= numbers
        return freed

    def check(self, digests: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Which rows are there, and which of these are not what was written. Reads them all.

        Args:
            digests: ``S32`` ``[n]``.

        Returns:
            bool ``[n]`` twice: found (damaged ones included), damaged.
        """
        opened: dict[int, Segment] = {}
        with self._locked():
            found = self.has(digests)
            records = self._index.records[self._index.find(digests[found])]
            # Once open, a segment stays readable, so that nobody has to wait for the reading.
            for number in np.unique(records["segment"]).tolist():
                with contextlib.suppress(OSError):
                    opened[number] = Segment(self.segment_path(number), 0, self.layout.row_bytes)
        damaged = np.zeros(len(digests), bool)
        damaged[found] = ~sound_rows(self.folder.name, records, opened, self.layout.row_bytes)
        return found, damaged

    def drop(self, digests: np.ndarray) -> None:
        """Takes rows out of the index, so that they are computed again."""
        with self._locked():
            self._index.refresh()
            records = self._index.records
            self._index.rewrite(records[~np.isin(records["digest"], digests)])

    def verify(self, repair: bool = True) -> int:
        """Reads every row; returns how many are damaged or missing, and drops them with ``repair``."""
        self._index.refresh()
        digests = np.unique(self._index.records["digest"])
        found, damaged = self.check(digests)
        wrong = digests[damaged | ~found]
        if repair and len(wrong):
            self.drop(wrong)
        return len(wrong)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Holds the lock; what another process has removed is begun anew, unless this one only looks."""
        with contextlib.ExitStack() as stack:

            def acquire() -> None:
                if self._make:
                    self._make_folder()
                stack.enter_context(locked(self.folder / "lock"))

            _despite_removal(acquire)
            yield

    def _make_folder(self, repair: bool = False) -> None:
        """Makes the folder and ``store.json``; with ``repair`` also writes that anew where it is damaged."""
        self.folder.mkdir(parents=True, exist_ok=True)
        file = self.folder / _ABOUT
        facts = json.loads(json.dumps(self._facts))
        try:
            there = json.loads(file.read_text(encoding="utf-8"))
            if not repair or {**there, "label": None} == {**facts, "label": None}:
                return
        except FileNotFoundError:
            pass
        except (ValueError, TypeError):
            if not repair:
                return
        write_whole_shared(file, (json.dumps(facts, indent=2) + "\n").encode())

    def _places(self, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Segment and slot of new rows: after the last one written, in a new segment where that is full."""
        records, full = self._index.records, self.layout.rows_per_segment
        if not len(records):
            # The index may be lost, or of another version: no file that is there is written over.
            return self._spread(max([self._index.next_segment - 1, *self.segments()]) + 1, 0, count)
        number, slot = self._index.next_segment, 0
        last = int(records["segment"].max())
        used = int(records["slot"][records["segment"] == last].max()) + 1
        if last == self._index.next_segment - 1 and used < full and self.segment_path(last).exists():
            number, slot = last, used
        return self._spread(number, slot, count)

    def _spread(self, number: int, slot: int, count: int) -> tuple[np.ndarray, np.ndarray]:
        places = np.arange(slot, slot + count)
        return number + places // self.layout.rows_per_segment, places % self.layout.rows_per_segment

    def _write(self, number: int, slot: int, rows: np.ndarray) -> None:
        path = self.segment_path(number)
        file = os.open(path, os.O_WRONLY | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o666)
        try:
            os.lseek(file, slot * self.layout.row_bytes, os.SEEK_SET)
            data = memoryview(rows.data).cast("B")
            while data:
                data = data[os.write(file, data) :]
            os.fsync(file)
        finally:
            os.close(file)
        self._used.add(number)

    def _readable(self, records: np.ndarray, sizes: dict[int, os.stat_result]) -> np.ndarray:
        """bool ``[n]``: whose segment is there and long enough."""
        ends = (records["slot"].astype(np.int64) + 1) * self.layout.row_bytes
        lengths = {number: status.st_size for number, status in sizes.items()}
        return ends <= np.array([lengths.get(int(number), 0) for number in records["segment"]], np.int64)


def _despite_removal(action: Callable[[], None]) -> None:
    """Does what fails where another process removes a folder in this moment, some more times."""
    for _ in range(_TRIES * 10):
        with contextlib.suppress(FileNotFoundError, FileExistsError):
            action()
            return
    action()


def segments_of(folder: Path) -> dict[int, os.stat_result]:
    """The segment files of a store's folder by number; empty where there is none."""
    found = {}
    for path in folder.glob("*.seg"):
        if path.stem.isdigit():
            with contextlib.suppress(FileNotFoundError):  # evicted by another process meanwhile
                found[int(path.stem)] = path.stat()
    return found
