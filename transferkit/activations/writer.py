"""Writes activations to a store beside the engine, in pieces that are committed together."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType

import numpy as np

from transferkit.activations.store import Store

__all__ = ["HalfOverflow", "Writer"]

_COMMIT_BYTES = 16 * 1024**2
_COMMIT_SECONDS = 2.0  # what a kill loses at most


class HalfOverflow(ValueError):
    """An activation lies beyond the range of float16, which ends at 65504."""


class Writer:
    """Gathers rows and writes them in a thread; used in a ``with`` block, whose end writes what is left.

    Args:
        store: where they go.
        room: called with the bytes that are about to be written and the store.
    """

    def __init__(self, store: Store, room: Callable[[int, Store], None]) -> None:
        self._store = store
        self._room = room
        self._dtype = np.dtype(store.layout.dtype)
        self._digests: list[np.ndarray] = []
        self._rows: list[np.ndarray] = []
        self._since = time.monotonic()
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="transferkit-write")
        self._last: Future[None] | None = None

    def put(self, digests: np.ndarray, rows: np.ndarray) -> None:
        """Takes rows over.

        Args:
            digests: ``S32`` ``[n]``.
            rows: float32 ``[n, *shape]``.

        Raises:
            HalfOverflow: the store is of float16 and a value does not fit.
        """
        if self._dtype != rows.dtype:
            with np.errstate(over="ignore"):
                narrow = rows.astype(self._dtype)
            if not np.array_equal(np.isfinite(narrow), np.isfinite(rows)):
                raise HalfOverflow(f"activations up to {np.abs(rows).max():.3g}")
            rows = narrow
        self._digests.append(digests)
        self._rows.append(rows)
        gathered = sum(part.nbytes for part in self._rows)
        if gathered >= _COMMIT_BYTES or time.monotonic() - self._since >= _COMMIT_SECONDS:
            self._commit()

    def _commit(self) -> None:
        if self._last is not None:
            self._last.result()  # what failed there is raised here
        self._since = time.monotonic()
        if self._rows:
            digests, rows = np.concatenate(self._digests), np.concatenate(self._rows)
            self._digests, self._rows = [], []
            self._last = self._pool.submit(
                self._store.add, digests, rows, lambda count: self._room(count, self._store)
            )

    def __enter__(self) -> Writer:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # Ctrl-C keeps what was computed, too.
        try:
            self._commit()
            if self._last is not None:
                self._last.result()
        finally:
            self._pool.shutdown()
