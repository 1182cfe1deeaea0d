"""A few changes out of many, drawn anew for each image (Cubuk et al. 2019, arXiv:1909.13719)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from transferkit.augmentation._base import Augmentation

if TYPE_CHECKING:
    import tensorflow as tf

__all__ = ["RandAugment"]


class RandAugment(Augmentation):
    """``operations`` changes an image, each of strength ``magnitude`` of 10.

    Brighter or darker, more or less contrast, colour or sharpness, posterised, solarised, contrast stretched,
    sheared, shifted, turned, or none.
    """

    order: ClassVar[int] = 45
    draws: ClassVar[int] = 8

    operations: int = Field(2, ge=1, le=4, description="changes made to each image, one after the other")
    magnitude: float = Field(7.0, gt=0, le=10, description="strength of each change; 10 is the strongest")

    def paint(self, images: tf.Tensor, draws: tf.Tensor) -> tf.Tensor:
        from transferkit.augmentation._rand_ops import OPERATIONS, change

        for number in range(self.operations):
            which = draws[:, 2 * number] * len(OPERATIONS)
            images = change(images, which, 2 * draws[:, 2 * number + 1] - 1, self.magnitude / 10)
        return images
