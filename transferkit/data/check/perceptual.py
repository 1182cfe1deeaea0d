"""Near-duplicates: pictures that were scaled, recompressed or slightly changed, found by their looks.

A 64-bit perceptual hash (signs of the low frequencies of a 32 × 32 grey picture, after C. Zauner 2010)
proposes pairs; the small pictures themselves are then compared, since plain objects on white share hashes.
"""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise

import numpy as np

__all__ = ["near_pairs", "perceptual_hashes"]

_SIDE = 32
# Bits that may differ. With one band more than that, two such hashes agree in one band at least.
MOST_BITS = 6
# Root mean square difference of the small pictures, in grey levels of 255, and their least correlation.
MOST_DIFFERENCE = 14.0
LEAST_CORRELATION = 0.97
# A band value that so many distinct hashes share says nothing, and its pairs would be too many.
_MOST_IN_BAND = 2000
_AT_ONCE = 4096  # pictures


def perceptual_hashes(images: np.ndarray) -> np.ndarray:
    """uint64 ``[N]`` of uint8 ``images [N, 32, 32, 3]``."""
    # In parts: as floats all pictures at once would take a dozen times their own memory.
    parts = [images[start : start + _AT_ONCE] for start in range(0, len(images), _AT_ONCE)]
    return np.concatenate([_hashes(part) for part in parts]) if parts else np.zeros(0, np.uint64)


def _hashes(images: np.ndarray) -> np.ndarray:
    grey = images.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)
    k, x = np.arange(9)[:, None], np.arange(_SIDE)[None, :]
    basis = np.cos(np.pi * k * (2 * x + 1) / (2 * _SIDE)).astype(np.float32)
    # The constant term says how bright a picture is, which editing changes: rows and columns start at 1.
    low = (basis @ grey @ basis.T)[:, 1:, 1:].reshape(len(images), 64)
    bits = low > np.median(low, axis=1, keepdims=True)
    return np.packbits(bits, axis=1).view(">u8").reshape(-1).astype(np.uint64)


def near_pairs(images: np.ndarray, usable: np.ndarray | None = None) -> list[tuple[int, int, float]]:
    """Pairs of pictures that look alike, or mirror each other: (one, other, similarity 0 to 1), ordered.

    Args:
        images: uint8 ``[N, 32, 32, 3]``.
        usable: bool ``[N]``: leave the others out (missing or constant pictures, which all look alike).
    """
    chosen = np.arange(len(images)) if usable is None else np.flatnonzero(usable)
    if len(chosen) < 2:
        return []
    # Each picture stands for itself and for its mirror image: copies are often mirrored.
    both = np.concatenate([images[chosen], images[chosen][:, :, ::-1]])
    count = len(chosen)
    found: dict[tuple[int, int], float] = {}
    for i, j in _candidates(perceptual_hashes(both)):
        one, other = int(chosen[i % count]), int(chosen[j % count])
        if one == other or i >= count:
            # A symmetric picture is its own mirror image; two mirror images are a pair found upright already.
            continue
        similarity = _alike(both[i], both[j])
        if similarity is not None:
            pair = (min(one, other), max(one, other))
            found[pair] = max(similarity, found.get(pair, 0.0))
    return sorted((one, other, similarity) for (one, other), similarity in found.items())


def _candidates(hashes: np.ndarray) -> set[tuple[int, int]]:
    """Pairs of places whose hashes differ in few bits."""
    distinct, inverse = np.unique(hashes, return_inverse=True)
    members: dict[int, list[int]] = defaultdict(list)
    for place, group in enumerate(inverse.tolist()):
        members[group].append(place)
    pairs: set[tuple[int, int]] = set()
    for group in members.values():
        # All with one hash: neighbours in a chain suffice, grouping joins them again.
        pairs.update(pairwise(group))
    edges = np.linspace(0, 64, MOST_BITS + 2).astype(int)
    for low, high in pairwise(edges):
        band = (distinct >> np.uint64(low)) & np.uint64((1 << int(high - low)) - 1)
        order = np.argsort(band, kind="stable")
        starts = np.flatnonzero(np.append(True, band[order][1:] != band[order][:-1]))
        for part in np.split(order, starts[1:]):
            if 2 <= len(part) <= _MOST_IN_BAND:
                values = distinct[part]
                distance = _bit_count(values[:, None] ^ values[None, :])
                for a, b in np.argwhere(np.triu(distance <= MOST_BITS, k=1)):
                    one, other = members[int(part[a])][0], members[int(part[b])][0]
                    pairs.add((min(one, other), max(one, other)))
    return pairs


def _bit_count(values: np.ndarray) -> np.ndarray:
    as_bytes = values.astype(np.uint64)[..., None].view(np.uint8)
    result: np.ndarray = _BITS[as_bytes].sum(axis=-1)
    return result


_BITS = np.array([bin(value).count("1") for value in range(256)], dtype=np.uint8)


def _alike(one: np.ndarray, other: np.ndarray) -> float | None:
    """The correlation of two small pictures where they are nearly the same, else None."""
    a, b = one.astype(np.float64), other.astype(np.float64)
    # Brightness and contrast are edited often and say nothing: only the shift between the means is taken out.
    difference = (a - a.mean()) - (b - b.mean())
    if np.sqrt((difference**2).mean()) > MOST_DIFFERENCE:
        return None
    spread = a.std() * b.std()
    correlation = float(((a - a.mean()) * (b - b.mean())).mean() / spread) if spread > 0 else 0.0
    return correlation if correlation >= LEAST_CORRELATION else None
