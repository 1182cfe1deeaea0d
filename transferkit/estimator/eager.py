"""Calls of the Estimator run eagerly, also in programs that have switched TensorFlow 2's behaviour off.

``tf.disable_v2_behavior()``, ``tf.disable_eager_execution()`` and a ``with tf.Graph().as_default()`` around a
call are habits of TensorFlow 1. The graphs of model_fn are made here in any case; what is around them is not.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import tensorflow as tf

from transferkit.private.tensorflow_names import eagerly

__all__ = ["runs_eagerly"]

_F = TypeVar("_F", bound=Callable[..., Any])


def runs_eagerly(function: _F) -> _F:
    """``function``, executing eagerly; a generator does so while it makes each value, and not in between."""

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        if tf.executing_eagerly():
            return function(*args, **kwargs)
        with eagerly():
            return function(*args, **kwargs)

    @functools.wraps(function)
    def generate(*args: Any, **kwargs: Any) -> Iterator[Any]:
        values = function(*args, **kwargs)
        try:
            while True:
                if tf.executing_eagerly():
                    value = next(values, _END)
                else:
                    with eagerly():
                        value = next(values, _END)
                if value is _END:
                    return
                yield value
        finally:
            values.close()

    return generate if inspect.isgeneratorfunction(function) else call  # type: ignore[return-value]


_END = object()
