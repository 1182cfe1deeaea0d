"""EfficientNet-Lite: EfficientNet without squeeze-and-excitation and with ReLU6, made for CPUs and int8.

The plan of blocks is EfficientNet-B0's (Tan and Le 2019, https://arxiv.org/abs/1905.11946, table 1). Wider
and deeper members scale it, all but the stem, the top, and the number of blocks of the first and the last
stage (https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite). Pixels come as
(x - 127) / 128.

Layers are named so that each finds its tensors in a file of ``efficientnet_pytorch``:
:func:`tensors_of_layer` says how.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from transferkit.backbones._keras import keras
from transferkit.type_names import Tensor

__all__ = ["efficientnet_lite", "tensors_of_layer"]

layers = keras.layers

_STEM_WIDTH, _TOP_WIDTH = 32, 1280
# Blocks, kernel, strides, expansion, filters in, filters out of each stage of EfficientNet-B0.
_STAGES = (
    (1, 3, 1, 1, 32, 16),
    (2, 3, 2, 6, 16, 24),
    (2, 5, 2, 6, 24, 40),
    (3, 3, 2, 6, 40, 80),
    (3, 5, 1, 6, 80, 112),
    (4, 5, 2, 6, 112, 192),
    (1, 3, 1, 6, 192, 320),
)


def efficientnet_lite(
    include_top: bool = False,
    weights: str | None = None,
    input_tensor: Any = None,
    input_shape: tuple[int | None, int | None, int] | None = None,
    pooling: str | None = None,
    classes: int = 1000,
    width_coefficient: float = 1.0,
    depth_coefficient: float = 1.0,
    name: str = "efficientnet_lite",
) -> Any:
    """Builds an EfficientNet-Lite, in the spelling of ``keras.applications``.

    Args:
        include_top: with the classifier: softmax over ``classes``.
        weights: must be None; a card names the weights.
        input_tensor: images ``[N, h, w, 3]`` with values (x - 127) / 128, to build on; a new input when None.
        input_shape: ``(h, w, 3)``, at least 32 px a side; ``(224, 224, 3)`` when None.
        pooling: None for the feature map ``[N, ceil(h/32), ceil(w/32), 1280]``, or ``"avg"`` or ``"max"`` for
            ``[N, 1280]``; without effect where there is a top.
        classes: of the classifier.
        width_coefficient: factor of the number of filters: 1.0, 1.0, 1.1 for Lite0, 1, 2.
        depth_coefficient: factor of the number of blocks: 1.0, 1.1, 1.2.
        name: the model's name.

    Returns:
        A functional model whose blocks end at ``block_N_add`` where they have a shortcut, else at
        ``block_N_project_bn``.

    Raises:
        ValueError: the pooling is unknown, weights are given, or the input has not three channels.
    """
    if weights is not None:
        raise ValueError(
            f"efficientnet_lite: weights: received {weights!r}, expected None; a card names them"
        )
    if pooling not in (None, "avg", "max"):
        raise ValueError(f"efficientnet_lite: pooling: received {pooling!r}, expected None, 'avg' or 'max'")
    if input_tensor is None:
        input_tensor = keras.Input(input_shape or (224, 224, 3), name="images")
    if input_tensor.shape[-1] != 3:
        shape = input_tensor.shape[1:]
        raise ValueError(f"efficientnet_lite: input_shape: received {shape}, expected three channels")

    x = _features(input_tensor, width_coefficient, depth_coefficient)
    if include_top or pooling == "avg":
        x = layers.GlobalAveragePooling2D(name="avg_pool")(x)
    elif pooling == "max":
        x = layers.GlobalMaxPooling2D(name="max_pool")(x)
    if include_top:
        x = layers.Dense(classes, activation="softmax", name="predictions")(x)
    (images,) = keras.utils.get_source_inputs(input_tensor)
    return keras.Model(images, x, name=name)


def _features(images: Tensor, width_coefficient: float, depth_coefficient: float) -> Tensor:
    """The feature map ``[N, ceil(h/32), ceil(w/32), 1280]``."""
    x = layers.Conv2D(_STEM_WIDTH, 3, 2, "same", use_bias=False, name="stem_conv")(images)
    x = _normalised(x, "stem_bn", activate="stem_relu6")
    number = 0
    for place, (blocks, kernel, strides, expansion, narrow, wide) in enumerate(_STAGES):
        scaled = place not in (0, len(_STAGES) - 1)
        # The first stage begins with the stem's filters, which are not scaled.
        before = _filters(narrow, width_coefficient) if place else _STEM_WIDTH
        after = _filters(wide, width_coefficient)
        for block in range(math.ceil(blocks * depth_coefficient) if scaled else blocks):
            x = _block(x, before, after, kernel, 1 if block else strides, expansion, f"block_{number}")
            before, number = after, number + 1
    x = layers.Conv2D(_TOP_WIDTH, 1, padding="same", use_bias=False, name="top_conv")(x)
    return _normalised(x, "top_bn", activate="top_relu6")


def tensors_of_layer(layer: keras.Layer, tensors: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    """The weights of one layer, in the layer's order and layout, from tensors of ``efficientnet_pytorch``.

    Args:
        layer: of a model that :func:`efficientnet_lite` built, with weights.
        tensors: name to array, such as ``_blocks.3._bn1.running_var``.

    Raises:
        KeyError: a tensor is missing.
    """
    prefix = _torch_name(layer.name)
    if isinstance(layer, layers.BatchNormalization):
        return [tensors[f"{prefix}.{part}"] for part in ("weight", "bias", "running_mean", "running_var")]
    kernel = tensors[f"{prefix}.weight"]
    if isinstance(layer, layers.Dense):
        return [kernel.T, tensors[f"{prefix}.bias"]]
    # PyTorch: [out, in, h, w]; Keras: [h, w, in, out], and [h, w, in, 1] where each filter has one channel.
    order = (2, 3, 0, 1) if isinstance(layer, layers.DepthwiseConv2D) else (2, 3, 1, 0)
    return [kernel.transpose(order)]


def _torch_name(name: str) -> str:
    whole = {"stem_conv": "_conv_stem", "stem_bn": "_bn0", "top_conv": "_conv_head", "top_bn": "_bn1"}
    whole["predictions"] = "_fc"
    if name in whole:
        return whole[name]
    _, number, part = name.split("_", 2)
    part = {"expand_bn": "bn0", "depthwise_bn": "bn1", "project_bn": "bn2"}.get(part, part)
    return f"_blocks.{number}._{part}"


def _block(
    x: Tensor, before: int, after: int, kernel: int, strides: int, expansion: int, name: str
) -> Tensor:
    """An inverted residual: expand, filter each channel by itself, project; a shortcut where shapes allow."""
    y = x
    if expansion != 1:
        y = layers.Conv2D(before * expansion, 1, padding="same", use_bias=False, name=f"{name}_expand_conv")(
            y
        )
        y = _normalised(y, f"{name}_expand_bn", activate=f"{name}_expand_relu6")
    y = layers.DepthwiseConv2D(kernel, strides, "same", use_bias=False, name=f"{name}_depthwise_conv")(y)
    y = _normalised(y, f"{name}_depthwise_bn", activate=f"{name}_depthwise_relu6")
    y = layers.Conv2D(after, 1, padding="same", use_bias=False, name=f"{name}_project_conv")(y)
    y = _normalised(y, f"{name}_project_bn")
    if strides == 1 and before == after:
        y = layers.Add(name=f"{name}_add")([x, y])
    return y


def _normalised(x: Tensor, name: str, activate: str | None = None) -> Tensor:
    x = layers.BatchNormalization(momentum=0.99, epsilon=1e-3, name=name)(x)
    return x if activate is None else layers.ReLU(6.0, name=activate)(x)


def _filters(filters: int, coefficient: float) -> int:
    """The scaled number, as the nearest multiple of 8 that loses no more than a tenth of it."""
    wanted = filters * coefficient
    rounded = max(8, int(wanted + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * wanted else rounded
