"""Which distinct images a computation asks for, and where the activations of each item stand."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from transferkit.activations.index import digests_of
from transferkit.activations.store import Store
from transferkit.activations.views import Views
from transferkit.data.reader import Unreadable

__all__ = ["FeatureRequest"]


class FeatureRequest:
    """The distinct images among the items, in the order of their first appearance, and their views.

    Attributes:
        hashes: content hashes, ``D`` of them.
        paths: a file of each.
        digests: ``S32`` ``[D, K]``: under which name each view is kept.
        views: how they are drawn; None for the images themselves.
        count: ``D``.
    """

    def __init__(self, items: Sequence[tuple[str, str | os.PathLike[str]]], views: Views | None) -> None:
        position: dict[str, int] = {}
        self.paths: list[str | os.PathLike[str]] = []
        at = np.empty(len(items), np.int64)
        for index, (sha256, path) in enumerate(items):
            at[index] = position.setdefault(sha256, len(position))
            if at[index] == len(self.paths):
                self.paths.append(path)
        self.hashes = list(position)
        self.count = len(self.hashes)
        self.views = views
        names = [views.names(self.hashes, view) for view in range(views.count)] if views else [self.hashes]
        self.digests = np.stack([digests_of(one) for one in names], 1)
        self._items = items
        self._at = at

    def found(self, store: Store) -> np.ndarray:
        """bool ``[D, K]``: which are in the store."""
        return store.has(self.digests.reshape(-1)).reshape(self.digests.shape)

    def rows(self, good: np.ndarray) -> np.ndarray:
        """The row of each item where the rows are those of the good images, view by view."""
        every = np.where(good, np.cumsum(good) - 1, -1)[self._at]
        if self.views is None:
            return every
        count = self.views.count
        return np.where(every[:, None] >= 0, every[:, None] * count + np.arange(count), -1)

    def failures(self, reasons: dict[str, str]) -> tuple[Unreadable, ...]:
        """The items that could not be read, in the caller's order, with the reasons by their hashes."""
        if not reasons:
            return ()
        return tuple(
            Unreadable(index, Path(path), reasons[sha256])
            for index, (sha256, path) in enumerate(self._items)
            if sha256 in reasons
        )
