"""The model_fn of a retraining: everything before it knows nothing of training loops, everything after it
nothing of images."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from transferkit.estimator.spec import EstimatorSpec, ModeKeys
from transferkit.keras3 import keras
from transferkit.optimizers import batches_seen
from transferkit.transfer.epoch_mean import EpochMean
from transferkit.transfer.network import Network
from transferkit.transfer.shared_step import shared_step

__all__ = ["make_model_fn"]


def make_model_fn(
    network: Network,
    optimizer: Any = None,
    train_loss: EpochMean | None = None,
    over_workers: Callable[[tf.Tensor], tf.Tensor] | None = None,
) -> Callable[..., EstimatorSpec]:
    """Builds the model_fn for a network and the optimizer of one phase.

    The network is built once and captured, so all modes share its weights.

    Args:
        network: what is trained, evaluated and served.
        optimizer: a Keras optimizer; needed for training only. Its ``learning_rate`` may be a schedule.

        train_loss: the means that loss and accuracy of every training step go into, or None.
        over_workers: where several workers train in step: the sum over them of a float32 ``[m]``. Each batch
            is then this worker's part of one (:mod:`transferkit.transfer.shared_step`).

    Returns:
        ``model_fn(features, labels, mode)`` for :class:`transferkit.estimator.Estimator`, whose features are
        ``{"activations": …}`` or ``{"images": …}`` as :meth:`Network.logits` takes them, and whose labels are
        int ``[N]`` (or float ``[N, classes]`` for a multi-label head, or where images are mixed).
    """

    def model_fn(features: Any, labels: Any, mode: str) -> EstimatorSpec:
        if mode == ModeKeys.PREDICT:
            logits = network.logits(features)
            return EstimatorSpec(mode, predictions={"logits": logits, **network.predictions(logits)})
        if mode == ModeKeys.EVAL:
            logits = network.logits(features)
            loss = network.head.loss(labels, logits)
            return EstimatorSpec(mode, loss=loss, eval_metric_ops=_metrics(network, labels, logits))
        variables = network.trainable_variables
        if over_workers is not None:
            step = shared_step(network, variables, features, labels, _right, over_workers)
            if train_loss is not None:
                train_loss.update_counted(step.loss, step.right, step.count, batches_seen(optimizer).value)
            train_op = optimizer.apply_gradients(zip(step.gradients, variables, strict=True))
            return EstimatorSpec(mode, loss=step.loss, train_op=train_op)
        features, labels = network.mixed(features, labels)
        with tf.GradientTape() as tape:
            logits = network.logits(features, training=True)
            loss = network.head.loss(labels, logits)
            total = tf.add_n([loss, *network.penalties()])
        gradients = tape.gradient(total, [variable.value for variable in variables])
        if train_loss is not None:
            train_loss.update(total, _right(network, labels, logits), batches_seen(optimizer).value)
        train_op = optimizer.apply_gradients(zip(gradients, variables, strict=True))
        return EstimatorSpec(mode, loss=total, train_op=train_op)

    return model_fn


def _right(network: Network, labels: Any, logits: tf.Tensor) -> tf.Tensor:
    """bool ``[N]``: which images are answered right; of a mixture, by its larger part."""
    predictions = network.head.predictions(logits)
    if network.head.multi_label:
        return tf.reduce_all(tf.equal(predictions["present"], tf.cast(labels, tf.float32) >= 0.5), axis=1)
    said = tf.argmax(predictions["probabilities"], axis=1)
    true = tf.argmax(labels, axis=1) if labels.shape.rank == 2 else tf.cast(labels, tf.int64)
    return tf.equal(said, true)


def _metrics(network: Network, labels: Any, logits: tf.Tensor) -> dict[str, Any]:
    """What steers training; the figures of the evaluation are made from the predictions.

    ``average_loss`` weighs every image alike, where ``loss``, as in tf.estimator, is a mean over batches.
    """
    loss = keras.metrics.Mean(name="average_loss")
    loss.update_state(network.head.per_sample(labels, logits))
    predictions = network.head.predictions(logits)
    accuracy: Any
    if network.head.multi_label:
        accuracy = keras.metrics.Mean(name="accuracy")
        # As in the evaluation: an image is right where all its labels are.
        right = tf.equal(predictions["present"], tf.cast(labels, tf.bool))
        accuracy.update_state(tf.cast(tf.reduce_all(right, axis=1), tf.float32))
    else:
        accuracy = keras.metrics.SparseCategoricalAccuracy(name="accuracy")
        accuracy.update_state(labels, predictions["probabilities"])
    return {"accuracy": accuracy, "average_loss": loss}
