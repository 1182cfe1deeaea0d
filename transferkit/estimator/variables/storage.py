"""Variables as TensorFlow and Keras hold them: copies, handles, and who they belong to."""

from __future__ import annotations

import gc
import sys
from typing import Any

from transferkit.keras_import import keras
from transferkit.private.tensorflow_attributes import container_handle, handle_of, ordering_token
from transferkit.type_names import Variable

__all__ = ["container_of", "handles_of", "keras_owner", "ordering_tokens"]


def container_of(variable: Variable) -> Any:
    """The variable a user knows, for one of its copies on a device."""
    if getattr(variable, "_values", None):
        return variable
    found = container_handle(variable)
    return variable if found is None else found


def keras_owner() -> tuple[Any, bool]:
    """The Keras variable whose storage is being made, or None; and whether it is a metric's.

    Keras hands TensorFlow the last part of a variable's name only; the rest stands a few frames above. The
    older Keras (``tf_keras``) has no such variables, but its metrics make theirs in the same way.
    """
    frame, owner = sys._getframe(2), None
    older = sys.modules.get("tf_keras")
    for _ in range(24):
        if frame is None:
            break
        name = frame.f_code.co_name
        if owner is None and name == "_initialize" and isinstance(frame.f_locals.get("self"), keras.Variable):
            owner = frame.f_locals["self"]
        elif name in ("add_variable", "add_weight") and owner is not None:
            return owner, isinstance(frame.f_locals.get("self"), keras.metrics.Metric)
        elif older and name == "add_weight" and isinstance(frame.f_locals.get("self"), older.metrics.Metric):
            return None, True
        frame = frame.f_back  # type: ignore[assignment]
    return owner, False


def handles_of(variable: Variable) -> list[Any]:
    """The resource handles of ``variable``, one for each copy."""
    values = getattr(variable, "_values", None)
    parts = values if isinstance(values, (tuple, list)) and values else [variable]
    return [handle for handle in (handle_of(part) for part in parts) if handle is not None]


def ordering_tokens() -> set[int]:
    """Handles of the variables by which tf.distribute orders its collective operations: no state to save."""
    found = set()
    for thing in gc.get_objects():
        token = ordering_token(thing)
        if token is not None:
            found |= {id(token), id(getattr(token, "handle", None))}
    return found
