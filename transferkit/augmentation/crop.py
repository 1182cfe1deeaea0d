"""A part of the image, brought back to full size (Szegedy et al. 2014, arXiv:1409.4842)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from transferkit.augmentation._base import Augmentation

if TYPE_CHECKING:
    import tensorflow as tf

__all__ = ["Crop"]


class Crop(Augmentation):
    """A window at a random place, its area uniform in ``least .. 1`` of the image, its aspect ratio
    random."""

    order: ClassVar[int] = 30
    draws: ClassVar[int] = 4
    way: ClassVar[str] = "move"

    least: float = Field(0.5, gt=0, lt=1, description="smallest area of the window, as a share of the image")
    ratio: float = Field(
        1.333, ge=1, le=4, description="largest stretch of the window's aspect ratio, in either direction"
    )

    def move(self, draws: tf.Tensor) -> tf.Tensor:
        import tensorflow as tf

        from transferkit.augmentation._chance import affine

        area = self.least + (1 - self.least) * draws[:, 0]
        stretch = tf.exp((draws[:, 1] - 0.5) * math.log(self.ratio))
        width = tf.minimum(tf.sqrt(area) * stretch, 1.0)
        height = tf.minimum(tf.sqrt(area) / stretch, 1.0)
        x = (2 * draws[:, 2] - 1) * (1 - width)
        y = (2 * draws[:, 3] - 1) * (1 - height)
        return affine(width, 0.0, x, 0.0, height, y, width)
