"""Runs a cut's frozen prefix once on each distinct image.

::

    result = compute(cut, items, size=(224, 224), resize="stretch", cache_dir=folder, progress=bar)
    result.rows        # int64 [len(items)]: where each item's activations stand, -1 where it is unreadable
    result.array       # [M, *cut.shape], read only, memory-mapped; index it with rows
    result.take(some)  # float32 [len(some), *cut.shape] of items by their index
    result.failures    # what could not be read: index, path, reason
    result.stats       # images computed and found, seconds, engine, bytes

``cut`` is anything with ``prefix`` (uint8 ``[N, h, w, 3]`` to float32 ``[N, *shape]``), ``shape`` and
``fingerprint``.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import tensorflow as tf

from transferkit.data.reader import Unreadable, read_images

__all__ = ["Activations", "CutLike", "Stats", "compute"]


class CutLike(Protocol):
    """What is needed of a cut."""

    prefix: Callable[[Any], Any]
    shape: tuple[int, ...]
    fingerprint: str


@dataclass(frozen=True)
class Stats:
    """What a computation did: images by what became of them, seconds, and how.

    Attributes:
        distinct: distinct images asked for.
        computed: of these, how many went through the prefix now.
        found: of these, how many were in the cache.
        seconds: wall-clock time of all of it.
        engine: name of the engine that ran, or None where nothing was computed.
        bytes: size of the activations of the distinct images.
    """

    distinct: int
    computed: int
    found: int
    seconds: float
    engine: str | None
    bytes: int


@dataclass(frozen=True)
class Activations:
    """Outputs at the cut: see the module."""

    rows: np.ndarray
    array: np.ndarray
    failures: tuple[Unreadable, ...]
    stats: Stats

    def take(self, indices: Sequence[int] | np.ndarray) -> np.ndarray:
        """float32 ``[len(indices), *shape]`` of items by their index.

        Raises:
            IndexError: an item among them is unreadable.
        """
        rows = self.rows[np.asarray(indices, np.int64)]
        if (rows < 0).any():
            raise IndexError("an unreadable image has no activations")
        return np.asarray(self.array[rows], np.float32)


def compute(
    cut: CutLike,
    items: Sequence[tuple[str, str | os.PathLike]],
    *,
    size: tuple[int, int],
    resize: str = "stretch",
    engine: str = "auto",
    batch_size: int = 32,
    threads: int | None = None,
    cache_dir: str | os.PathLike | None = None,
    max_bytes: int | None = None,
    dtype: str = "auto",
    progress: Callable[[int, int], None] | None = None,
) -> Activations:
    """Computes the activations of images.

    Args:
        cut: the frozen prefix.
        items: content hash (64 hexadecimal digits) and file of each image, in the caller's order.
        size: height and width in pixels that the images are resized to.
        resize: see :func:`transferkit.data.decode.decode`.
        engine: ``"auto"`` or ``"tensorflow"``.
        batch_size: images a call of the prefix.
        threads: threads that decode; None measures nothing and takes the cores that the process has.
        cache_dir: where the activations are kept; None keeps them in a temporary file.
        max_bytes: how much the cache may hold.
        dtype: ``"auto"`` or ``"float32"``.
        progress: receives (distinct images done, distinct images in all).

    Returns:
        The activations of every readable image, and the failures.
    """
    started = time.perf_counter()
    first: dict[str, int] = {}
    for index, (sha256, _) in enumerate(items):
        first.setdefault(sha256, index)
    distinct = list(first.values())

    @tf.function(input_signature=[tf.TensorSpec([None, *size, 3], tf.uint8)])
    def run(images):
        return cut.prefix(images)

    row_bytes = 4 * int(np.prod(cut.shape))
    handle = tempfile.TemporaryFile(dir=cache_dir)  # noqa: SIM115
    row_of: dict[str, int] = {}
    reasons: dict[str, str] = {}
    done = 0
    wanted = [items[index] for index in distinct]
    for batch in read_images(wanted, size, resize, batch_size=batch_size, threads=threads):
        if len(batch.indices):
            outputs = run(tf.constant(batch.images)).numpy().astype(np.float32)
            for place in batch.indices:
                row_of[wanted[place][0]] = len(row_of)
            handle.write(outputs.tobytes())
        for failed in batch.unreadable:
            reasons[wanted[failed.index][0]] = failed.reason
        done += len(batch.indices) + len(batch.unreadable)
        if progress is not None:
            progress(done, len(distinct))
    handle.flush()
    array = (
        np.memmap(handle, np.float32, "r", shape=(len(row_of), *cut.shape))
        if row_of
        else np.empty((0, *cut.shape), np.float32)
    )
    rows = np.array([row_of.get(sha256, -1) for sha256, _ in items], np.int64)
    failures = tuple(
        Unreadable(index, Path(path), reasons[sha256])
        for index, (sha256, path) in enumerate(items)
        if sha256 in reasons
    )
    stats = Stats(
        distinct=len(distinct),
        computed=len(row_of),
        found=0,
        seconds=time.perf_counter() - started,
        engine="tensorflow" if row_of else None,
        bytes=len(row_of) * row_bytes,
    )
    return Activations(rows, array, failures, stats)
