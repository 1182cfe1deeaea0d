"""Runs a cut's frozen prefix once on each distinct image, and never again while the cache holds the result.

::

    result = compute(cut, items, decoding=Decoding((224, 224)), progress=bar)
    result.rows        # int64 [len(items)]: where each item's activations stand, -1 where it is unreadable
    result.array       # [M, *cut.shape], read only, in the cache; index it with rows
    result.take(some)  # float32 [len(some), *cut.shape] of items by their index
    result.failures    # what could not be read: index, path, reason
    result.stats       # images computed and found, seconds, engine, bytes

With ``views`` the rows are ``[len(items), K]``, one a view. ``cut`` is anything like
:class:`transferkit.activations.prefix_engine.CutLike`.

Every row that is found is checked against the index's checksum before it is handed out; what is damaged is
computed again.

Decoding runs in threads beside the engine, writing in one more. A run that is killed loses what it computed
in the last two seconds. Two processes that need the same images share the work: the second begins at the end.
"""

from __future__ import annotations

import contextlib
import logging
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from transferkit.activations.cache import Cache
from transferkit.activations.choose_engine import choose_engine
from transferkit.activations.feature_request import FeatureRequest
from transferkit.activations.prefix_engine import CutLike, Engine
from transferkit.activations.rows import Rows
from transferkit.activations.store import Store
from transferkit.activations.views import Views
from transferkit.activations.writer import HalfOverflow, Writer
from transferkit.data.pixels.decoding import Decoding
from transferkit.data.reader import Unreadable, read_images
from transferkit.errors import UserError, fault
from transferkit.files.cache_location import disk_usage, writable_cache_folder
from transferkit.files.lock import locked

__all__ = ["HALF_FROM_BYTES", "Activations", "CutLike", "Stats", "compute"]

# Pixels that are decoded ahead: while engines are made and compared, decoding goes on beside that.
_AHEAD_BYTES = 128 * 1024**2

# How often what another process removed meanwhile is computed again.
_TRIES = 3

_log = logging.getLogger("transferkit.activations")

# ``dtype = "auto"`` keeps rows that take more than this in float32 as float16. Pooled features stay below.
HALF_FROM_BYTES = 64 * 1024


@dataclass(frozen=True)
class Stats:
    """What a computation did.

    Attributes:
        distinct: distinct images asked for.
        computed: of these, how many were decoded and went through the prefix now.
        found: of these, how many were in the cache.
        damaged: how many rows in the cache were not what had been written, and were computed again.
        seconds: wall-clock time of all of it.
        engine: name of the engine that ran, or None where nothing was computed.
        dtype: what the activations are kept in.
        bytes: size of the activations of the distinct images.
    """

    distinct: int
    computed: int
    found: int
    damaged: int
    seconds: float
    engine: str | None
    dtype: str
    bytes: int


@dataclass(frozen=True)
class Activations:
    """Outputs at the cut.

    Attributes:
        rows: int64 ``[N]``, or ``[N, K]`` with views: row of each item in :attr:`array`, -1 where unreadable.
        array: ``[M, *shape]``, indexed like an array; read only.
        failures: the items that could not be read.
        stats: what it took.
    """

    rows: np.ndarray
    array: Rows
    failures: tuple[Unreadable, ...]
    stats: Stats

    def take(self, indices: Sequence[int] | np.ndarray, view: int = 0) -> np.ndarray:
        """float32 ``[len(indices), *shape]`` of items by their index.

        Raises:
            IndexError: an item among them is unreadable.
        """
        rows = self.rows[np.asarray(indices, np.int64)]
        rows = rows if rows.ndim == 1 else rows[:, view]
        if (rows < 0).any():
            raise IndexError("an unreadable image has no activations")
        return np.asarray(self.array[rows], np.float32)


