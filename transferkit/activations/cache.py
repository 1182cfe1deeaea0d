"""The cache folder: all stores of activations and all compiled models, and the bound on both together.

What is in it can always be made again; removing any of it, by hand too, costs time and nothing else.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transferkit.activations.location import cache_folder, default_max_bytes
from transferkit.activations.store import Store, segments_of
from transferkit.errors import UserError, fault
from transferkit.file_lock import locked

__all__ = ["Cache", "Entry"]

# Of a store's files; part of its name, so that a version with another one never meets them.
_LAYOUT = 2


@dataclass(frozen=True)
class Entry:
    """One store or one compiled model, for ``transferkit cache info``.

    Attributes:
        kind: ``"activations"`` or ``"compiled"``.
        key: its name in the cache folder.
        bytes: its size on disk.
        rows: rows of a store, else 0.
        used: when it was last used, seconds since 1970.
        about: what it is.
    """

    kind: str
    key: str
    bytes: int
    rows: int
    used: float
    about: dict[str, Any]


@dataclass(frozen=True)
class _Unit:
    """What is evicted as a whole: a segment of a store, or a compiled model."""

    folder: Path
    segment: int | None
    bytes: int
    used: float


class Cache:
    """The cache below one folder.

    Args:
        folder: None takes :func:`transferkit.activations.location.cache_folder`.
        max_bytes: bound on everything in it; None takes a tenth of the disk, 50 GiB at most.
    """

    def __init__(self, folder: str | os.PathLike | None = None, max_bytes: int | None = None) -> None:
        self.folder = cache_folder(folder)
        self.max_bytes = default_max_bytes(self.folder) if max_bytes is None else max_bytes
        self.stores = self.folder / "activations"
        self.compiled = self.folder / "compiled"
        self.choices = self.folder / "engines"

    def store(self, identity: dict[str, Any], shape: tuple[int, ...], dtype: str, label: str = "") -> Store:
        """Opens the store of what ``identity`` describes, or makes it.

        Args:
            identity: everything that the rows depend on besides the image: JSON values.
            shape: of one row.
            dtype: ``"float32"`` or ``"float16"``.
            label: what the rows are, for people; no part of the key.

        Raises:
            UserError: the folder cannot be written.
        """
        identity = {**identity, "layout": _LAYOUT}
        key = _key({**identity, "shape": list(shape), "dtype": dtype})
        try:
            return Store(self.stores / key, shape, dtype, {"label": label, **identity})
        except OSError as error:
            mend = "name another with --set activations.cache_dir=DIR or TRANSFERKIT_CACHE"
            raise UserError(fault("activations.cache_dir", str(self.folder), "a folder to write in",
                                  f"{error.strerror}; {mend}")) from None  # fmt: skip

    def entries(self) -> list[Entry]:
        """All that is in the cache, used last first."""
        entries = []
        for folder in _folders(self.stores):
            try:
                store = Store.open(folder)
            except (OSError, ValueError):
                continue
            segments = store.segments().values()
            used = max((status.st_mtime for status in segments), default=folder.stat().st_mtime)
            size = sum(status.st_size for status in segments)
            entries.append(Entry("activations", folder.name, size, len(store), used, store.about()))
        for folder in _folders(self.compiled):
            used = folder.stat().st_mtime
            entries.append(Entry("compiled", folder.name, _size(folder), 0, used, _about(folder)))
        return sorted(entries, key=lambda entry: -entry.used)

    def bytes(self) -> int:
        """The size of all that is bounded."""
        return sum(unit.bytes for unit in self._units())

    def make_room(self, bytes_: int, spare: Store) -> None:
        """Evicts what was unused for longest until ``bytes_`` more fit.

        Args:
            bytes_: what is about to be written.
            spare: the store of the run at work, whose lock is held; the segments it uses stay.
        """
        self._evict(self.max_bytes - bytes_, spare)

    def prune(self, max_bytes: int | None = None) -> int:
        """Evicts what was unused for longest until the cache holds ``max_bytes``; returns the bytes freed."""
        freed = 0
        for folder in _folders(self.stores):
            try:
                store = Store.open(folder)
            except (OSError, ValueError):
                freed += _remove(folder)
                continue
            with locked(folder / "lock"):
                freed += store.evict(store.unnamed_segments())
        return freed + self._evict(self.max_bytes if max_bytes is None else max_bytes, None)

    def verify(self) -> int:
        """Reads all activations, drops rows whose check sum is wrong, and returns how many those were."""
        return sum(Store.open(folder).verify() for folder in _folders(self.stores))

    def clear(self) -> int:
        """Removes everything; returns the bytes freed. A run at work keeps what it has mapped."""
        return sum(_remove(part) for part in (self.stores, self.compiled, self.choices) if part.exists())

    def _evict(self, limit: int, spare: Store | None) -> int:
        units = sorted(self._units(), key=lambda unit: unit.used)
        excess = sum(unit.bytes for unit in units) - limit
        chosen: dict[Path, set[int]] = {}
        freed = 0
        for unit in units:
            if excess <= 0:
                break
            own = spare is not None and unit.folder == spare.folder
            if own and unit.segment in spare.used_segments:  # type: ignore[union-attr]
                continue
            excess -= unit.bytes
            if unit.segment is None:
                freed += _remove(unit.folder)
            else:
                chosen.setdefault(unit.folder, set()).add(unit.segment)
        for folder, numbers in chosen.items():
            if spare is not None and folder == spare.folder:
                freed += spare.evict(numbers)
                continue
            # Two writers that make room in each other's stores must not wait for each other.
            with locked(folder / "lock", wait=spare is None) as held:
                if held:
                    freed += Store.open(folder).evict(numbers)
        return freed

    def _units(self) -> Iterator[_Unit]:
        for folder in _folders(self.stores):
            for number, status in segments_of(folder).items():
                yield _Unit(folder, number, status.st_size, status.st_mtime)
        for folder in _folders(self.compiled):
            yield _Unit(folder, None, _size(folder), folder.stat().st_mtime)


def _key(identity: dict[str, Any]) -> str:
    """The name of the store that is described so."""
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:32]


def _open(folder: Path) -> Store:
    """A store, whose description must be that which it is named by.

    Raises:
        OSError: it is not there.
        ValueError: what ``store.json`` says is damaged, or the folder holds something else.
    """
    store = Store.open(folder)
    if _key({name: value for name, value in store.about().items() if name != "label"}) != folder.name:
        raise ValueError(f"{folder} is not the store that its store.json describes")
    return store


def _folders(parent: Path) -> list[Path]:
    return sorted(path for path in parent.iterdir() if path.is_dir()) if parent.is_dir() else []


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _remove(folder: Path) -> int:
    size = _size(folder)
    shutil.rmtree(folder, ignore_errors=True)
    return size


def _about(folder: Path) -> dict[str, Any]:
    try:
        return json.loads((folder / "about.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
