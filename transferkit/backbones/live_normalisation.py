"""Normalisation that follows its weights."""

from __future__ import annotations

from typing import Any

from transferkit.backbones._keras import keras
from transferkit.type_names import NamedValues

__all__ = ["LiveNormalization", "live_normalisation"]


class LiveNormalization(keras.layers.Layer):  # type: ignore[misc]
    """A ``Normalization`` layer that reads its mean and variance whenever it is called.

    Keras's own copies them out of its weights once, when it adapts or loads, so that a checkpoint restored
    later changes the weights and not what the layer does. The layer and its weights are shared, not copied.
    """

    def __init__(self, layer: keras.Layer) -> None:
        super().__init__(name=layer.name, dtype=layer.dtype_policy)
        self.layer = layer
        self.built = True

    def call(self, inputs: Any) -> Any:
        mean = keras.ops.cast(self.layer.adapt_mean, inputs.dtype)
        deviation = keras.ops.sqrt(keras.ops.cast(self.layer.adapt_variance, inputs.dtype))
        return (inputs - mean) / keras.ops.maximum(deviation, keras.config.epsilon())

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return input_shape

    def get_config(self) -> NamedValues:
        return {"name": self.name, "layer": keras.saving.serialize_keras_object(self.layer)}


def live_normalisation(layer: keras.Layer) -> Any:
    """The layer itself, or in a ``Normalization`` layer's place one that follows its weights."""
    if not isinstance(layer, keras.layers.Normalization) or layer.invert:
        return layer
    # One given its mean and variance has no weights to follow; other axes than the channels are not pixels'.
    rank_one = getattr(layer, "adapt_mean", None) is not None and len(layer.adapt_mean.shape) == 1
    return LiveNormalization(layer) if rank_one else layer
