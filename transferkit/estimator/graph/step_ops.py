"""What runs in a step of a traced model_fn."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from transferkit.estimator.graph.mode_graph import Traced
from transferkit.estimator.graph.ordering import needed, written
from transferkit.estimator.ready_models.metric_pairs import tensorflow_variables
from transferkit.estimator.spec import ModeKeys, is_keras_metric
from transferkit.estimator.variables.variables import VariableStore
from transferkit.private.tensorflow_names import UnreadVariable

__all__ = ["collect_step_ops"]


def collect_step_ops(traced: Traced, store: VariableStore) -> None:
    """Collects what runs in a step; metrics' variables become local."""
    graph = traced.graph
    assigned = graph.order_keras_effects()
    effects: list[Any] = []
    for spec in traced.specs:
        if traced.mode == ModeKeys.TRAIN:
            effects.extend(_operations(spec.train_op))
        elif traced.mode == ModeKeys.EVAL:
            for metric in spec.eval_metric_ops.values():
                if not is_keras_metric(metric):
                    effects.extend(_operations(metric[1]))
    local: list[Any] = []
    if traced.mode == ModeKeys.EVAL:
        for spec in traced.specs:
            for name, metric in spec.eval_metric_ops.items():
                if is_keras_metric(metric):
                    local.extend(tensorflow_variables(metric))
                    traced.metrics.setdefault(name, metric)
                else:
                    traced.metrics.setdefault(name, metric[0])
    store.enter_captured(graph, local)
    effects.extend(assigned)
    if traced.mode == ModeKeys.TRAIN:
        if not _increments(traced, effects):
            effects.append(traced.global_step.assign_add(1, read_value=False))
        effects = list(dict.fromkeys(_op(e) for e in effects))
        graph.reads_before_writes(effects, traced.inputs)
        # TensorFlow's own hooks look for this tensor, and would make one that needs a graph variable.
        graph.add_to_collection("global_step_read_op_cache", graph.read_of(traced.global_step))
        with tf.control_dependencies(effects):
            traced.step = traced.global_step.read_value()
    traced.effects = list(dict.fromkeys(_op(e) for e in effects))


def _increments(traced: Traced, effects: list[Any]) -> bool:
    """Whether what runs in a step moves the global step; a model_fn in Keras's style leaves that to us."""
    handles = {
        internal.name for outer, internal in traced.graph.captures if _is_step(outer, traced.global_step)
    }
    run = needed(traced.graph, traced.inputs, [], [_op(e) for e in effects])
    return any(handles & set(written(op)) for op in run)


def _is_step(outer: Any, step: Any) -> bool:
    parts = getattr(step, "_values", None) or (step,)
    return any(outer is part.handle for part in parts)


def _op(value: Any) -> Any:
    return value if isinstance(value, tf.Operation) else value.op


def _operations(value: Any) -> list[Any]:
    """The operations behind what a user gave as train_op or as a metric's update."""
    if isinstance(value, tf.Operation):
        return [value]
    if isinstance(value, UnreadVariable):
        # What ``assign`` and its like return in a graph: asking for it runs the assignment.
        return [value.op]
    values = getattr(value, "_values", None)
    if values and not tf.is_tensor(value):
        return [op for part in values for op in _operations(part)]
    if isinstance(value, tf.Variable) or hasattr(value, "path"):
        # A variable says nothing of what is to run: what Keras assigned is known already.
        return []
    return [tf.convert_to_tensor(value).op]
