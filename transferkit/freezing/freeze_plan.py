"""What a phase trains, layer by layer and stage by stage, and where the cut lies."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from transferkit.backbones.backbone import LayerFacts
from transferkit.freezing.freeze_rules import Choice, choose
from transferkit.type_names import Variable

if TYPE_CHECKING:
    from transferkit.backbones.backbone import Backbone

__all__ = ["FreezePlan", "LayerPlan", "StagePlan", "plan_freeze"]

_FLOAT32 = 4


@dataclass(frozen=True)
class LayerPlan:
    """One layer in a phase.

    Attributes:
        name, kind, stage: as the backbone has them.
        trainable: it trains; of a layer without weights: it is active (dropout is on).
        batch_norm: ``"frozen"`` or ``"train"``; ``""`` for other layers.
        lr_multiplier: share of the learning rate; 0 where frozen.
        parameters: number of weights, moving statistics included.
        shape: of its output for one image.
        above_cut: it belongs to the suffix.
        gflops: forward, for one image, in 1e9 operations; None where the inside is not visible.
        backward_gflops: the same for the way back.
    """

    name: str
    kind: str
    stage: str
    trainable: bool
    batch_norm: Literal["", "frozen", "train"]
    lr_multiplier: float
    parameters: int
    shape: tuple[int | None, ...]
    above_cut: bool
    gflops: float | None
    backward_gflops: float | None


@dataclass(frozen=True)
class StagePlan:
    """One stage in a phase; sums over its layers.

    Attributes:
        name: of the stage; ``""`` for what lies outside all of them.
        state: ``"frozen"``, ``"trainable"``, or ``"partly"``, by its layers that can learn.
        batch_norm: modes of its batch normalisation, ``"frozen, train"`` where both occur.
        lr_multiplier: least and greatest, of what trains.
        parameters: number of weights.
        trainable_parameters: number of weights in its trainable layers.
        shape: of its last layer's output for one image.
        above_cut: whether all, none or (``None``) some of its layers belong to the suffix.
        gflops, backward_gflops: as of :class:`LayerPlan`.
    """

    name: str
    state: Literal["frozen", "trainable", "partly"]
    batch_norm: str
    lr_multiplier: tuple[float, float]
    parameters: int
    trainable_parameters: int
    shape: tuple[int | None, ...]
    above_cut: bool | None
    gflops: float | None
    backward_gflops: float | None


@dataclass(frozen=True)
class FreezePlan:
    """What a phase trains.

    Attributes:
        backbone: the backbone it is about.
        layers: from the input up.
        at: the layer whose output is the cut; None above the features.
        batch_norm: of unfrozen layers.
    """

    backbone: Backbone = field(repr=False)
    layers: tuple[LayerPlan, ...]
    at: str | None
    batch_norm: Literal["frozen", "train"]

    def cut(self) -> Any:
        """The backbone, cut and held still as the plan says: a :class:`transferkit.backbones.Cut`."""
        frozen = [layer.name for layer in self.layers if layer.above_cut and not layer.trainable]
        return self.backbone.cut(self.at, frozen, self.batch_norm)

    def lr_multipliers(self, variables: Iterable[Variable]) -> list[float]:
        """The share of the learning rate for each variable; 1 for those that are not the backbone's."""
        shares = {
            id(variable): plan.lr_multiplier
            for plan, layer in zip(self.layers, self.backbone.layers, strict=True)
            for variable in layer.variables
        }
        return [shares.get(id(variable), 1.0) for variable in variables]

    @cached_property
    def cut_shape(self) -> tuple[int, ...]:
        """Shape of one image's tensor at the cut."""
        if self.at is None:
            return (self.backbone.feature_width,)
        shape = next(layer.shape for layer in self.layers if layer.name == self.at)
        return tuple(size or 1 for size in shape)

    @property
    def bytes_per_image(self) -> int:
        """Size of one image's activation at the cut, in float32."""
        return math.prod(self.cut_shape) * _FLOAT32

    @property
    def bytes_kept(self) -> int:
        """The same of what the cache keeps, which may be more than this plan's phase reads."""
        cut = self.cut()
        if cut.kept_parts:
            return _FLOAT32 * sum(
                int(math.prod(one.cut.shape)) * (1 + len(one.seen)) for one in cut.kept_parts
            )
        kept_as = cut.kept_as
        return self.bytes_per_image if kept_as is None else math.prod(kept_as.shape) * _FLOAT32

    @property
    def stages(self) -> tuple[StagePlan, ...]:
        """The plan by stage, from the input up."""
        groups = itertools.groupby(self.layers, key=lambda layer: layer.stage)
        return tuple(_stage(name, list(layers)) for name, layers in groups)

    @property
    def gflops_below(self) -> float | None:
        """Forward cost of one image below the cut, in 1e9 operations: once for each image."""
        return _total(layer.gflops for layer in self.layers if not layer.above_cut)

    @property
    def gflops_above(self) -> float | None:
        """Forward cost of one image above the cut: at every step."""
        return _total(layer.gflops for layer in self.layers if layer.above_cut)

    @property
    def backward_gflops(self) -> float | None:
        """Cost of the way back, for one image: at every step."""
        return _total(layer.backward_gflops for layer in self.layers if layer.above_cut is not False)

    def training_bytes(self, batch_size: int) -> int:
        """Estimated memory of a step: weights, two moments and a gradient of what trains, and the outputs.

        The outputs of all layers above the cut are counted, in float32; below it nothing is kept. For a
        module whose inside is not visible only its weights count.
        """
        weights = sum(layer.parameters for layer in self.layers)
        trained = sum(layer.parameters for layer in self.layers if layer.trainable)
        outputs = sum(
            math.prod(size or 1 for size in layer.shape) for layer in self.layers if layer.above_cut
        )
        return _FLOAT32 * (weights + 3 * trained + batch_size * (outputs + math.prod(self.cut_shape)))


