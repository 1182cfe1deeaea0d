"""What a head is fitted on at once: features, with what several fits on them share, and what is sought."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from transferkit.heads._base import Divided
from transferkit.heads._closed import one_hot, sample_weights

__all__ = ["Rows", "Targets"]


@dataclass(frozen=True)
class Targets:
    """What is to be found.

    Attributes:
        wanted: float64 ``[N, C]`` of 0 and 1.
        weights: float64 ``[N]``: how much each image counts, 1 on average.
        multi_label: an image may have several labels.
    """

    wanted: np.ndarray
    weights: np.ndarray
    multi_label: bool

    @classmethod
    def of_labels(
        cls, labels: np.ndarray, classes: int, class_weights: np.ndarray | None, multi_label: bool
    ) -> Targets:
        """Those of labels as a head gets them.

        Args:
            labels: int ``[N]``, or 0 and 1 ``[N, C]``.
            classes: ``C``.
            class_weights: float ``[C]``: how much the images of each class count; None for all alike.
            multi_label: an image may have several labels.
        """
        wanted = one_hot(labels, classes)
        return cls(wanted, sample_weights(wanted, class_weights), multi_label)

    @property
    def half(self) -> float:
        """What is taken off a regression of 0 and 1: a label is as likely as not where it is half way;
        classes only compare with each other."""
        return 0.5 if self.multi_label else 0.0

    def of(self, chosen: np.ndarray) -> Targets:
        """Those of some images."""
        return Targets(self.wanted[chosen], self.weights[chosen], self.multi_label)


class Rows:
    """Features float32 ``[N, D]``, with what several fits on them share.

    Args:
        values: the features; of some of the images where they are ``divided`` over workers.
        count: ``N``, by default their number.
        divided: which images they are of, where several workers have them.
    """

    def __init__(self, values: np.ndarray, count: int | None = None, divided: Divided | None = None) -> None:
        self.values, self.divided = values, divided
        self._count = len(values) if count is None else count

    def __len__(self) -> int:
        return self._count

    def of(self, chosen: np.ndarray) -> np.ndarray:
        """The features of some images, which must be this worker's own."""
        if self.divided is not None:
            chosen = np.searchsorted(self.divided.places, chosen)
        found: np.ndarray = self.values[chosen]
        return found

    @property
    def width(self) -> int:
        result: int = self.values.shape[1]
        return result

    @cached_property
    def middle(self) -> np.ndarray:
        """The mean, float64 ``[D]``."""
        result: np.ndarray = self.values.mean(axis=0, dtype=np.float64)
        return result

    @cached_property
    def inner(self) -> np.ndarray:
        """Inner products float64 ``[N, N]`` about the mean: far from zero they would have no digits left."""
        rows = self.values - self.middle
        result: np.ndarray = rows @ rows.T
        return result

    @cached_property
    def energy(self) -> float:
        """The sum of squared lengths."""
        return float(np.sum(np.diag(self.inner))) + len(self) * float(self.middle @ self.middle)

    @cached_property
    def distance(self) -> float:
        """Mean squared distance of two images; 1 where all are alike."""
        rows, middle = self.values, self.middle.astype(np.float32)
        total = sum(
            float(np.sum(np.square(rows[start : start + 1024] - middle), dtype=np.float64))
            for start in range(0, len(rows), 1024)
        )
        return 2 * total / len(rows) or 1.0
