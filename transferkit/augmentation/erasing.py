"""A rectangle of the image painted over (Zhong et al. 2017, arXiv:1708.04896)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from transferkit.augmentation._base import Augmentation

if TYPE_CHECKING:
    import tensorflow as tf

__all__ = ["Erasing"]


class Erasing(Augmentation):
    """In a share of the images, a rectangle of up to ``area`` of each is painted in its mean colour."""

    order: ClassVar[int] = 60
    draws: ClassVar[int] = 5

    share: float = Field(0.25, gt=0, le=1, description="share of the images that get a rectangle")
    area: float = Field(
        0.2, gt=0, le=0.9, description="largest area of the rectangle, as a share of the image"
    )

    def paint(self, images: tf.Tensor, draws: tf.Tensor) -> tf.Tensor:
        import tensorflow as tf

        from transferkit.augmentation._boxes import boxes

        area = self.area * draws[:, 1]
        stretch = tf.exp((draws[:, 2] - 0.5) * math.log(4.0))
        inside = boxes(images, area, stretch, draws[:, 3], draws[:, 4])
        inside &= (draws[:, 0] < self.share)[:, None, None, None]
        return tf.where(inside, tf.reduce_mean(images, axis=(1, 2), keepdims=True), images)
