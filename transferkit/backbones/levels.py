"""Pooled outputs of several stages as the features, all from one pass of the frozen network.

The last features of a network tell apart what its training told apart. Textures, materials and fine shapes
that its labels did not need are plainer some stages below, where a fitted head can still use them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from transferkit.backbones._keras import keras
from transferkit.backbones.backbone import Backbone, BatchNorm, Cut
from transferkit.backbones.flatten import free_name
from transferkit.backbones.functional import FunctionalBackbone
from transferkit.backbones.weights.digest import of_parts
from transferkit.errors import Faults, UserError, did_you_mean, fault
from transferkit.type_names import Tensor

__all__ = ["Leveled", "Pooling", "columns_of", "level_names", "with_levels"]

Pooling = Literal["mean", "max", "std"]

# Below this a variance is rounding noise, whose square root would have an endless slope.
_LEAST_VARIANCE = 1e-6


class Leveled(FunctionalBackbone):
    """A backbone whose features are pooled outputs of some of its stages, one after the other.

    A convolutional stage's map is pooled over its positions; of a row of tokens the mean of those of patches
    is taken, and beside it the class token where there is one. The last level is always the backbone's own
    features.

    Args:
        base: the backbone itself, whose weights are shared.
        names: its stages to take, from the input up.
        pooling: how a map is pooled; each statistic adds as many features as the map has channels.

    Attributes:
        base: the backbone itself.
        levels: name to the number of features, in their order.
    """

    def __init__(self, base: FunctionalBackbone, names: Sequence[str], pooling: Sequence[Pooling]) -> None:
        self.base = base
        self._pooling = tuple(pooling)
        last = base.stages[-1].name
        parts: dict[str, Any] = {}
        for stage in base.stages:
            if stage.name == last and last in names:
                parts[last] = base.model.output
            elif stage.name in names:
                tensor = base.output_of(stage.layer)
                parts[stage.name] = _pooled(tensor, stage.name, pooling, base.tokens_before)
        self.levels = {name: int(tensor.shape[-1]) for name, tensor in parts.items()}
        tensors = list(parts.values())
        joined = tensors[0]
        if len(tensors) > 1:
            joined = keras.layers.Concatenate(name=free_name("levels", base.model), dtype="float32")(tensors)
        super().__init__(
            keras.Model(base.model.input, joined, name="levels_of_backbone"), base.origin, base.stages
        )
        self._whole: Leveled | None = None

    def cut(self, at: str | None = None, frozen: Any = (), batch_norm: BatchNorm = "frozen") -> Cut:
        """As of :class:`Backbone`; above the features alone, since a level passes by every other cut.

        What the cache keeps is all levels, whichever of them are asked for: taking another one costs nothing.
        """
        if at is not None and self.resolve(at) != self.layers[-1].name:
            hint = "say freeze = 'all', or head.features = 'last'"
            raise UserError(fault("freeze", at, "'all' where the head takes several levels", hint))
        own = dataclasses.replace(super().cut(None, frozen, batch_norm), _identify=self._identify)
        every = level_names(self.base)
        if list(self.levels) == every:
            return own
        if self._whole is None:
            self._whole = Leveled(self.base, every, self._pooling)
        return dataclasses.replace(
            own, kept_as=self._whole.cut(None), columns=columns_of(self._whole.levels, list(self.levels))
        )

    def _identify(self) -> str:
        """What the features depend on, however the layers that pool them are called."""
        places = [(stage.name, stage.layer) for stage in self.stages if stage.name in self.levels]
        return of_parts(self.base.cut().fingerprint, places, self._pooling)

    def only(self, names: Sequence[str]) -> Leveled:
        """The same backbone with some of its levels."""
        made = Leveled(self.base, names, self._pooling)
        made._whole = self._whole
        return made

    def pooled(self, names: Sequence[str], pooling: Sequence[Pooling]) -> Leveled:
        """The same backbone with other levels, pooled in this way."""
        return Leveled(self.base, names, pooling)


def with_levels(backbone: Backbone, names: Sequence[str], pooling: Sequence[Pooling] = ("mean",)) -> Leveled:
    """The backbone with pooled outputs of several of its stages as its features.

    Args:
        backbone: with visible layers.
        names: of its stages.
        pooling: how maps are pooled.

    Raises:
        UserError: a name is no stage's, or the backbone's layers are not visible.
    """
    if isinstance(backbone, Leveled):
        backbone = backbone.base
    known = level_names(backbone)
    if not isinstance(backbone, FunctionalBackbone) or not known:
        expected = f"'last'; {backbone.reference} shows no stages whose outputs could be taken"
        raise UserError(fault("head.features", list(names), expected))
    Faults(
        fault("head.features", name, f"stages of {backbone.name}",
              did_you_mean(name, known) or f"stages: {', '.join(known)}")
        for name in names
        if name not in known
    ).refuse()  # fmt: skip
    return (
        backbone.pooled(names, pooling)
        if isinstance(backbone, Leveled)
        else Leveled(backbone, names, pooling)
    )


def level_names(backbone: Backbone) -> list[str]:
    """The stages whose outputs can be taken, from the input up; empty where layers are not visible."""
    known = getattr(backbone, "known", None)  # of several networks
    if known is not None:
        return list(known)
    if isinstance(backbone, Leveled):
        backbone = backbone.base
    if not isinstance(backbone, FunctionalBackbone):
        return []
    last = backbone.stages[-1].name
    return [
        stage.name
        for stage in backbone.stages
        if stage.name == last or len(backbone.output_of(stage.layer).shape) in (3, 4)
    ]


def columns_of(levels: dict[str, int], names: Sequence[str]) -> np.ndarray:
    """Where the features of some levels stand among those of all, int64."""
    ends = np.cumsum(list(levels.values()))
    ranges = {
        name: np.arange(end - width, end) for (name, width), end in zip(levels.items(), ends, strict=True)
    }
    return np.concatenate([ranges[name] for name in names])


def _pooled(tensor: Tensor, name: str, pooling: Sequence[Pooling], before: int = 0) -> Tensor:
    """Features ``[N, D]`` of a map ``[N, y, x, C]``, or of tokens ``[N, T, C]``, ``before`` of no patch."""
    layers, ops = keras.layers, keras.ops
    if len(tensor.shape) == 3:
        mean = layers.GlobalAveragePooling1D(name=f"{name}_tokens")
        if not before:
            return mean(tensor)
        patches = layers.Cropping1D((before, 0), name=f"{name}_patches")(tensor)
        first = layers.Cropping1D((0, int(tensor.shape[1]) - 1), name=f"{name}_class_token")(tensor)
        first = layers.Flatten(name=f"{name}_class")(first)
        return layers.Concatenate(name=f"{name}_level")([first, mean(patches)])
    parts = []
    for statistic in pooling:
        if statistic == "mean":
            parts.append(layers.GlobalAveragePooling2D(name=f"{name}_mean")(tensor))
        elif statistic == "max":
            parts.append(layers.GlobalMaxPooling2D(name=f"{name}_max")(tensor))
        else:
            middle = ops.mean(tensor, axis=(1, 2), keepdims=True)
            parts.append(ops.sqrt(ops.mean(ops.square(tensor - middle), axis=(1, 2)) + _LEAST_VARIANCE))
    return parts[0] if len(parts) == 1 else layers.Concatenate(name=f"{name}_level")(parts)
