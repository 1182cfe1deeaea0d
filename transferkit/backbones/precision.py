"""Keras layers that compute in 16 bits while a graph is traced, on weights that stay float32."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from transferkit.backbones._keras import keras
from transferkit.private.keras_names import with_inner_layers

__all__ = ["computing_in", "computing_layers"]


def computing_layers(layer: keras.Layer) -> list[Any]:
    """A layer and those inside it, but for what brings pixels to their range: that wants float32."""
    kinds = keras.layers.Rescaling, keras.layers.Normalization
    return [one for one in with_inner_layers(layer) if not isinstance(one, kinds)]


@contextmanager
def computing_in(policy: str, layers: Sequence[Any]) -> Iterator[None]:
    """Within it a trace of the layers computes by a policy, such as ``"mixed_bfloat16"``."""
    before = [layer.dtype_policy for layer in layers]
    try:
        for layer in layers:
            layer.dtype_policy = policy
        yield
    finally:
        for layer, own in zip(layers, before, strict=True):
            layer.dtype_policy = own