def compute(
    cut: CutLike,
    items: Sequence[tuple[str, str | os.PathLike[str]]],
    *,
    decoding: Decoding,
    engine: str = "auto",
    batch_size: int = 64,
    threads: int | None = None,
    cache_dir: str | os.PathLike[str] | None = None,
    max_bytes: int | None = None,
    dtype: str = "auto",
    views: Views | None = None,
    label: str = "",
    progress: Callable[[int, int], None] | None = None,
    say: Callable[[str], None] = _log.warning,
) -> Activations:
    """Computes the activations of images, or finds them.

    Args:
        cut: the frozen prefix.
        items: content hash (64 hexadecimal digits) and file of each image, in the caller's order.
        decoding: what decides the pixels.
        engine: ``"auto"`` or one of :data:`transferkit.activations.choose_engine.ENGINES`.
        batch_size: images that are decoded ahead together and given to the engine at once.
        threads: threads that decode; None takes as many as the process has cores.
        cache_dir: folder of the cache; None takes the user's.
        max_bytes: bound of the cache; None takes a tenth of the disk, 50 GiB at most.
        dtype: ``"float32"``, ``"float16"``, or ``"auto"``: float16 for rows above :data:`HALF_FROM_BYTES`.
        views: augmented views to compute instead of the images themselves.
        label: what ``transferkit cache info`` shows for these activations.
        progress: receives (distinct images done, distinct images in all).
        say: receives a line where the cache is damaged, or was removed meanwhile.

    Returns:
        The activations of every readable image, and the failures.

    Raises:
        UserError: they do not fit into ``max_bytes`` or on the disk, the folder cannot be written, or the
            engine that is named is unavailable.
    """
    started = time.perf_counter()
    cache = Cache(writable_cache_folder(cache_dir), max_bytes)
    wanted = FeatureRequest(items, views)
    width = int(np.prod(cut.shape, dtype=np.int64))
    kept = dtype if dtype != "auto" else ("float16" if 4 * width > HALF_FROM_BYTES else "float32")
    identity: dict[str, Any] = {
        "cut": cut.fingerprint,
        **decoding.identity(),
        **(views.identity() if views else {}),
    }
    store = cache.store(identity, tuple(cut.shape), kept, label)
    job = _Job(cut, cache, store, wanted, decoding, engine, batch_size, threads, progress, say)
    try:
        array = job.rows(wanted.count * width * np.dtype(kept).itemsize)
    except HalfOverflow as error:
        if dtype != "auto":
            hint = "set activations.dtype to float32"
            raise UserError(fault("activations.dtype", dtype, f"a range that holds {error}", hint)) from None
        return compute(
            cut, items, decoding=decoding, engine=engine, batch_size=batch_size, threads=threads,
            cache_dir=cache_dir, max_bytes=max_bytes, dtype="float32", views=views, label=label,
            progress=progress, say=say,
        )  # fmt: skip
    stats = Stats(
        distinct=wanted.count,
        computed=job.computed,
        found=max(0, int(job.good.sum()) - job.computed),
        damaged=job.damaged,
        seconds=time.perf_counter() - started,
        engine=job.made.name if job.made else None,
        dtype=kept,
        bytes=array.nbytes,
    )
    return Activations(wanted.rows(job.good), array, wanted.failures(job.reasons), stats)


