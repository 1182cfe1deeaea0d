"""Optimizers and models of the older Keras (``tf_keras``, Keras 2) that programs hand to an Estimator.

It is never imported here: whoever hands over one of its objects has done so.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from transferkit.type_names import Optimizer, Tensor, Variable

__all__ = ["count_by_global_step", "is_older_model", "is_older_optimizer", "older_keras", "older_train_op"]

v1 = tf.compat.v1


def older_keras() -> Any:
    """The module ``tf_keras`` where the program has imported it, else None."""
    return sys.modules.get("tf_keras")


def is_older_model(given: Any) -> bool:
    """Whether ``given`` is a model of the older Keras."""
    return older_keras() is not None and isinstance(given, older_keras().Model)


def is_older_optimizer(given: Any) -> bool:
    """Whether ``given`` is an optimizer of the older Keras, also one of its ``optimizers.legacy``."""
    if older_keras() is None:
        return False
    kinds = older_keras().optimizers
    return isinstance(given, (kinds.Optimizer, kinds.legacy.Optimizer))


def count_by_global_step(optimizer: Optimizer) -> None:
    """Makes the global step the one that an optimizer with ``get_updates`` counts and moves."""
    # Refused where it has counted before, by itself or in an earlier graph.
    with contextlib.suppress(RuntimeError):
        optimizer.iterations = v1.train.get_or_create_global_step()


def older_train_op(
    optimizer: Optimizer, loss: Tensor, variables: Sequence[Variable], *, counts: bool = True
) -> Any:
    """One step of an optimizer of the older Keras, or of one that has ``get_updates`` as those had.

    Args:
        optimizer: the optimizer; or what the older Keras makes of one of ``tf.compat.v1.train``.
        loss: scalar; gradients are summed over replicas.
        variables: TensorFlow's variables.
        counts: whether its steps are the global step; False where another optimizer's are.
    """
    wrapped = getattr(optimizer, "optimizer", None)
    if isinstance(wrapped, v1.train.Optimizer):
        return wrapped.minimize(
            loss, v1.train.get_or_create_global_step() if counts else None, list(variables)
        )
    if counts:
        count_by_global_step(optimizer)
    if hasattr(optimizer, "get_updates"):
        # Every legacy optimizer has it; programs override it, or the gradients that it asks for.
        return optimizer.get_updates(loss, list(variables))[0]
    gradients = tf.gradients(loss, list(variables))
    return optimizer.apply_gradients(list(zip(gradients, variables, strict=True)))
