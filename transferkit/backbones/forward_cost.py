"""Forward cost of layers, counted from their shapes.

A multiply-add counts as two operations, as in TensorFlow's profiler; papers that speak of "multiply-adds"
give half of these figures. Only what grows with the number of weights or the window counts: convolutions,
dense layers, normalisation, pooling, and one operation an element for the rest.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transferkit.keras_import import keras

__all__ = ["forward_operations"]


def forward_operations(layer: keras.Layer, output: tuple[int | None, ...]) -> int:
    """Operations for one image.

    Args:
        layer: a Keras layer.
        output: shape of its output without the batch.
    """
    elements = math.prod(size or 1 for size in output)
    kind = type(layer).__name__
    inner = getattr(layer, "layers", None)
    if inner:
        return sum(forward_operations(one, tuple(one.output.shape[1:])) for one in inner)
    if kind == "SeparableConv2D":
        window = math.prod(layer.kernel_size)
        into = layer.depthwise_kernel.shape[-2]
        deep = into * layer.depth_multiplier
        positions = elements // layer.filters
        return int(2 * positions * deep * (window + layer.filters))
    if kind == "DepthwiseConv2D":
        return int(2 * elements * math.prod(layer.kernel_size))
    if kind in ("Conv1D", "Conv2D", "Conv3D"):
        # The kernel is [*window, channels in a group, filters]; a group sees its own channels alone.
        return int(2 * elements * math.prod(layer.kernel.shape[:-1]))
    if kind == "Dense":
        return int(2 * elements * layer.kernel.shape[0])
    if kind in ("BatchNormalization", "LayerNormalization", "Normalization", "LiveNormalization"):
        return 2 * elements
    if kind in ("MaxPooling2D", "AveragePooling2D"):
        return int(elements * math.prod(layer.pool_size))
    if kind in ("GlobalAveragePooling2D", "GlobalMaxPooling2D"):
        shape = layer.input.shape if hasattr(layer, "input") else output
        return math.prod(size or 1 for size in shape[1:])
    if kind in ("InputLayer", "Reshape", "Flatten", "ZeroPadding2D", "Cropping2D", "Concatenate", "Dropout"):
        return 0
    return elements
