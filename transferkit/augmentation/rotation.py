"""Turned images."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from transferkit.augmentation._base import Augmentation

if TYPE_CHECKING:
    import tensorflow as tf

__all__ = ["Rotation"]


class Rotation(Augmentation):
    """Turned about the middle by an angle uniform in ``-degrees .. degrees``; the corners are filled with
    the mirror image."""

    order: ClassVar[int] = 20
    way: ClassVar[str] = "move"

    degrees: float = Field(10.0, gt=0, le=180, description="largest angle, in either direction")

    def move(self, draws: tf.Tensor) -> tf.Tensor:
        import tensorflow as tf

        from transferkit.augmentation._chance import affine

        angle = (2 * draws[:, 0] - 1) * (self.degrees * math.pi / 180)
        return affine(tf.cos(angle), -tf.sin(angle), 0.0, tf.sin(angle), tf.cos(angle), 0.0, angle)
