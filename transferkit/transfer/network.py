"""The network of a run: a backbone cut in two, with a head on top."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import tensorflow as tf

from transferkit.private.keras_names import with_inner_layers
from transferkit.transfer.novelty_score import Novelty
from transferkit.transfer.standardise import Standardise
from transferkit.type_names import Variable

if TYPE_CHECKING:
    from transferkit.backbones.backbone import Cut
    from transferkit.keras_import import keras

__all__ = ["Network"]


class Network:
    """Frozen prefix, trainable suffix and head: what a model_fn trains and an export carries.

    Args:
        cut: the backbone's :class:`~transferkit.backbones.Cut`: ``prefix``, ``suffix`` and their variables.
        head: a head of :mod:`transferkit.heads`.
        layer: the head's built Keras layer, features ``[N, D]`` to logits ``[N, classes]``.
        standardise: what brings the features to one scale before the head.

    Attributes:
        temperature: what the logits are divided by before they become probabilities; 1 until it is fitted.
        mix: mixes a training batch of images at the cut: ``(batch's number, activations, labels)`` to the
            last two; None where nothing is, or where it comes mixed.
        novelty: gives standardised features ``[N, D]`` a score ``[N]`` of how unlike the training photos they
            are, above 1 for none of the classes; None where it was not wanted.
    """

    def __init__(self, cut: Cut, head: Any, layer: keras.Layer, standardise: Standardise) -> None:
        self.cut = cut
        self.standardise = standardise
        self.head = head
        self.layer = layer
        self.temperature = 1.0
        self.mix: Callable[[Any, Any, Any], tuple[Any, Any]] | None = None
        self.novelty: Novelty | None = None

    def logits(self, features: dict[str, tf.Tensor], training: bool = False) -> tf.Tensor:
        """Logits float32 ``[N, classes]``.

        Args:
            features: ``activations`` float32 ``[N, *cut.shape]``, or ``images`` uint8 ``[N, h, w, 3]``.
            training: whether dropout and the like of what trains are on; the prefix never trains.
        """
        return self.layer(self.standardise(self.features(features, training)), training=training)

    def features(self, features: dict[str, tf.Tensor], training: bool = False) -> tf.Tensor:
        """The backbone's features float32 ``[N, D]``; arguments as of :meth:`logits`."""
        return self.cut.suffix(self.cut_features(features), training=training)

    def cut_features(self, features: dict[str, tf.Tensor]) -> tf.Tensor:
        """What the frozen prefix gives, float32 ``[N, *cut.shape]``; no gradient goes below it."""
        if "activations" in features:
            return tf.cast(features["activations"], tf.float32)
        return tf.stop_gradient(self.cut.prefix(features["images"]))

    def mixed(self, features: dict[str, tf.Tensor], labels: tf.Tensor) -> tuple[dict[str, Any], tf.Tensor]:
        """A training batch once it is mixed at the cut, where :attr:`mix` says so.

        Args:
            features: ``images``, with ``batch``, the batch's number; or anything that :meth:`logits` takes,
                which is given back as it is.
            labels: of the batch.
        """
        if self.mix is None or "batch" not in features:
            return features, labels
        activations, shares = self.mix(features["batch"], self.cut_features(features), labels)
        return {"activations": activations}, shares

    def probabilities(self, images: tf.Tensor) -> tf.Tensor:
        """Probabilities float32 ``[N, classes]`` of images uint8 ``[N, h, w, 3]``."""
        return self.predictions(self.logits({"images": images}))["probabilities"]

    def probabilities_and_novelty(self, images: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """What :meth:`probabilities` gives, and the scores float32 ``[N]``, in one pass."""
        assert self.novelty is not None  # noqa: S101 -- for the type checker: asked only where there is one
        features = self.standardise(self.features({"images": images}))
        return self.predictions(self.layer(features, training=False))["probabilities"], self.novelty(features)

    def predictions(self, logits: tf.Tensor) -> dict[str, tf.Tensor]:
        """What the head answers, at the temperature."""
        result: dict[str, tf.Tensor] = self.head.predictions(
            logits if self.temperature == 1.0 else logits / self.temperature
        )
        return result

    def penalties(self) -> list[tf.Tensor]:
        """Regularisation losses of what trains, scalars; those of the frozen prefix would move nothing."""
        return [*(loss() for loss in self.cut.regularisation_losses), *self.layer.losses]

    @property
    def by_rows(self) -> bool:
        """Whether rows that fill up a training batch, and do not count, leave the rest of it as it is."""
        layers = with_inner_layers(self.layer)
        alone = not any(hasattr(one, "moving_mean") or one.activity_regularizer for one in layers)
        return self.cut.by_rows and alone and self.mix is None

    @property
    def trainable_variables(self) -> list[Variable]:
        """What training moves: of the suffix and the head, in a fixed order."""
        return [*self.cut.trainable_variables, *self.layer.trainable_variables]

    @property
    def state_variables(self) -> list[Variable]:
        """All that training changes, in a fixed order: first what it trains, then the rest.

        The rest are statistics of normalisation that are not frozen, and the states of random numbers. A
        state of the network that is kept to be returned to consists of all of them.
        """
        found = {id(variable): variable for variable in self.trainable_variables}
        frozen = {id(variable) for variable in self.cut.frozen_variables}
        for variable in (*self.cut.suffix_variables, *self.layer.variables):
            if id(variable) not in frozen:
                found.setdefault(id(variable), variable)
        return list(found.values())

    @property
    def variables(self) -> list[Variable]:
        """Every variable that an answer depends on, each once, in a fixed order."""
        found: dict[int, Any] = {}
        parts: Sequence[Sequence[Any]] = (
            self.cut.prefix_variables,
            self.cut.suffix_variables,
            self.standardise.variables,
            self.layer.weights,
        )
        for part in parts:
            found.update((id(variable), variable) for variable in part)
        # The state of dropout's random numbers is a variable too, and has no part in an answer.
        return [
            one for one in found.values() if not getattr(one, "path", "").endswith("seed_generator_state")
        ]
