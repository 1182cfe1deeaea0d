"""From what a recipe says to a head for so many features and these classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from transferkit.cpu import idle_cores
from transferkit.errors import UserError
from transferkit.heads._base import ClosedForm, Head, Known
from transferkit.heads._branches import Branch, Found, branch_layer, set_branch_weights
from transferkit.losses import ReadyLoss, make_loss
from transferkit.registry import registry
from transferkit.type_names import Tensor, Tensors

if TYPE_CHECKING:
    import tensorflow as tf

__all__ = ["ReadyHead", "head_spec", "make_head"]

SMALL = 5_000_000


class ReadyHead:
    """A head with its classes, its width and its loss.

    Attributes:
        spec: the word: its class says whether it is ``closed_form``, its fields are its arguments.
        feature_width: length ``D`` of a feature vector.
        classes: names of the ``C`` classes, in the order of the logits.
        thresholds: multi-label: the probability from which each label counts, float ``[C]``. May be set: a
            graph takes those that stand when it is traced.
        found: what :meth:`fit` found a head of branches to be; None for other heads.
    """

    def __init__(self, spec: Head, feature_width: int, classes: Sequence[str], loss: ReadyLoss) -> None:
        self.spec = spec
        self.feature_width = feature_width
        self.classes = tuple(classes)
        self.thresholds = spec.cut_offs(self.classes)
        self.found: Found | None = None
        self._loss = loss

    @property
    def closed_form(self) -> bool:
        """The head is fitted at once by :meth:`fit`; there are no gradient steps."""
        return self.spec.closed_form

    @property
    def chooses_thresholds(self) -> bool:
        """The thresholds are those that do best on the validation images, once the head is trained."""
        return self.spec.multi_label and self.spec.thresholds == "auto"

    @property
    def multi_label(self) -> bool:
        """Labels are float ``[N, C]`` rather than int ``[N]``."""
        return self.spec.multi_label

    def build_layer(self, seed: int) -> Any:
        """The built Keras layer, features float32 ``[N, D]`` to logits float32 ``[N, C]``."""
        return self.spec.build(self.feature_width, len(self.classes), seed)

    def loss(self, labels: Tensors, logits: tf.Tensor, sample_weight: Tensor = None) -> tf.Tensor:
        """The loss, a float32 scalar: the mean over the samples.

        Args:
            labels: int ``[N]``, or float ``[N, C]`` (multi-label, or mixed by mixup).
            logits: float ``[N, C]``.
            sample_weight: float ``[N]``, or None; 0 for what only pads a batch.
        """
        return self._loss(labels, logits, sample_weight)

    def per_sample(self, labels: Tensors, logits: tf.Tensor) -> tf.Tensor:
        """The loss of each sample, float32 ``[N]``."""
        return self._loss.per_sample(labels, logits)

    def predictions(self, logits: tf.Tensor) -> dict[str, tf.Tensor]:
        """What the head answers.

        Returns:
            ``probabilities`` float32 ``[N, C]``; single-label: ``class_ids`` int64 ``[N]``, the likeliest
            class; multi-label: ``present`` bool ``[N, C]``, the labels at or above their threshold.
        """
        import tensorflow as tf

        probabilities = self.spec.probabilities(logits)
        if self.multi_label:
            present = probabilities >= tf.constant(self.thresholds, tf.float32)
            return {"probabilities": probabilities, "present": present}
        return {"probabilities": probabilities, "class_ids": tf.argmax(probabilities, axis=-1)}

    def fit(self, features: np.ndarray, labels: np.ndarray, seed: int, known: Known | None = None) -> Any:
        """The built layer of a closed-form head, with the weights that fit best.

        Args:
            features: float ``[N, D]`` of the training images.
            labels: int ``[N]``, or float ``[N, C]``.
            seed: of the folds of cross-validation.
            known: what else is known of the images, for the heads that use it.
        """
        features = np.asarray(features, dtype=np.float32)
        more = {"known": known} if isinstance(self.spec, ClosedForm) else {}
        # Its threads are another library's than NumPy's, and are limited only once it is loaded.
        import scipy.optimize  # noqa: F401

        # Two threads only wait for each other on matrices this small.
        with threadpool_limits(1 if features.size < SMALL else idle_cores()):
            weights: Tensor = self.spec.fit(
                features, np.asarray(labels), len(self.classes), seed, self._loss.weights, **more
            )
        if isinstance(weights, Found):
            self.found = weights
            levels = known.levels if known is not None else {}
            read = weights.levels or tuple(levels)
            layer = self.restored_layer(weights.design, {one: levels[one] for one in levels if one in read})
            set_branch_weights(layer, weights.design, weights.weights)
            return layer
        layer = self.build_layer(seed)
        layer.set_weights([np.asarray(one, dtype=np.float32) for one in weights])
        return layer

    def restored_layer(self, design: Sequence[Branch], levels: Mapping[str, int]) -> Any:
        """The layer of a head of branches as it was found, its weights yet to be read.

        Args:
            design: its branches.
            levels: name to number of features of the levels that it reads.
        """
        width = sum(levels.values()) or self.feature_width
        return branch_layer(design, levels, width, len(self.classes))

    def with_loss(self, loss: ReadyLoss) -> ReadyHead:
        """The same head with another phase's loss."""
        return ReadyHead(self.spec, self.feature_width, self.classes, loss)


def head_spec(spec: Any) -> Head:
    """The word that a recipe's head is, with its arguments.

    Args:
        spec: ``recipe.head``, or a mapping with the key ``kind``.

    Raises:
        UserError: there is no such head.
    """
    values = dict(spec) if isinstance(spec, Mapping) else {"kind": spec.kind, **spec.options}
    kind = values.pop("kind")
    return cast(Head, registry("heads").get(kind, "head.kind").model_validate(values))


def make_head(
    spec: Any,
    feature_width: int,
    classes: Sequence[str],
    loss: Tensor = None,
    counts: Sequence[int] | None = None,
    samples: int | None = None,
) -> ReadyHead:
    """The head that a recipe names.

    Args:
        spec: ``recipe.head``, or a mapping with the key ``kind``.
        feature_width: length of a feature vector.
        classes: names of the classes in the order that the data has fixed.
        loss: a phase's ``loss`` (or a mapping); by default the one that suits the head.
        counts: training images of each class, for balanced weights.
        samples: training images in all.

    Raises:
        UserError: no such head, or its arguments or its loss do not fit the classes.
    """
    made = head_spec(spec)
    ready = make_loss(loss or {"kind": "auto"}, classes, made.multi_label, counts, samples)
    try:
        return ReadyHead(made, feature_width, classes, ready)
    except ValueError as error:
        raise UserError(str(error)) from None
