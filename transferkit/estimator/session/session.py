"""What stands where hooks, savers and variables expect a session."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from transferkit.errors import fault
from transferkit.estimator.graph.functions import GraphFunction
from transferkit.estimator.graph.graph import TracedGraph
from transferkit.estimator.graph.mode_graph import Traced
from transferkit.estimator.inputs.session_inputs import input_session
from transferkit.private.tensorflow_names import SessionInterface, default_session
from transferkit.type_names import Tensor

__all__ = ["Fetches", "GraphSession", "as_fed", "parse_feeds", "to_numpy"]

v1 = tf.compat.v1


class Fetches:
    """A nested structure of things to fetch, as flat tensors and operations of a graph.

    Args:
        graph: the traced graph.
        structure: tensors, operations, variables and names, in dictionaries, lists and tuples.

    Raises:
        ValueError: where something is not of the graph.
    """

    def __init__(self, graph: TracedGraph, structure: Any) -> None:
        self.tensors: list[Any] = []
        self.operations: list[Any] = []
        self._graph = graph
        self._build = self._parse(structure)

    def pack(self, values: Sequence[Any]) -> Any:
        """The structure with ``values`` in place of its tensors."""
        return self._build(values)

    def _parse(self, item: Any) -> Callable[[Sequence[Any]], Any]:
        if item is None:
            return lambda values: None
        if isinstance(item, dict):
            parts = {key: self._parse(value) for key, value in item.items()}
            return lambda values: type(item)((key, part(values)) for key, part in parts.items())
        if isinstance(item, (list, tuple)):
            several = [self._parse(value) for value in item]
            if hasattr(item, "_fields"):
                return lambda values: type(item)(*(part(values) for part in several))
            return lambda values: type(item)(part(values) for part in several)
        if isinstance(item, tf.SparseTensor):
            three = [self._parse(t) for t in (item.indices, item.values, item.dense_shape)]
            return lambda values: v1.SparseTensorValue(*(part(values) for part in three))
        element = self._element(item)
        if isinstance(element, tf.Operation):
            self.operations.append(element)
            return lambda values: None
        place = len(self.tensors)
        self.tensors.append(self._graph.replaced.get(element.name, element))
        return lambda values: values[place]

    def _element(self, item: Any) -> Any:
        if hasattr(item, "path") and isinstance(getattr(item, "value", None), tf.Variable):
            item = item.value
        if hasattr(item, "numpy") and not isinstance(item, tf.Variable):
            with self._graph.as_default():
                return tf.constant(item.numpy())
        try:
            return self._graph.as_graph_element(item)
        except (TypeError, ValueError, KeyError) as error:
            raise ValueError(
                fault(
                    "fetches",
                    item,
                    "a tensor, operation, variable or name of the model_fn's graph",
                    str(error),
                )
            ) from None


def parse_feeds(graph: TracedGraph, feed_dict: Any) -> list[tuple[Any, Any]]:
    """``feed_dict`` as pairs of a tensor of ``graph`` and a value."""
    return [(graph.as_graph_element(key, True, False), value) for key, value in (feed_dict or {}).items()]


def to_numpy(tensor: Tensor) -> Any:
    """A tensor's value as hooks get it: NumPy arrays and scalars."""
    return tensor.numpy() if hasattr(tensor, "numpy") else tensor


class GraphSession(SessionInterface):  # type: ignore[misc]
    """Stands where TensorFlow-1 code expects a session: hooks, savers, ``eval`` and ``load``.

    It runs what depends on variables, fed placeholders and constants, and what an input_fn has made in a
    graph of its own, such as an iterator's initializer. What depends on a batch of data has no value between
    two steps; ask for it in ``before_run``.
    """

    sess_str = ""

    def __init__(self, traced: Traced) -> None:
        self._traced = traced
        self._functions: dict[Any, GraphFunction] = {}

    @property
    def graph(self) -> TracedGraph:
        return self._traced.graph

    @property
    def graph_def(self) -> Any:
        return self._traced.graph.as_graph_def()

    def run(self, fetches: Any, feed_dict: Any = None, options: Any = None, run_metadata: Any = None) -> Any:
        """Values of ``fetches``, as ``tf.compat.v1.Session.run`` gives them.

        Raises:
            ValueError: where a fetch depends on the step's data.
        """
        graph = self.graph
        reading = input_session(fetches)
        if reading is not None:
            return reading.run(fetches, feed_dict)
        parsed = Fetches(graph, fetches)
        feeds = parse_feeds(graph, feed_dict)
        names = tuple(tensor.name for tensor, _ in feeds)
        key = (tuple(t.name for t in parsed.tensors), tuple(o.name for o in parsed.operations), names)
        with tf.init_scope():
            if key not in self._functions:
                try:
                    made = GraphFunction(graph, [t for t, _ in feeds], parsed.tensors, parsed.operations)
                except tf.errors.InvalidArgumentError as error:
                    raise ValueError(
                        fault(
                            "session.run",
                            fetches,
                            "what depends on variables alone",
                            f"{error.message}; ask for values of a batch in before_run",
                        )
                    ) from None
                self._functions[key] = made
            outputs = self._functions[key](*(as_fed(value, tensor) for tensor, value in feeds))
            return parsed.pack([to_numpy(tensor) for tensor in outputs])

    def make_callable(self, fetches: Any, feed_list: Any = None, accept_options: bool = False) -> Any:
        """A function of the values of ``feed_list``, as ``tf.compat.v1.Session.make_callable`` gives it."""

        def call(*values: Any, **kwargs: Any) -> Any:
            return self.run(fetches, dict(zip(feed_list or (), values, strict=True)))

        return call

    def as_default(self) -> Any:
        """A context in which ``eval`` and ``run`` without a session use this one."""
        return default_session(self)

    def list_devices(self) -> list[Any]:
        return list(tf.config.list_logical_devices())

    def close(self) -> None:
        """Nothing to release: the values live in the Estimator."""

    def __enter__(self) -> GraphSession:
        self._entered = self.as_default()
        self._entered.__enter__()
        return self

    def __exit__(self, *exception: Any) -> None:
        self._entered.__exit__(*exception)

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(
            f"session.{name} has no meaning here: there is no session; see transferkit.estimator"
        )

    def should_stop(self) -> bool:
        return False


def as_fed(value: Any, tensor: Tensor) -> Any:
    """A fed value in the type of ``tensor``, converted as a session converts it."""
    if tf.is_tensor(value) or tensor.dtype in (tf.resource, tf.variant):
        return tf.cast(value, tensor.dtype) if value.dtype != tensor.dtype else value
    array = np.asarray(value, dtype=None if tensor.dtype == tf.string else tensor.dtype.as_numpy_dtype)
    return tf.convert_to_tensor(array, dtype=tensor.dtype)
