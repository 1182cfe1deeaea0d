"""Calls model_fn once for a mode and an input signature, and keeps the graph."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import tensorflow as tf

from transferkit.estimator.graph.calling import call_model_fn
from transferkit.estimator.graph.graph import TracedGraph
from transferkit.estimator.graph.identity import compare_by_identity
from transferkit.estimator.graph.keras_bridge import naming_full_precision, tracing_keras
from transferkit.estimator.graph.mode_graph import Traced
from transferkit.estimator.graph.random_ops import make_stateless, stateless_inside
from transferkit.estimator.graph.step_ops import collect_step_ops
from transferkit.estimator.graph.tables import warn_of_tables
from transferkit.estimator.graph.writers import keeping_writers
from transferkit.estimator.inputs.call import without_placeholder
from transferkit.estimator.session.sync_replicas import replicas_in_step
from transferkit.estimator.spec import EstimatorSpec
from transferkit.estimator.variables.variables import VariableStore
from transferkit.private.tensorflow_attributes import losses_scaled, workers_of
from transferkit.private.tensorflow_names import (
    ResourceTracker,
    loss_reduction,
    regrouped,
    tracking_resources,
)
from transferkit.type_names import Tensors

__all__ = ["trace"]

v1 = tf.compat.v1


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
    compare_by_identity()
    graph = TracedGraph(f"model_fn_{mode}")
    graph.seed = config.tf_random_seed
    traced = Traced(mode, graph, signature)
    replicas = strategy.num_replicas_in_sync // workers_of(strategy) if strategy else 1
    store_scope = store.scope(graph)
    graph.on_watch = lambda variable: store.watched(graph, variable)
    worker = getattr(config, "task_id", 0) or 0
    with _scopes(traced, store_scope, config, strategy) as resources, contextlib.ExitStack() as stack:
        traced.position = v1.placeholder(tf.int64, [], "position")
        batches = [_placeholders(signature, number) for number in range(replicas)]
        traced.inputs = [traced.position, *(t for flat, _ in batches for t in flat)]
        traced.global_step = v1.train.create_global_step(graph)
        stack.enter_context(store.finding_owners())
        stack.enter_context(naming_full_precision(graph, config.mixed_precision))
        stack.enter_context(stateless_inside(graph, traced.position, worker))

        def call(features: Tensors, labels: Tensors) -> EstimatorSpec:
            return call_model_fn(model_fn, features, labels, mode, params, config)

        _call_replicas(traced, call, tuple(batch for _, batch in batches), strategy)
        collect_step_ops(traced, store)
    warn_of_tables(graph)
    graph.on_watch = None
    graph.find_variable = store.saved.get
    traced.kept.append(resources)
    make_stateless(graph, traced.position, worker)
    return traced


@contextlib.contextmanager
def _scopes(
    traced: Traced, store_scope: Any, config: Any, strategy: tf.distribute.Strategy | None
) -> Iterator[ResourceTracker]:
    """All that holds while ``model_fn`` is called: strategy, variables, graph, Keras, writers, resources."""
    with (
        strategy.scope() if strategy else contextlib.nullcontext(),
        # TensorFlow-1 optimizers then average gradients over replicas, as they did under tf.estimator.
        losses_scaled(strategy) if strategy else contextlib.nullcontext(),
        tf.variable_creator_scope(store_scope),
        traced.graph.as_default(),
        tf.variable_creator_scope(store_scope),
        tracing_keras(config.tf_random_seed, config.mixed_precision),
        replicas_in_step(),
        keeping_writers(traced.writers),
        _resource_tracker() as resources,
        warnings.catch_warnings(),
    ):
        # They are merged and written by the training loop, without TF 2's default writer.
        warnings.filterwarnings("ignore", "Cannot activate TF2 compatibility support for TF1 summary ops")
        yield resources


def _call_replicas(
    traced: Traced,
    call: Callable[[Any, Any], EstimatorSpec],
    batches: tuple[Any, ...],
    strategy: tf.distribute.Strategy | None,
) -> None:
    """Calls ``model_fn`` once a replica, and keeps the specs and the loss of all of them together."""
    specs: list[EstimatorSpec] = []

    @tf.autograph.experimental.do_not_convert  # type: ignore[untyped-decorator]
    def call_one(batch: Any) -> Any:
        specs.append(call(without_placeholder(batch[0]), batch[1]))
        return specs[-1].loss

    if strategy is None:
        loss = call_one(batches[0])
    else:
        # Replicas are traced one after the other, in their order; on TPUs one trace stands for all.
        each = regrouped(batches) if len(batches) > 1 else batches[0]
        loss = strategy.extended.call_for_each_replica(call_one, args=(each,))
    traced.specs = specs
    traced.spec = specs[0]
    if loss is not None:
        traced.losses = list(strategy.experimental_local_results(loss)) if strategy else [loss]
        traced.loss = strategy.reduce(loss_reduction(), loss, axis=None) if strategy else loss


def _placeholders(signature: Any, number: int) -> tuple[list[Any], Any]:
    """The flat input tensors of one replica, and the same in the signature's structure."""
    leaves = []
    for path, spec in enumerate(tf.nest.flatten(signature, expand_composites=True)):
        leaf = None if spec is None else v1.placeholder(spec.dtype, spec.shape, f"input_{number}_{path}")
        leaves.append(leaf)
    packed = tf.nest.pack_sequence_as(signature, leaves, expand_composites=True)
    return [leaf for leaf in leaves if leaf is not None], packed


@contextlib.contextmanager
def _resource_tracker() -> Iterator[ResourceTracker]:
    """Keeps tables and other resources that model_fn makes alive as long as their graph."""
    tracker = ResourceTracker()
    with tracking_resources(tracker):
        yield tracker
