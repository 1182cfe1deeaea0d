"""Several networks, or one and what it sees of other looks at an image, as one backbone.

Each network sees the same pixels and brings its own preprocessing; its features, of one level or several,
stand beside those of the others. With looks, features are the mean of those of an image and of its mirror
image and crops. What the cache keeps is each network's own of each look, so that joining networks that were
tried alone costs no pass.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from typing import Any

from transferkit.backbones._keras import keras
from transferkit.backbones.backbone import Backbone, BatchNorm, Cut, KeptPart, LayerFacts, Stage
from transferkit.backbones.functional import FunctionalBackbone
from transferkit.backbones.levels import Leveled, Pooling, level_names
from transferkit.backbones.load_backbone import load_backbone
from transferkit.backbones.looks import look_at
from transferkit.backbones.weights.digest import of_parts
from transferkit.errors import Faults, UserError, fault
from transferkit.recipe.sections.backbone import Look
from transferkit.type_names import Tensor

__all__ = ["Composed", "facts_of", "load_section", "titles_of"]


class Composed(Leveled):
    """Networks side by side, frozen.

    Levels are called ``NETWORK:STAGE`` where there are several networks.

    Args:
        bases: the networks, with visible layers and one input size.
        looks: take the mean of the features of an image and of these looks at it.
        names: the levels to take; None for the last one of each network.
        pooling: as of :class:`Leveled`.

    Attributes:
        bases: as given.
        known: names of all levels, network by network, from the input up.
        lasts: of these, each network's own features.
    """

    def __init__(
        self,
        bases: Sequence[FunctionalBackbone],
        looks: Sequence[Look] = (),
        names: Sequence[str] | None = None,
        pooling: Sequence[Pooling] = ("mean",),
    ) -> None:
        self.bases, self.looks, self._pooling = tuple(bases), tuple(looks), tuple(pooling)
        titles = titles_of(self.bases)
        of_network = [
            [title + name for name in level_names(one)] for title, one in zip(titles, bases, strict=True)
        ]
        self.known = [name for own in of_network for name in own]
        self.lasts = [own[-1] for own in of_network]
        names = self.lasts if names is None else names
        self._networks: list[Leveled] = []
        self.levels = {}
        images = keras.Input((*bases[0].input_size, 3), dtype=bases[0].model.input.dtype, name="pixels")
        parts: list[Any] = []
        for title, base in zip(titles, self.bases, strict=True):
            network = Leveled(
                base, [one for one in level_names(base) if title + one in names], self._pooling
            ) if any(title + one in names for one in level_names(base)) else None  # fmt: skip
            if network is None:
                continue
            self._networks.append(network)
            self.levels.update({title + name: width for name, width in network.levels.items()})
            name = re.sub(r"\W+", "_", f"network_{len(parts)}_{base.name}")
            inner = keras.Model(network.model.input, network.model.output, name=name)
            features = inner(images)
            if looks:
                seen = [inner(look_at(images, look)) for look in looks]
                features = keras.ops.mean(keras.ops.stack([features, *seen]), axis=0)
            parts.append(features)
        joined = parts[0] if len(parts) == 1 else keras.layers.Concatenate(dtype="float32")(parts)
        self._described = tuple(
            fact
            for title, base in zip(titles, self.bases, strict=True)
            for fact in facts_of(title, base, 1 + len(looks))
        )
        origin = self.bases[0].origin
        if len(self.bases) > 1:
            digest = of_parts(*(one.weights_sha256 for one in self.bases))
            origin = dataclasses.replace(origin, weights_sha256=digest)
        name = " + ".join(one.name for one in self.bases) + _described(looks)
        stages = tuple(
            Stage(title + stage.name, title + stage.layer)
            for title, base in zip(titles, self.bases, strict=True)
            for stage in base.stages
        )
        whole = keras.Model(images, joined, name="networks")
        FunctionalBackbone.__init__(self, whole, dataclasses.replace(origin, name=name), stages)
        self.base = self

    def _describe(self) -> tuple[LayerFacts, ...]:
        return self._described

    def cut(self, at: str | None = None, frozen: Any = (), batch_norm: BatchNorm = "frozen") -> Cut:
        """As of :class:`Backbone`, above the features alone."""
        if at is not None:
            expected = "'all' where backbone.join, backbone.mirror or backbone.crops is given"
            raise UserError(fault("freeze", at, expected))
        own = FunctionalBackbone.cut(self, None, frozen, batch_norm)
        return dataclasses.replace(own, _identify=self._identify, kept_parts=self._kept_parts())

    def _kept_parts(self) -> tuple[KeptPart, ...]:
        made = []
        for network in self._networks:
            cut = network.cut(None)
            kept, columns = (cut, None) if cut.kept_as is None else (cut.kept_as, cut.columns)
            made.append(KeptPart(network.name, kept, columns, tuple(_seen(kept, one) for one in self.looks)))
        return tuple(made)

    def _identify(self) -> str:
        return of_parts([one.cut(None).fingerprint for one in self._networks], list(self.looks))

    def only(self, names: Sequence[str]) -> Composed:
        """The same networks with some of their levels; a network without any is not run."""
        return Composed(self.bases, self.looks, names, self._pooling)

    def pooled(self, names: Sequence[str], pooling: Sequence[Pooling]) -> Composed:
        """The same networks with other levels, pooled in this way."""
        return Composed(self.bases, self.looks, names, pooling)


def load_section(section: Any, weights: str | None, seed: int = 0) -> Backbone:
    """The backbone that a recipe's section ``[backbone]`` describes.

    Args:
        section: the section.
        weights: its weights, or None where the values do not matter.
        seed: of random weights.

    Raises:
        UserError: one of its networks is unavailable, or cannot stand beside others.
    """
    first = load_backbone(section.name, weights, section.input_size, seed=seed, **section.options)
    looks = section.looks
    if not section.join and not looks:
        return first
    bases = [first]
    bases += [load_backbone(name, weights, first.input_size, seed=seed) for name in section.join]
    Faults(
        fault("backbone.join" if number else "backbone.name", one.reference, "a network of visible layers")
        for number, one in enumerate(bases)
        if not level_names(one)
    ).refuse()
    return Composed([one for one in bases if isinstance(one, FunctionalBackbone)], looks)


def titles_of(bases: Sequence[Backbone]) -> list[str]:
    """What stands before the names of each network's levels: nothing for a single one."""
    if len(bases) == 1:
        return [""]
    names: list[str] = []
    for base in bases:
        same = sum(one.rstrip("'") == base.name for one in names)
        names.append(base.name + "'" * same)
    return [f"{name}:" for name in names]


def facts_of(title: str, base: Backbone, passes: int) -> list[LayerFacts]:
    """The layers of one of several networks.

    Args:
        title: what stands before their names.
        base: the network.
        passes: that an image takes through it.
    """
    return [
        dataclasses.replace(
            one,
            name=title + one.name,
            stage=title + one.stage if one.stage else "",
            cuttable=False,
            gflops=None if one.gflops is None else passes * one.gflops,
        )
        for one in base.layers
    ]


def _seen(cut: Cut, look: Look) -> Cut:
    """What a cut gives of a look at the images."""

    def prefix(images: Tensor) -> Tensor:
        return cut.prefix(look_at(images, look))

    return dataclasses.replace(cut, prefix=prefix, _identify=lambda: of_parts(look, cut.fingerprint))


def _described(looks: Sequence[Look]) -> str:
    """For the name of the whole."""
    crops = len(looks) - ("mirror" in looks)
    mirrored = ", mirrored" if "mirror" in looks else ""
    return mirrored + (f", {crops} crops" if crops > 1 else ", 1 crop" if crops else "")
