"""Layers that stay as they are while the model around them trains."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from transferkit.backbones._keras import apply, keras
from transferkit.backbones.backbone import BatchNorm
from transferkit.backbones.batch_statistics import BatchStatistics
from transferkit.private.keras_names import takes_training

__all__ = ["Still", "hold_still", "is_batch_norm"]


class Still(keras.layers.Layer):  # type: ignore[misc]
    """Calls a layer in inference mode, whatever the mode of the model.

    Batch normalisation uses and keeps its statistics, dropout and stochastic depth pass everything. The
    layer and its weights are shared, not copied.
    """

    def __init__(self, layer: keras.Layer) -> None:
        super().__init__(name=layer.name, dtype=layer.dtype_policy)
        self.layer = layer
        self.built = True

    def call(self, *args: Any, **kwargs: Any) -> Any:
        kwargs.pop("training", None)
        return self.layer(*args, training=False, **kwargs)

    def compute_output_spec(self, *args: Any, **kwargs: Any) -> Any:
        kwargs.pop("training", None)
        return self.layer.compute_output_spec(*args, **kwargs)


def is_batch_norm(layer: keras.Layer) -> bool:
    """Whether the layer keeps moving statistics of what passes through it."""
    return hasattr(layer, "moving_mean") and hasattr(layer, "moving_variance")


def hold_still(model: keras.Model, frozen: Collection[str], batch_norm: BatchNorm) -> Any:
    """The same model on the same weights, with frozen layers held still.

    Layers in ``frozen`` become untrainable and run in inference mode. With ``batch_norm="frozen"`` every
    other batch normalisation runs in inference mode too, while its scale and offset may train.

    Args:
        model: a functional Keras model of one input.
        frozen: names of layers.
        batch_norm: what becomes of batch normalisation in the other layers.
    """

    def call(layer: keras.Layer, *args: Any, **kwargs: Any) -> Any:
        return _held(layer, frozen, batch_norm)(*args, **kwargs)

    x = keras.Input(model.inputs[0].shape[1:], dtype=model.inputs[0].dtype, name="cut")
    return keras.Model(x, apply(model, x, call), name=model.name)


def _held(layer: keras.Layer, frozen: Collection[str], batch_norm: BatchNorm) -> Any:
    if not isinstance(layer, keras.layers.Layer):
        return layer
    layer.trainable = layer.name not in frozen
    keeps_mode = (
        takes_mode(layer) if layer.name in frozen else batch_norm == "frozen" and is_batch_norm(layer)
    )
    if keeps_mode:
        return Still(layer)
    return BatchStatistics(layer) if follows_rows(layer) else layer


def follows_rows(layer: keras.Layer) -> bool:
    """Whether :class:`BatchStatistics` can compute for the layer: it is Keras's own, without what is rare."""
    return type(layer) is keras.layers.BatchNormalization and not getattr(layer, "renorm", False)


def takes_mode(layer: keras.Layer) -> bool:
    """Whether the layer acts differently in training: it takes a ``training`` argument.

    Nested models hand the mode on to their layers, and take it too.
    """
    return takes_training(layer) or isinstance(layer, keras.Model)
