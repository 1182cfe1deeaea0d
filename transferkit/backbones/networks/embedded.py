"""The backbone that ships with the project: a small residual network trained by ourselves.

Plain 3x3 convolutions instead of depthwise ones: on CPUs they use the vector units better, in training
above all, so one network serves inference, fine-tuning and the tests. Input 128 px, values in [-1, 1], total
stride 16, 512 pooled features. How the weights were made stands in ``benchmarks/train_embedded.py``.
"""

from __future__ import annotations

from typing import Any

from transferkit.backbones._keras import keras
from transferkit.type_names import Tensor

__all__ = ["embedded"]

layers = keras.layers

_STEM_WIDTH = 24
_TOP_WIDTH = 512
# One entry a stage, one (inner width, outer width) a residual block; each stage halves the grid.
_STAGES: tuple[tuple[tuple[int, int], ...], ...] = (
    ((32, 48),),
    ((96, 96), (64, 96)),
    ((128, 192), (96, 192)),
)


def embedded(
    include_top: bool = False,
    weights: str | None = None,
    input_tensor: Any = None,
    input_shape: tuple[int | None, int | None, int] | None = None,
    pooling: str | None = None,
    name: str = "embedded",
) -> Any:
    """Build the embedded backbone, in the spelling of ``keras.applications``.

    Args:
        include_top: Must be False; the network has no classes of its own.
        weights: A weights file that Keras reads (``.weights.h5``), or None for random weights.
        input_tensor: Images ``[N, h, w, 3]`` with values in [-1, 1], to build on; a new input when None.
        input_shape: ``(h, w, 3)``, at least 32 px a side; ``(128, 128, 3)`` when None.
        pooling: None for the feature map ``[N, ceil(h/16), ceil(w/16), 512]``, or ``"avg"`` or ``"max"`` for
            ``[N, 512]``.
        name: The model's name.

    Returns:
        A functional model whose stages end at ``stem_out``, ``stage1_out``, ``stage2_out``, ``stage3_out``
        and ``top_out``.

    Raises:
        ValueError: If a top is asked for, the pooling is unknown, or the input has not three channels.
    """
    if include_top:
        raise ValueError("embedded: include_top: received True, but this backbone has no classification top")
    if pooling not in (None, "avg", "max"):
        raise ValueError(f"embedded: pooling: received {pooling!r}, expected None, 'avg' or 'max'")
    if input_tensor is None:
        input_tensor = keras.Input(input_shape or (128, 128, 3), name="images")
    if input_tensor.shape[-1] != 3:
        raise ValueError(f"embedded: input_shape: received {input_tensor.shape[1:]}, expected three channels")

    x = _conv(input_tensor, _STEM_WIDTH, 3, "stem", strides=2)
    x = layers.ReLU(name="stem_out")(x)
    for stage, blocks in enumerate(_STAGES, start=1):
        for block, (inner, outer) in enumerate(blocks, start=1):
            prefix = f"stage{stage}_block{block}"
            end = f"stage{stage}_out" if block == len(blocks) else f"{prefix}_out"
            x = _residual(x, inner, outer, 2 if block == 1 else 1, prefix, end)
    x = _conv(x, _TOP_WIDTH, 1, "top")
    x = layers.ReLU(name="top_out")(x)
    if pooling == "avg":
        x = layers.GlobalAveragePooling2D(name="avg_pool")(x)
    elif pooling == "max":
        x = layers.GlobalMaxPooling2D(name="max_pool")(x)

    (images,) = keras.utils.get_source_inputs(input_tensor)
    model = keras.Model(images, x, name=name)
    if weights is not None:
        model.load_weights(weights)
    return model


def _conv(x: Tensor, width: int, kernel: int, prefix: str, strides: int = 1) -> Tensor:
    """Convolution and batch normalisation, without activation."""
    x = layers.Conv2D(width, kernel, strides, padding="same", use_bias=False, name=f"{prefix}_conv")(x)
    return layers.BatchNormalization(momentum=0.97, name=f"{prefix}_bn")(x)


def _residual(x: Tensor, inner: int, outer: int, strides: int, prefix: str, end: str) -> Tensor:
    """Two 3x3 convolutions and a shortcut; where the grid shrinks, the shortcut averages, then projects."""
    y = _conv(x, inner, 3, f"{prefix}_1", strides)
    y = layers.ReLU(name=f"{prefix}_1_relu")(y)
    y = _conv(y, outer, 3, f"{prefix}_2")
    if strides != 1:
        x = layers.AveragePooling2D(strides, padding="same", name=f"{prefix}_shortcut_pool")(x)
        x = _conv(x, outer, 1, f"{prefix}_shortcut")
    x = layers.Add(name=f"{prefix}_add")([y, x])
    return layers.ReLU(name=end)(x)
