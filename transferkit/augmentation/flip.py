"""Mirror images."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from transferkit.augmentation._base import Augmentation

if TYPE_CHECKING:
    import tensorflow as tf

__all__ = ["Flip"]


class Flip(Augmentation):
    """Half of the images are mirrored."""

    order: ClassVar[int] = 10
    draws: ClassVar[int] = 2
    way: ClassVar[str] = "move"

    axis: Literal["horizontal", "vertical", "both"] = Field(
        "horizontal", description="horizontal swaps left and right, vertical swaps top and bottom"
    )

    def move(self, draws: tf.Tensor) -> tf.Tensor:
        import tensorflow as tf

        from transferkit.augmentation._chance import affine

        x = tf.where(draws[:, 0] < 0.5, -1.0, 1.0) if self.axis != "vertical" else 1.0
        y = tf.where(draws[:, 1] < 0.5, -1.0, 1.0) if self.axis != "horizontal" else 1.0
        return affine(x, 0.0, 0.0, 0.0, y, 0.0, draws[:, 0])
