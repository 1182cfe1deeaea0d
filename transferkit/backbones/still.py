"""Layers that stay as they are while the model around them trains."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from transferkit.backbones._keras import keras
from transferkit.backbones.backbone import BatchNorm

__all__ = ["Still", "hold_still", "is_batch_norm"]


class Still(keras.layers.Layer):
    """Calls a layer in inference mode, whatever the mode of the model.

    Batch normalisation uses and keeps its statistics, dropout and stochastic depth pass everything. The
    layer and its weights are shared, not copied.
    """

    def __init__(self, layer: Any) -> None:
        super().__init__(name=layer.name, dtype=layer.dtype_policy)
        self.layer = layer
        self.built = True

    def call(self, *args: Any, **kwargs: Any) -> Any:
        kwargs.pop("training", None)
        return self.layer(*args, training=False, **kwargs)

    def compute_output_spec(self, *args: Any, **kwargs: Any) -> Any:
        kwargs.pop("training", None)
        return self.layer.compute_output_spec(*args, **kwargs)


def is_batch_norm(layer: Any) -> bool:
    """Whether the layer keeps moving statistics of what passes through it."""
    return hasattr(layer, "moving_mean") and hasattr(layer, "moving_variance")


def hold_still(model: Any, frozen: Collection[str], batch_norm: BatchNorm) -> Any:
    """The same model on the same weights, with frozen layers held still.

    Layers in ``frozen`` become untrainable and run in inference mode. With ``batch_norm="frozen"`` every
    other batch normalisation runs in inference mode too, while its scale and offset may train.
    """

    def replace(layer: Any) -> Any:
        if not isinstance(layer, keras.layers.Layer):
            return layer
        if layer.name in frozen:
            layer.trainable = False
            return Still(layer) if takes_mode(layer) else layer
        layer.trainable = True
        if batch_norm == "frozen" and is_batch_norm(layer):
            return Still(layer)
        return layer

    return keras.models.clone_model(model, clone_function=replace)


def takes_mode(layer: Any) -> bool:
    """Whether the layer acts differently in training: it takes a ``training`` argument.

    Nested models hand the mode on to their layers, and take it too.
    """
    return bool(getattr(layer, "_call_has_training_arg", False)) or isinstance(layer, keras.Model)
