"""Intervals of shares in closed form: right also where images are few, and where all of them agree."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import NormalDist

__all__ = ["difference_interval", "share_interval"]


def share_interval(share: float, count: int, confidence: float = 0.95) -> tuple[float, float]:
    """The interval of a share of so many independent draws (Wilson 1927): wide where they are few.

    Args:
        share: 0 to 1.
        count: of draws, 1 or more.
        confidence: its coverage, 0 to 1.

    >>> [round(one, 3) for one in share_interval(0.9, 100)]
    [0.826, 0.945]
    """
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    middle = (share + z**2 / (2 * count)) / (1 + z**2 / count)
    half = z / (1 + z**2 / count) * (share * (1 - share) / count + z**2 / (4 * count**2)) ** 0.5
    return max(0.0, middle - half), min(1.0, middle + half)


def difference_interval(counts: Sequence[int], confidence: float = 0.95) -> tuple[float, float]:
    """The interval of the difference of two shares of the same images (Agresti and Min 2005).

    Half an image more in each cell keeps it wide where few images, or none, tell the two apart.

    >>> [round(one, 3) for one in difference_interval([80, 2, 10, 8])]
    [0.011, 0.146]

    Args:
        counts: images that both have right, only the first, only the second, none.
        confidence: its coverage, 0 to 1.
    """
    _, first, second, _ = (count + 0.5 for count in counts)
    total = sum(counts) + 2
    middle = (second - first) / total
    error = (((first + second) / total - middle**2) / total) ** 0.5
    reach = NormalDist().inv_cdf(0.5 + confidence / 2) * error
    return max(-1.0, middle - reach), min(1.0, middle + reach)
