"""``SyncReplicasOptimizer``: on one worker it is the optimizer inside; several are kept in step otherwise."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import tensorflow as tf

from transferkit.errors import fault
from transferkit.private.tensorflow_attributes import replicas_awaited, wrapped_optimizer

__all__ = ["replicas_in_step"]

_Kind: Any = tf.compat.v1.train.SyncReplicasOptimizer


def _apply(self: Any, grads_and_vars: Any, global_step: Any = None, name: Any = None) -> Any:
    workers = replicas_awaited(self)
    if workers > 1:
        hint = "use RunConfig(train_distribute=…): tf.distribute keeps the workers in step"
        raise ValueError(fault("SyncReplicasOptimizer", f"{workers} replicas", None, hint))
    self._gradients_applied = True
    return wrapped_optimizer(self).apply_gradients(grads_and_vars, global_step, name)


def _hook(self: Any, is_chief: bool, num_tokens: int = -1) -> Any:
    return tf.compat.v1.train.SessionRunHook()


@contextlib.contextmanager
def replicas_in_step() -> Iterator[None]:
    """Within it, the optimizer needs neither token queues nor a parameter server."""
    before = {name: getattr(_Kind, name) for name in ("apply_gradients", "make_session_run_hook")}
    _Kind.apply_gradients, _Kind.make_session_run_hook = _apply, _hook
    try:
        yield
    finally:
        for name, method in before.items():
            setattr(_Kind, name, method)
