"""Optimizers of pre-made Estimators: by name, as an object, or by a function that makes one.

A name stands for TensorFlow's own fused operations, with the constants of Keras's optimizer of that name:
of a large embedding they change the rows of a batch alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from transferkit.errors import did_you_mean, fault
from transferkit.estimator.heads.base import Head
from transferkit.estimator.heads.train_op import keras_train_op, scaled_by_replicas
from transferkit.estimator.premade.logits import Logits
from transferkit.estimator.ready_models.older_keras import is_older_optimizer, older_train_op
from transferkit.estimator.spec import EstimatorSpec, ModeKeys
from transferkit.keras_import import keras
from transferkit.private.tensorflow_attributes import make_zeros
from transferkit.type_names import Optimizer, Tensor, Tensors, Variable

__all__ = ["optimizer_of", "spec_of", "step_of"]

v1 = tf.compat.v1

_EPSILON = 1e-7


_RMSPropBase: Any = v1.train.RMSPropOptimizer


class _RMSProp(_RMSPropBase):  # type: ignore[misc]
    """Starts from zero, and lets the averages of all rows decay, as Keras's older one did."""

    def __init__(self, rate: float, decay: float = 0.9) -> None:
        # What is added to the root there is added below it here.
        super().__init__(rate, decay=decay, epsilon=_EPSILON**2)
        self._given = rate, decay

    def _create_slots(self, var_list: Any) -> None:
        for variable in var_list:
            for slot in ("rms", "momentum"):
                make_zeros(self, variable, slot)

    def _resource_apply_sparse(self, grad: Any, var: Variable, indices: Any) -> Any:
        rate, decay = self._given
        average = self.get_slot(var, "rms")
        with tf.control_dependencies([average.assign(average * decay, read_value=False)]):
            added = average.scatter_add(tf.IndexedSlices((1 - decay) * grad**2, indices))
        with tf.control_dependencies([added.op]):
            root = tf.sqrt(tf.gather(average, indices)) + _EPSILON
        return var.scatter_sub(tf.IndexedSlices(rate * grad / root, indices)).op


_NAMED: dict[str, Callable[[float], Any]] = {
    "Adagrad": lambda rate: v1.train.AdagradOptimizer(rate, initial_accumulator_value=0.1),
    "Adam": lambda rate: v1.train.AdamOptimizer(rate, epsilon=_EPSILON),
    "Ftrl": lambda rate: v1.train.FtrlOptimizer(rate, initial_accumulator_value=0.1),
    "RMSProp": _RMSProp,
    "SGD": v1.train.GradientDescentOptimizer,
}
# Keras's own rates, where a model names none.
_RATES = {"SGD": 0.01}
_RATE = 0.001


def optimizer_of(given: Any, rate: float | None = None) -> Any:
    """The optimizer that ``given`` means.

    Args:
        given: one of the names Adagrad, Adam, Ftrl, RMSProp, SGD; an optimizer of Keras (also of tf_keras)
            or of ``tf.compat.v1.train``; or a function without arguments that returns one.
        rate: the learning rate of a named one; Keras's own where it is None.

    Raises:
        ValueError: for another name, or something else.
    """
    if isinstance(given, str):
        if given not in _NAMED:
            expected = "one of " + ", ".join(_NAMED)
            raise ValueError(fault("optimizer", given, expected, did_you_mean(given, _NAMED)))
        return _NAMED[given](_RATES.get(given, _RATE) if rate is None else rate)
    if not _is_optimizer(given) and callable(given):
        given = given()
    if not _is_optimizer(given):
        raise ValueError(fault("optimizer", given, "a name, an optimizer, or a function that makes one"))
    return given


def _is_optimizer(given: Any) -> bool:
    return isinstance(given, (keras.optimizers.Optimizer, v1.train.Optimizer)) or is_older_optimizer(given)


def step_of(optimizer: Optimizer, loss: Tensor, variables: Sequence[Variable], reduction: str) -> Any:
    """The operation by which ``optimizer`` changes ``variables`` once.

    Args:
        optimizer: of Keras, or of TensorFlow 1.
        loss: scalar.
        variables: what it changes.
        reduction: how the loss was reduced.
    """
    if isinstance(optimizer, keras.optimizers.Optimizer):
        return keras_train_op(optimizer, scaled_by_replicas(loss, reduction), variables)
    if is_older_optimizer(optimizer):
        return older_train_op(optimizer, scaled_by_replicas(loss, reduction), variables)
    return optimizer.minimize(loss, var_list=list(variables))


def spec_of(
    head: Head,
    features: Tensors,
    labels: Tensors,
    mode: str,
    logits: Logits,
    make_optimizer: Callable[[], Any],
) -> EstimatorSpec:
    """What ``head`` makes of a model of one optimizer, which is made where it trains.

    Args:
        head: of the model.
        features: of the batch.
        labels: of the batch, or None.
        mode: a value of ModeKeys.
        logits: with the variables that train and what updates beside them.
        make_optimizer: makes it, in the graph.
    """
    given: dict[str, Any] = {"features": features, "mode": mode, "labels": labels, "logits": logits.tensor}
    if mode == ModeKeys.TRAIN:
        optimizer = make_optimizer()
        given["update_ops"] = logits.updates
        if isinstance(optimizer, keras.optimizers.Optimizer) or is_older_optimizer(optimizer):
            given |= {"optimizer": optimizer, "trainable_variables": logits.variables}
        else:
            given["train_op_fn"] = lambda loss: optimizer.minimize(loss, var_list=logits.variables)
    return head.create_estimator_spec(**given)
