"""Augmented views: K seeded random variants of each image, kept at the cut like the images themselves."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

__all__ = ["Views"]


@dataclass(frozen=True)
class Views:
    """How the views of an image are drawn.

    A view depends on the image's bytes, its number, the seed and the augmentation, and on nothing else: not
    on the other images nor on their order. So views are shared between runs like plain activations.

    Attributes:
        count: views of each image, at least one.
        augment: uint8 ``[n, h, w, 3]`` and seeds int32 ``[n, 2]`` to uint8 ``[n, h, w, 3]``; the same seed
            gives an image the same view.
        key: what the augmentation is, as text: part of the cache's key.
        seed: the recipe's seed.
    """

    count: int
    augment: Callable[[np.ndarray, np.ndarray], np.ndarray]
    key: str
    seed: int = 0

    def __post_init__(self) -> None:
        if self.count < 1:
            raise ValueError(f"views: received {self.count}, expected at least 1")

    def identity(self) -> dict[str, object]:
        """What a view depends on besides the image, for the cache's key. More views add to fewer."""
        return {"augmentation": self.key, "seed": self.seed}

    def names(self, hashes: list[str], view: int) -> list[str]:
        """The hash under which a view of each image is kept."""
        return [hashlib.sha256(f"{sha256} view {view}".encode()).hexdigest() for sha256 in hashes]

    def seeds(self, hashes: list[str], view: int) -> np.ndarray:
        """int32 ``[n, 2]``, a function of the image's content, the view and the seed."""
        texts = (f"{self.seed} {sha256} {view}".encode() for sha256 in hashes)
        drawn = b"".join(hashlib.sha256(text).digest()[:8] for text in texts)
        return np.frombuffer(drawn, "<i4").reshape(-1, 2).astype(np.int32)
