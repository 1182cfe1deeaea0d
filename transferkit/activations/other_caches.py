"""Activations that are kept elsewhere: brought into the cache before a pass, and put there after one.

Elsewhere is a folder that is another cache, or a URL. There each job puts what it computed as a part of its
own, ``activations/KEY/PART``, whose manifest is written last; nothing is changed afterwards, so jobs need no
lock. KEY is that of the cache: it stands for the frozen part with its weights and for what decides the
pixels, so that nothing of another backbone or another size can be taken for what is wanted.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from transferkit.activations.store import Store
from transferkit.errors import Faults, UserError, fault
from transferkit.files.checksum_manifest import write_manifest
from transferkit.files.remote import is_remote
from transferkit.files.remote.local_place import local_place
from transferkit.files.remote.location import Location
from transferkit.files.remote.published_folder import fetch_described, publish
from transferkit.type_names import NamedValues

__all__ = ["Elsewhere", "check_sources"]

_FOLDER = "activations"
_BLOCK_BYTES = 16 * 1024**2
# What has served this process: of these a further phase may want what was not computed there.
_served: set[str] = set()
# Facts that are told where they differ, by what they are called.
_TOLD = (
    "size",
    "resize",
    "background",
    "exif",
    "depth",
    "precision",
    "augmentation",
    "seed",
    "shape",
    "dtype",
)


class Elsewhere:
    """One such place.

    Args:
        place: a folder or a URL.
        key: the recipe's, for messages.

    Raises:
        UserError: the URL cannot be used.
    """

    def __init__(self, place: str, key: str = "activations.from") -> None:
        self.place, self._key = place, key
        self._location = Location(place, key) if is_remote(place) else None

    def stores(self) -> list[str]:
        """The stores of which it has rows."""
        if self._location is not None:
            return self._location.below(_FOLDER).children()
        folder = Path(self.place, _FOLDER)
        return sorted(one.name for one in folder.iterdir() if one.is_dir()) if folder.is_dir() else []

    def bring(
        self,
        store: Store,
        digests: np.ndarray,
        room: Callable[[int], None],
        say: Callable[[str], None],
        needed: bool = True,
    ) -> None:
        """Copies rows into a store that lacks them.

        Args:
            store: of the cache.
            digests: ``S32`` ``[n]``: those that are wanted.
            room: as of :meth:`Store.add`.
            say: is given a line where rows there are damaged, or are missing.
            needed: refuse a place that has nothing for this store.

        Raises:
            UserError: it cannot be read, or has activations of something else alone.
        """
        missing = np.unique(digests[~store.has(digests)])
        if not len(missing):
            return
        if needed and store.folder.name not in self.stores() and self.place not in _served:
            raise UserError(self._other(store))
        asked, damaged = len(missing), 0
        for part in self._parts(store.folder.name, missing):
            found, wrong = part.check(missing)
            damaged += int(wrong.sum())
            good = missing[found & ~wrong]
            _copy(part, good, store, room)
            missing = missing[~np.isin(missing, good)]
        if len(missing) < asked:
            _served.add(self.place)
        if damaged:
            say(f"{self.place}: {damaged} rows are damaged: they are computed again")
        if needed and len(missing):
            say(f"{self.place}: {len(missing)} of {asked} rows are not there: they are computed")

    def put(self, store: Store, digests: np.ndarray, label: str) -> int:
        """Puts rows of a store there, as a part of their own; gives how many were not there before.

        Args:
            store: of the cache.
            digests: ``S32`` ``[n]``, in the store.
            label: what they are, for people.

        Raises:
            UserError: it cannot be written.
        """
        assert self._location is not None  # noqa: S101 -- for the type checker: a folder is a cache itself
        digests = np.unique(digests)
        for part in self._parts(store.folder.name, digests[:0]):
            digests = digests[~part.knows(digests)]
        if not len(digests):
            return 0
        name = hashlib.sha256(digests.tobytes()).hexdigest()[:32]
        with tempfile.TemporaryDirectory(prefix="transferkit-part-") as beside:
            folder = Path(beside) / name
            facts = {key: value for key, value in store.about().items() if key not in ("shape", "dtype")}
            part = Store(folder / store.folder.name, store.layout.shape, store.layout.dtype, facts)
            _copy(store, digests, part, lambda count: None)
            (part.folder / "lock").unlink(missing_ok=True)
            write_manifest(folder, {"label": label, "rows": len(digests)})
            publish(folder, self._location.below(f"{_FOLDER}/{store.folder.name}/{name}"))
        return len(digests)

    def _parts(self, key: str, wanted: np.ndarray) -> Iterator[Store]:
        """The stores that it consists of; of a URL with the rows of those that have any that are wanted."""
        if self._location is None:
            folder = Path(self.place, _FOLDER, key)
            for one in (folder, *sorted(folder.glob(f"*/{key}"))):
                if (one / "index").is_file():
                    yield Store.open(one)
            return
        for name in self._location.below(f"{_FOLDER}/{key}").children():
            location = self._location.below(f"{_FOLDER}/{key}/{name}")
            folder = local_place(location.url)
            if fetch_described(location, folder, lambda name: not name.endswith(".seg")) is None:
                continue  # being written
            part = Store.open(folder / key)
            if len(wanted) and part.knows(wanted).any():
                fetch_described(location, folder)
                yield part
                for segment in part.segments():  # its rows are in the cache now
                    part.segment_path(segment).unlink(missing_ok=True)
            elif not len(wanted):
                yield part

    def _other(self, store: Store) -> str:
        """A line on what it has instead of what is wanted."""
        wanted = store.about()
        expected = f"activations of {wanted.get('label')}, as `transferkit features compute` writes them"
        others = [other for key in self.stores()[:20] if (other := self._about(key))]
        if not others:
            return fault(self._key, self.place, expected, "there are none")
        told = "; ".join(dict.fromkeys(_told(other, wanted) for other in others[:3]))
        return fault(self._key, self.place, expected, f"it has those of {told}")

    def _about(self, key: str) -> NamedValues | None:
        """What ``store.json`` says of a store there."""
        try:
            if self._location is None:
                folder = Path(self.place, _FOLDER, key)
                file = next(
                    one for one in (folder, *folder.glob(f"*/{key}")) if (one / "store.json").is_file()
                )
                found = json.loads((file / "store.json").read_text("utf-8"))
            else:
                within = self._location.below(f"{_FOLDER}/{key}")
                part = next(name for name in within.children())
                found = json.loads(within.read(f"{part}/{key}/store.json") or b"")
        except (OSError, ValueError, StopIteration):
            return None
        return found if isinstance(found, dict) else None


def check_sources(places: Sequence[str], key: str = "activations.from") -> None:
    """Refuses places that are not there, or cannot be read. Each has then served nobody yet.

    Args:
        places: folders and URLs.
        key: the recipe's, for messages.

    Raises:
        UserError: one line for each.
    """
    faults = Faults()
    _served.difference_update(places)
    for place in places:
        try:
            with faults.caught():
                if not Elsewhere(place, key).stores():
                    expected = "a folder or URL that `transferkit features compute` wrote"
                    hint = f"there is no {_FOLDER}/ with anything in it"
                    faults.append(fault(key, place, expected, hint))
        except OSError as error:
            faults.append(fault(key, place, "a folder that can be read", error.strerror))
    faults.refuse()


def _copy(source: Store, digests: np.ndarray, target: Store, room: Callable[[int], None]) -> None:
    """Copies rows, in pieces."""
    if not len(digests):
        return
    rows = source.rows(digests)
    block = max(1, _BLOCK_BYTES // source.layout.row_bytes)
    for start in range(0, len(digests), block):
        part = np.arange(start, min(start + block, len(digests)))
        target.add(digests[part], np.asarray(rows[part]), room)


def _told(other: NamedValues, wanted: NamedValues) -> str:
    """What a store is of, and in what it differs."""
    differing = [
        f"{name} {other.get(name, 'none')}, not {wanted.get(name, 'none')}"
        for name in _TOLD
        if other.get(name) != wanted.get(name)
    ]
    if not differing and other.get("label") == wanted.get("label"):
        differing = ["with other weights"]
    said = f" ({', '.join(differing)})" if differing else ""
    return f"{other.get('label') or 'another network'}{said}"
