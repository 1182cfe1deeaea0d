"""The evaluation loop."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from transferkit.estimator.engine import Engine
from transferkit.estimator.hooks import HookRunner
from transferkit.estimator.inputs import call_input_fn, seeded, signature_of
from transferkit.estimator.tracing import Traced
from transferkit.model_fn.spec import ModeKeys, is_keras_metric

__all__ = ["evaluate"]


def evaluate(
    engine: Engine,
    input_fn: Callable[..., Any],
    steps: int | None,
    hooks: Sequence[Any],
    checkpoint_path: str | None,
) -> dict[str, Any]:
    """Metrics over ``steps`` batches, or all of them; with ``loss`` and ``global_step``."""
    config = engine.config
    with seeded(config.tf_random_seed):
        dataset, labelled = call_input_fn(input_fn, ModeKeys.EVAL, engine.params, config)
    traced = engine.traced(ModeKeys.EVAL, signature_of(dataset.element_spec, labelled))
    with engine.weights_of(checkpoint_path), seeded(config.tf_random_seed):
        return _run(engine, traced, iter(dataset), steps, hooks)


def _run(
    engine: Engine, traced: Traced, iterator: Any, steps: int | None, hooks: Sequence[Any]
) -> dict[str, Any]:
    engine.store.reset_local()
    runner = HookRunner(hooks, traced)
    runner.begin()
    runner.created()
    default = [traced.loss]
    total, count = 0.0, 0
    while steps is None or count < steps:
        try:
            batch = tf.nest.flatten(next(iterator), expand_composites=True)
        except StopIteration:
            break
        number = tf.constant(count, tf.int64)
        outputs = runner.run(default, [number, *batch])
        total += float(outputs[0].numpy())
        count += 1
        if runner.stop:
            break
    runner.end()
    results = metric_values(traced)
    results["loss"] = np.float32(total / count) if count else np.float32("nan")
    results["global_step"] = engine.step()
    return results


def metric_values(traced: Traced) -> dict[str, Any]:
    """The metrics' values as they stand."""
    results: dict[str, Any] = {}
    graph_metrics = {n: m for n, m in traced.metrics.items() if not is_keras_metric(m)}
    if graph_metrics:
        tensors = tf.nest.flatten(graph_metrics)
        values = traced.values_function(tensors)()
        packed = tf.nest.pack_sequence_as(graph_metrics, [value.numpy() for value in values])
        results.update(packed)
    for name, metric in traced.metrics.items():
        if is_keras_metric(metric):
            value = metric.result()
            if isinstance(value, dict):
                results.update({f"{name}/{key}": np.asarray(part) for key, part in value.items()})
            else:
                results[name] = np.asarray(value)[()]
    return dict(sorted(results.items()))