@dataclass
class _Job:
    """The rows of one computation: those that are found, and passes over the images that are missing."""

    cut: CutLike
    cache: Cache
    store: Store
    wanted: FeatureRequest
    decoding: Decoding
    engine: str
    batch_size: int
    threads: int | None
    progress: Callable[[int, int], None] | None
    say: Callable[[str], None]
    made: Engine | None = None
    computed: int = 0
    damaged: int = 0
    reasons: dict[str, str] = field(default_factory=dict)

    @property
    def good(self) -> np.ndarray:
        """bool ``[D]``: which of the distinct images could be read."""
        return np.array([sha256 not in self.reasons for sha256 in self.wanted.hashes], bool)

    def rows(self, needed: int) -> Rows:
        """All rows of the readable images, found or computed.

        Args:
            needed: the bytes that they take.
        """
        checked = np.zeros(self.wanted.digests.shape, bool)
        passes = 0
        for _ in range(3 * _TRIES):
            try:
                found = self._found(checked)
                missing = np.flatnonzero(~found.all(1) & self.good)
                if not len(missing):
                    if not passes:
                        self._tell(self.wanted.count)
                    return self.store.rows(self.wanted.digests[self.good].reshape(-1))
            except (KeyError, OSError):
                checked[:] = False  # removed or evicted beside this process
                continue
            if passes == _TRIES:
                break
            if passes:
                self.say(f"cache: {len(missing)} images were removed meanwhile: computing them again")
            else:
                _check_room(self.cache, needed)
            self._compute(missing)
            # What this process wrote is checked as all else is: after a removal by hand, which asks for no
            # lock, another process may have written in the same place.
            passes += 1
        hint = "another process removes what this one writes: raise activations.max_bytes, or name another"
        raise UserError(fault("activations.cache_dir", str(self.cache.folder), "a cache that stays", hint))

    def _found(self, checked: np.ndarray) -> np.ndarray:
        """bool ``[D, K]``: which rows are there; those not yet ``checked`` are, and dropped where damaged."""
        found = self.wanted.found(self.store)
        asked = found & ~checked
        if not asked.any():
            return found
        digests = self.wanted.digests[asked]
        there, damaged = self.store.check(digests)
        if damaged.any():
            self.damaged += int(damaged.sum())
            self.say(
                f"cache: {damaged.sum()} of {len(digests)} activations are damaged: computing them again "
                f"({self.store.folder})"
            )
            try:
                self.store.drop(digests[damaged])
            except FileNotFoundError:
                raise
            except OSError as error:
                raise self._unwritable(error) from None
        found[asked] = checked[asked] = there & ~damaged
        return found

    def _compute(self, missing: np.ndarray) -> None:
        """Computes what is missing.

        Raises:
            UserError: it cannot be written.
        """
        done = self.wanted.count - len(missing)
        self._tell(done)
        try:
            # Its own view of the index: the writer's is busy in another thread.
            watched = self.store.again()
            with contextlib.ExitStack() as stack:
                first = stack.enter_context(locked(self.store.folder / "work", wait=False))
                writer = stack.enter_context(Writer(self.store, self.cache.make_room))
                # Whoever comes second begins at the end, and both take over what the other has written.
                order = missing if first else missing[::-1]
                for start, images, unreadable in self._read(order):
                    part = order[start : start + self.batch_size]
                    failed = {one.index for one in unreadable}
                    for one in unreadable:
                        self.reasons[self.wanted.hashes[part[one.index - start]]] = one.reason
                    readable = part[[start + place not in failed for place in range(len(part))]]
                    self.computed += self._pass(readable, images, watched, writer, len(missing))
                    done += len(part)
                    self._tell(done)
        except (FileNotFoundError, FileExistsError):
            return  # removed beside this process, again and again; what is missing is found to be so
        except OSError as error:
            # Only the cache: what cannot be read of an image is one of the reasons.
            raise self._unwritable(error) from None

    def _unwritable(self, error: OSError) -> UserError:
        hint = "make room there, or name another folder with --set activations.cache_dir=DIR"
        reason = f"{error.strerror or error}; {hint}; what was computed is kept"
        return UserError(
            fault("activations.cache_dir", str(self.cache.folder), "a folder to write in", reason)
        )

    def _read(self, order: np.ndarray) -> Iterator[tuple[int, np.ndarray, tuple[Unreadable, ...]]]:
        files = ((self.wanted.hashes[index], self.wanted.paths[index]) for index in order)
        ahead = max(3, _AHEAD_BYTES // (self.batch_size * 3 * self.decoding.size[0] * self.decoding.size[1]))
        batches = read_images(
            files, self.decoding, batch_size=self.batch_size, threads=self.threads, ahead=ahead
        )
        for number, batch in enumerate(batches):
            yield number * self.batch_size, batch.images, batch.unreadable

    def _pass(
        self, places: np.ndarray, images: np.ndarray, watched: Store, writer: Writer, missing: int
    ) -> int:
        """Runs one batch, all views; images that another process has written meanwhile are passed over."""
        digests = self.wanted.digests[places]
        lacking = ~watched.has(digests.reshape(-1)).reshape(digests.shape)
        for view in range(lacking.shape[1]):
            here = np.flatnonzero(lacking[:, view])
            if not len(here):
                continue
            shown = images if len(here) == len(images) else images[here]
            if self.wanted.views is not None:
                hashes = [self.wanted.hashes[places[at]] for at in here]
                shown = self.wanted.views.augment(shown, self.wanted.views.seeds(hashes, view))
            if self.made is None:
                count = missing * lacking.shape[1]
                self.made = choose_engine(self.cut, self.decoding.size, shown, self.engine, self.cache, count)
            writer.put(digests[here, view], self.made(shown))
        return int(lacking.any(1).sum())

    def _tell(self, done: int) -> None:
        if self.progress is not None:
            self.progress(done, self.wanted.count)


def _check_room(cache: Cache, needed: int) -> None:
    """Refuses before any work what cannot fit."""
    hint = "raise it, freeze up to a higher stage, or set activations.dtype to float16"
    if needed > cache.max_bytes:
        raise UserError(
            fault("activations.max_bytes", cache.max_bytes, f"at least {needed} for these images", hint)
        )
    free = disk_usage(cache.folder).free + cache.bytes()
    if needed > free:
        expected = f"a disk with {needed} free bytes"
        hint = f"{free} are free; {hint.removeprefix('raise it, ')}, or name another folder"
        raise UserError(fault("activations.cache_dir", str(cache.folder), expected, hint))
