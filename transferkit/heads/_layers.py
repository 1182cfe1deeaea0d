"""Keras layers that heads are made of, with every seed given."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from transferkit.keras3 import keras

__all__ = ["dense", "stack"]


def dense(units: int, seed: int, l2: float = 0.0, activation: str | None = None, name: str = "logits") -> Any:
    """A dense layer; it computes in float32 also under mixed precision when it gives the logits."""
    return keras.layers.Dense(
        units,
        activation=activation,
        kernel_initializer=keras.initializers.GlorotUniform(seed=seed),
        kernel_regularizer=keras.regularizers.L2(l2) if l2 else None,
        dtype="float32" if name == "logits" else None,
        name=name,
    )


def stack(width: int, dropout: float, hidden: Sequence[Any], top: Any, seed: int) -> Any:
    """Dropout, then each hidden layer with dropout after it, then the top, as one built model.

    Args:
        width: length of a feature vector.
        dropout: share left out each time; 0 for none.
        hidden: layers between.
        top: the layer that gives the logits.
        seed: of the dropout masks.
    """
    layers: list[Any] = [keras.Input((width,), name="features")]
    for number, layer in enumerate([None, *hidden]):
        if layer is not None:
            layers.append(layer)
        if dropout:
            layers.append(keras.layers.Dropout(dropout, seed=seed + number, name=f"dropout_{number}"))
    return keras.Sequential([*layers, top], name="head")
