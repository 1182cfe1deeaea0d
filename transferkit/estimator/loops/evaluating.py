"""The evaluation loop."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from transferkit.errors import fault
from transferkit.estimator.cluster import TaskType
from transferkit.estimator.distribution import input_context, replicas_here
from transferkit.estimator.engine import Engine
from transferkit.estimator.graph.mode_graph import Traced
from transferkit.estimator.inputs.call import call_input_fn, seeded, signature_of
from transferkit.estimator.loops.stepping import Batches
from transferkit.estimator.session.hooks import HookRunner
from transferkit.estimator.session.training_log import progress
from transferkit.estimator.spec import ModeKeys, is_keras_metric

__all__ = ["evaluate"]


def evaluate(
    engine: Engine,
    input_fn: Callable[..., Any],
    steps: int | None,
    hooks: Sequence[Any],
    checkpoint_path: str | None,
    folder: str,
) -> dict[str, Any]:
    """Metrics over ``steps`` batches, or all of them; with ``loss`` and ``global_step``.

    Args:
        engine: whose model.
        input_fn: gives the data.
        steps: how many steps, or None for all the data.
        hooks: the user's hooks.
        checkpoint_path: whose weights; None takes the present ones.
        folder: of the event files.

    Raises:
        ValueError: a metric is called ``loss`` or ``global_step``, which are always reported.
    """
    config = engine.config
    strategy = engine.strategy(ModeKeys.EVAL)
    chance = engine.drawn()
    with seeded(config.tf_random_seed, chance):
        context = input_context(strategy)
        dataset, labelled = call_input_fn(input_fn, ModeKeys.EVAL, engine.params, config, context)
    traced = engine.traced(ModeKeys.EVAL, signature_of(dataset.element_spec, labelled), strategy)
    for name in ("loss", "global_step"):
        if name in traced.metrics:
            raise ValueError(fault("eval_metric_ops", name, "another name", f"{name} is always reported"))
    with engine.weights_of(checkpoint_path, traced):
        engine.begin(traced, untrained=checkpoint_path is None)
        with seeded(config.tf_random_seed, chance):
            batches = Batches(dataset, replicas_here(strategy))
        results = _run(engine, traced, batches, steps, hooks, chance)
    journal = engine.summary_log(folder, config.is_chief or config.task_type == TaskType.EVALUATOR)
    scalars = {name: value for name, value in results.items() if name != "global_step"}
    journal.scalars(results["global_step"], scalars)
    _tell(results)
    if engine.source is not None or checkpoint_path is not None:
        progress.info("Saving 'checkpoint_path' summary for global step %d", results["global_step"])
        journal.text(results["global_step"], "checkpoint_path", checkpoint_path or str(engine.source))
    journal.flush()
    return results


def _tell(results: dict[str, Any]) -> None:
    step = results["global_step"]
    said = ", ".join(f"{name} = {value}" for name, value in sorted(results.items()))
    progress.info("Saving dict for global step %d: %s", step, said)


def _run(
    engine: Engine,
    traced: Traced,
    batches: Batches,
    steps: int | None,
    hooks: Sequence[Any],
    chance: int,
) -> dict[str, Any]:
    engine.store.reset_local()
    runner = HookRunner([*hooks, *traced.spec.evaluation_hooks], traced)
    runner.begin()
    runner.created()
    total, count, number = 0.0, 0, 0
    started = time.time()
    progress.info("Starting evaluation at %s", time.strftime("%Y-%m-%dT%H:%M:%S"))
    while steps is None or number < steps:
        asked = runner.ask(traced.losses)
        # The last batches of the data count, also where they do not suffice for all replicas.
        batch, present = batches.take_padded()
        if batch is None:
            break
        place = tf.constant(chance + number, tf.int64)
        losses = runner.run(asked, [place, *batch], engine.config.jit_compile)[:present]
        total += sum(float(loss) for loss in losses)
        count += len(losses)
        number += 1
        if steps is None or number % max(1, steps // 10) == 0:
            progress.info("Evaluation [%d/%s]", number, steps if steps is not None else "inf")
        if runner.stop:
            break
    batches.close()
    runner.end()
    progress.info("Inference Time : %.5fs", time.time() - started)
    progress.info("Finished evaluation at %s", time.strftime("%Y-%m-%d-%H:%M:%S"))
    results = metric_values(traced)
    # Without a batch the mean is 0, as a metric without values is.
    results["loss"] = np.float32(total / count if count else 0.0)
    results = dict(sorted(results.items()))
    results["global_step"] = np.int64(engine.present_step())
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
