"""From a recipe to networks: the backbone, the head and what stands between them, shared by all phases."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from transferkit.activations.division import real_rows
from transferkit.backbones import Backbone
from transferkit.backbones.composed import Composed, load_section
from transferkit.backbones.levels import Leveled, columns_of, level_names, with_levels
from transferkit.devices import ChosenDevices, choose_devices
from transferkit.errors import UserError, fault
from transferkit.freezing import FreezePlan, plan_freeze
from transferkit.heads import ClosedForm, design_from, head_spec, make_head
from transferkit.recipe import Phase, Recipe
from transferkit.recipe.sections import DevicesSection
from transferkit.registry import is_admitted, is_dotted
from transferkit.transfer.mixed_precision import MixedNetwork
from transferkit.transfer.network import Network
from transferkit.transfer.standardise import Standardise
from transferkit.type_names import NamedValues

if TYPE_CHECKING:
    from transferkit.keras_import import keras

__all__ = ["Parts", "open_parts", "with_features"]

# The name of the backbone's own features, where nothing else is taken of it.
LAST = "features"


@dataclass
class Parts:
    """What a run's networks are made of. Each phase cuts the backbone anew; the weights are the same.

    Attributes:
        recipe: the run's recipe.
        backbone: the whole backbone.
        classes: names in label order.
        standardise: between features and head.
        layer: the head's Keras layer.
        chosen: of a head of branches: their structure and how it was chosen, ready for JSON; None for others.
        devices: what computes.
    """

    recipe: Recipe
    backbone: Backbone
    classes: tuple[str, ...]
    standardise: Standardise
    layer: keras.Layer
    chosen: NamedValues | None = None
    devices: ChosenDevices = field(default_factory=lambda: choose_devices(DevicesSection()))

    @property
    def levels(self) -> dict[str, int]:
        """Name to number of features of the levels that a feature vector is made of."""
        if isinstance(self.backbone, Leveled):
            return dict(self.backbone.levels)
        return {LAST: self.backbone.feature_width}

    def narrow(self, names: Sequence[str]) -> np.ndarray:
        """Leaves out the levels that the head does not read.

        Args:
            names: those that stay.

        Returns:
            int64 ``[K]``: where their features stood before.
        """
        columns = columns_of(self.levels, [name for name in self.levels if name in names])
        if isinstance(self.backbone, Leveled) and len(columns) < self.backbone.feature_width:
            self.backbone = self.backbone.only(names)
            with self.devices.scope():
                self.standardise = self.standardise.narrow(columns, _parts_of(self.backbone))
        return columns

    def network(
        self,
        phase: Phase,
        plan: FreezePlan,
        counts: Sequence[int] | None = None,
        samples: int | None = None,
    ) -> Network:
        """The network of a phase: cut where its plan says, with a head that has its loss.

        Args:
            phase: the phase.
            plan: what it trains.
            counts: training images by class, for balanced losses.
            samples: training images in all, which the counts do not tell where an image has several labels.
        """
        if not phase.mixed_precision:
            return self._plain_network(phase, plan, counts, samples)
        # A backbone that is no Keras model has no layers to compute otherwise.
        model = getattr(self.backbone, "model", None)
        names = [layer.name for layer in plan.layers if layer.above_cut] if plan.at is not None else []
        known = {one.name: one for one in getattr(model, "layers", ())}
        layers = [known[name] for name in names if name in known]
        head = self._head(phase, counts, samples)
        return MixedNetwork(plan.cut(), head, self.layer, self.standardise, layers)

    def _plain_network(
        self, phase: Phase, plan: FreezePlan, counts: Sequence[int] | None, samples: int | None
    ) -> Network:
        """All in float32."""
        head = self._head(phase, counts, samples)
        return Network(plan.cut(), head, self.layer, self.standardise)

    def _head(self, phase: Phase, counts: Sequence[int] | None, samples: int | None) -> Any:
        """What turns the layer's outputs into losses and answers."""
        width = self.backbone.feature_width
        return make_head(self.recipe.head, width, self.classes, phase.loss, counts, samples)

    def plan(self, phase: Phase) -> FreezePlan:
        """What a phase trains."""
        return plan_freeze(phase.freeze, self.backbone, phase.batch_norm, phase.layer_decay)


