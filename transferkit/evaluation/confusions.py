"""Which classes are taken for which."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["Confused", "confused_pairs"]


@dataclass(frozen=True)
class Confused:
    """``count`` images of ``true`` were predicted as ``said``: ``share`` of all images of ``true``."""

    true: str
    said: str
    count: int
    share: float


def confused_pairs(confusion: np.ndarray, classes: tuple[str, ...], most: int = 15) -> list[Confused]:
    """The most frequent confusions, by count and then by share.

    Args:
        confusion: int ``[C, C]``, true classes in rows.
        classes: names, in that order.
        most: pairs to give.
    """
    samples = confusion.sum(axis=1)
    pairs = [
        Confused(classes[t], classes[p], int(confusion[t, p]), float(confusion[t, p] / samples[t]))
        for t, p in np.argwhere(confusion)
        if t != p
    ]
    return sorted(pairs, key=lambda pair: (-pair.count, -pair.share, pair.true, pair.said))[:most]
