"""What every adapter gives: a Backbone, and the Cut that divides it.

A backbone turns raw images ``[N, h, w, 3]`` (RGB, values 0..255, uint8 or float32) into pooled features
``[N, feature_width]``. A cut divides it into a prefix that is frozen and a suffix that may train.
"""

from __future__ import annotations

import abc
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np

from transferkit.card import Card
from transferkit.errors import UserError, did_you_mean, fault
from transferkit.type_names import Tensor, Variable

__all__ = ["Backbone", "BatchNorm", "Cut", "KeptPart", "LayerFacts", "Origin", "Stage"]

BatchNorm = Literal["frozen", "train"]


@dataclass(frozen=True)
class Stage:
    """A named part of a backbone, up to and including ``layer``."""

    name: str
    layer: str


@dataclass(frozen=True)
class Origin:
    """Where a backbone comes from.

    Attributes:
        name: the card's name, or one made from the reference.
        reference: what the user wrote.
        weights: ``"imagenet"``, ``"random"``, or where the weights came from.
        weights_sha256: of the file or folder that was loaded; of the values where they were drawn.
        card: its facts; None for a module that brings no card.
    """

    name: str
    reference: str
    weights: str
    weights_sha256: str
    card: Card | None = None


@dataclass(frozen=True)
class LayerFacts:
    """One layer, as freezing, the plan and the proof need it.

    Attributes:
        name: of the layer.
        kind: its class, such as ``Conv2D``.
        stage: the stage it belongs to; ``""`` below the first and above the last one.
        parameters: number of weights, moving statistics included.
        shape: of its output for one image.
        cuttable: all data passes through its output.
        batch_norm: it normalises by statistics of the batch or of training.
        gflops: forward cost for one image in 1e9 operations, a multiply-add counting as two; None where
            the inside is not visible.
        variables: its weights, without the states of random generators.
        learns: some of its weights can be trained.
        stochastic: it has no weights and acts at random in training, as dropout does.
    """

    name: str
    kind: str
    stage: str
    parameters: int
    shape: tuple[int | None, ...]
    cuttable: bool
    batch_norm: bool
    gflops: float | None
    variables: tuple[Variable, ...] = field(repr=False, default=())
    learns: bool = False
    stochastic: bool = False


@dataclass(frozen=True)
class KeptPart:
    """One of several networks whose outputs stand side by side at a cut.

    Attributes:
        name: of the network.
        cut: whose outputs the cache keeps.
        columns: int64 ``[width]``: those that are taken of it; None for all.
        seen: the same of other looks at the image, of which the mean with it is taken.
    """

    name: str
    cut: Cut
    columns: np.ndarray | None
    seen: tuple[Cut, ...] = ()


@dataclass(frozen=True)
class Cut:
    """A backbone in two parts.

    Attributes:
        at: the layer whose output is the cut; None above the features, where the suffix is the identity.
        prefix: uint8 or float32 images ``[N, h, w, 3]`` → float32 ``[N, *shape]``, always in inference
            mode; ``tf.function`` can trace it.
        suffix: ``(x, training=False)`` → float32 features ``[N, feature_width]``.
        shape: of one image's tensor at the cut.
        prefix_variables: all frozen.
        suffix_variables: all of the suffix, those that stay frozen and states of random generators included.
        trainable_variables: what an optimizer may move.
        frozen_variables: what must be the same, bit by bit, after training.
        batch_norm: ``"frozen"``, or ``"train"`` where unfrozen batch normalisation follows the batch.
        regularisation_losses: functions without arguments, one for each penalty on what trains.
        kept_as: the cut whose outputs the cache keeps in the place of this one's, which are among them; None
            where it keeps this one's own.
        columns: int64 ``[width]``: where they stand in a row of that.
        kept_parts: the networks whose outputs the cache keeps in the place of this one's; empty for one.
        prefix_layers: the Keras layers of the prefix; none where it is no Keras model.
        by_rows: whether in training each row's features depend on that row alone, or on statistics of the
            rows that count (:func:`transferkit.backbones.batch_statistics.counted_rows`).
    """

    at: str | None
    prefix: Callable[[Tensor], Tensor]
    suffix: Callable[..., Tensor]
    shape: tuple[int, ...]
    prefix_variables: tuple[Variable, ...]
    suffix_variables: tuple[Variable, ...]
    trainable_variables: tuple[Variable, ...]
    frozen_variables: tuple[Variable, ...]
    batch_norm: BatchNorm
    _identify: Callable[[], str] = field(repr=False)
    regularisation_losses: tuple[Callable[[], Tensor], ...] = ()
    kept_as: Cut | None = None
    columns: np.ndarray | None = None
    kept_parts: tuple[KeptPart, ...] = ()
    by_rows: bool = True
    prefix_layers: tuple[Any, ...] = ()

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256, in hex, of the preprocessing, the architecture and weights below the cut, and the cut.

        Two cuts with the same fingerprint give the same activations: it is the key of their cache.
        """
        return self._identify()


class Backbone(abc.ABC):
    """A network from raw images to pooled features, in an order of stages.

    Attributes:
        origin: where it comes from.
        input_size: height and width in pixels.
        feature_width: length of a feature vector.
        stages: from the input up.
    """

    origin: Origin
    input_size: tuple[int, int]
    feature_width: int
    stages: tuple[Stage, ...]

    @property
    def name(self) -> str:
        """As of :class:`Origin`, as are the next four."""
        return self.origin.name

    @property
    def reference(self) -> str:
        return self.origin.reference

    @property
    def weights(self) -> str:
        return self.origin.weights

    @property
    def weights_sha256(self) -> str:
        return self.origin.weights_sha256

    @property
    def card(self) -> Card | None:
        return self.origin.card

    @property
    @abc.abstractmethod
    def variables(self) -> tuple[Variable, ...]:
        """All weights and statistics."""

    @property
    @abc.abstractmethod
    def layers(self) -> tuple[LayerFacts, ...]:
        """The layers from the input up."""

    @abc.abstractmethod
    def features(self, images: Tensor, training: bool = False) -> Tensor:
        """Raw images ``[N, h, w, 3]`` → float32 features ``[N, feature_width]``."""

    @abc.abstractmethod
    def cut(
        self, at: str | None = None, frozen: Collection[str] = (), batch_norm: BatchNorm = "frozen"
    ) -> Cut:
        """Divides the backbone at the output of a layer or stage.

        Args:
            at: name of a layer or stage; None freezes everything.
            frozen: layers above the cut that stay frozen nevertheless.
            batch_norm: whether unfrozen batch normalisation above the cut keeps its statistics
                (``"frozen"``) or trains as a fresh network's does (``"train"``).

        Raises:
            UserError: no such layer or stage, or not all data passes through it.
        """

    def resolve(self, name: str, place: str = "cut") -> str:
        """The layer that a user means by the name of a layer or stage.

        Raises:
            UserError: neither is called so; near names are offered.
        """
        for stage in self.stages:
            if stage.name == name:
                return stage.layer
        layers = [layer.name for layer in self.layers]
        if name in layers:
            return name
        stages = [stage.name for stage in self.stages]
        hint = did_you_mean(name, [*stages, *layers]) or f"stages: {', '.join(stages)}"
        raise UserError(fault(place, name, f"a stage or layer of {self.name}", hint))
