"""From a recipe to networks: the backbone, the head and what stands between them, shared by all phases."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from transferkit.backbones import Backbone, load_backbone
from transferkit.freezing import FreezePlan, plan_freeze
from transferkit.heads import make_head
from transferkit.model_fn.network import Network
from transferkit.model_fn.standardise import Standardise
from transferkit.recipe import Phase, Recipe

__all__ = ["Parts", "open_parts"]


@dataclass
class Parts:
    """What a run's networks are made of. Each phase cuts the backbone anew; the weights are the same.

    Attributes:
        recipe: the run's recipe.
        backbone: the whole backbone.
        classes: names in label order.
        standardise: between features and head.
        layer: the head's Keras layer.
    """

    recipe: Recipe
    backbone: Backbone
    classes: tuple[str, ...]
    standardise: Standardise
    layer: Any

    def network(self, phase: Phase, counts: Sequence[int] | None = None) -> Network:
        """The network of a phase: cut where its freezing says, with a head that has its loss.

        Args:
            phase: the phase.
            counts: training images by class, for balanced losses.
        """
        plan = plan_freeze(phase.freeze, self.backbone, batch_norm=phase.batch_norm)
        head = make_head(self.recipe.head, self.backbone.feature_width, self.classes, phase.loss, counts)
        cut = plan.cut()
        shares = _rate_shares(plan, cut, phase.layer_decay) + [1.0] * len(self.layer.trainable_variables)
        return Network(cut, head, self.layer, self.standardise, shares)


def _rate_shares(plan: FreezePlan, cut: Any, decay: float) -> list[float]:
    """Each backbone variable's share of the learning rate: its rule's, less by its stage's distance."""
    stages = [stage.name for stage in plan.stages]
    distance = {name: len(stages) - 1 - place for place, name in enumerate(stages)}
    of_stage = {
        id(variable): decay ** distance[layer.stage]
        for layer in plan.backbone.layers
        for variable in layer.variables
    }
    variables = cut.trainable_variables
    return [
        share * of_stage.get(id(variable), 1.0)
        for share, variable in zip(plan.lr_multipliers(variables), variables, strict=True)
    ]


def open_parts(recipe: Recipe, classes: Sequence[str], weights: str | None = None) -> Parts:
    """Loads the backbone and builds the head, with initial weights drawn from the recipe's seed.

    Args:
        recipe: the run's recipe.
        classes: names in label order.
        weights: other backbone weights than the recipe's, such as ``"random"`` where they are overwritten.

    Raises:
        UserError: the backbone or its weights are not to be had, or the head does not fit the classes.
    """
    section = recipe.backbone
    backbone = load_backbone(
        section.name, weights or section.weights, section.input_size, seed=recipe.seed, **section.options
    )
    head = make_head(recipe.head, backbone.feature_width, classes)
    layer = head.build_layer(recipe.seed)
    return Parts(recipe, backbone, tuple(classes), Standardise(backbone.feature_width), layer)


def features_of(network: Network, batches: Any) -> np.ndarray:
    """The backbone's features float32 ``[N, D]`` of batches of ``(features, labels)``."""
    run = tf.function(network.features)
    return np.concatenate([run(features).numpy() for features, _ in batches])
