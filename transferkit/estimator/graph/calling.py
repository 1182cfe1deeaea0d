"""Which arguments a user's function takes, and a model_fn called with those that it takes."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Iterator
from typing import Any

import tensorflow as tf

from transferkit.errors import fault
from transferkit.estimator.namespace.absent import explained
from transferkit.estimator.spec import EstimatorSpec
from transferkit.type_names import Tensors

__all__ = ["arguments", "call_logit_fn", "call_model_fn", "check_model_fn", "saying_what_to_use"]

_KNOWN = ("features", "labels", "mode", "params", "config", "self")


def arguments(function: Callable[..., Any]) -> tuple[str, ...]:
    """The names of the arguments that ``function`` takes; those that a partial gave by name are left out."""
    given = getattr(function, "keywords", None) or {}
    parameters = inspect.signature(function).parameters.values()
    return tuple(
        p.name
        for p in parameters
        if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY) and p.name not in given
    )


@contextlib.contextmanager
def saying_what_to_use() -> Iterator[None]:
    """Within it, what TensorFlow has no longer is an error of the same type that says what to use."""
    try:
        yield
    except (AttributeError, ImportError) as error:
        text = explained(error)
        if text is None:
            raise
        raise type(error)(text) from error


def check_model_fn(model_fn: Any, params: Any) -> None:
    """Raises ValueError where ``model_fn`` cannot be called as an Estimator does."""
    if model_fn is None:
        raise ValueError(fault("Estimator.model_fn", None, None, "model_fn must be provided to Estimator"))
    names = arguments(model_fn)
    if "features" not in names:
        raise ValueError(fault("model_fn", list(names), "an argument 'features'"))
    if params is not None and "params" not in names:
        raise ValueError(
            fault("model_fn", list(names), "an argument 'params', as params are passed to Estimator")
        )
    unknown = sorted(set(names) - set(_KNOWN))
    if unknown:
        raise ValueError(
            fault("model_fn", unknown, "no arguments but features, labels, mode, params, config")
        )


def call_model_fn(
    model_fn: Any, features: Tensors, labels: Tensors, mode: str, params: Any, config: Any
) -> EstimatorSpec:
    """What ``model_fn`` returns, given those of the arguments that it takes.

    Args:
        model_fn: of an Estimator.
        features: a tensor, or tensors by names.
        labels: likewise, or None.
        mode: a value of ModeKeys.
        params: the Estimator's.
        config: the Estimator's RunConfig.

    Raises:
        ValueError: where there are labels and it takes none, or it returns no EstimatorSpec.
    """
    names = arguments(model_fn)
    given: dict[str, Any] = {}
    if "labels" in names:
        given["labels"] = labels
    elif labels is not None:
        raise ValueError(
            fault("model_fn", None, None, "model_fn does not take labels, but input_fn returns labels")
        )
    for name, value in (("mode", mode), ("params", params), ("config", config)):
        if name in names:
            given[name] = value
    with saying_what_to_use():
        spec = model_fn(features=features, **given)
    if not isinstance(spec, EstimatorSpec):
        raise ValueError(fault("model_fn", spec, "an EstimatorSpec returned"))
    # One that takes no mode has none to give; what the mode needs is looked at now.
    return spec if spec.mode is not None else spec.in_mode(mode)


def call_logit_fn(
    logit_fn: Callable[..., Any], features: Tensors, mode: str, params: Any, config: Any
) -> Any:
    """What ``logit_fn`` returns, given those of the arguments that it takes.

    Args:
        logit_fn: from features to logits.
        features: a tensor, or tensors by names.
        mode: a value of ModeKeys.
        params: the Estimator's.
        config: the Estimator's RunConfig.

    Raises:
        ValueError: where that is neither a tensor nor a dictionary of tensors by strings.
    """
    given = {"mode": mode, "params": params, "config": config}
    names = arguments(logit_fn)
    logits = logit_fn(features=features, **{name: value for name, value in given.items() if name in names})
    several = isinstance(logits, dict) and all(
        isinstance(name, str) and tf.is_tensor(value) for name, value in logits.items()
    )
    if not several and not tf.is_tensor(logits):
        raise ValueError(fault("logit_fn", logits, "a tensor, or a dictionary of tensors by strings"))
    return logits
