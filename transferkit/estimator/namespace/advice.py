"""What a name of tf.estimator, tf.contrib or TensorFlow 1 asks of a program that is to run today."""

from __future__ import annotations

import functools
import types
from typing import Any, NamedTuple

import tensorflow as tf

from transferkit.estimator.namespace.absent import LEGACY_KERAS, contrib_hint, missing
from transferkit.estimator.namespace.old_names import TWO_VERSIONS

__all__ = ["Advice", "advice", "of_version_1"]

_ESTIMATOR = ("tensorflow.estimator", "tensorflow.compat.v1.estimator", "tensorflow.compat.v2.estimator")
_CONTRIB = ("tensorflow.contrib", "tensorflow.compat.v1.contrib")
_KERAS = ("tensorflow.keras.estimator", "tensorflow.compat.v1.keras.estimator")
_LAYERS = ("tensorflow.layers", "tensorflow.compat.v1.layers")
_CELLS = ("tensorflow.nn.rnn_cell", "tensorflow.compat.v1.nn.rnn_cell")
_OLD_PATHS = ("tensorflow_estimator", "tensorflow.python.estimator", "tensorflow.python.keras.estimator")
# What is looked at above, or is no public part of TensorFlow.
_OTHER = {"compat", "contrib", "core", "estimator", "keras", "layers", "python"}


class Advice(NamedTuple):
    """What is said of a name.

    Attributes:
        name: as people write it, such as ``tf.estimator.RunConfig``.
        change: what to change; None where it is there.
    """

    name: str
    change: str | None


def advice(dotted: str) -> Advice | None:
    """What is to be said of a full name, such as ``tensorflow.contrib.slim``; None where nothing is.

    Args:
        dotted: the name; ``….*`` for all of a module.
    """
    if _below(dotted, _OLD_PATHS) is not None:
        return Advice(dotted, "import transferkit.estimator, or call its install() first")
    rest = _below(dotted, _ESTIMATOR)
    if rest is not None:
        return _of_estimator(rest, dotted.startswith("tensorflow.compat.v1."))
    rest = _below(dotted, _CONTRIB)
    if rest is not None:
        return Advice(f"tf.contrib.{rest}".rstrip("."), contrib_hint(rest))
    if _below(dotted, _KERAS) is not None:
        return Advice("tf.keras.estimator.model_to_estimator", None)
    for places, shown in ((_LAYERS, "tf.layers"), (_CELLS, "tf.nn.rnn_cell")):
        rest = _below(dotted, places)
        if rest is not None:
            return Advice(f"{shown}.{rest}".rstrip("."), LEGACY_KERAS)
    return None


def of_version_1(dotted: str) -> str | None:
    """``tf.placeholder`` for ``tensorflow.placeholder``, which only ``tf.compat.v1`` has today; else None."""
    parts = dotted.split(".")
    if len(parts) < 2 or parts[0] != "tensorflow" or parts[1] in _OTHER:
        return None
    for depth in (2, 3):
        name = ".".join(parts[1:depth])
        if not _has("", name) and _has("compat.v1.", name):
            return f"tf.{name}"
    return None


@functools.cache
def _has(place: str, name: str) -> bool:
    found: Any = tf
    for part in (place + name).split("."):
        if not isinstance(found, types.ModuleType):
            return True
        try:
            found = getattr(found, part)
        except (AttributeError, ImportError):
            return False
    return True


def _below(dotted: str, places: tuple[str, ...]) -> str | None:
    """What follows the first of the places that the name is in: nothing for the place itself."""
    for place in places:
        if dotted == place or dotted.startswith(place + "."):
            return dotted[len(place) + 1 :]
    return None


def _of_estimator(name: str, version_1: bool) -> Advice:
    import transferkit.estimator as ours

    if name in ("", "*"):
        return Advice("tf.estimator", None)
    found: Any = ours
    taken: list[str] = []
    for part in name.split("."):
        public = getattr(found, "__all__", None)
        if public is None or part == "*":
            break
        taken.append(part)
        if part not in public:
            known = missing(".".join(taken)) or "is no name of tf.estimator 2.15 that is known here"
            return Advice("tf.estimator." + ".".join(taken), known)
        found = getattr(found, part)
    place = "tf.compat.v1.estimator." if version_1 and taken[0] in TWO_VERSIONS else "tf.estimator."
    return Advice(place + ".".join(taken), None)
