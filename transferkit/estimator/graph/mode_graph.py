"""The graph of one mode, and what can be asked of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

from transferkit.estimator.graph.functions import GraphFunction
from transferkit.estimator.graph.graph import TracedGraph
from transferkit.estimator.graph.ordering import needed, written
from transferkit.estimator.spec import EstimatorSpec
from transferkit.private.tensorflow_attributes import add_control_inputs, remove_control_inputs
from transferkit.type_names import Tensor

__all__ = ["Traced"]


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
        writers: the file writers of TensorFlow 2 that model_fn made.
    """

    def __init__(self, mode: str, graph: TracedGraph, signature: Any) -> None:
        self.mode = mode
        self.graph = graph
        self.signature = signature
        self.position: Any = None
        self.inputs: list[Any] = []
        self.spec: EstimatorSpec = None  # type: ignore[assignment]
        self.specs: list[EstimatorSpec] = []
        self.loss: Tensor = None
        self.losses: list[Any] = []
        self.step: Any = None
        self.global_step: Any = None
        self.effects: list[Any] = []
        self.metrics: dict[str, Any] = {}
        self.kept: list[Any] = []
        self.writers: list[Any] = []
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
            inputs = [*self.inputs, *feeds]
            with self._asked_writes_last(inputs, outputs, operations) if effects else nullcontext():
                made = GraphFunction(self.graph, inputs, outputs, control, jit_compile)
            self._functions[key] = made
        return made

    @contextmanager
    def _asked_writes_last(
        self, inputs: Sequence[Any], outputs: Sequence[Any], operations: Sequence[Any]
    ) -> Iterator[None]:
        """Within it, an assignment that a hook asks for waits for the step's own of the same variable.

        A session leaves that order open. The edges go again: by itself the assignment runs no step.
        """
        step = needed(self.graph, inputs, [], self.effects)
        asked = needed(self.graph, inputs, outputs, operations) - step
        last = {handle: op for op in step for handle in written(op)}
        changed = []
        for op in asked:
            waits = {last[handle] for handle in written(op) if handle in last} - set(op.control_inputs)
            if waits:
                changed.append((op, list(op.control_inputs)))
                add_control_inputs(op, list(waits))
        try:
            yield
        finally:
            for op, before in changed:
                remove_control_inputs(op)
                add_control_inputs(op, before)

    def written(self) -> list[Any]:
        """The resources, outside the graph, that a step may write."""
        run = needed(self.graph, self.inputs, [], self.effects)
        names = {name for op in run for name in written(op)}
        return [outer for outer, inner in self.graph.captures if inner.name in names]

    def values_function(self, outputs: Any) -> GraphFunction:
        """The function without inputs that reads ``outputs``, which depend on variables alone."""
        key = ("values", tuple(t.name for t in outputs))
        if key not in self._functions:
            self._functions[key] = GraphFunction(self.graph, [], outputs)
        return self._functions[key]
