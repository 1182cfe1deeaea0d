"""The cache folder: stores of activations, compiled models and unpacked sources, and the bound on them all.

What is in it can always be made again; removing any of it, by hand too, costs time and nothing else.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from transferkit.activations.cache_entries import Checked, Entry
from transferkit.activations.cache_folders import (
    REMOVING,
    folders_in,
    remove_folder,
    remove_unused,
    size_of_folder,
    still_there,
)
from transferkit.activations.store import Store, segments_of
from transferkit.errors import UserError, fault
from transferkit.files.cache_location import cache_folder, default_max_bytes
from transferkit.files.checksummed_json import read_sealed
from transferkit.files.folder_contents import LOCK, damage_of, facts_of, files_of
from transferkit.files.lock import locked
from transferkit.type_names import NamedValues

__all__ = ["Cache"]

# Of a store's files; part of its name, so that a version with another one never meets them.
_LAYOUT = 2


@dataclass(frozen=True)
class _Unit:
    """What is evicted as a whole: a segment of a store, a compiled model, an unpacked source."""

    folder: Path
    segment: int | None
    bytes: int
    used: float


class Cache:
    """The cache below one folder.

    Args:
        folder: None takes :func:`~transferkit.files.cache_location.cache_folder`.
        max_bytes: bound on everything in it; None takes a tenth of the disk, 50 GiB at most.
    """

    def __init__(self, folder: str | os.PathLike[str] | None = None, max_bytes: int | None = None) -> None:
        self.folder = cache_folder(folder)
        self.max_bytes = default_max_bytes(self.folder) if max_bytes is None else max_bytes
        self.stores = self.folder / "activations"
        self.compiled = self.folder / "compiled"
        self.sources = self.folder / "sources"
        self.remote = self.folder / "remote"
        self.choices = self.folder / "engines"

    def store(self, identity: NamedValues, shape: tuple[int, ...], dtype: str, label: str = "") -> Store:
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
            hint = "name another with --set activations.cache_dir=DIR or TRANSFERKIT_CACHE"
            raise UserError(fault("activations.cache_dir", str(self.folder), "a folder to write in",
                                  f"{error.strerror}; {hint}")) from None  # fmt: skip

    def entries(self) -> list[Entry]:
        """All that is in the cache, used last first."""
        entries = []
        for folder in folders_in(self.stores):
            with still_there():
                store = _open(folder)
                segments = store.segments().values()
                used = max((status.st_mtime for status in segments), default=folder.stat().st_mtime)
                size = sum(status.st_size for status in segments)
                entries.append(Entry("activations", folder.name, size, len(store), used, store.about()))
        for folder in folders_in(self.compiled):
            with still_there():
                used = folder.stat().st_mtime
                entries.append(
                    Entry("compiled", folder.name, size_of_folder(folder), 0, used, _about(folder))
                )
        for folder in folders_in(self.sources):
            with still_there():
                facts, used = facts_of(folder), folder.stat().st_mtime
                files = facts["files"] if facts else sum(1 for _ in files_of(folder))
                about = {"label": facts.get("label", folder.name)}
                entries.append(Entry("source", folder.name, size_of_folder(folder), files, used, about))
        for folder in folders_in(self.remote):
            with still_there():
                names = sorted(one.name for one in folder.iterdir() if one.is_dir())
                label = next((name for name in names if not name.startswith(".")), "".join(names[:1]))
                used = folder.stat().st_mtime
                entries.append(
                    Entry("remote", folder.name, size_of_folder(folder), 0, used, {"label": label})
                )
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
        """Evicts what was unused for longest until the cache holds ``max_bytes``; returns the bytes freed.

        What a process at work uses stays, or is computed again by it.
        """
        freed = self._remove_leftovers()
        for folder in folders_in(self.stores):
            try:
                store = _open(folder)
                with locked(folder / LOCK):
                    freed += store.evict(store.unnamed_segments())
            except (OSError, ValueError):  # no store, or one that was removed meanwhile
                freed += remove_unused(folder, wait=True)
        return freed + self._evict(self.max_bytes if max_bytes is None else max_bytes, None)

    def verify(self, repair: bool = True) -> list[Checked]:
        """Reads all of the cache and compares it with what was written.

        Args:
            repair: remove what is damaged; it is made again when it is asked for.
        """
        found = []
        for folder in folders_in(self.stores):
            with still_there():
                found.append(_check_store(folder, repair))
        for kind, parent in (("compiled", self.compiled), ("source", self.sources)):
            for folder in folders_in(parent):
                with still_there():
                    found.append(_check_folder(kind, folder, repair))
        for file in sorted(self.choices.glob("*.json")) if self.choices.is_dir() else ():
            wrong = read_sealed(file) is None
            if wrong and repair:
                file.unlink(missing_ok=True)
            found.append(Checked("choice", file.stem, "engine", 1, int(wrong), wrong and repair))
        return found

    def clear(self) -> int:
        """Removes everything but sources that a process at work uses; returns the bytes freed.

        A run at work keeps what it has open and computes again what it had written.
        """
        freed = self._remove_leftovers()
        for folder in folders_in(self.stores):
            freed += remove_unused(folder, wait=True)
        for folder in (*folders_in(self.compiled), *folders_in(self.sources), *folders_in(self.remote)):
            freed += remove_unused(folder)
        freed += remove_folder(self.choices)
        for parent in (self.stores, self.compiled, self.sources, self.remote):
            with contextlib.suppress(OSError):  # some of it is used, or was made meanwhile
                parent.rmdir()
        return freed

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
            if unit.segment is None:
                # One that is used stays, and others must go in its place.
                removed = remove_unused(unit.folder)
                freed += removed
                excess -= removed
            else:
                excess -= unit.bytes
                chosen.setdefault(unit.folder, set()).add(unit.segment)
        for folder, numbers in chosen.items():
            if spare is not None and folder == spare.folder:
                freed += spare.evict(numbers)
                continue
            with contextlib.suppress(OSError, ValueError):  # removed meanwhile
                store = Store.open(folder)
                # Two writers that make room in each other's stores must not wait for each other.
                with locked(folder / LOCK, wait=spare is None) as held:
                    if held:
                        freed += store.evict(numbers)
        return freed

    def _units(self) -> Iterator[_Unit]:
        for folder in folders_in(self.stores):
            for number, status in segments_of(folder).items():
                yield _Unit(folder, number, status.st_size, status.st_mtime)
        for folder in (*folders_in(self.compiled), *folders_in(self.sources), *folders_in(self.remote)):
            with still_there():
                yield _Unit(folder, None, size_of_folder(folder), folder.stat().st_mtime)

    def _remove_leftovers(self) -> int:
        """Removes what processes left that were killed while they unpacked or removed."""
        freed = 0
        for parent in (self.stores, self.compiled, self.sources, self.remote):
            for folder in parent.glob(".*") if parent.is_dir() else ():
                freed += remove_folder(folder) if folder.name.startswith(REMOVING) else remove_unused(folder)
        return freed


def _key(identity: NamedValues) -> str:
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


def _check_store(folder: Path, repair: bool) -> Checked:
    try:
        store = _open(folder)
    except ValueError:
        # Nothing says how long a row is: all of it is made again.
        if repair:
            remove_unused(folder, wait=True)
        return Checked("activations", folder.name, "damaged store.json", 1, 1, repair)
    rows = len(store)
    damaged = store.verify(repair)
    return Checked("activations", folder.name, _label(store.about()), rows, damaged, bool(damaged) and repair)


def _check_folder(kind: str, folder: Path, repair: bool) -> Checked:
    wrong = damage_of(folder)
    facts = facts_of(folder)
    label = str(facts.get("label", "")) or _label(_about(folder))
    damaged = len(wrong) if wrong is not None else 1
    repaired = bool(damaged) and repair and remove_unused(folder) > 0
    return Checked(kind, folder.name, label, facts.get("files", 0), damaged, repaired)


def _label(about: NamedValues) -> str:
    return str(about.get("label") or f"cut {str(about.get('cut', '?'))[:12]}")


def _about(folder: Path) -> NamedValues:
    try:
        found = json.loads((folder / "about.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
