"""What a ``tf.compat.v1.train.Scaffold`` means where there is no session."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from transferkit.estimator.graph.mode_graph import Traced
from transferkit.estimator.graph.ordering import needed, written
from transferkit.estimator.session.session import GraphSession
from transferkit.estimator.variables.storage import handles_of
from transferkit.estimator.variables.variables import VariableStore
from transferkit.private.tensorflow_attributes import first_value_operation, kept_by_saver

__all__ = ["first_values", "kept_by", "make_ready", "restore_by"]


def first_values(traced: Traced, session: GraphSession, store: VariableStore) -> None:
    """What model_fn says of the values of a model that has no checkpoint yet.

    Args:
        traced: the model.
        session: in which its operations run.
        store: its variables.
    """
    operations = [first_value_operation(variable) for variable in store.saved.values()]
    # Set by tf.compat.v1.train.init_from_checkpoint.
    session.run([op for op in operations if isinstance(op, tf.Operation) and op.graph is traced.graph])
    scaffold = traced.spec.scaffold
    with traced.graph.as_default():
        if scaffold.init_op is not None:
            session.run(scaffold.init_op, scaffold.init_feed_dict)
        if scaffold.init_fn is not None:
            scaffold.init_fn(session)


def make_ready(scaffold: Any, session: GraphSession) -> None:
    """Runs ``local_init_op``, and asks ``ready_op`` and ``ready_for_local_init_op``.

    Raises:
        RuntimeError: where one of them names variables that are not ready.
    """
    _ask(scaffold, session, scaffold.ready_for_local_init_op, "model ready for local_init")
    if scaffold.local_init_op is not None:
        with session.graph.as_default():
            session.run(scaffold.local_init_op)
    _ask(scaffold, session, scaffold.ready_op, "model ready")


def _ask(scaffold: Any, session: GraphSession, operation: Any, what: str) -> None:
    if operation is None:
        return
    with session.graph.as_default():
        missing = session.run(operation)
    if missing is not None and np.size(missing):
        names = ", ".join(np.ravel(np.asarray(missing)).astype(str))
        raise RuntimeError(
            f"Init operations did not make {what}. Init op: {scaffold.init_op}, init fn: "
            f"{scaffold.init_fn}, local_init_op: {scaffold.local_init_op}, "
            f"error: Variables not initialized: {names}"
        )


def restore_by(traced: Traced, prefix: str) -> None:
    """Lets the saver of a scaffold fill the variables that it knows from a checkpoint.

    Raises:
        RuntimeError: where neither it nor ``local_init_op`` fills one of the model's variables.
    """
    graph, scaffold = traced.graph, traced.spec.scaffold
    with graph.as_default():
        scaffold.saver.restore(GraphSession(traced), prefix)
    if scaffold.ready_op is not None:
        # Who brings a question of his own has his own notion of what is ready.
        return
    fills = [graph.get_operation_by_name(scaffold.saver.as_saver_def().restore_op_name)]
    if scaffold.local_init_op is not None:
        fills.append(graph.as_graph_element(getattr(scaffold.local_init_op, "op", scaffold.local_init_op)))
    filled = {name for op in needed(graph, [], [], fills) for name in written(op)}
    inner = {id(outer): internal.name for outer, internal in graph.captures}
    variables = graph.get_collection(tf.compat.v1.GraphKeys.GLOBAL_VARIABLES)
    missing = [
        variable.name.split(":")[0]
        for variable in variables
        if not any(inner.get(id(handle)) in filled for handle in handles_of(variable))
    ]
    if missing:
        raise RuntimeError(
            "Init operations did not make model ready for local_init: the scaffold's saver leaves out "
            f"variables of this mode. Variables not initialized: {', '.join(missing)}"
        )


def kept_by(saver: Any) -> tuple[int | None, float] | None:
    """How many checkpoints a saver keeps, and the hours between two that it keeps for good."""
    if saver is None:
        return None
    return kept_by_saver(saver)
