"""Copies of an image in other files, told by features that are the same: other bytes, the same pixels."""

from __future__ import annotations

import numpy as np

__all__ = ["tie_copies"]

# The distance of two images below which they are one, as a share of the usual one: above what batches,
# engines and short floats round off, far below that of a photo saved again with loss.
_SAME = 1e-3
# Directions along which copies must be near before they are compared, and neighbours that are looked at.
_DIRECTIONS, _NEAR = 8, 500


def tie_copies(groups: np.ndarray, features: np.ndarray) -> np.ndarray:
    """The groups, those joined that share an image in several files.

    A photo whose metadata was taken out, or that was saved without loss in another format, has other bytes.
    On both sides of a fold it makes heads that remember look like heads that understand.

    Args:
        groups: int ``[N]``, the same for images that must not be divided.
        features: float32 ``[N, D]``.

    Returns:
        int64 ``[N]``.
    """
    found: np.ndarray = np.unique(groups, return_inverse=True)[1].astype(np.int64)
    spread = float(np.sqrt(2 * np.sum(np.var(features, axis=0, dtype=np.float64))))
    if not spread > 0:
        return found
    least = _SAME * spread
    # Along a random direction a distance is that over the root of the width: hardly ever six times as much.
    width = features.shape[1]
    directions = np.random.default_rng(0).standard_normal((width, _DIRECTIONS)).astype(np.float32)
    places = (features @ directions) / np.float32(least * 6)
    order = np.argsort(places[:, 0], kind="stable")
    places, found = places[order], found[order]
    for step in range(1, min(_NEAR, len(order) - 1) + 1):
        near = np.flatnonzero(places[step:, 0] - places[:-step, 0] <= 1)
        if not len(near):
            break
        near = near[(np.abs(places[near] - places[near + step]) <= 1).all(axis=1)]
        for one in near[found[near] != found[near + step]]:
            other = one + step
            apart = features[order[one]] - features[order[other]]
            if found[one] != found[other] and np.linalg.norm(apart) <= least:
                found[found == found[other]] = found[one]
    tied = np.empty_like(found)
    tied[order] = found
    return tied
