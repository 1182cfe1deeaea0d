"""A rectangle of one image in another, labels by area (Yun et al. 2019, arXiv:1905.04899)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from transferkit.augmentation._base import Augmentation

if TYPE_CHECKING:
    import tensorflow as tf

__all__ = ["Cutmix"]


class Cutmix(Augmentation):
    """A rectangle of ``1 - share`` of the area from the other image, ``share`` from Beta(alpha, alpha)."""

    order: ClassVar[int] = 85
    draws: ClassVar[int] = 3
    way: ClassVar[str] = "mix"

    alpha: float = Field(1.0, gt=0, le=10, description="parameter of the Beta distribution of the share")

    def mix(self, images: tf.Tensor, labels: tf.Tensor, draws: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        import tensorflow as tf

        from transferkit.augmentation._beta import beta
        from transferkit.augmentation._boxes import boxes

        area = 1 - beta(self.alpha, draws[:, 0])
        inside = boxes(images, area, tf.ones_like(area), draws[:, 1], draws[:, 2])
        mixed = tf.where(inside, tf.reverse(images, [0]), images)
        # The label's share is that of the pixels that came, not of the rectangle that was wished for.
        share = 1 - tf.reduce_mean(tf.cast(inside, tf.float32), axis=(1, 2, 3))[:, None]
        return mixed, share * labels + (1 - share) * tf.reverse(labels, [0])
