"""Lays models inside models open."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

from transferkit.backbones._keras import apply, keras
from transferkit.backbones.live_normalisation import live_normalisation
from transferkit.private.keras_names import connected_by_graph
from transferkit.type_names import Tensor

__all__ = ["flat", "flat_operations", "free_name"]


def flat(model: keras.Model, x: Tensor, open_layer: Callable[..., Any] | None = None) -> Tensor:
    """Applies a model to a tensor layer by layer, models inside it too; gives its output.

    Layers are shared, not copied, and normalisation follows its weights. A model inside whose names clash
    with those outside stays whole.

    Args:
        model: the model.
        x: the tensor.
        open_layer: ``open_layer(layer, *args)`` gives what a layer of many parts gives, with its parts
            applied one by one, or None for a layer that stays whole.
    """
    taken = set(_names(model))

    def call(layer: keras.Layer, *args: Any, **kwargs: Any) -> Any:
        if isinstance(layer, keras.Sequential) or _is_functional(layer):
            inner = _names(layer)
            if len(args) == 1 and not taken & set(inner):
                taken.update(inner)
                return flat(layer, args[0], open_layer)
        opened = open_layer(layer, *args) if open_layer is not None and args else None
        if opened is not None:
            return opened
        return live_normalisation(layer)(*args, **kwargs)

    if isinstance(model, keras.Sequential):
        for layer in model.layers:
            x = call(layer, x)
        return x
    if not _is_functional(model):
        return model(x)
    return apply(model, x, call)


def _is_functional(model: keras.Model) -> bool:
    return connected_by_graph(model) and not isinstance(model, keras.Sequential)


def _names(model: keras.Model) -> list[str]:
    return [
        layer.name for layer in getattr(model, "layers", ()) if not isinstance(layer, keras.layers.InputLayer)
    ]


def free_name(wanted: str, model: keras.Model) -> str:
    """A name for a layer beside those of a model: the wanted one, with a number where it is taken."""
    taken = {operation.name for operation in flat_operations(model)}
    names = (f"{wanted}_{number}" if number else wanted for number in itertools.count())
    return next(name for name in names if name not in taken)


def flat_operations(model: keras.Model) -> list[Any]:
    """All operations of a model and of the models inside it, inputs first."""
    found = []
    for operation in getattr(model, "operations", None) or getattr(model, "layers", None) or ():
        found += flat_operations(operation) if isinstance(operation, keras.Model) else [operation]
    return found
