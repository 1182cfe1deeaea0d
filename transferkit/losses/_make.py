"""From what a recipe says to a loss that is ready for logits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from transferkit.errors import UserError, fault
from transferkit.losses._base import Loss, resolve_weights
from transferkit.registry import registry
from transferkit.type_names import Tensor, Tensors

if TYPE_CHECKING:
    import tensorflow as tf

__all__ = ["ReadyLoss", "make_loss"]


class ReadyLoss:
    """A loss with its class weights worked out.

    Attributes:
        loss: the word.
        weights: float32 ``[classes]``, or None.
        class_count: number of classes.
    """

    def __init__(self, loss: Loss, class_count: int, weights: np.ndarray | None = None) -> None:
        self.loss = loss
        self.weights = weights
        self.class_count = class_count

    def per_sample(self, labels: Tensors, logits: tf.Tensor) -> tf.Tensor:
        """float32 ``[N]``.

        Args:
            labels: int ``[N]``, or float ``[N, classes]`` (several labels, or mixed ones).
            logits: float ``[N, classes]``.
        """
        import tensorflow as tf

        labels = tf.convert_to_tensor(labels)
        if labels.shape.rank == 1:
            labels = tf.one_hot(labels, self.class_count)
        return self.loss.per_sample(tf.cast(labels, tf.float32), tf.cast(logits, tf.float32), self.weights)

    def __call__(self, labels: Tensors, logits: tf.Tensor, sample_weight: Tensor = None) -> tf.Tensor:
        """The mean over the samples, a float32 scalar.

        Args:
            labels: as :meth:`per_sample` takes them.
            logits: float ``[N, classes]``.
            sample_weight: float ``[N]``; the mean is over its sum (0 for padding).
        """
        import tensorflow as tf

        each = self.per_sample(labels, logits)
        if sample_weight is None:
            return tf.reduce_mean(each)
        weight = tf.cast(sample_weight, tf.float32)
        return tf.math.divide_no_nan(tf.reduce_sum(each * weight), tf.reduce_sum(weight))


def make_loss(
    spec: Any,
    classes: Sequence[str],
    multi_label: bool = False,
    counts: Sequence[int] | None = None,
    samples: int | None = None,
) -> ReadyLoss:
    """The loss that a recipe names.

    Args:
        spec: ``recipe.loss``, a phase's, or a mapping with the key ``kind``.
        classes: names of the classes.
        multi_label: whether an image may have any number of labels.
        counts: training images of each class, for balanced weights.
        samples: training images in all.

    Raises:
        UserError: the loss is for other labels, or its weights do not fit the classes.
    """
    values = dict(spec) if isinstance(spec, Mapping) else {"kind": spec.kind, **spec.options}
    kind = values.pop("kind")
    loss = cast(Loss, registry("losses").get(kind, "loss.kind").model_validate(values))
    loss = loss.for_labels(multi_label)
    if loss.labels not in ("both", "multi" if multi_label else "single"):
        expected = "binary_cross_entropy or focal" if multi_label else "cross_entropy or focal"
        raise UserError(
            fault(
                "loss.kind",
                kind,
                expected,
                "the head is for several labels an image" if multi_label else None,
            )
        )
    weights = resolve_weights(loss.class_weights, classes, counts, samples, multi_label)
    return ReadyLoss(loss, len(classes), weights)
