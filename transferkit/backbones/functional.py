"""A backbone that is one flat functional Keras model, from raw images to pooled features."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Collection
from dataclasses import replace
from functools import partial
from typing import Any

from transferkit.backbones._keras import keras, outputs_of
from transferkit.backbones.backbone import Backbone, BatchNorm, Cut, LayerFacts, Origin, Stage
from transferkit.backbones.batch_statistics import BatchStatistics
from transferkit.backbones.forward_cost import forward_operations
from transferkit.backbones.inference_mode import Still, hold_still, is_batch_norm, takes_mode
from transferkit.backbones.layer_graph import Step, steps
from transferkit.backbones.weights.digest import of_parts, of_variables
from transferkit.errors import UserError, fault
from transferkit.private.keras_names import with_inner_layers
from transferkit.type_names import Tensor, Variable

__all__ = ["FunctionalBackbone"]


class FunctionalBackbone(Backbone):
    """Wraps a functional model whose input is raw images and whose output is pooled features.

    Args:
        model: the flat model, ``[N, h, w, 3]`` → ``[N, feature_width]``.
        origin: where it comes from.
        stages: from the input up; each must end at a point through which all data passes.
        tokens_before: of a transformer: tokens before those of patches, the class token first.

    Attributes:
        model: the flat model.
        tokens_before: as given.
    """

    def __init__(
        self, model: keras.Model, origin: Origin, stages: tuple[Stage, ...], tokens_before: int = 0
    ) -> None:
        # A file can bring layers that were frozen when it was written; here freezing is the recipe's.
        model.trainable = True
        self.model = model
        self.origin = origin
        self.tokens_before = tokens_before
        self.stages = stages
        self.input_size = tuple(model.input.shape[1:3])
        self.feature_width = int(model.output.shape[-1])
        self._steps = steps(model)
        self._outputs = outputs_of(model)
        self._operations = {operation.name: operation for operation in model.operations}
        # Now, while every layer is trainable: later a cut decides which are.
        self._layers = self._describe()

    @property
    def variables(self) -> tuple[Variable, ...]:
        return tuple(self.model.weights)

    def features(self, images: Tensor, training: bool = False) -> Tensor:
        return self.model(images, training=training)

    @property
    def layers(self) -> tuple[LayerFacts, ...]:
        return self._layers

    def output_of(self, layer: str) -> Any:
        """The symbolic output of one of the layers."""
        return self._outputs[layer]

    def _describe(self) -> tuple[LayerFacts, ...]:
        order = [step.name for step in self._steps]
        ends = [(order.index(stage.layer), stage.name) for stage in self.stages if stage.layer in order]
        facts: dict[str, LayerFacts] = {}
        for position, step in enumerate(self._steps):
            if step.name not in facts:
                facts[step.name] = self._facts(step, _stage_at(position, ends))
        return tuple(facts.values())

    def _facts(self, step: Step, stage: str) -> LayerFacts:
        operation = self._operations[step.name]
        tensor = self._outputs[step.name]
        shape = tuple(tensor.shape[1:]) if hasattr(tensor, "shape") else ()
        is_layer = isinstance(operation, keras.layers.Layer)
        weights = tuple(operation.weights) if is_layer else ()
        return LayerFacts(
            name=step.name,
            kind=type(operation).__name__,
            stage=stage,
            parameters=sum(math.prod(weight.shape) for weight in weights),
            shape=shape,
            cuttable=step.cuttable,
            batch_norm=is_batch_norm(operation),
            gflops=forward_operations(operation, shape) / 1e9 if is_layer else 0.0,
            variables=weights,
            learns=is_layer and bool(operation.trainable_weights),
            stochastic=is_layer and not weights and takes_mode(operation),
        )

    def cut(
        self, at: str | None = None, frozen: Collection[str] = (), batch_norm: BatchNorm = "frozen"
    ) -> Cut:
        layer, tensor = self._place(at)
        lower = keras.Model(self.model.input, tensor, name="prefix")
        lower.trainable = False
        prefix_variables = tuple(lower.weights)
        below = Cut(
            at=layer,
            prefix=lambda images: keras.ops.cast(lower(images, training=False), "float32"),
            suffix=_identity,
            shape=tuple(int(size) for size in tensor.shape[1:]),
            prefix_variables=prefix_variables,
            suffix_variables=(),
            trainable_variables=(),
            frozen_variables=prefix_variables,
            batch_norm=batch_norm,
            _identify=lambda: of_parts(
                keras.saving.serialize_keras_object(lower), layer or "", of_variables(prefix_variables)
            ),
            prefix_layers=tuple(one for one in lower.layers if not isinstance(one, keras.layers.InputLayer)),
        )
        if layer is None:
            return below
        upper = hold_still(keras.Model(tensor, self.model.output, name="suffix"), frozen, batch_norm)
        trainable = tuple(upper.trainable_variables)
        return replace(
            below,
            suffix=lambda x, training=False: keras.ops.cast(upper(x, training=training), "float32"),
            suffix_variables=tuple(upper.variables),
            trainable_variables=trainable,
            frozen_variables=(*prefix_variables, *_unmoved(upper, trainable, frozen, batch_norm)),
            regularisation_losses=tuple(
                partial(variable.regularizer, variable) for variable in trainable if variable.regularizer
            ),
            by_rows=batch_norm == "frozen" or all(map(_by_rows, upper.layers)),
        )

    def _place(self, at: str | None) -> tuple[str | None, Any]:
        """The layer below which a cut is, None for the last one, and its symbolic output."""
        layer = None
        if at is not None:
            layer = self.resolve(at)
            self._require_cuttable(layer, at)
        if layer is None or layer == self._steps[-1].name:
            return None, self.model.output
        return layer, self._outputs[layer]

    def _require_cuttable(self, layer: str, at: str) -> None:
        order = [step.name for step in self._steps]
        here = order.index(layer)
        if self._steps[here].cuttable:
            return
        below = next(step.name for step in reversed(self._steps[:here]) if step.cuttable)
        above = next(step.name for step in self._steps[here:] if step.cuttable)
        raise UserError(
            fault(
                "cut",
                at,
                "a layer through which all data passes",
                f"it lies inside a branch; the nearest ones are '{below}' below and '{above}' above",
            )
        )


def _by_rows(layer: keras.Layer) -> bool:
    """Whether what a layer of a suffix does to a row in training follows from the rows that count."""
    if isinstance(layer, (BatchStatistics, Still)):
        return True
    return not any(is_batch_norm(inner) and inner.trainable for inner in with_inner_layers(layer))


def _identity(x: Tensor, training: bool = False) -> Tensor:
    return x


def _stage_at(position: int, ends: list[tuple[int, str]]) -> str:
    """The stage a position lies in: the first that ends at or after it."""
    found = bisect_left(ends, position, key=lambda end: end[0])
    return ends[found][1] if found < len(ends) else ""


def _unmoved(
    upper: Any, trainable: tuple[Any, ...], frozen: Collection[str], batch_norm: BatchNorm
) -> list[Any]:
    """Weights above the cut that training leaves alone: no optimizer's, and no statistics that it moves."""
    moving = {id(variable) for variable in trainable}
    if batch_norm == "train":
        for layer in (getattr(one, "layer", one) for one in upper.layers):
            if is_batch_norm(layer) and layer.name not in frozen:
                moving |= {id(layer.moving_mean), id(layer.moving_variance)}
    return [variable for variable in upper.weights if id(variable) not in moving]
