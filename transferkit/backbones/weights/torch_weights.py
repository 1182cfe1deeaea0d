"""Loads a file of PyTorch's into a network whose module says which tensors belong to which layer."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING

from transferkit.backbones.weights.torch_file import read_tensors
from transferkit.card import Card
from transferkit.errors import UserError, fault

if TYPE_CHECKING:
    from transferkit.keras_import import keras

__all__ = ["load_torch_weights"]


def load_torch_weights(model: keras.Model, path: Path, card: Card) -> None:
    """Gives every layer its weights from the file; the file's classifier is left out.

    Args:
        model: the flat model that the card's constructor built.
        path: a ``state_dict`` in PyTorch's legacy format.
        card: ``tensors_of_layer`` of its constructor's module is the map from tensors to layers.

    Raises:
        UserError: the network has no such map, the file cannot be read, lacks a tensor, or has one of
            another shape; the weights are as they were then.
    """
    module = str(card.constructor).rpartition(".")[0]
    tensors_of_layer = getattr(importlib.import_module(module), "tensors_of_layer", None)
    if tensors_of_layer is None:
        hint = f"there is no map from PyTorch's names to the layers of {card.name}"
        raise UserError(
            fault("backbone.weights", str(path), "a .weights.h5 or .h5 file, or a checkpoint", hint)
        )
    tensors = read_tensors(path)
    values, faults = [], []
    for layer in model.layers:
        if not layer.weights:
            continue
        try:
            found = tensors_of_layer(layer, tensors)
        except KeyError as error:
            faults.append(f"layer {layer.name} needs {error.args[0]}")
            continue
        shapes = [tuple(one.shape) for one in layer.weights]
        if [one.shape for one in found] != shapes:
            faults.append(f"layer {layer.name} has {shapes}, the file {[one.shape for one in found]}")
        values.append((layer, found))
    if faults:
        shown = "; ".join(faults[:3]) + (f" and {len(faults) - 3} more" if len(faults) > 3 else "")
        raise UserError(fault("backbone.weights", str(path), f"the weights of {card.name}", shown))
    for layer, found in values:
        layer.set_weights(found)
