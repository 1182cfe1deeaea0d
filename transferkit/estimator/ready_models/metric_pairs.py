"""A Keras metric in a graph, as the pair of value and update that metrics of TensorFlow 1 are."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from transferkit.errors import fault
from transferkit.estimator.graph.ordering import written
from transferkit.estimator.variables.storage import handles_of
from transferkit.type_names import Metric, Variable

__all__ = ["MetricPair", "paired", "tensorflow_variables"]

v1 = tf.compat.v1


class MetricPair(tuple[Any, Any]):
    """``(value, update)`` of a Keras metric, which is still that metric.

    Attributes:
        metric: the metric, whose attributes this has besides.
    """

    metric: Metric

    def __new__(cls, metric: Metric, value: Any, update: Any) -> MetricPair:
        made = super().__new__(cls, (value, update))
        made.metric = metric
        return made

    def __getattr__(self, name: str) -> Any:
        if name == "metric":
            raise AttributeError(name)
        return getattr(self.metric, name)


def paired(place: str, metric: Metric) -> Any:
    """A Keras metric with its value and update in the default graph; itself where it runs eagerly.

    Raises:
        ValueError: where nothing in the graph updates it.
    """
    if tf.executing_eagerly() or isinstance(metric, MetricPair):
        return metric
    graph = v1.get_default_graph()
    variables = tensorflow_variables(metric)
    updates = _updates(graph, [handle for one in variables for handle in handles_of(one)])
    if not updates:
        text = f'Please call update_state(...) on the "{metric.name}" metric'
        raise ValueError(fault(place, None, None, text))
    for key in (v1.GraphKeys.LOCAL_VARIABLES, v1.GraphKeys.METRIC_VARIABLES):
        present = {id(one) for one in graph.get_collection_ref(key)}
        for variable in variables:
            if id(variable) not in present:
                graph.add_to_collection(key, variable)
    try:
        value = tf.convert_to_tensor(metric.result())
    except Exception:
        # A metric of the user's may give what is no tensor, or count in Python: evaluations ask it eagerly.
        return metric
    return MetricPair(metric, value, tf.group(*updates))


def tensorflow_variables(metric: Metric) -> list[Any]:
    """The variables of a metric as TensorFlow has them; those of the older Keras are TensorFlow's own."""
    return [one.value if hasattr(one, "path") else one for one in metric.variables]


def _updates(graph: Any, handles: list[Any]) -> list[Any]:
    """The operations that write one of ``handles``, save those that give a variable its first value."""
    captured = {id(outer): inner.name for outer, inner in getattr(graph, "captures", ())}
    names = {captured.get(id(handle)) or getattr(handle, "name", "") for handle in handles}
    known = map(_first_value, graph.get_collection(v1.GraphKeys.GLOBAL_VARIABLES))
    first = {operation.name for operation in known if operation is not None}
    return [op for op in graph.get_operations() if op.name not in first and names & set(written(op))]


def _first_value(variable: Variable) -> Any:
    """The operation that gives a variable its first value; None for one that was made outside of a graph."""
    try:
        return getattr(variable, "initializer", None)
    except TypeError:  # a copy on each device, none of which has one
        return None
