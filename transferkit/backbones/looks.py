"""Other looks at an image: its mirror image, and crops of it at fixed places, brought to its size."""

from __future__ import annotations

from typing import Any

from transferkit.backbones._keras import keras
from transferkit.recipe.sections.backbone import Look

__all__ = ["look_at"]

# The share of height and width that a crop has: with 0.875 or more crops hardly differ from the image.
_SHARE = 0.8


def look_at(images: Any, look: Look) -> Any:
    """Images of the same size: mirrored, or a part of each.

    Args:
        images: ``[N, h, w, 3]``, symbolic or not.
        look: which.
    """
    if look == "mirror":
        return keras.ops.flip(images, axis=2)
    height, width = int(images.shape[1]), int(images.shape[2])
    tall, wide = round(_SHARE * height), round(_SHARE * width)
    top, left = height - tall, width - wide
    top, left = {
        "middle": (top // 2, left // 2),
        "top_left": (0, 0),
        "top_right": (0, left),
        "bottom_left": (top, 0),
        "bottom_right": (top, left),
    }[look]
    part = keras.ops.cast(images, "float32")[:, top : top + tall, left : left + wide]
    return keras.ops.image.resize(part, (height, width), interpolation="bilinear")