def plan_freeze(
    freeze: Any,
    backbone: Backbone,
    batch_norm: Literal["frozen", "train"] = "frozen",
    layer_decay: float = 1.0,
) -> FreezePlan:
    """Plans a phase.

    The cut is the highest point below every trainable layer through which all data passes; layers above it
    that the recipe freezes stay frozen there.

    Args:
        freeze: the recipe's value (see :mod:`transferkit.freezing.freeze_rules`).
        backbone: a :class:`transferkit.backbones.Backbone`.
        batch_norm: whether unfrozen batch normalisation keeps its statistics or trains.
        layer_decay: each stage further from the features learns at this share of the next one's rate, (0, 1].

    Raises:
        UserError: the recipe's words do not fit the backbone.
    """
    choices, layers = choose(freeze, backbone), backbone.layers
    lowest = _lowest_trainable(layers, choices)
    cut = len(layers) if lowest is None else next(h for h in reversed(range(lowest)) if layers[h].cuttable)
    depth = _depths(layers)
    plans: list[LayerPlan] = []
    learning = False
    for here, (layer, choice) in enumerate(zip(layers, choices, strict=True)):
        above = here > cut
        trains = above and choice.trainable
        mode: Literal["", "frozen", "train"] = ""
        if layer.batch_norm:
            mode = "train" if trains and batch_norm == "train" else "frozen"
        # The way back costs as much as the forward for each of: the inputs' gradient, the weights' gradient.
        times = learning + (trains and layer.learns)
        learning = learning or (trains and layer.learns)
        plans.append(
            LayerPlan(
                name=layer.name,
                kind=layer.kind,
                stage=layer.stage,
                trainable=trains,
                batch_norm=mode,
                lr_multiplier=choice.lr_multiplier * layer_decay ** depth[layer.stage] if trains else 0.0,
                parameters=layer.parameters,
                shape=layer.shape,
                above_cut=above,
                gflops=layer.gflops,
                backward_gflops=None if layer.gflops is None else times * layer.gflops,
            )
        )
    return FreezePlan(backbone, tuple(plans), None if lowest is None else layers[cut].name, batch_norm)


def _lowest_trainable(layers: Sequence[LayerFacts], choices: Sequence[Choice]) -> int | None:
    """The place of the lowest layer that acts differently in training; None where nothing of them learns."""
    pairs = list(zip(layers, choices, strict=True))
    # Dropout alone is nothing to train for.
    if not any(layer.learns and choice.trainable for layer, choice in pairs):
        return None
    return next(
        here
        for here, (layer, choice) in enumerate(pairs)
        if choice.trainable and (layer.learns or layer.stochastic)
    )


def _depths(layers: Sequence[LayerFacts]) -> dict[str, int]:
    """Stage to the number of stages between it and the features; 0 for what lies in none."""
    order = list(dict.fromkeys(layer.stage for layer in layers if layer.stage))
    return {"": 0} | {stage: len(order) - 1 - place for place, stage in enumerate(order)}


def _stage(name: str, layers: list[LayerPlan]) -> StagePlan:
    weighted = [layer for layer in layers if layer.parameters] or layers
    trainable = [layer for layer in weighted if layer.trainable]
    state: Literal["frozen", "trainable", "partly"] = "partly"
    if not trainable:
        state = "frozen"
    elif len(trainable) == len(weighted):
        state = "trainable"
    shares = [layer.lr_multiplier for layer in trainable] or [0.0]
    sides = {layer.above_cut for layer in layers}
    return StagePlan(
        name=name,
        state=state,
        batch_norm=", ".join(sorted({layer.batch_norm for layer in layers if layer.batch_norm})),
        lr_multiplier=(min(shares), max(shares)),
        parameters=sum(layer.parameters for layer in layers),
        trainable_parameters=sum(layer.parameters for layer in trainable),
        shape=layers[-1].shape,
        above_cut=sides.pop() if len(sides) == 1 else None,
        gflops=_total(layer.gflops for layer in layers),
        backward_gflops=_total(layer.backward_gflops for layer in layers),
    )


def _total(parts: Iterable[float | None]) -> float | None:
    """The sum; None where a part is not known."""
    known = list(parts)
    return None if any(part is None for part in known) else math.fsum(part or 0.0 for part in known)
