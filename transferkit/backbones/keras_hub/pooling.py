"""From what a network of KerasHub's gives to one vector for each image."""

from __future__ import annotations

import math
from typing import Any

from transferkit.backbones._keras import keras
from transferkit.backbones.keras_hub.families import POOLINGS, Family
from transferkit.errors import UserError, did_you_mean, fault

__all__ = ["check_pooling", "pooled"]

_PLACE = "backbone.options.pooling"


def check_pooling(pooling: str | None) -> None:
    """Refuses a word that no network knows.

    Raises:
        UserError: it is one.
    """
    if pooling is not None and pooling not in POOLINGS:
        expected = f"one of {', '.join(POOLINGS)}"
        raise UserError(fault(_PLACE, pooling, expected, did_you_mean(str(pooling), POOLINGS)))


def pooled(output: Any, pooling: str | None, family: Family, before: int, reference: str) -> Any:
    """Pools by layers of Keras, so that every format of an export knows them.

    Args:
        output: a map ``[N, h, w, C]``, tokens ``[N, T, C]``, a vector ``[N, D]``, or maps by name, of which
            the smallest is the deepest.
        pooling: as the user says, or None.
        family: of the network.
        before: tokens before the patch tokens.
        reference: what the user wrote.

    Raises:
        UserError: the network has no such pooling, or gives nothing of these.
    """
    if isinstance(output, dict):
        output = min(output.values(), key=lambda one: (math.prod(one.shape[1:-1]), -one.shape[-1]))
    rank = len(output.shape)
    if rank == 3:
        way = pooling or family.pooling
        if not before:
            if pooling not in (None, "mean"):
                raise UserError(fault(_PLACE, pooling, "'mean'", f"{reference} has no class token"))
            way = "mean"
        return _of_tokens(output, way, before)
    if rank == 4:
        if pooling not in (None, "mean"):
            raise UserError(fault(_PLACE, pooling, "'mean'", f"{reference} gives a map and no class token"))
        return keras.layers.GlobalAveragePooling2D(name="pool")(output)
    if rank == 2:
        if pooling is not None:
            hint = f"{reference} pools by an attention of its own: leave the option out"
            raise UserError(fault(_PLACE, pooling, "no pooling", hint))
        return output
    raise UserError(fault(f"backbone {reference}", list(output.shape), "features, a map or a row of tokens"))


def _of_tokens(tokens: Any, way: str, before: int) -> Any:
    count = int(tokens.shape[1])
    found = []
    if way in ("cls", "cls+mean"):
        first = keras.layers.Cropping1D((0, count - 1), name="class_token")(tokens)
        found.append(keras.layers.Flatten(name="pool" if way == "cls" else "pool_class_token")(first))
    if way in ("mean", "cls+mean"):
        patches = keras.layers.Cropping1D((before, 0), name="patch_tokens")(tokens) if before else tokens
        name = "pool" if way == "mean" else "pool_patch_tokens"
        found.append(keras.layers.GlobalAveragePooling1D(name=name)(patches))
    return found[0] if len(found) == 1 else keras.layers.Concatenate(name="pool")(found)
