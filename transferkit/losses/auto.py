"""The loss that suits the head: cross entropy, or binary cross entropy where images have several labels."""

from __future__ import annotations

from typing import ClassVar

from transferkit.losses._base import Loss

__all__ = ["Auto"]


class Auto(Loss):
    """Stands for ``cross_entropy`` or ``binary_cross_entropy``, with the same arguments."""

    labels: ClassVar[str] = "both"
