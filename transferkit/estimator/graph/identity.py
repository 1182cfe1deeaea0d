"""Tensors and variables of a model_fn are hashed, and told apart, as in a graph: by what they are.

Code written for sessions keeps variables and tensors in sets, as keys of dictionaries, and asks whether one
is ``in`` a list. TensorFlow 2 compares values instead, and refuses to hash. Code written for TensorFlow 2,
that of Keras among it, means values. Both are served where the default graph of the thread is a model_fn's
(or inside of one: a branch, a loop, a function): two variables are equal where they are the same one; what
``==`` gives of two tensors is the tensor of the compared values, and, asked for its truth by Python, tells
whether they are the same one. Against numbers and arrays values are compared.

In the body of an input_fn tensors have values; there Python asks for the truth of a single value as ever, and
for that of several as above. Elsewhere nothing changes.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any

import tensorflow as tf

from transferkit.estimator.graph.graph import TracedGraph
from transferkit.private.tensorflow_names import BaseResourceVariable

__all__ = ["compare_by_identity", "in_input_fn", "inside_input_fn"]

_here = threading.local()
_installed: list[Callable[..., Any]] = []
_lock = threading.Lock()
_SAME = "_transferkit_same"


@contextlib.contextmanager
def inside_input_fn() -> Iterator[None]:
    """Within it, the thread runs an input_fn."""
    before, _here.input_fn = getattr(_here, "input_fn", False), True
    try:
        yield
    finally:
        _here.input_fn = before


def _in_model_fn() -> bool:
    graph = tf.compat.v1.get_default_graph()
    while graph is not None:
        if isinstance(graph, TracedGraph):
            return True
        graph = getattr(graph, "outer_graph", None)
    return False


def in_input_fn() -> bool:
    """Whether the thread runs an input_fn."""
    return getattr(_here, "input_fn", False)


def compare_by_identity() -> None:
    """Teaches TensorFlow's tensors and variables the rule above, once in a process."""
    with _lock:
        if _installed:
            return
        kinds = [tf.Tensor, tf.Variable, BaseResourceVariable]
        kinds += [kind for kind in type(tf.constant(0)).__mro__ if kind not in (*kinds, object)]
        for kind in kinds:
            for name, wrap in _WRAPPERS.items():
                original = vars(kind).get(name)
                if original is not None and not isinstance(original, type(object.__eq__)):
                    setattr(kind, name, wrap(original))
                    _installed.append(original)


def _comparing(original: Callable[..., Any], same: bool) -> Callable[..., Any]:
    def compare(self: Any, other: Any) -> Any:
        known = tf.is_tensor(other) or isinstance(other, tf.Variable)
        if not known or not (_in_model_fn() or in_input_fn()):
            return original(self, other)
        result = (self is other) is same
        if isinstance(self, tf.Variable):
            return result
        try:
            values = original(self, other)
        except (TypeError, ValueError, tf.errors.OpError):
            # Of types that cannot be compared.
            return result
        if tf.is_tensor(values) and (not tf.executing_eagerly() or values.shape.num_elements() != 1):
            setattr(values, _SAME, result)
        return values

    return compare


def _hashing(original: Callable[..., Any]) -> Callable[..., Any]:
    def hashed(self: Any) -> int:
        if _in_model_fn() or in_input_fn():
            return id(self)
        return int(original(self))

    return hashed


def _truth(original: Callable[..., Any]) -> Callable[..., Any]:
    def truth(self: Any) -> bool:
        known = getattr(self, _SAME, None)
        return bool(original(self)) if known is None else bool(known)

    return truth


_WRAPPERS: dict[str, Callable[[Callable[..., Any]], Callable[..., Any]]] = {
    "__eq__": lambda original: _comparing(original, True),
    "__ne__": lambda original: _comparing(original, False),
    "__hash__": _hashing,
    "__bool__": _truth,
}
