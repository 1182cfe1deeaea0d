"""The graph a model_fn is traced into, and the functions that are cut out of it.

One graph serves every call of one mode: whatever a step, a hook or an export asks for is a function over the
same graph, cut to what its outputs need. So model_fn is called once, and asking for more later costs
no trace.

What runs in a step is decided as follows. TensorFlow-1 code says what runs by fetching it: the train_op, the
updates of metrics, and what these depend on. Keras code says it by program order: an assignment made by a
Keras layer, optimizer or metric runs, after the reads and writes of the same variable that stand before it.
"""

from __future__ import annotations

import contextlib
import itertools
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import tensorflow as tf
from tensorflow.python.eager.polymorphic_function import atomic_function
from tensorflow.python.framework import func_graph

__all__ = ["GraphFunction", "TracedGraph", "reader_of"]

_numbers = itertools.count()

# Operations that take a variable's resource and leave it as it is.
_READS = frozenset(
    {"ReadVariableOp", "ResourceGather", "ResourceGatherNd", "VariableShape", "VarIsInitializedOp"}
)
_MIRRORED = "tensorflow.python.distribute.mirrored_run"
_CALLS = frozenset({"PartitionedCall", "StatefulPartitionedCall", "If", "While", "Case"})
_CALLS_WITHOUT_STATE = frozenset({"StatelessIf", "StatelessWhile", "StatelessCase"})


def _called_by_keras() -> bool:
    """Whether Keras code stands between the model_fn and the operation being made."""
    frame: Any = sys._getframe(2)
    while frame is not None:
        module = frame.f_globals.get("__name__", "")
        if module.startswith(("keras.", "tf_keras.")):
            return True
        if module == "transferkit.estimator.tracing":
            return False
        if module == _MIRRORED and "threads" in frame.f_locals:
            # Replicas meet here to assign together; who asked for it stands on a replica's own stack.
            waiting = sys._current_frames().get(frame.f_locals["threads"][0].ident)
            frame = waiting if waiting is not None else frame.f_back
        else:
            frame = frame.f_back
    return False


class TracedGraph(func_graph.FuncGraph):
    """A function's graph with collections of its own, that knows what Keras assigned in it."""

    def __init__(self, name: str) -> None:
        super().__init__(name, collections={})
        self.keras_writes: list[Any] = []
        # Tensors of random operations, by name, and what stands for them now.
        self.replaced: dict[str, Any] = {}
        self._kept: set[Any] | None = None
        self._reads: dict[int, Any] = {}
        self.on_watch: Any = None
        self.find_variable: Any = None

    def _create_op_internal(self, op_type: str, *args: Any, **kwargs: Any) -> Any:
        op = super()._create_op_internal(op_type, *args, **kwargs)
        if op_type not in _READS and op_type != "Placeholder" and _resources(op) and _called_by_keras():
            # A call that only reads must not be ordered as if it wrote: its attribute tells, once set.
            self.keras_writes.append(op)
        return op

    def as_graph_element(self, obj: Any, allow_tensor: bool = True, allow_operation: bool = True) -> Any:
        """As ``tf.Graph``'s; a variable, or a name of one, stands for its value."""
        if isinstance(obj, tf.Variable):
            return self.read_of(obj)
        try:
            return super().as_graph_element(obj, allow_tensor, allow_operation)
        except KeyError:
            name = obj[:-2] if obj.endswith(":0") else obj
            variable = self.find_variable(name) if self.find_variable and allow_tensor else None
            if variable is None:
                raise
            return self.read_of(variable)

    @contextlib.contextmanager
    def without_building(self) -> Iterator[None]:
        """As default graph, with tensors that can be keys of a dictionary (a hook's feed_dict)."""
        with self.as_default():
            self._building_function = False
            try:
                yield
            finally:
                self._building_function = True

    def watch_variable(self, v: Any) -> None:
        super().watch_variable(v)
        if self.on_watch is not None:
            self.on_watch(v)

    def read_of(self, variable: Any) -> Any:
        """One tensor that reads ``variable``, made on first asking."""
        read = self._reads.get(id(variable))
        if read is None:
            building, self._building_function = self._building_function, True
            with self.as_default(), tf.control_dependencies(None):
                read = variable.read_value()
            self._building_function = building
            self._reads[id(variable)] = read
            self._read_first(read.op)
        return read

    def _read_first(self, read: Any) -> None:
        """A step's writes wait for ``read``: asked for, it gives the value before the step."""
        # What an assignment returned is read after it.
        before = _needed(self, [], [], [read])
        handles = {handle for op in before if op.type == "ReadVariableOp" for handle in _resources(op)}
        for op in super().get_operations():
            if op in before:
                continue
            if handles & set(_written(op)) and read not in op.control_inputs:
                op._add_control_input(read)

    def reads_before_writes(self, effects: Sequence[Any]) -> None:
        """Lets each write of ``effects`` wait for the reads of its variable that nothing orders against it.

        Sessions left that order open; here a step reads what stood before it, and so is repeatable.
        """
        operations = super().get_operations()
        needed = _needed(self, [], [], effects)
        number = {op: place for place, op in enumerate(operations)}
        before = [
            [number[t.op] for t in op.inputs] + [number[c] for c in op.control_inputs] for op in operations
        ]
        reads: dict[str, list[Any]] = {}
        for op in operations:
            if op.type in _READS:
                for handle in _resources(op):
                    reads.setdefault(handle, []).append(op)
        keras_writes = set(self.keras_writes)
        for write in needed - keras_writes:
            for handle in _written(write):
                ahead = _reachable(before, number[write])
                for read in reads.get(handle, ()):
                    if number[read] in ahead or number[write] in _reachable(before, number[read]):
                        continue
                    write._add_control_input(read)
                    before[number[write]].append(number[read])

    def get_operations(self) -> list[Any]:
        operations = super().get_operations()
        if self._kept is None:
            return operations
        return [op for op in operations if op in self._kept]

    def order_keras_effects(self) -> list[Any]:
        """Adds the control edges that program order asks for, once tracing has ended; returns the writes."""
        writes = [op for op in self.keras_writes if _writes(op)]
        owned = {handle for op in writes for handle in _written(op)}
        written = set(writes)
        last_write: dict[str, Any] = {}
        reads_since: dict[str, list[Any]] = {}
        for op in super().get_operations():
            handles = [h for h in _resources(op) if h in owned]
            if not handles or op.type == "Placeholder":
                continue
            is_write = op in written
            before: list[Any] = []
            for handle in handles:
                if handle in last_write:
                    before.append(last_write[handle])
                if is_write and handle in _written(op):
                    before.extend(reads_since.pop(handle, ()))
                    last_write[handle] = op
                else:
                    reads_since.setdefault(handle, []).append(op)
            known = set(op.control_inputs)
            op._add_control_inputs([b for b in dict.fromkeys(before) if b is not op and b not in known])
        return writes


