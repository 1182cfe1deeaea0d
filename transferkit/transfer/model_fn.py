"""The model_fn of a retraining: everything before it knows nothing of training loops, everything after it
nothing of images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from transferkit.backbones.batch_statistics import counted_rows
from transferkit.estimator.spec import EstimatorSpec, ModeKeys
from transferkit.keras3 import keras
from transferkit.optimizers import batches_seen, clips
from transferkit.transfer.epoch_mean import EpochMean
from transferkit.transfer.network import Network
from transferkit.transfer.shared_step import StepResult, shared_step
from transferkit.type_names import Optimizer, Tensor, Tensors, Variable

__all__ = ["make_model_fn"]


def make_model_fn(
    network: Network,
    optimizer: Optimizer = None,
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
        int ``[N]`` (or float ``[N, classes]`` for a multi-label head, or where images are mixed). With
        ``"weights"``, float32 ``[N]``, among the features, rows of weight 0 only fill the batch up: losses,
        gradients, metrics and statistics are those of the others. Under a distribution strategy a batch is
        one replica's part; losses and gradients are those of all parts together.
    """

    def model_fn(features: Tensors, labels: Tensors, mode: str) -> EstimatorSpec:
        if mode == ModeKeys.PREDICT:
            logits = network.logits(features)
            filled = {"weights": features["weights"]} if "weights" in features else {}
            return EstimatorSpec(
                mode, predictions={"logits": logits, **network.predictions(logits), **filled}
            )
        weights = features.get("weights")
        if mode == ModeKeys.EVAL:
            logits = network.logits(features)
            loss = network.head.loss(labels, logits, weights)
            return EstimatorSpec(mode, loss=loss, eval_metric_ops=_metrics(network, labels, logits, weights))
        variables = network.trainable_variables
        if over_workers is not None:
            step = shared_step(network, variables, features, labels, _right, over_workers)
        else:
            step = _step(network, variables, features, labels, clips(optimizer))
        if train_loss is not None:
            train_loss.update(step.loss, step.right, step.count, batches_seen(optimizer).value)
        train_op = optimizer.apply_gradients(zip(step.gradients, variables, strict=True))
        return EstimatorSpec(mode, loss=step.loss, train_op=train_op)

    return model_fn


def _step(
    network: Network, variables: Sequence[Variable], features: Tensors, labels: Tensors, clipped: bool
) -> StepResult:
    """One training step of this replica; loss, counts and clipped gradients are those of all together."""
    replicas, weights = tf.distribute.get_strategy().num_replicas_in_sync, features.get("weights")
    features, labels = network.mixed(features, labels)
    with tf.GradientTape() as tape, counted_rows(weights, replicas):
        logits = network.logits(features, training=True)
        if replicas == 1:
            loss = network.head.loss(labels, logits, weights)
        else:
            loss = _share(network.head.per_sample(labels, logits), weights)
        # Each replica brings its part of the loss, of which the penalties are the same in all.
        penalties = [one / replicas if replicas > 1 else one for one in network.penalties()]
        total = tf.add_n([loss, *penalties])
    gradients = tape.gradient(total, [variable.value for variable in variables])
    if replicas > 1:
        total = _summed(total)
        if clipped:
            # What is clipped is the gradient of the whole batch; the optimizer adds up its parts.
            gradients = [None if one is None else _summed(one) / replicas for one in gradients]
    right = tf.cast(_right(network, labels, logits), tf.float32)
    right, count = _counts(right, weights, replicas)
    return StepResult(gradients, total, right, count)


def _share(each: tf.Tensor, weights: tf.Tensor | None) -> tf.Tensor:
    """This replica's part of the mean over the whole batch, of losses float32 ``[N]``."""
    weights = tf.ones_like(each) if weights is None else weights
    return tf.reduce_sum(weights * each) / _summed(tf.reduce_sum(weights))


def _counts(right: tf.Tensor, weights: tf.Tensor | None, replicas: int) -> tuple[tf.Tensor, tf.Tensor]:
    """How many images of the whole batch are answered right, and how many it has."""
    if weights is None:
        answered, count = tf.reduce_sum(right), tf.cast(tf.shape(right)[0], tf.float32)
    else:
        answered, count = tf.reduce_sum(right * weights), tf.reduce_sum(weights)
    if replicas == 1:
        return answered, count
    both = _summed(tf.stack([answered, count]))
    return both[0], both[1]


def _summed(value: tf.Tensor) -> tf.Tensor:
    """The sum over replicas."""
    return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, value)


def _right(network: Network, labels: Tensors, logits: tf.Tensor) -> tf.Tensor:
    """bool ``[N]``: which images are answered right; of a mixture, by its larger part."""
    predictions = network.head.predictions(logits)
    if network.head.multi_label:
        return tf.reduce_all(tf.equal(predictions["present"], tf.cast(labels, tf.float32) >= 0.5), axis=1)
    said = tf.argmax(predictions["probabilities"], axis=1)
    true = tf.argmax(labels, axis=1) if labels.shape.rank == 2 else tf.cast(labels, tf.int64)
    return tf.equal(said, true)


def _metrics(network: Network, labels: Tensors, logits: tf.Tensor, weights: Tensor) -> dict[str, Any]:
    """What steers training; the figures of the evaluation are made from the predictions.

    ``average_loss`` weighs every image alike, where ``loss``, as in tf.estimator, is a mean over batches.
    """
    loss = keras.metrics.Mean(name="average_loss")
    loss.update_state(network.head.per_sample(labels, logits), weights)
    predictions = network.head.predictions(logits)
    accuracy: Any
    if network.head.multi_label:
        accuracy = keras.metrics.Mean(name="accuracy")
        # As in the evaluation: an image is right where all its labels are.
        right = tf.equal(predictions["present"], tf.cast(labels, tf.bool))
        accuracy.update_state(tf.cast(tf.reduce_all(right, axis=1), tf.float32), weights)
    else:
        accuracy = keras.metrics.SparseCategoricalAccuracy(name="accuracy")
        accuracy.update_state(labels, predictions["probabilities"], weights)
    return {"accuracy": accuracy, "average_loss": loss}
