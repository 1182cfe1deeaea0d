"""Two finished networks as one: their features side by side, and the mean of their logits on top."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from transferkit.backbones.beside import Beside
from transferkit.backbones.functional import FunctionalBackbone
from transferkit.errors import Faults, UserError, fault
from transferkit.freezing import FreezePlan, plan_freeze
from transferkit.recipe import Phase, Recipe
from transferkit.recipe.averaging import second_recipe
from transferkit.training.parts import Parts, open_parts
from transferkit.transfer.network import Network
from transferkit.transfer.standardise import Standardise
from transferkit.type_names import NamedValues

__all__ = ["AveragedParts", "averaged_parts", "check_visible", "open_averaged"]

# The key of what was chosen of the second head that holds the scale of the first network's logits.
_SCALE = "scale_of_trained"


@dataclass
class AveragedParts(Parts):
    """Parts of two networks, of which nothing trains any more."""

    def plan(self, phase: Phase) -> FreezePlan:
        """All is frozen, whatever the phase trained."""
        return plan_freeze("all", self.backbone)

    def network(
        self,
        phase: Phase,
        plan: FreezePlan,
        counts: Sequence[int] | None = None,
        samples: int | None = None,
    ) -> Network:
        """As of :class:`Parts`, in float32: nothing trains any more."""
        return self._plain_network(phase, plan, counts, samples)


def check_visible(trained: Parts, second: Parts) -> None:
    """Makes sure that two networks can become one.

    Raises:
        UserError: the layers of one of them are not visible.
    """
    Faults(
        fault(place, one.backbone.reference, "a network of visible layers where two are averaged")
        for place, one in (("backbone.name", trained), ("average.backbone.name", second))
        if not isinstance(one.backbone, FunctionalBackbone)
    ).refuse()


def averaged_parts(trained: Parts, second: Parts, scale: float) -> AveragedParts:
    """The parts of the network that answers with the mean of two networks' logits.

    Args:
        trained: of the first one, with its weights.
        second: of the second one, whose head is fitted: its logits are at their own scale.
        scale: what the logits of the first one are multiplied by.

    Raises:
        UserError: the layers of one of them are not visible.
    """
    check_visible(trained, second)
    both = trained, second
    devices = trained.devices
    with devices.scope():
        backbone = Beside([one.backbone for one in both if isinstance(one.backbone, FunctionalBackbone)])
        widths = [one.backbone.feature_width for one in both]
        standardise = Standardise(sum(widths), widths)
        means = [np.asarray(one.standardise.mean) for one in both]
        scales = [np.asarray(one.standardise.scale) for one in both]
        standardise.mean.assign(np.concatenate(means))
        standardise.scale.assign(np.concatenate([*map(np.broadcast_to, scales, widths)]))
        average = trained.recipe.average
        both_scales = 1.0 if average is None else average.scale
        layer = _mean_of(trained.layer, second.layer, widths, (scale * both_scales / 2, both_scales / 2))
    chosen = None if second.chosen is None else {**second.chosen, _SCALE: scale}
    return AveragedParts(trained.recipe, backbone, trained.classes, standardise, layer, chosen, devices)


def open_averaged(
    recipe: Recipe, classes: Sequence[str], overwritten: bool, chosen: NamedValues | None
) -> AveragedParts:
    """The parts of a finished run, whose weights are yet to be read.

    Args:
        recipe: with ``[average]``.
        classes, overwritten: as of :func:`~transferkit.training.parts.open_parts`.
        chosen: what the second head was found to be.

    Raises:
        UserError: as of :func:`averaged_parts`; or it is not known what the second head is.
    """
    if chosen is None or _SCALE not in chosen:
        raise UserError(fault("head.json", hint="the run does not say what its second network's head is"))
    trained = open_parts(recipe, classes, overwritten)
    second = open_parts(
        second_recipe(recipe, trained.backbone.input_size), classes, overwritten, chosen=chosen
    )
    return averaged_parts(trained, second, float(chosen[_SCALE]))


def _mean_of(trained: Any, second: Any, widths: Sequence[int], shares: Sequence[float]) -> Any:
    """Features ``[N, sum(widths)]`` of both to the mean of their logits, float32 ``[N, C]``."""
    from transferkit.keras3 import keras

    features = keras.Input((sum(widths),), name="features")
    sides = features[:, : widths[0]], features[:, widths[0] :]
    logits = []
    for name, layer, side, width, share in zip(
        ("trained", "second"), (trained, second), sides, widths, shares, strict=True
    ):
        own = keras.Input((width,), name="features")
        # Heads are all called alike: each is the inside of a model with a name of its own.
        answer = keras.Model(own, layer(own), name=name)(side)
        answer = keras.ops.cast(answer, "float32")
        logits.append(keras.layers.Rescaling(share, dtype="float32", name=f"{name}_share")(answer))
    return keras.Model(features, keras.layers.Add(dtype="float32", name="mean")(logits), name="head")
