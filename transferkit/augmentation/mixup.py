"""Pairs of images laid over each other, labels in the same shares (Zhang et al. 2017, arXiv:1710.09412)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from transferkit.augmentation._base import Augmentation

if TYPE_CHECKING:
    import tensorflow as tf

__all__ = ["Mixup"]


class Mixup(Augmentation):
    """``share * image + (1 - share) * other``, the share drawn from Beta(alpha, alpha), at least a half.

    ``at = "cut"`` mixes what the frozen part of the backbone gives instead of the images (manifold mixup,
    Verma et al. 2018, arXiv:1806.05236): each image then still goes through the frozen part once only.
    """

    order: ClassVar[int] = 80
    draws: ClassVar[int] = 1
    way: ClassVar[str] = "mix"

    alpha: float = Field(0.2, gt=0, le=10, description="parameter of the Beta distribution of the share")
    at: Literal["images", "cut"] = Field(
        "images", description="whether images are mixed, or their activations at the cut"
    )

    def mix(self, images: tf.Tensor, labels: tf.Tensor, draws: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        import tensorflow as tf

        from transferkit.augmentation._beta import beta

        share = beta(self.alpha, draws[:, 0])
        share = tf.maximum(share, 1 - share)
        wide = tf.reshape(share, tf.concat([[-1], tf.ones([tf.rank(images) - 1], tf.int32)], axis=0))
        mixed = wide * images + (1 - wide) * tf.reverse(images, [0])
        return mixed, share[:, None] * labels + (1 - share)[:, None] * tf.reverse(labels, [0])
