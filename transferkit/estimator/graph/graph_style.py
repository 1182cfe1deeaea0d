"""Variables without a graph that answer as TensorFlow-1 code expects of one in a graph."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from transferkit.estimator.graph.graph import TracedGraph
from transferkit.estimator.variables.storage import container_of
from transferkit.private.tensorflow_attributes import first_value_operation
from transferkit.private.tensorflow_names import ResourceVariable
from transferkit.type_names import Variable

__all__ = ["name_operation"]

v1 = tf.compat.v1


class _NamedOperation:
    """What ``variable.op`` is for code that asks a variable's operation for its name."""

    type = "VarHandleOp"
    graph = None

    def __init__(self, variable: Variable) -> None:
        # A copy on a device goes by the name of the whole: optimizers find their slots by it.
        whole, graph = container_of(variable), v1.get_default_graph()
        while not isinstance(graph, TracedGraph) and hasattr(graph, "outer_graph"):
            graph = graph.outer_graph
        named = getattr(graph, "operation_names", {}).get(id(whole))
        self.name = named or whole.name.split(":")[0]
        self.device = variable.device
        self.traceback: list[Any] = []
        self.inputs: list[Any] = []
        self.control_inputs: list[Any] = []
        self.outputs: list[Any] = []


def _graph_here() -> TracedGraph | None:
    graph = v1.get_default_graph()
    return graph if isinstance(graph, TracedGraph) else None


class _GraphStyleVariable(ResourceVariable):  # type: ignore[misc]
    """A variable without a graph with what TensorFlow-1 code asks of one in a graph.

    ``op.name`` is its name; ``initializer`` is an operation of the model_fn's graph; ``load`` and ``eval``
    take the session that hooks get.
    """

    @property
    def op(self) -> Any:
        return _NamedOperation(self)

    @property
    def graph(self) -> Any:
        """The model_fn's graph where it is the default one."""
        found = _graph_here()
        return found if found is not None else super().graph

    @property
    def initializer(self) -> Any:
        """The operation that assigns the first value anew; None outside of a model_fn's graph."""
        given = first_value_operation(self)
        graph = _graph_here()
        if graph is None or (isinstance(given, tf.Operation) and given.graph is graph):
            return given
        return graph.initializer_of(container_of(self))

    def eval(self, session: Any = None) -> Any:
        """The present value, by the session of a hook."""
        session = session or v1.get_default_session()
        if session is None:
            return self.numpy()
        return session.run(self)

    def load(self, value: Any, session: Any = None) -> None:
        """Sets the value, by the session of a hook or without one."""
        with tf.init_scope():
            container_of(self).assign(tf.cast(value, self.dtype))


def name_operation(variable: Variable) -> None:
    """Gives ``variable`` the ways of a variable in a graph."""
    for part in getattr(variable, "_values", None) or (variable,):
        if type(part) is ResourceVariable:
            part.__class__ = _GraphStyleVariable
