"""Finished networks whose features stand beside each other, each frozen and as it is.

Unlike :mod:`transferkit.backbones.composed` it takes networks as they are, trained ones among them, and gives
all of their features. What the cache keeps is each network's own.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from transferkit.backbones._keras import keras
from transferkit.backbones.backbone import BatchNorm, Cut, KeptPart, LayerFacts, Stage
from transferkit.backbones.composed import facts_of, titles_of
from transferkit.backbones.functional import FunctionalBackbone
from transferkit.backbones.weights.digest import of_parts
from transferkit.errors import UserError, fault

__all__ = ["Beside"]


class Beside(FunctionalBackbone):
    """Networks side by side, frozen.

    Args:
        networks: of one input size.

    Attributes:
        networks: as given.
    """

    def __init__(self, networks: Sequence[FunctionalBackbone]) -> None:
        self.networks = tuple(networks)
        first, titles = self.networks[0], titles_of(self.networks)
        images = keras.Input((*first.input_size, 3), dtype=first.model.input.dtype, name="pixels")
        features = []
        for number, one in enumerate(self.networks):
            inner = keras.Model(one.model.input, one.model.output, name=f"side_{number}")
            features.append(inner(images))
        self._described = tuple(
            fact
            for title, one in zip(titles, self.networks, strict=True)
            for fact in facts_of(title, one, passes=1)
        )
        stages = tuple(
            Stage(title + stage.name, title + stage.layer)
            for title, one in zip(titles, self.networks, strict=True)
            for stage in one.stages
        )
        whole = keras.layers.Concatenate(dtype="float32")(features)
        name = " and ".join(one.name for one in self.networks)
        super().__init__(
            keras.Model(images, whole, name="sides"), dataclasses.replace(first.origin, name=name), stages
        )

    def _describe(self) -> tuple[LayerFacts, ...]:
        return self._described

    def cut(self, at: str | None = None, frozen: Any = (), batch_norm: BatchNorm = "frozen") -> Cut:
        """As of :class:`Backbone`, above the features alone."""
        if at is not None:
            raise UserError(fault("freeze", at, "'all' where two networks are averaged"))
        cuts = [one.cut(None) for one in self.networks]
        kept: list[KeptPart] = []
        for one, cut in zip(self.networks, cuts, strict=True):
            if cut.kept_parts:
                kept += cut.kept_parts
            elif cut.kept_as is not None:
                kept.append(KeptPart(one.name, cut.kept_as, cut.columns))
            else:
                kept.append(KeptPart(one.name, cut, None))
        return dataclasses.replace(
            super().cut(None, frozen, batch_norm),
            _identify=lambda: of_parts([cut.fingerprint for cut in cuts]),
            kept_parts=tuple(kept),
        )