def open_parts(
    recipe: Recipe,
    classes: Sequence[str],
    overwritten: bool = False,
    backbone: Backbone | None = None,
    chosen: NamedValues | None = None,
) -> Parts:
    """Loads the backbone and builds the head, with initial weights drawn from the recipe's seed.

    Args:
        recipe: the run's recipe.
        classes: names in label order.
        overwritten: the weights will be overwritten at once, so that the recipe's need not be available.
        backbone: the recipe's backbone, where it is loaded already.
        chosen: what a head of branches was found to be (:attr:`Parts.chosen`), where it was fitted already.

    Raises:
        UserError: the backbone or its weights are unavailable, or the head does not fit the classes.
    """
    devices = choose_devices(recipe.devices)
    with devices.scope():
        return _open_parts(recipe, classes, overwritten, backbone, chosen, devices)


def _open_parts(
    recipe: Recipe,
    classes: Sequence[str],
    overwritten: bool,
    backbone: Backbone | None,
    chosen: NamedValues | None,
    devices: ChosenDevices,
) -> Parts:
    section = recipe.backbone
    if isinstance(backbone, Leveled):
        backbone = backbone.base
    if backbone is None:
        weights = None if overwritten else section.weights
        backbone = load_section(section, weights, recipe.seed)
        if not overwritten:
            _check_finite(backbone, section.weights)
    backbone = with_features(recipe, backbone, chosen)
    head = make_head(recipe.head, backbone.feature_width, classes)
    standardise = Standardise(backbone.feature_width, _parts_of(backbone))
    parts = Parts(recipe, backbone, tuple(classes), standardise, None, chosen, devices)
    if chosen is None:
        parts.layer = head.build_layer(recipe.seed)
    else:
        parts.layer = head.restored_layer(design_from(chosen), parts.levels)
    return parts


def with_features(recipe: Recipe, backbone: Backbone, chosen: NamedValues | None = None) -> Backbone:
    """The backbone with the features that the head takes, or those that it was found to need.

    Args:
        recipe: names the head.
        backbone: as it was loaded.
        chosen: as of :func:`open_parts`.
    """
    if is_dotted(recipe.head.kind) and not is_admitted(recipe.head.kind):
        return backbone  # looked at without its code, which may be asked for nothing
    spec = head_spec(recipe.head)
    if isinstance(backbone, Composed):
        backbone = backbone.only(backbone.lasts)
    if not isinstance(spec, ClosedForm) or not spec.wants_levels:
        return backbone
    stages = level_names(backbone)
    if len(stages) < 2 and spec.takes_what_there_is:
        return backbone
    if not stages:
        return with_levels(backbone, [str(spec.features)])  # which says why it cannot be
    names = chosen["levels"] if chosen is not None and chosen.get("levels") else spec.level_names(stages)
    return with_levels(backbone, names, spec.pooling)


def _parts_of(backbone: Backbone) -> tuple[int, ...]:
    return tuple(backbone.levels.values()) if isinstance(backbone, Leveled) else ()


def _check_finite(backbone: Backbone, weights: str) -> None:
    """Refuses weights that are no numbers: every feature would be none either."""
    bad = []
    for variable in backbone.variables:
        value = np.asarray(variable)
        if value.dtype.kind == "f" and not np.isfinite(value).all():
            bad.append(str(getattr(variable, "path", None) or variable.name))
    if bad:
        more = f" and {len(bad) - 3} more" if len(bad) > 3 else ""
        received = f"NaN or infinite values in {', '.join(bad[:3])}{more}"
        raise UserError(fault(f"backbone.weights {weights}", received, "numbers", "the file is damaged"))


def features_of(network: Network, batches: Any) -> np.ndarray:
    """The backbone's features float32 ``[N, D]`` of batches of ``(features, labels)``."""
    # A partial is an object of its own: TensorFlow warns of functions that are traced again and again, and
    # takes the same method of many networks for one.
    run = tf.function(functools.partial(network.features), autograph=False)
    return np.concatenate([real_rows(features, run(features).numpy()) for features, _ in batches])
