"""Runs a cut's frozen prefix once on each distinct image, and never again while the cache holds the result.

::

    result = compute(cut, items, Decoding((224, 224)), progress=bar)
    result.rows        # int64 [len(items)]: where each item's activations stand, -1 where it is unreadable
    result.array       # [M, *cut.shape], read only, in the cache; index it with rows
    result.take(some)  # float32 [len(some), *cut.shape] of items by their index
    result.failures    # what could not be read: index, path, reason
    result.stats       # images computed and found, seconds, engine, bytes

With ``views`` the rows are ``[len(items), K]``, one a view. ``cut`` is anything like
:class:`transferkit.activations.engines.prefix_engine.CutLike`.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from transferkit.activations.cache import Cache
from transferkit.activations.compute_settings import ComputeSettings
from transferkit.activations.engines.prefix_engine import CutLike
from transferkit.activations.feature_request import FeatureRequest
from transferkit.activations.index import digests_of
from transferkit.activations.other_caches import Elsewhere
from transferkit.activations.prefix_pass import PrefixPass
from transferkit.activations.rows import Rows
from transferkit.activations.store import Store
from transferkit.activations.views import Views
from transferkit.activations.writer import HalfOverflow
from transferkit.data.pixels.decoding import Decoding
from transferkit.data.reader import Unreadable
from transferkit.errors import UserError, fault
from transferkit.files.cache_location import writable_cache_folder
from transferkit.type_names import NamedValues

__all__ = ["HALF_FROM_BYTES", "Activations", "ComputeSettings", "CutLike", "Stats", "compute", "keep"]

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

    @classmethod
    def of(cls, done: PrefixPass, seconds: float, dtype: str, size: int) -> Stats:
        """Of a pass that has ended.

        Args:
            done: the pass.
            seconds: that it took, with all around it.
            dtype: what the activations are kept in.
            size: their bytes.
        """
        return cls(
            distinct=done.wanted.count,
            computed=done.computed,
            found=max(0, int(done.good.sum()) - done.computed),
            damaged=done.damaged,
            seconds=seconds,
            engine=done.made.name if done.made else None,
            dtype=dtype,
            bytes=size,
        )


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
    decoding: Decoding,
    settings: ComputeSettings = ComputeSettings(),  # noqa: B008 -- frozen
    *,
    views: Views | None = None,
    progress: Callable[[int, int], None] | None = None,
    say: Callable[[str], None] = _log.warning,
) -> Activations:
    """Computes the activations of images, or finds them.

    Args:
        cut: the frozen prefix.
        items: content hash (64 hexadecimal digits) and file of each image, in the caller's order.
        decoding: what decides the pixels.
        settings: engine, batches, precision and place.
        views: augmented views to compute instead of the images themselves.
        progress: receives (distinct images done, distinct images in all).
        say: receives a line where the cache is damaged, or was removed meanwhile.

    Returns:
        The activations of every readable image, and the failures.

    Raises:
        UserError: they do not fit into ``max_bytes`` or on the disk, the folder cannot be written, or the
            engine that is named is unavailable.
    """
    started = time.perf_counter()
    cache = Cache(writable_cache_folder(settings.cache_dir), settings.max_bytes)
    wanted = FeatureRequest(items, views)
    width = int(np.prod(cut.shape, dtype=np.int64))
    places = [Elsewhere(place) for place in settings.sources]

    def store_of(dtype: str) -> Store:
        return _store(cache, cut, decoding, dtype, views, settings)

    kept = _kept_dtype(settings, 4 * width, places, store_of)
    store = store_of(kept)
    shared = _bring(cache, store, wanted, places, settings.shared, say)
    done = PrefixPass(cut, cache, store, wanted, decoding, settings, progress, say)
    try:
        array = done.rows(wanted.count * width * np.dtype(kept).itemsize)
    except HalfOverflow as error:
        if settings.dtype != "auto":
            expected, hint = f"a range that holds {error}", "set activations.dtype to float32"
            raise UserError(fault("activations.dtype", kept, expected, hint)) from None
        again = replace(settings, dtype="float32")
        return compute(cut, items, decoding, again, views=views, progress=progress, say=say)
    if shared is not None:
        shared.put(store, wanted.digests[done.good].reshape(-1), settings.label)
    stats = Stats.of(done, time.perf_counter() - started, kept, array.nbytes)
    return Activations(wanted.rows(done.good), array, wanted.failures(done.reasons), stats)


def _bring(
    cache: Cache,
    store: Store,
    wanted: FeatureRequest,
    places: Sequence[Elsewhere],
    shared: str | None,
    say: Callable[[str], None],
) -> Elsewhere | None:
    """Brings rows that the cache lacks from where others keep them; gives the place to put new ones in."""
    asked = wanted.digests.reshape(-1)

    def room(count: int) -> None:
        cache.make_room(count, store)

    for place in places:
        place.bring(store, asked, room, say)
    if shared is None:
        return None
    at_url = Elsewhere(shared, "activations.cache_dir")
    at_url.bring(store, asked, room, say, needed=False)
    return at_url


def _kept_dtype(
    settings: ComputeSettings, row_bytes: int, places: Sequence[Elsewhere], store_of: Callable[[str], Store]
) -> str:
    """What the activations are kept in; ``row_bytes``: of one image's as float32."""
    if settings.dtype != "auto":
        return settings.dtype
    if row_bytes <= HALF_FROM_BYTES:
        return "float32"
    # Where values did not fit, those who computed them kept them as float32.
    single = store_of("float32").folder.name if places else None
    return "float32" if any(single in place.stores() for place in places) else "float16"


def keep(
    cut: CutLike, hashes: Sequence[str], rows: np.ndarray, decoding: Decoding, settings: ComputeSettings
) -> None:
    """Puts rows that were computed elsewhere where :func:`compute` finds them.

    Args:
        cut: the frozen prefix that gave them; so are ``decoding`` and ``settings``.
        hashes: content hash of each image.
        rows: ``[len(hashes), *cut.shape]``, float32 or float16: what they are kept in.
        decoding: see there.
        settings: say which cache.
    """
    cache = Cache(writable_cache_folder(settings.cache_dir), settings.max_bytes)
    store = _store(cache, cut, decoding, rows.dtype.name, None, settings)
    digests, first = np.unique(digests_of(list(hashes)), return_index=True)
    store.add(digests, rows[first], lambda count: cache.make_room(count, store))


def _store(
    cache: Cache,
    cut: CutLike,
    decoding: Decoding,
    dtype: str,
    views: Views | None,
    settings: ComputeSettings,
) -> Store:
    """Where the activations of a cut are kept."""
    identity: NamedValues = {
        "cut": cut.fingerprint,
        **decoding.identity(),
        **(views.identity() if views else {}),
        **({"precision": settings.precision} if settings.precision != "float32" else {}),
    }
    return cache.store(identity, tuple(cut.shape), dtype, settings.label)
