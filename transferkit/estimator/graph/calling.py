"""Which arguments a user's function takes, and a model_fn called with those that it takes."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from transferkit.errors import fault
from transferkit.estimator.spec import EstimatorSpec

__all__ = ["arguments", "call_model_fn", "check_model_fn"]

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
    model_fn: Any, features: Any, labels: Any, mode: str, params: Any, config: Any
) -> EstimatorSpec:
    """What ``model_fn`` returns, given those of the arguments that it takes.

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
    spec = model_fn(features=features, **given)
    if not isinstance(spec, EstimatorSpec):
        raise ValueError(fault("model_fn", spec, "an EstimatorSpec returned"))
    return spec
