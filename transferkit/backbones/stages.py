"""Stages of a network whose card names none."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from transferkit.backbones._keras import outputs_of
from transferkit.backbones.backbone import Stage
from transferkit.backbones.layer_graph import steps
from transferkit.card import Card

if TYPE_CHECKING:
    from transferkit.keras_import import keras

__all__ = ["stages_of"]


def stages_of(model: keras.Model, card: Card | None) -> tuple[Stage, ...]:
    """Those of the card; without one, a stage ends wherever the map gets smaller, and at the top.

    Args:
        model: a flat model from ``images`` through ``pixels``.
        card: the facts, where there is a card.
    """
    cuttable = [step.name for step in steps(model) if step.cuttable]
    if card is not None and card.stages and set(card.stages.values()) <= set(cuttable):
        return tuple(Stage(name, layer) for name, layer in card.stages.items())
    outputs = outputs_of(model)
    stages: list[Stage] = []
    for here, above in itertools.pairwise(cuttable):
        before, after = outputs[here].shape, outputs[above].shape
        if here in ("images", "pixels") or not len(before) == len(after) == 4:
            continue
        if before[1] > after[1] or before[2] > after[2]:
            stages.append(Stage(f"stage_{len(stages)}", here))
    return (*stages, Stage("top", cuttable[-1]))
