"""The life cycle of ``SessionRunHook`` without a session.

A hook's ``begin`` runs with the model's graph as default, ``before_run`` may ask for any tensor of it, and
``after_run`` gets the values. The functions behind it are cut out of the one graph, so that asking for more
costs no trace.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import tensorflow as tf

from transferkit.errors import fault
from transferkit.estimator.functions import GraphFunction
from transferkit.estimator.graph import TracedGraph
from transferkit.estimator.traced import Traced

__all__ = ["GraphSession", "HookRunner", "check_hooks"]

v1 = tf.compat.v1


def check_hooks(hooks: Any) -> list[Any]:
    """A list of hooks, each a SessionRunHook.

    Raises:
        TypeError: where one is something else.
        ValueError: where one needs a session.
    """
    hooks = list(hooks or ())
    for hook in hooks:
        if not isinstance(hook, v1.train.SessionRunHook):
            raise TypeError(fault("hooks", hook, "instances of tf.compat.v1.train.SessionRunHook"))
        if isinstance(hook, v1.train.ProfilerHook):
            raise ValueError(
                fault(
                    "hooks",
                    "ProfilerHook",
                    None,
                    "there is no session to profile; use tf.profiler.experimental",
                )
            )
    return hooks


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


def to_numpy(tensor: Any) -> Any:
    return tensor.numpy() if hasattr(tensor, "numpy") else tensor


class GraphSession:
    """Stands where hooks expect a session: runs what depends on variables, fed placeholders and constants.

    What depends on a batch of data has no value between two steps; ask for it in ``before_run``.
    """

    def __init__(self, traced: Traced) -> None:
        self._traced = traced
        self._functions: dict[Any, GraphFunction] = {}
        self.graph = traced.graph

    def run(self, fetches: Any, feed_dict: Any = None, options: Any = None, run_metadata: Any = None) -> Any:
        """Values of ``fetches``, as ``tf.compat.v1.Session.run`` gives them.

        Raises:
            ValueError: where a fetch depends on the step's data.
        """
        graph = self.graph
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
            outputs = self._functions[key](*(tf.convert_to_tensor(v, dtype=t.dtype) for t, v in feeds))
            return parsed.pack([to_numpy(tensor) for tensor in outputs])

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(
            f"session.{name} has no meaning here: there is no session; see transferkit.estimator"
        )

    def should_stop(self) -> bool:
        return False


class AskedStep:
    """A step of which it is known what is wanted of it.

    Args:
        traced: the graph.
        default: what the loop itself fetches.

    Attributes:
        context: what the hooks are given; None where there are none.
    """

    def __init__(self, traced: Traced, default: list[Any]) -> None:
        self._traced, self.default = traced, default
        self.context: Any = None
        self._wanted: list[tuple[Any, Fetches | None, int, Any]] = []
        self._tensors: list[Any] = []
        self._operations: list[Any] = []
        self._feeds: list[tuple[Any, Any]] = []

    def add(self, hook: Any, request: Any) -> None:
        """Takes what ``hook`` asks for: ``SessionRunArgs``, or None."""
        if request is None:
            self._wanted.append((hook, None, 0, None))
            return
        parsed = Fetches(self._traced.graph, request.fetches)
        self._wanted.append((hook, parsed, len(self._tensors), request.options))
        self._tensors.extend(parsed.tensors)
        self._operations.extend(parsed.operations)
        self._feeds.extend(parse_feeds(self._traced.graph, request.feed_dict))

    def run(self, inputs: Sequence[Any], jit_compile: bool) -> list[Any]:
        """The values of ``default``, then of what was asked for."""
        fed = [tensor for tensor, _ in self._feeds]
        function = self._traced.function(
            [*self.default, *self._tensors], self._operations, fed, jit_compile=jit_compile
        )
        return function(*inputs, *(tf.convert_to_tensor(value, dtype=t.dtype) for t, value in self._feeds))

    def answers(self, values: Sequence[Any]) -> Iterator[tuple[Any, Any]]:
        """Each hook, and what it is told of ``values``: those of all that was asked for."""
        for hook, asked, start, options in self._wanted:
            results = None if asked is None else asked.pack(values[start : start + len(asked.tensors)])
            yield (
                hook,
                v1.train.SessionRunValues(results=results, options=options, run_metadata=None),
            )


class HookRunner:
    """Calls hooks around steps, with the model's graph as default.

    Args:
        hooks: in the order in which they are called.
        traced: the graph they look at.
    """

    def __init__(self, hooks: Sequence[Any], traced: Traced) -> None:
        self.hooks = list(dict.fromkeys(hooks))
        self._traced = traced
        self.session = GraphSession(traced)
        self.stop = False

    def begin(self) -> None:
        with self._traced.graph.as_default():
            for hook in self.hooks:
                hook.begin()

    def created(self) -> None:
        if self.hooks:
            coordinator = tf.train.Coordinator()
            with self._traced.graph.without_building():
                for hook in self.hooks:
                    hook.after_create_session(self.session, coordinator)

    def ask(self, default: Sequence[Any]) -> AskedStep:
        """Asks the hooks what they want of the next step, before its data are taken.

        A session takes the data within the step: a hook that measures steps measures the wait for data too,
        and is asked once more where the data have ended.

        Args:
            default: what the loop itself fetches.
        """
        step = AskedStep(self._traced, list(default))
        if self.hooks:
            args = v1.train.SessionRunArgs(step.default)
            step.context = v1.train.SessionRunContext(original_args=args, session=self.session)
            with self._traced.graph.without_building():
                for hook in self.hooks:
                    step.add(hook, hook.before_run(step.context))
        return step

    def run(self, step: AskedStep, inputs: Sequence[Any], jit_compile: bool = False) -> list[Any]:
        """Runs a step, and tells the hooks.

        Args:
            step: what :meth:`ask` gave.
            inputs: values of the traced inputs.
            jit_compile: whether XLA compiles the step.

        Returns:
            The values of the step's ``default``.
        """
        outputs = step.run(inputs, jit_compile)
        if self.hooks:
            values = [to_numpy(tensor) for tensor in outputs[len(step.default) :]]
            with self._traced.graph.without_building():
                for hook, told in step.answers(values):
                    hook.after_run(step.context, told)
            self.stop = self.stop or step.context.stop_requested
        return outputs[: len(step.default)]

    def end(self) -> None:
        if self.hooks:
            with self._traced.graph.without_building():
                for hook in self.hooks:
                    hook.end(self.session)
