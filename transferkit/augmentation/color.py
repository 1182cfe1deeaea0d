"""Other light: brightness, contrast, saturation and hue."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from transferkit.augmentation._base import Augmentation

if TYPE_CHECKING:
    import tensorflow as tf

__all__ = ["Color"]


class Color(Augmentation):
    """Brightness, contrast and saturation, each times a factor uniform in ``1 - amount .. 1 + amount``; the
    hue is turned by up to ``hue`` of a circle."""

    order: ClassVar[int] = 40
    draws: ClassVar[int] = 4

    amount: float = Field(
        0.2,
        ge=0,
        lt=1,
        description="value of brightness, contrast and saturation where they have none of their own",
    )
    brightness: float | None = Field(
        None, ge=0, lt=1, description="largest change of brightness; amount if not given"
    )
    contrast: float | None = Field(
        None, ge=0, lt=1, description="largest change of contrast; amount if not given"
    )
    saturation: float | None = Field(
        None, ge=0, lt=1, description="largest change of saturation; amount if not given"
    )
    hue: float = Field(
        0.0, ge=0, le=0.5, description="largest turn of the hue, as a share of the colour circle"
    )

    def paint(self, images: tf.Tensor, draws: tf.Tensor) -> tf.Tensor:
        import tensorflow as tf

        from transferkit.augmentation._ops import blend, grey, turn_hue

        def factor(own: float | None, number: int) -> tf.Tensor:
            amount = self.amount if own is None else own
            return 1 + (2 * draws[:, number] - 1) * amount

        images = blend(tf.zeros_like(images), images, factor(self.brightness, 0))
        mean = tf.reduce_mean(grey(images), axis=(1, 2, 3), keepdims=True)
        images = blend(mean, images, factor(self.contrast, 1))
        images = blend(grey(images), images, factor(self.saturation, 2))
        if self.hue:
            images = turn_hue(images, (2 * draws[:, 3] - 1) * (2 * math.pi * self.hue))
        return images
