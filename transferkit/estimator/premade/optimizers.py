"""Optimizers of pre-made Estimators: by name, as an object, or by a function that makes one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from transferkit.errors import did_you_mean, fault
from transferkit.estimator.heads.base import Head
from transferkit.estimator.heads.train_op import optimizer_step
from transferkit.estimator.premade.logits import Logits
from transferkit.estimator.premade.named_optimizers import NAMED, NamedOptimizer
from transferkit.estimator.ready_models.older_keras import count_by_global_step, is_older_optimizer
from transferkit.estimator.spec import EstimatorSpec, ModeKeys
from transferkit.keras_import import keras
from transferkit.type_names import Optimizer, Tensor, Tensors, Variable

__all__ = ["get_optimizer_instance_v2", "optimizer_of", "spec_of", "step_of"]

v1 = tf.compat.v1

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
        if given not in NAMED:
            expected = "one of " + ", ".join(NAMED)
            raise ValueError(fault("optimizer", given, expected, did_you_mean(given, NAMED)))
        return NAMED[given](_RATES.get(given, _RATE) if rate is None else rate)
    if not _is_optimizer(given) and callable(given):
        given = given()
    if not _is_optimizer(given):
        raise ValueError(fault("optimizer", given, "a name, an optimizer, or a function that makes one"))
    return given


def get_optimizer_instance_v2(opt: Any, learning_rate: float | None = None) -> Any:
    """As :func:`optimizer_of`, under the name and arguments that programs call it by."""
    return optimizer_of(opt, learning_rate)


def _is_optimizer(given: Any) -> bool:
    return isinstance(given, (keras.optimizers.Optimizer, v1.train.Optimizer)) or is_older_optimizer(given)


def step_of(
    optimizer: Optimizer, loss: Tensor, variables: Sequence[Variable], reduction: str, *, counts: bool = True
) -> Any:
    """The operation by which ``optimizer`` changes ``variables`` once.

    Args:
        optimizer: of Keras, of TensorFlow 1, or one that was named.
        loss: scalar.
        variables: what it changes.
        reduction: how the loss was reduced.
        counts: whether its steps are the global step; False where another optimizer's are.
    """
    if isinstance(optimizer, v1.train.Optimizer) and not isinstance(optimizer, NamedOptimizer):
        return optimizer.minimize(loss, var_list=list(variables))
    return optimizer_step(optimizer, loss, list(variables), reduction, counts=counts)


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
        if isinstance(optimizer, v1.train.Optimizer) and not isinstance(optimizer, NamedOptimizer):
            given["train_op_fn"] = lambda loss: optimizer.minimize(loss, var_list=logits.variables)
        else:
            if not isinstance(optimizer, keras.optimizers.Optimizer):
                # A head of the user's may ask it for its updates itself.
                count_by_global_step(optimizer)
            given |= {"optimizer": optimizer, "trainable_variables": logits.variables}
    return head.create_estimator_spec(**given)
