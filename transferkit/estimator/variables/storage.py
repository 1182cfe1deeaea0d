"""Variables as TensorFlow and Keras hold them: copies, handles, and who they belong to."""

from __future__ import annotations

import gc
import sys
from typing import Any

import keras

__all__ = ["container_of", "handles_of", "keras_owner", "ordering_tokens"]


def container_of(variable: Any) -> Any:
    """The variable a user knows, for one of its copies on a device."""
    if getattr(variable, "_values", None):
        return variable
    find = getattr(variable, "_distributed_container", None)
    if find is None:
        # A plain copy carries the way to its container on its handle.
        find = getattr(getattr(variable, "_handle", None), "_distributed_container", None)
    found = find() if callable(find) else None
    return variable if found is None else found


def keras_owner() -> tuple[Any, bool]:
    """The Keras variable whose storage is being made, or None; and whether it is a metric's.

    Keras hands TensorFlow the last part of a variable's name only; the rest stands a few frames above.
    """
    frame, owner = sys._getframe(2), None
    for _ in range(20):
        if frame is None:
            break
        name = frame.f_code.co_name
        if owner is None and name == "_initialize" and isinstance(frame.f_locals.get("self"), keras.Variable):
            owner = frame.f_locals["self"]
        elif name in ("add_variable", "add_weight") and owner is not None:
            return owner, isinstance(frame.f_locals.get("self"), keras.metrics.Metric)
        frame = frame.f_back  # type: ignore[assignment]
    return owner, False


def handles_of(variable: Any) -> list[Any]:
    """The resource handles of ``variable``, one for each copy."""
    values = getattr(variable, "_values", None)
    parts = values if isinstance(values, (tuple, list)) and values else [variable]
    return [handle for handle in (getattr(part, "_handle", None) for part in parts) if handle is not None]


def ordering_tokens() -> set[int]:
    """Handles of the variables by which tf.distribute orders its collective operations: no state to save."""
    found = set()
    for thing in gc.get_objects():
        if type(thing).__name__ == "CollectiveReplicaLauncher":
            found.add(id(getattr(thing, "_ordering_token", None)))
            found.add(id(getattr(getattr(thing, "_ordering_token", None), "handle", None)))
    return found
