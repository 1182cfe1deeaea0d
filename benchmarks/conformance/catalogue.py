"""The list of checks, what they are given, and small models and data that they share."""

from __future__ import annotations

import builtins
import glob
import os
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

__all__ = [
    "CHECKS",
    "ExportSpec",
    "checkpoints",
    "error_of",
    "event_tags",
    "four",
    "linear",
    "number",
    "shows",
]

v1 = tf.compat.v1

X = np.array([[1.0], [2.0], [3.0], [4.0]], np.float32)
Y = 2 * X

# (area, what is observed, check), in the order in which they are run and printed.
CHECKS: list[tuple[str, str, Callable[..., Any]]] = []


class ExportSpec:
    """An implementation: its public names, at the top, in ``export`` or in ``experimental``."""

    def __init__(self, module: Any) -> None:
        self._places = [module, getattr(module, "export", None), getattr(module, "experimental", None)]

    def __getattr__(self, name: str) -> Any:
        for place in self._places:
            if hasattr(place, name):
                return getattr(place, name)
        raise AttributeError(f"there is no {name}")


def shows(area: str, text: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Registers a check ``(E, folder) -> observation``; ``folder`` is empty and its own."""

    def register(check: Callable[..., Any]) -> Callable[..., Any]:
        CHECKS.append((area, text, check))
        return check

    return register


def error_of(act: Callable[[], Any]) -> str:
    """The kind of error that ``act`` raises, as a caller's ``except`` clause could name it."""
    try:
        act()
    except Exception as error:
        for kind in type(error).__mro__:
            if getattr(builtins, kind.__name__, None) is kind or kind.__module__.startswith("tensorflow."):
                return kind.__name__
    return "no error"


def errors_of(*acts: Callable[[], Any]) -> list[str]:
    """As :func:`error_of`, for several."""
    return [error_of(act) for act in acts]


def linear(E: Any, calls: list[Any] | None = None, optimizer: Any = None, **more: Any) -> Callable[..., Any]:
    """A model_fn of one weight and one bias, both zero at first, trained by gradient descent.

    Args:
        E: the implementation.
        calls: where each call's mode is noted.
        optimizer: makes the optimizer; gradient descent with rate 0.05 where it is None.
        more: further arguments of the spec, or functions ``(loss, mode) -> argument``.
    """

    def model_fn(features: Any, labels: Any, mode: str) -> Any:
        if calls is not None:
            calls.append(mode)
        x = features["x"] if isinstance(features, dict) else features
        weight = v1.get_variable("weight", [1, 1], initializer=v1.zeros_initializer())
        bias = v1.get_variable("bias", [1], initializer=v1.zeros_initializer())
        value = tf.matmul(x, weight) + bias
        given: dict[str, Any] = {"predictions": {"value": value, "twice": 2 * value}}
        loss = None
        if mode != "infer":
            loss = tf.reduce_mean(tf.square(value - labels), name="the_loss")
            given["loss"] = loss
        if mode == "train":
            chosen = optimizer() if optimizer else v1.train.GradientDescentOptimizer(0.05)
            given["train_op"] = chosen.minimize(loss, v1.train.get_global_step())
        if mode == "eval":
            given["eval_metric_ops"] = {"mae": v1.metrics.mean_absolute_error(labels, value)}
        given.update({k: part(loss, mode) if callable(part) else part for k, part in more.items()})
        return E.EstimatorSpec(mode, **given)

    return model_fn


def four(repeat: bool = True, size: int = 4, keyed: bool = True) -> Callable[[], Any]:
    """An input_fn of four points of y = 2 x."""

    def input_fn() -> Any:
        data = tf.data.Dataset.from_tensor_slices(({"x": X} if keyed else X, Y))
        return (data.repeat() if repeat else data).batch(size)

    return input_fn


def number(value: Any, digits: int = 4) -> Any:
    """``value`` as rounded Python numbers."""
    return np.round(np.asarray(value, np.float64), digits).tolist()


def checkpoints(folder: str) -> list[int]:
    """The steps of the checkpoints in a folder."""
    found = glob.glob(os.path.join(folder, "model.ckpt-*.index"))
    return sorted(int(path.rsplit("-", 1)[1].split(".")[0]) for path in found)


def event_tags(folder: str) -> dict[str, list[int]]:
    """Tag -> the steps at which an event file of ``folder`` holds it."""
    # Ours flushes event files every few seconds and at the end of the process.
    journals = sys.modules.get("transferkit.estimator.summaries")
    if journals is not None:
        journals.flush_now(folder)
    tags: dict[str, list[int]] = {}
    for path in sorted(glob.glob(os.path.join(folder, "events.*"))):
        for event in v1.train.summary_iterator(path):
            for value in event.summary.value:
                tags.setdefault(value.tag, []).append(event.step)
    return {tag: sorted(set(steps)) for tag, steps in sorted(tags.items())}
