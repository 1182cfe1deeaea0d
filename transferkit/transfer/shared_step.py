"""A training step whose batch is divided over workers: each adds up over its own images, then all add up.

The sums, not the means, are added: so shares of unequal size count for what they are, and the gradient is
that of the whole batch on one machine but for the order in which numbers are added.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from transferkit.transfer.network import Network
from transferkit.type_names import Tensors, Variable

__all__ = ["StepResult", "shared_step"]

Right = Callable[[Network, Any, tf.Tensor], tf.Tensor]


@dataclass(frozen=True)
class StepResult:
    """What one training step gives, the same on every worker.

    Attributes:
        gradients: of the mean loss over the whole batch and the penalties, one a variable.
        loss: that loss with the penalties, a scalar.
        right: how many images of the batch were answered right, a float32 scalar.
        count: how many there were, a float32 scalar.
    """

    gradients: list[tf.Tensor]
    loss: tf.Tensor
    right: tf.Tensor
    count: tf.Tensor


def shared_step(
    network: Network,
    variables: Sequence[Variable],
    features: dict[str, Any],
    labels: Tensors,
    right: Right,
    total: Callable[[tf.Tensor], tf.Tensor],
) -> StepResult:
    """Gradients and figures of a batch of which this worker has some images.

    Args:
        network: what is trained; the same on every worker.
        variables: those to take gradients of.
        features: this worker's part, with ``weight`` float32 ``[n]``, 0 for what is no image of the batch,
            ``place`` int64 ``[n]``, where each image stands in the whole batch, and ``whole`` int64 ``[]``,
            how many that has.
        labels: of the same.
        right: bool ``[n]`` of network, labels and logits: which are answered right.
        total: the sum over workers of a float32 ``[m]``; called once.
    """
    weight = features["weight"]
    shown = {"activations": features["activations"]}
    values = [variable.value for variable in variables]
    zero = tf.UnconnectedGradients.ZERO
    with tf.GradientTape(persistent=True) as tape:
        logits = _logits(network, shown, features["place"], features["whole"])
        own = tf.reduce_sum(network.head.per_sample(labels, logits) * weight)
        penalty = tf.add_n([tf.constant(0.0), *network.penalties()])
    parts = tape.gradient(own, values, unconnected_gradients=zero)
    penalties = tape.gradient(penalty, values, unconnected_gradients=zero)
    figures = [own, tf.reduce_sum(tf.cast(right(network, labels, logits), tf.float32) * weight)]
    flat = [tf.reshape(tf.cast(part, tf.float32), [-1]) for part in parts]
    summed = total(tf.concat([*flat, tf.stack([*figures, tf.reduce_sum(weight)])], axis=0))
    sizes = [part.shape.num_elements() for part in parts]
    *pieces, tail = tf.split(summed, [*sizes, 3])
    count = tail[2]
    gradients = [
        tf.cast(tf.reshape(piece, part.shape) / count, part.dtype) + tf.cast(more, part.dtype)
        for piece, part, more in zip(pieces, parts, penalties, strict=True)
    ]
    return StepResult(gradients, tail[0] / count + penalty, tail[1], count)


def _logits(network: Network, shown: dict[str, Any], place: tf.Tensor, whole: tf.Tensor) -> tf.Tensor:
    """The logits of this worker's part.

    A head that draws at random, for dropout, is given the whole batch with zeros in the others' places: so
    what it draws for an image is what it would draw on one machine.
    """
    draws = any(getattr(one, "path", "").endswith("seed_generator_state") for one in network.layer.variables)
    if not draws:
        return network.logits(shown, training=True)
    features = network.standardise(network.features(shown, training=True))
    shape = tf.concat([[whole], tf.shape(features, tf.int64)[1:]], axis=0)
    spread = tf.ensure_shape(tf.scatter_nd(place[:, None], features, shape), [None, *features.shape[1:]])
    return tf.gather(network.layer(spread, training=True), place)
