"""``CrossShardOptimizer``: the optimizer inside; gradients are averaged over replicas in any case."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import tensorflow as tf

from transferkit.private.tensorflow_attributes import wrapped_optimizer
from transferkit.type_names import Tensor

__all__ = ["CrossShardOptimizer", "averaged_by_strategy"]

CrossShardOptimizer: Any = tf.compat.v1.tpu.CrossShardOptimizer


def _compute(self: Any, loss: Tensor, var_list: Any = None, **kwargs: Any) -> Any:
    return wrapped_optimizer(self).compute_gradients(loss, var_list=var_list, **kwargs)


def _apply(self: Any, grads_and_vars: Any, global_step: Any = None, name: Any = None) -> Any:
    return wrapped_optimizer(self).apply_gradients(grads_and_vars, global_step, name)


@contextlib.contextmanager
def averaged_by_strategy() -> Iterator[None]:
    """Within it, the optimizer leaves summing over shards to the distribution strategy.

    Its own summing is an operation that TPUs alone have, and would sum what is averaged already.
    """
    methods: dict[str, Any] = {"compute_gradients": _compute, "apply_gradients": _apply}
    before = {name: getattr(CrossShardOptimizer, name) for name in methods}
    for name, method in methods.items():
        setattr(CrossShardOptimizer, name, method)
    try:
        yield
    finally:
        for name, method in before.items():
            setattr(CrossShardOptimizer, name, method)
