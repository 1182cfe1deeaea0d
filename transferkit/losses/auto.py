"""The loss that suits the head: cross entropy, or binary cross entropy where images have several labels."""

from __future__ import annotations

from typing import ClassVar

from transferkit.losses._base import Loss
from transferkit.losses.binary_cross_entropy import BinaryCrossEntropy
from transferkit.losses.cross_entropy import CrossEntropy

__all__ = ["Auto"]


class Auto(Loss):
    """Stands for ``cross_entropy`` or ``binary_cross_entropy``, with the same arguments."""

    labels: ClassVar[str] = "both"

    def for_labels(self, multi_label: bool) -> Loss:
        chosen = BinaryCrossEntropy if multi_label else CrossEntropy
        return chosen(**self.model_dump())
