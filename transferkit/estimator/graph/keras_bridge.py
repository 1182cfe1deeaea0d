"""What Keras 3 needs while a model_fn is traced, so that it behaves as tf.keras did under tf.estimator.

Layers and optimizers made inside model_fn get the same names in every trace (Keras numbers them over the
whole process otherwise), and initial values that depend on Python's random numbers become repeatable.
"""

from __future__ import annotations

import collections
import contextlib
import logging
import random
from collections.abc import Iterator
from typing import Any

import tensorflow as tf

from transferkit.estimator.live_objects import live_instances
from transferkit.keras_import import keras
from transferkit.private.keras_names import global_value, set_global_value, updates_given, variables_held
from transferkit.private.tensorflow_attributes import handle_of
from transferkit.type_names import Variable

__all__ = ["keras_optimizer", "naming_full_precision", "tracing_keras"]

_log = logging.getLogger("transferkit")

_UIDS = "object_name_uids"
_SEED = "global_seed_generator"


@contextlib.contextmanager
def tracing_keras(seed: int | None, precision: str | None = None) -> Iterator[None]:
    """Gives a trace fresh Keras names and, where ``seed`` is set, repeatable initial values.

    Args:
        seed: of Python's random numbers meanwhile, from which Keras draws the seeds of initial values.
        precision: ``bfloat16`` for layers that compute in it with float32 weights, or None.
    """
    policy = keras.config.dtype_policy()
    if precision is not None:
        keras.config.set_dtype_policy("mixed_bfloat16")
    uids = global_value(_UIDS)
    generator = global_value(_SEED)
    dice = random.getstate()
    set_global_value(_UIDS, collections.defaultdict(int))
    if seed is not None:
        random.seed(seed)
    base: Any = _owner_of_init(keras.optimizers.Optimizer)
    init = base.__init__

    def accept_tensor(self: Any, learning_rate: Any, *args: Any, **kwargs: Any) -> None:
        # tf.keras took a tensor of the graph (a TensorFlow-1 schedule, say); Keras 3 takes a callable for it.
        if tf.is_tensor(learning_rate) and not isinstance(learning_rate, keras.Variable):
            init(self, lambda: learning_rate, *args, **kwargs)
        else:
            init(self, learning_rate, *args, **kwargs)

    count = base.iterations

    def accept_global_step(self: Any, variable: Variable) -> None:
        # Programs gave tf.keras optimizers the global step to count with. Keras 3 counts by itself, and what
        # nothing moves, the global step among it, is moved by the step.
        if variable is not tf.compat.v1.train.get_global_step():
            raise AttributeError("an optimizer's iterations can be set to the global step alone")

    base.__init__ = accept_tensor
    base.iterations = property(count.fget, accept_global_step)
    try:
        yield
    finally:
        base.__init__ = init
        base.iterations = count
        set_global_value(_UIDS, uids if uids is not None else collections.defaultdict(int))
        set_global_value(_SEED, generator)
        random.setstate(dice)
        keras.config.set_dtype_policy(policy)


@contextlib.contextmanager
def naming_full_precision(graph: Any, precision: str | None) -> Iterator[None]:
    """Warns, once ``graph`` is traced, where a lower precision did not reach the layers that it uses.

    A layer keeps the policy it was made with. Where some of those made outside compute in bfloat16, their
    maker has chosen which do and which do not, and nothing is said.
    """
    if precision is None:
        yield
        return
    outside = {id(layer) for layer in live_instances(keras.layers.Layer)}
    yield
    handles = {id(outer) for outer, _ in graph.captures}
    used = [
        layer
        for layer in live_instances(keras.layers.Layer)
        if id(layer) in outside and any(id(handle) in handles for handle in _own_handles(layer))
    ]
    if used and not any(layer.compute_dtype == "bfloat16" for layer in used):
        names = ", ".join(sorted(layer.name for layer in used)[:5])
        _log.warning(
            "mixed_precision does not reach the %d layers made outside of model_fn (%s): they compute in %s; "
            "make them inside, or after keras.config.set_dtype_policy('mixed_bfloat16')",
            len(used),
            names,
            used[0].compute_dtype,
        )


def _own_handles(layer: Any) -> Iterator[Any]:
    for variable in variables_held(layer):
        value = getattr(variable, "_value", None)
        for part in getattr(value, "_values", None) or (value,):
            yield handle_of(part)


def _owner_of_init(kind: type) -> type:
    """The class of ``kind``'s bases whose ``__init__`` checks the learning rate."""
    for base in reversed(kind.__mro__):
        if base.__name__ == "BaseOptimizer":
            return base
    return kind


def keras_optimizer(variables: Any) -> Any:
    """The Keras optimizer whose iteration count is among ``variables`` (Keras variables), or None."""
    wanted = {id(v) for v in variables}
    for optimizer in live_instances(keras.optimizers.Optimizer):
        if id(updates_given(optimizer)) in wanted:
            return optimizer
    return None
