"""Functions that are cut out of a traced graph."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from typing import Any

import tensorflow as tf

from transferkit.estimator.graph.graph import TracedGraph
from transferkit.estimator.graph.ordering import needed
from transferkit.private.tensorflow_attributes import forget_graph
from transferkit.private.tensorflow_names import function_of_graph
from transferkit.type_names import Variable

__all__ = ["GraphFunction", "reader_of"]

_numbers = itertools.count()


class GraphFunction:
    """A function cut out of a :class:`TracedGraph`: flat tensors in, flat tensors out.

    Args:
        graph: where it is cut from.
        inputs: the tensors that a call gives values for.
        outputs: the tensors a call returns.
        control: operations that run besides.
        jit_compile: whether XLA compiles it.
    """

    def __init__(
        self,
        graph: TracedGraph,
        inputs: Sequence[Any],
        outputs: Sequence[Any],
        control: Iterable[Any] = (),
        jit_compile: bool = False,
    ) -> None:
        control = list(dict.fromkeys(control))
        kept = needed(graph, inputs, outputs, control)
        fed = {t.name for t in inputs}
        captures = [
            (external, internal)
            for external, internal in graph.captures
            if internal.op in kept and internal.name not in fed
        ]
        # Some values (keys of collective operations) are made anew for each call.
        late = zip(graph.deferred_external_captures, graph.deferred_internal_captures, strict=True)
        captures += [(closure, internal) for closure, internal in late if internal.op in kept]
        for op in kept:
            known = any(t.name in fed for t in op.outputs) or any(op is inner.op for _, inner in captures)
            if op.type == "Placeholder" and not known:
                raise tf.errors.InvalidArgumentError(
                    None, op, f"{op.name}: a placeholder of the model needs a value; feed it"
                )
        saved = graph.inputs, graph.outputs, graph.control_outputs
        graph.inputs = [*inputs, *(internal for _, internal in captures)]
        graph.outputs, graph.control_outputs = list(outputs), control
        graph._kept = kept | {t.op for t in graph.inputs}
        attributes = {"_XlaMustCompile": True} if jit_compile else {}
        try:
            # The outputs' names stay unique where one tensor is asked for twice.
            self._function = function_of_graph(
                f"__inference_{graph.name}_{next(_numbers)}", graph, attributes
            )
            # Its own definition tells which inputs it only reads; the graph it came from goes on changing.
            forget_graph(self._function)
        finally:
            graph.inputs, graph.outputs, graph.control_outputs = saved
            graph._kept = None
        self.captured = [external for external, _ in captures]
        self._late = any(callable(external) for external in self.captured)
        self.graph = graph

    def captures_now(self) -> list[Any]:
        """The captured tensors; keys of collective operations are made for this call."""
        if not self._late:
            return self.captured
        values = [c() if callable(c) else c for c in self.captured]
        return list(tf.nest.flatten(values, expand_composites=True))

    def __call__(self, *inputs: Any, captures: Sequence[Any] | None = None) -> list[Any]:
        captures = self.captures_now() if captures is None else captures
        outputs = self._function.call_flat(*inputs, *captures)
        return list(outputs) if isinstance(outputs, (list, tuple)) else []


def reader_of(variables: Iterable[Variable]) -> GraphFunction:
    """A function that reads all ``variables`` in one call."""
    with tf.init_scope():
        graph = TracedGraph("read_variables")
        with graph.as_default():
            values = [variable.read_value() for variable in variables]
        return GraphFunction(graph, [], values)
