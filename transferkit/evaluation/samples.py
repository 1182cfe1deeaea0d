"""What is evaluated: labelled samples with the probabilities that a model gave them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from transferkit.evaluation.row_chunks import row_parts

__all__ = ["LEAST_PROBABILITY", "MOST_CURVES", "Samples"]

# Curves of more classes than this can no longer be told apart in one drawing.
MOST_CURVES = 50
# The smallest probability that a float32 softmax is trusted to state: one sure mistake costs 16 nats.
LEAST_PROBABILITY = 1e-7


@dataclass(frozen=True, eq=False)
class Samples:
    """N samples, checked.

    Attributes:
        labels: int64 ``[N]``, or bool ``[N, C]`` for multi-label.
        probabilities: float32 ``[N, C]``.
        classes: the C names, in order.
        paths: names of the samples, or None.
        complete: False where only the likeliest classes have a probability: what needs the others is None.
    """

    labels: np.ndarray
    probabilities: np.ndarray
    classes: tuple[str, ...]
    paths: tuple[str, ...] | None
    complete: bool

    @property
    def drawn(self) -> bool:
        """Whether each class gets its own curves."""
        return self.complete and len(self.classes) <= MOST_CURVES

    def parts(self) -> Iterator[slice]:
        """Slices of rows, few enough at once that what is computed from them never fills the memory."""
        return row_parts(self.probabilities)
