"""Nearer and further images."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from transferkit.augmentation._base import Augmentation

if TYPE_CHECKING:
    import tensorflow as tf

__all__ = ["Zoom"]


class Zoom(Augmentation):
    """Scaled about the middle by ``1 / (1 + amount)`` to ``1 + amount``, uniform in the logarithm."""

    order: ClassVar[int] = 25
    way: ClassVar[str] = "move"

    amount: float = Field(0.2, gt=0, le=4, description="0.2: from 1 / 1.2 to 1.2 of the size")

    def move(self, draws: tf.Tensor) -> tf.Tensor:
        import tensorflow as tf

        from transferkit.augmentation._chance import affine

        scale = tf.exp((2 * draws[:, 0] - 1) * math.log1p(self.amount))
        return affine(scale, 0.0, 0.0, 0.0, scale, 0.0, scale)
