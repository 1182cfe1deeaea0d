"""A pass of the frozen prefix over the images whose activations a cache lacks.

Every row that is found is checked against the index's checksum before it is handed out; what is damaged is
computed again.

Decoding runs in threads beside the engine, writing in one more. A run that is killed loses what it computed
in the last two seconds. Two processes that need the same images share the work: the second begins at the end.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field

import numpy as np

from transferkit.activations.cache import Cache
from transferkit.activations.compute_settings import ComputeSettings
from transferkit.activations.engines.choose_engine import choose_engine
from transferkit.activations.engines.device_engine import DeviceEngine
from transferkit.activations.engines.make_engine import Target
from transferkit.activations.engines.prefix_engine import CutLike, Engine
from transferkit.activations.feature_request import FeatureRequest
from transferkit.activations.rows import Rows
from transferkit.activations.store import Store
from transferkit.activations.writer import Writer
from transferkit.data.pixels.decoding import Decoding
from transferkit.data.reader import Unreadable, read_images
from transferkit.errors import UserError, fault
from transferkit.files.cache_location import disk_usage
from transferkit.files.lock import locked

__all__ = ["PrefixPass"]

# Pixels that are decoded ahead: while engines are made and compared, decoding goes on beside that.
_AHEAD_BYTES = 128 * 1024**2

# How often what another process removed meanwhile is computed again.
_TRIES = 3


@dataclass
class PrefixPass:
    """The rows of one computation: those that are found, and passes over the images that are missing.

    Attributes:
        cut: the frozen prefix.
        cache: that keeps its activations.
        store: of the cache, for these activations.
        wanted: the images, and their views.
        decoding: what decides the pixels.
        settings: how it is computed.
        progress: receives (distinct images done, distinct images in all).
        say: receives a line where the cache is damaged, or was removed meanwhile.
        waiting: digests and outputs to come of the batches that devices have at work.
        made: the engine that ran, where one had to.
        computed: distinct images that went through the prefix.
        damaged: rows that were found and were not what had been written.
        reasons: why an image could not be read, by its hash.
    """

    cut: CutLike
    cache: Cache
    store: Store
    wanted: FeatureRequest
    decoding: Decoding
    settings: ComputeSettings
    progress: Callable[[int, int], None] | None
    say: Callable[[str], None]
    waiting: deque[tuple[np.ndarray, Future[np.ndarray]]] = field(default_factory=deque)
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
            self.waiting.clear()  # of a pass that ended early
            # Its own view of the index: the writer's is busy in another thread.
            watched = self.store.again()
            with contextlib.ExitStack() as stack:
                first = stack.enter_context(locked(self.store.folder / "work", wait=False))
                writer = stack.enter_context(Writer(self.store, self.cache.make_room))
                # Whoever comes second begins at the end, and both take over what the other has written.
                order = missing if first else missing[::-1]
                for start, images, unreadable in self._read(order):
                    part = order[start : start + self.settings.batch_size]
                    failed = {one.index for one in unreadable}
                    for one in unreadable:
                        self.reasons[self.wanted.hashes[part[one.index - start]]] = one.reason
                    readable = part[[start + place not in failed for place in range(len(part))]]
                    self.computed += self._pass(readable, images, watched, writer, len(missing))
                    done += len(part)
                    self._tell(done)
                self._take(writer, 0)
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
        ahead = max(
            3, _AHEAD_BYTES // (self.settings.batch_size * 3 * self.decoding.size[0] * self.decoding.size[1])
        )
        batches = read_images(
            files,
            self.decoding,
            batch_size=self.settings.batch_size,
            threads=self.settings.threads,
            ahead=ahead,
        )
        for number, batch in enumerate(batches):
            yield number * self.settings.batch_size, batch.images, batch.unreadable

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
                target = Target(self.settings.devices, self.settings.precision)
                engine = self.settings.engine
                self.made = choose_engine(
                    self.cut, self.decoding.size, shown, engine, self.cache, count, target
                )
            if isinstance(self.made, DeviceEngine):
                self.waiting.append((digests[here, view], self.made.submit(shown)))
                self._take(writer, self.made.ahead)
            else:
                writer.put(digests[here, view], self.made(shown))
        return int(lacking.any(1).sum())

    def _take(self, writer: Writer, left: int) -> None:
        """Writes what devices have computed, until no more than ``left`` batches are under way."""
        while len(self.waiting) > left:
            digests, coming = self.waiting.popleft()
            writer.put(digests, coming.result())

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