def _reachable(before: Sequence[Sequence[int]], start: int) -> set[int]:
    seen: set[int] = set()
    todo = [start]
    while todo:
        for place in before[todo.pop()]:
            if place not in seen:
                seen.add(place)
                todo.append(place)
    return seen


def _resources(op: Any) -> list[str]:
    return [t.name for t in op.inputs if t.dtype == tf.resource]


def _written(op: Any) -> list[str]:
    """Names of the resources that ``op`` may write."""
    handles = _resources(op)
    if op.type in _READS or op.type in _CALLS_WITHOUT_STATE:
        return []
    if op.type in _CALLS:
        try:
            read_only = set(op.get_attr("_read_only_resource_inputs"))
        except ValueError:
            return handles
        return [t.name for i, t in enumerate(op.inputs) if t.dtype == tf.resource and i not in read_only]
    return handles


def _writes(op: Any) -> bool:
    return bool(_written(op))


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
        kept = _needed(graph, inputs, outputs, control)
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
            self._function = atomic_function.from_func_graph(
                f"__inference_{graph.name}_{next(_numbers)}", graph, attributes
            )
            # Its own definition tells which inputs it only reads; the graph it came from goes on changing.
            self._function._cached_graph = None
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


def _needed(graph: Any, inputs: Sequence[Any], outputs: Sequence[Any], control: Sequence[Any]) -> set[Any]:
    """The operations that the outputs need, going no further than the inputs."""
    fed = {t.name for t in inputs}
    todo = [t.op for t in outputs if t.name not in fed] + list(control)
    needed: set[Any] = set()
    while todo:
        op = todo.pop()
        if op in needed:
            continue
        needed.add(op)
        todo.extend(t.op for t in op.inputs if t.name not in fed)
        todo.extend(op.control_inputs)
    return needed


def reader_of(variables: Iterable[Any]) -> GraphFunction:
    """A function that reads all ``variables`` in one call."""
    with tf.init_scope():
        graph = TracedGraph("read_variables")
        with graph.as_default():
            values = [variable.read_value() for variable in variables]
        return GraphFunction(graph, [], values)
