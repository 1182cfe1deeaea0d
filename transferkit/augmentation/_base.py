"""What every augmentation is: a seeded, random change of training images.

All are pure functions of the images and of one seed an image: the same image with the same seed is changed in
the same way in any process and after any interruption, and in any batch up to the rounding of a pixel value.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from transferkit.registry import Component

if TYPE_CHECKING:
    import tensorflow as tf

__all__ = ["Augmentation"]


class Augmentation(Component):
    """Base of all augmentations. One implements exactly one of the three methods, and says its order.

    The changes that move pixels are put together into one, so that an image is resampled once.
    """

    # Where it comes among the others: moves first, then colours, then what covers or mixes.
    order: ClassVar[int] = 50
    # How many random numbers an image it needs.
    draws: ClassVar[int] = 1
    # "move", "paint" or "mix": which of the methods it implements.
    way: ClassVar[str] = "paint"

    def move(self, draws: tf.Tensor) -> tf.Tensor:
        """Where each pixel of the new image comes from.

        Args:
            draws: float32 ``[N, draws]``, even in [0, 1).

        Returns:
            float32 ``[N, 3, 3]``: matrices from new to old positions ``(x, y, 1)``, each from -1 (left, top)
            to 1.
        """
        raise NotImplementedError

    def paint(self, images: tf.Tensor, draws: tf.Tensor) -> tf.Tensor:
        """Images with other colours.

        Args:
            images: float32 ``[N, h, w, 3]``, 0 to 255.
            draws: float32 ``[N, draws]``, even in [0, 1).
        """
        raise NotImplementedError

    def mix(self, images: tf.Tensor, labels: tf.Tensor, draws: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Images mixed with those of the reversed batch, and labels in the same shares.

        Args:
            images: float32 ``[N, h, w, 3]``, or activations ``[N, ...]`` for what can mix these.
            labels: float32 ``[N, C]``.
            draws: float32 ``[N, draws]``, even in [0, 1).
        """
        raise NotImplementedError
