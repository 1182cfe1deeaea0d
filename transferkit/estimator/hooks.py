"""The life cycle of ``SessionRunHook`` without a session.

A hook's ``begin`` runs with the model's graph as default, ``before_run`` may ask for any tensor of it, and
``after_run`` gets the values. The functions behind it are cut out of the one graph, so that asking for more
costs no trace.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from transferkit.errors import fault
from transferkit.estimator.graph import GraphFunction
from transferkit.estimator.tracing import Traced

__all__ = ["GraphSession", "HookRunner", "check_hooks"]

v1 = tf.compat.v1


def check_hooks(hooks: Any) -> list[Any]:
    """A list of hooks, each a SessionRunHook.

    Raises:
        TypeError: where one is something else.
    """
    hooks = list(hooks or ())
    for hook in hooks:
        if not isinstance(hook, v1.train.SessionRunHook):
            raise TypeError(fault("hooks", hook, "instances of tf.compat.v1.train.SessionRunHook"))
    return hooks


class Fetches:
    """A nested structure of things to fetch, as flat tensors and operations of a graph."""

    def __init__(self, graph: Any, structure: Any) -> None:
        self._graph: Any = graph
        self.tensors: list[Any] = []
        self.operations: list[Any] = []
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
        self.tensors.append(element)
        return lambda values: values[place]

    def _element(self, item: Any) -> Any:
        element: Any
        if isinstance(item, str):
            return self._graph.as_graph_element(item)
        if hasattr(item, "path") and isinstance(getattr(item, "value", None), tf.Variable):
            item = item.value
        if isinstance(item, tf.Variable):
            return self._graph.read_of(item)
        if hasattr(item, "numpy"):
            with self._graph.as_default():
                return tf.constant(item.numpy())
        if getattr(item, "graph", None) is not self._graph:
            raise ValueError(
                fault("fetches", item, "a tensor, operation, variable or name of the model_fn's graph")
            )
        element = item
        return self._graph.replaced.get(element.name, element)


def to_numpy(tensor: Any) -> Any:
    return tensor.numpy() if hasattr(tensor, "numpy") else tensor


class GraphSession:
    """Stands where hooks expect a session: runs what depends on variables, fed placeholders and constants.

    What depends on a batch of data has no value between two steps; ask for it in ``before_run``.
    """

    def __init__(self, traced: Traced) -> None:
        self._traced = traced
        self._functions: dict[Any, tuple[Fetches, GraphFunction]] = {}
        self.graph = traced.graph

    def run(self, fetches: Any, feed_dict: Any = None, options: Any = None, run_metadata: Any = None) -> Any:
        """Values of ``fetches``, as ``tf.compat.v1.Session.run`` gives them.

        Raises:
            ValueError: where a fetch depends on the step's data.
        """
        graph = self.graph
        parsed = Fetches(graph, fetches)
        feeds = {graph.as_graph_element(key): value for key, value in (feed_dict or {}).items()}
        names = tuple(sorted(t.name for t in feeds))
        ordered = sorted(feeds, key=lambda t: t.name)
        key = (tuple(t.name for t in parsed.tensors), tuple(o.name for o in parsed.operations), names)
        if key not in self._functions:
            try:
                made = GraphFunction(graph, ordered, parsed.tensors, parsed.operations)
            except tf.errors.InvalidArgumentError as error:
                raise ValueError(
                    fault(
                        "session.run",
                        fetches,
                        "what depends on variables alone",
                        f"{error.message}; ask for values of a batch in before_run",
                    )
                ) from None
            self._functions[key] = (parsed, made)
        values = [tf.convert_to_tensor(feeds[t], dtype=t.dtype) for t in ordered]
        return parsed.pack([to_numpy(t) for t in self._functions[key][1](*values)])

    def should_stop(self) -> bool:
        return False


class HookRunner:
    """Calls hooks around steps.

    Args:
        hooks: in the order in which they are called.
        traced: the graph they look at.
    """

    def __init__(self, hooks: Sequence[Any], traced: Traced) -> None:
        self.hooks = list(hooks)
        self._traced = traced
        self.session = GraphSession(traced)
        self.stop = False
        self._parsed: dict[Any, tuple[Any, Fetches]] = {}

    def begin(self) -> None:
        with self._traced.graph.as_default():
            for hook in self.hooks:
                hook.begin()

    def created(self) -> None:
        coordinator = tf.train.Coordinator()
        with self._traced.graph.as_default():
            for hook in self.hooks:
                hook.after_create_session(self.session, coordinator)

    def run(
        self, default: Sequence[Any], call: Callable[[list[Any], list[Any], dict[Any, Any]], list[Any]]
    ) -> list[Any]:
        """One step: asks the hooks, calls ``call(tensors, operations, feeds)``, tells the hooks.

        Args:
            default: what the loop itself fetches.
            call: runs the step and returns the values of ``default`` and of ``tensors``.
        """
        if not self.hooks:
            return call([], [], {})
        context = v1.train.SessionRunContext(
            original_args=v1.train.SessionRunArgs(list(default)), session=self.session
        )
        wanted: list[tuple[Any, Fetches | None, int, Any]] = []
        tensors: list[Any] = []
        operations: list[Any] = []
        feeds: dict[Any, Any] = {}
        for hook in self.hooks:
            request = hook.before_run(context)
            if request is None:
                wanted.append((hook, None, 0, None))
                continue
            parsed = Fetches(self._traced.graph, request.fetches) if request.fetches is not None else None
            wanted.append((hook, parsed, len(tensors), request.options))
            if parsed is not None:
                tensors.extend(parsed.tensors)
                operations.extend(parsed.operations)
            for key, value in (request.feed_dict or {}).items():
                feeds[self._traced.graph.as_graph_element(key)] = value
        outputs = call(tensors, operations, feeds)
        values = [to_numpy(t) for t in outputs[len(default) :]]
        for hook, parsed, start, options in wanted:
            results = parsed.pack(values[start : start + len(parsed.tensors)]) if parsed is not None else None
            hook.after_run(
                context, v1.train.SessionRunValues(results=results, options=options, run_metadata=None)
            )
        self.stop = self.stop or context.stop_requested
        return outputs

    def end(self) -> None:
        for hook in self.hooks:
            hook.end(self.session)


def nan(value: Any) -> bool:
    return bool(np.isnan(value))
