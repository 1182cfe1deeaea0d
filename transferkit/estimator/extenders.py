"""Adds metrics to an Estimator without touching its model_fn."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from transferkit.errors import fault
from transferkit.estimator.estimator import Estimator
from transferkit.estimator.graph.calling import arguments
from transferkit.estimator.spec import EstimatorSpec, ModeKeys
from transferkit.type_names import Tensors

__all__ = ["add_metrics"]

_TAKEN = ("features", "labels", "predictions", "config")


def add_metrics(estimator: Estimator, metric_fn: Callable[..., Any]) -> Estimator:
    """An Estimator like ``estimator`` whose evaluations have ``metric_fn``'s metrics besides.

    It has the same model_dir, config, params (its ``input_fn`` gets them too) and warm start.

    Args:
        estimator: the one to extend.
        metric_fn: takes any of ``features, labels, predictions, config`` and gives what
            ``eval_metric_ops`` takes; a metric of the same name takes the place of the old one.

    Raises:
        ValueError: where it takes other arguments.
    """
    names = arguments(metric_fn)
    unknown = sorted(set(names) - set(_TAKEN))
    if unknown:
        raise ValueError(fault("metric_fn", unknown, "no arguments but " + ", ".join(_TAKEN)))

    # ``params`` are the estimator's own, which its model_fn takes with it.
    def model_fn(features: Tensors, labels: Tensors, mode: str, params: Any, config: Any) -> EstimatorSpec:
        spec: EstimatorSpec = estimator.model_fn(features, labels, mode, config)
        if mode != ModeKeys.EVAL:
            return spec
        known = {"features": features, "labels": labels, "predictions": spec.predictions, "config": config}
        added = metric_fn(**{name: known[name] for name in names}) or {}
        fields = {**spec._asdict(), "eval_metric_ops": {**spec.eval_metric_ops, **added}}
        return EstimatorSpec(**fields)

    return Estimator(
        model_fn, estimator.model_dir, estimator.config, estimator.params, estimator._engine.warm_start
    )
