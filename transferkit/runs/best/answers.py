"""Answers of held-out images, and whether one way to answer them beats another beyond noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from transferkit.heads import mean_and_error
from transferkit.intervals import share_interval

__all__ = ["BEYOND_NOISE", "Answers", "Comparison", "compare", "rightly_answered"]

# Standard errors by which a step must lower the log loss: by chance one of twenty does.
BEYOND_NOISE = 1.64


@dataclass(frozen=True)
class Answers:
    """What was answered of images that were held out.

    Attributes:
        names: of the images, as the ledger has them.
        right: float64 ``[M]``: the share of ways to leave each out in which it was answered rightly.
        losses: float64 ``[M]``, the log loss of each, times what it counts.
        groups: int64 ``[M]``: one number for those that are no independent draws.
        counted: float64 ``[M]``: how much each counts in its loss.
    """

    names: tuple[str, ...]
    right: np.ndarray
    losses: np.ndarray
    groups: np.ndarray
    counted: np.ndarray

    @property
    def accuracy(self) -> tuple[float, float, float]:
        """The share of images answered rightly, with the ends of its 95 % interval."""
        share = float(self.right.mean())
        return share, *share_interval(share, len(np.unique(self.groups)))


@dataclass(frozen=True)
class Comparison:
    """Answers of the same images beside those that stood before.

    Attributes:
        gain: by how much they lower the log loss.
        error: the standard error of that, where images of a group count as one draw.
        pays: the loss is lower beyond noise, on no fewer images answered rightly.
    """

    gain: float
    error: float
    pays: bool

    @property
    def worse(self) -> bool:
        """The loss is higher beyond noise."""
        return self.gain < -BEYOND_NOISE * self.error


def compare(before: Answers, after: Answers) -> Comparison:
    """Compares on the images that both have.

    Args:
        before: what stands.
        after: what may take its place.
    """
    _, first, second = np.intersect1d(before.names, after.names, return_indices=True)
    groups = np.unique(before.groups[first], return_inverse=True)[1]
    gain, error = mean_and_error(before.losses[first] - after.losses[second], groups)
    right = after.right[second].mean() >= before.right[first].mean()
    return Comparison(gain, error, bool(gain > BEYOND_NOISE * error and right))


def rightly_answered(logits: np.ndarray, wanted: np.ndarray, several: bool) -> np.ndarray:
    """Which images are answered rightly, bool ``[M]``; of several labels, all of them.

    Args:
        logits: float ``[M, C]``.
        wanted: ``[M, C]`` of 0 and 1.
        several: an image may have any number of labels.
    """
    right: np.ndarray
    if several:
        right = ((logits >= 0) == (wanted > 0.5)).all(axis=1)
    else:
        right = logits.argmax(axis=1) == wanted.argmax(axis=1)
    return right
