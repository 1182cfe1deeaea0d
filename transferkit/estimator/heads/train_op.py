"""How a head trains: one operation from a loss, by a Keras optimizer or by a function of the user."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from transferkit.errors import fault
from transferkit.estimator.heads.keys import MetricKeys
from transferkit.estimator.ready_models.older_keras import is_older_optimizer, older_train_op
from transferkit.keras_import import keras
from transferkit.type_names import Optimizer, Tensor, Variable

__all__ = ["keras_train_op", "loss_summaries", "optimizer_step", "scaled_by_replicas", "train_op"]

v1 = tf.compat.v1


def train_op(
    loss: Tensor,
    reduction: str,
    optimizer: Optimizer = None,
    trainable_variables: Sequence[Variable] | None = None,
    train_op_fn: Callable[[Any], Any] | None = None,
    update_ops: Sequence[Any] | None = None,
) -> Any:
    """What a training step runs.

    Args:
        loss: scalar.
        reduction: how it was reduced; a mean is divided by the number of replicas, whose gradients are
            summed.
        optimizer: a Keras optimizer; None where there is ``train_op_fn``.
        trainable_variables: what the optimizer changes.
        train_op_fn: a function from the loss to the operation; None where there is ``optimizer``.
        update_ops: operations to run besides.

    Raises:
        ValueError: where both or none of the two are given, or one of the arguments has the wrong type.
    """
    if update_ops is not None and not isinstance(update_ops, (list, tuple)):
        raise ValueError(fault("update_ops", type(update_ops).__name__, "a list or a tuple"))
    if (optimizer is None) == (train_op_fn is None):
        both = "both" if optimizer is not None else "neither"
        raise ValueError(fault("create_estimator_spec", both, "one of optimizer and train_op_fn"))
    with v1.name_scope(""), v1.name_scope("training"):
        if optimizer is not None:
            if not isinstance(trainable_variables, (list, tuple)):
                received = type(trainable_variables).__name__
                raise ValueError(fault("trainable_variables", received, "a list or a tuple of variables"))
            operation = optimizer_step(optimizer, loss, trainable_variables, reduction)
        elif train_op_fn is not None:
            operation = train_op_fn(loss)
        return operation if not update_ops else tf.group(operation, *update_ops)


def optimizer_step(
    optimizer: Optimizer, loss: Tensor, variables: Sequence[Variable], reduction: str, *, counts: bool = True
) -> Any:
    """The operation by which ``optimizer`` changes ``variables`` once.

    Args:
        optimizer: of Keras, or with ``get_updates`` as those of the older Keras.
        loss: scalar.
        variables: what it changes.
        reduction: how the loss was reduced.
        counts: whether the steps of an older one are the global step.

    Raises:
        ValueError: where it is something else.
    """
    loss = scaled_by_replicas(loss, reduction)
    if isinstance(optimizer, keras.optimizers.Optimizer):
        return keras_train_op(optimizer, loss, variables)
    if not is_older_optimizer(optimizer) and not hasattr(optimizer, "get_updates"):
        raise ValueError(fault("optimizer", optimizer, "a Keras optimizer", "give others by train_op_fn"))
    return older_train_op(optimizer, loss, variables, counts=counts)


def scaled_by_replicas(loss: Tensor, reduction: str) -> Tensor:
    """A mean loss, divided by the number of replicas; another one as it is."""
    replicas = tf.distribute.get_strategy().num_replicas_in_sync
    return loss / replicas if replicas > 1 and reduction != "sum" else loss


def keras_train_op(optimizer: Optimizer, loss: Tensor, variables: Sequence[Variable]) -> Any:
    """One step of a Keras optimizer over ``variables``, Keras's or TensorFlow's.

    What Keras assigns runs in each step, whatever is fetched: the operation that is returned does nothing.
    Where a program's optimizer has ``get_updates``, as those for tf.estimator had, that is the step.

    Args:
        optimizer: of Keras.
        loss: scalar.
        variables: what it changes.
    """
    if hasattr(optimizer, "get_updates"):
        return optimizer.get_updates(loss, list(variables))[0]
    values = [one.value if isinstance(one, keras.Variable) else one for one in variables]
    gradients = [_summed(gradient) for gradient in tf.gradients(loss, values)]
    optimizer.apply_gradients(list(zip(gradients, variables, strict=True)))
    return tf.no_op("keras_train_op")


def _summed(gradient: Tensor) -> Tensor:
    """A gradient with each row once, as Keras 3 takes it: it squares rows before it adds them up."""
    if not isinstance(gradient, tf.IndexedSlices):
        return gradient
    if tf.distribute.get_strategy().num_replicas_in_sync > 1:
        # Keras puts the replicas' rows one after the other.
        return tf.convert_to_tensor(gradient)
    rows, place = tf.unique(gradient.indices)
    values = tf.math.unsorted_segment_sum(gradient.values, place, tf.size(rows))
    return tf.IndexedSlices(values, rows, gradient.dense_shape)


def loss_summaries(loss: Tensor, regularization_losses: Any, name: Callable[[str], str]) -> None:
    """Scalars of the loss and of its regularization, under ``name`` of their keys.

    Args:
        loss: scalar.
        regularization_losses: scalars, or None.
        name: gives a summary's name from its key.
    """
    with v1.name_scope(""):
        v1.summary.scalar(name(MetricKeys.LOSS), loss)
        if regularization_losses is not None:
            v1.summary.scalar(name(MetricKeys.LOSS_REGULARIZATION), tf.add_n(regularization_losses))
