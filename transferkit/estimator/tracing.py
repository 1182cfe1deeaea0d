"""Calls model_fn once for a mode and an input signature, and keeps the graph."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import tensorflow as tf
from tensorflow.python.distribute import distribute_utils
from tensorflow.python.ops import resource_variable_ops

from transferkit.errors import fault
from transferkit.estimator.graph import GraphFunction, TracedGraph, _needed, _written
from transferkit.estimator.keras_bridge import naming_full_precision, tracing_keras
from transferkit.estimator.random_ops import make_stateless, stateless_inside
from transferkit.estimator.tables import warn_of_tables
from transferkit.estimator.variables import VariableStore
from transferkit.model_fn.spec import EstimatorSpec, ModeKeys, is_keras_metric

__all__ = ["Traced", "check_model_fn", "trace"]

v1 = tf.compat.v1

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


class Traced:
    """The graph of one mode and input signature, and the functions asked of it so far.

    Attributes:
        mode: one of ModeKeys.
        graph: the graph that model_fn made.
        spec: what model_fn returned (the first replica's, under a distribution strategy).
        specs: what it returned in each local replica.
        position: scalar int64 input: which batch this is; random operations depend on it.
        inputs: the flat input tensors, ``position`` first.
        loss: the scalar loss over all replicas, or None in PREDICT.
        losses: the loss of each local replica.
        step: the global step's value once everything else of a training step has run (TRAIN).
        effects: operations that a training step or an evaluation batch runs.
        metrics: name -> value tensor, or the Keras metric.
    """

    def __init__(self, mode: str, graph: TracedGraph, signature: Any) -> None:
        self.mode = mode
        self.graph = graph
        self.signature = signature
        self.position: Any = None
        self.inputs: list[Any] = []
        self.spec: EstimatorSpec = None  # type: ignore[assignment]
        self.specs: list[EstimatorSpec] = []
        self.loss: Any = None
        self.losses: list[Any] = []
        self.step: Any = None
        self.global_step: Any = None
        self.effects: list[Any] = []
        self.metrics: dict[str, Any] = {}
        self.kept: list[Any] = []
        self._functions: dict[Any, GraphFunction] = {}

    def function(
        self,
        outputs: Sequence[Any],
        operations: Sequence[Any] = (),
        feeds: Sequence[Any] = (),
        jit_compile: bool = False,
        effects: bool = True,
    ) -> GraphFunction:
        """The function from the inputs (and ``feeds``) to ``outputs``, made on first asking.

        Args:
            outputs: tensors to return.
            operations: operations to run besides.
            feeds: tensors whose values are given after the inputs.
            jit_compile: whether XLA compiles it.
            effects: whether a step's effects run too.
        """
        names = (tuple(t.name for t in part) for part in (outputs, feeds))
        key = (*names, tuple(o.name for o in operations), jit_compile, effects)
        made = self._functions.get(key)
        if made is None:
            outputs = [self.graph.replaced.get(t.name, t) for t in outputs]
            control = [*(self.effects if effects else ()), *operations]
            made = GraphFunction(self.graph, [*self.inputs, *feeds], outputs, control, jit_compile)
            self._functions[key] = made
        return made

    def written(self) -> list[Any]:
        """The resources, outside the graph, that a step may write."""
        needed = _needed(self.graph, self.inputs, [], self.effects)
        names = {name for op in needed for name in _written(op)}
        return [outer for outer, inner in self.graph.captures if inner.name in names]

    def values_function(self, outputs: Any) -> GraphFunction:
        """The function without inputs that reads ``outputs``, which depend on variables alone."""
        key = ("values", tuple(t.name for t in outputs))
        if key not in self._functions:
            self._functions[key] = GraphFunction(self.graph, [], outputs)
        return self._functions[key]


def trace(
    model_fn: Callable[..., Any],
    mode: str,
    signature: Any,
    store: VariableStore,
    params: Any,
    config: Any,
    strategy: tf.distribute.Strategy | None = None,
) -> Traced:
    """Calls ``model_fn`` in a fresh graph (once a replica) and works out what a step runs.

    Args:
        model_fn: the user's function.
        mode: one of ModeKeys.
        signature: ``(features, labels)`` as nested TypeSpecs of one replica's batch; labels may be None.
        store: where the variables live.
        params: handed to model_fn.
        config: handed to model_fn.
        strategy: the distribution strategy, or None for one device.
    """
    graph = TracedGraph(f"model_fn_{mode}")
    graph.seed = config.tf_random_seed
    traced = Traced(mode, graph, signature)
    replicas = strategy.num_replicas_in_sync // _workers(strategy) if strategy else 1
    outer_creator = store.scope(graph)
    store.scan()
    graph.on_watch = lambda variable: store.watched(graph, variable)
    scope = strategy.scope() if strategy else contextlib.nullcontext()
    # TensorFlow-1 optimizers then average gradients over replicas, as they did under tf.estimator.
    scaling = strategy._scale_loss_for_estimator_enabled() if strategy else contextlib.nullcontext()
    tracker = _resource_tracker()
    worker = getattr(config, "task_id", 0) or 0
    with (
        scope,
        scaling,
        tf.variable_creator_scope(outer_creator),
        graph.as_default(),
        tf.variable_creator_scope(outer_creator),
        tracing_keras(config.tf_random_seed, config.mixed_precision),
        tracker as resources,
        contextlib.ExitStack() as stack,
    ):
        traced.position = v1.placeholder(tf.int64, [], "position")
        batches = [_placeholders(signature, number) for number in range(replicas)]
        traced.inputs = [traced.position, *(t for flat, _ in batches for t in flat)]
        traced.global_step = v1.train.create_global_step(graph)
        stack.enter_context(naming_full_precision(graph, config.mixed_precision))
        stack.enter_context(stateless_inside(graph, traced.position, worker))
        specs: list[EstimatorSpec] = []

        @tf.autograph.experimental.do_not_convert
        def call(batch: Any) -> Any:
            features, labels = batch
            specs.append(_call(model_fn, features, labels, mode, params, config))
            return specs[-1].loss

        if strategy is None:
            loss = call(batches[0][1])
        else:
            # Replicas are traced one after the other, in their order; on TPUs one trace stands for all.
            several = tuple(batch for _, batch in batches)
            each = distribute_utils.regroup(several, always_wrap=True) if replicas > 1 else several[0]
            loss = strategy.extended.call_for_each_replica(call, args=(each,))
        traced.specs = specs
        traced.spec = specs[0]
        if loss is not None:
            traced.losses = list(strategy.experimental_local_results(loss)) if strategy else [loss]
            traced.loss = strategy.reduce(_loss_reduction(), loss, axis=None) if strategy else loss
        _finish(traced, store)
    warn_of_tables(graph)
    graph.on_watch = None
    graph.find_variable = store.saved.get
    traced.kept.append(resources)
    make_stateless(graph, traced.position, worker)
    return traced


def _finish(traced: Traced, store: VariableStore) -> None:
    """Collects what runs in a step; metrics' variables become local."""
    graph = traced.graph
    written = graph.order_keras_effects()
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
                    local.extend(v.value if hasattr(v, "path") else v for v in metric.variables)
                    traced.metrics.setdefault(name, metric)
                else:
                    traced.metrics.setdefault(name, metric[0])
    store.enter_captured(graph, local)
    effects.extend(written)
    if traced.mode == ModeKeys.TRAIN:
        if not _increments(traced, effects):
            effects.append(traced.global_step.assign_add(1, read_value=False))
        effects = list(dict.fromkeys(_op(e) for e in effects))
        graph.reads_before_writes(effects)
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
    needed = _needed(traced.graph, traced.inputs, [], [_op(e) for e in effects])
    return any(handles & set(_written(op)) for op in needed)


def _is_step(outer: Any, step: Any) -> bool:
    parts = getattr(step, "_values", None) or (step,)
    return any(outer is part.handle for part in parts)


def _op(value: Any) -> Any:
    return value if isinstance(value, tf.Operation) else value.op


def _operations(value: Any) -> list[Any]:
    """The operations behind what a user gave as train_op or as a metric's update."""
    if isinstance(value, tf.Operation):
        return [value]
    if isinstance(value, resource_variable_ops._UnreadVariable):
        # What ``assign`` and its like return in a graph: asking for it runs the assignment.
        return [value.op]
    values = getattr(value, "_values", None)
    if values and not tf.is_tensor(value):
        return [op for part in values for op in _operations(part)]
    if isinstance(value, tf.Variable) or hasattr(value, "path"):
        # A variable says nothing of what is to run: what Keras assigned is known already.
        return []
    return [tf.convert_to_tensor(value).op]


def _call(model_fn: Any, features: Any, labels: Any, mode: str, params: Any, config: Any) -> EstimatorSpec:
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


def _placeholders(signature: Any, number: int) -> tuple[list[Any], Any]:
    """The flat input tensors of one replica, and the same in the signature's structure."""
    leaves = []
    for path, spec in enumerate(tf.nest.flatten(signature, expand_composites=True)):
        leaf = None if spec is None else v1.placeholder(spec.dtype, spec.shape, f"input_{number}_{path}")
        leaves.append(leaf)
    packed = tf.nest.pack_sequence_as(signature, leaves, expand_composites=True)
    return [leaf for leaf in leaves if leaf is not None], packed


def _loss_reduction() -> tf.distribute.ReduceOp:
    """How replicas' losses make up one: summed where the loss was summed over examples, else the mean."""
    return distribute_utils.get_loss_reduction()


def _workers(strategy: Any) -> int:
    return getattr(strategy.extended, "_num_workers", 1) or 1


def _resource_tracker() -> Any:
    """Keeps tables and other resources that model_fn makes alive as long as their graph."""
    from tensorflow.python.trackable import resource

    @contextlib.contextmanager
    def track() -> Iterator[Any]:
        tracker = resource.ResourceTracker()
        with resource.resource_tracker_scope(tracker):
            yield tracker

    return track()
