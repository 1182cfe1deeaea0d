"""The graph a model_fn is traced into, and the functions that are cut out of it.

One graph serves every call of one mode: whatever a step, a hook or an export asks for is a function over the
same graph, cut to what its outputs need. So model_fn is called once, and asking for more later costs
no trace.

What runs in a step is decided as follows. TensorFlow-1 code says what runs by fetching it: the train_op, the
updates of metrics, and what these depend on. Keras code says it by program order: an assignment made by a
Keras layer, optimizer or metric runs, after the reads and writes of the same variable that stand before it.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from transferkit.estimator.graph.ordering import READS, needed, reachable, resources, writes, written
from transferkit.private.tensorflow_attributes import add_control_inputs, tell_watched
from transferkit.private.tensorflow_names import MIRRORED_RUN, FuncGraph
from transferkit.type_names import Variable

__all__ = ["TracedGraph"]


def _called_by_keras() -> bool:
    """Whether Keras code stands between the model_fn and the operation being made."""
    frame: Any = sys._getframe(2)
    while frame is not None:
        module = frame.f_globals.get("__name__", "")
        if module.startswith(("keras.", "tf_keras.")):
            return True
        if module == "transferkit.estimator.graph.tracing":
            return False
        if module == MIRRORED_RUN and "threads" in frame.f_locals:
            # Replicas meet here to assign together; who asked for it stands on a replica's own stack.
            waiting = sys._current_frames().get(frame.f_locals["threads"][0].ident)
            frame = waiting if waiting is not None else frame.f_back
        else:
            frame = frame.f_back
    return False


class TracedGraph(FuncGraph):  # type: ignore[misc]
    """A function's graph with collections of its own, that knows what Keras assigned in it."""

    def __init__(self, name: str) -> None:
        super().__init__(name, collections={})
        # Branches and loops run all that they assign, as in a function. In a session's graph only what is
        # asked for runs; but Keras, called in one or making one itself (accumulated gradients, loss scales,
        # averages that overwrite weights), assigns without giving anything to ask for.
        self._add_control_dependencies = True
        self.keras_writes: list[Any] = []
        # Tensors of random operations, by name, and what stands for them now.
        self.replaced: dict[str, Any] = {}
        self._kept: set[Any] | None = None
        self._reads: dict[int, Any] = {}
        # Variable -> what this graph's code gave as its first value, and the operation that assigns it.
        self.first_values: dict[int, Any] = {}
        # Variable -> what its operation would be called in a graph, where no two have one name.
        self.operation_names: dict[int, str] = {}
        self._initializers: dict[int, Any] = {}
        self.on_watch: Any = None
        tell_watched(self, self._watch)
        self.find_variable: Any = None

    def _create_op_internal(self, op_type: str, *args: Any, **kwargs: Any) -> Any:
        op = super()._create_op_internal(op_type, *args, **kwargs)
        if op_type not in READS and op_type != "Placeholder" and resources(op) and _called_by_keras():
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

    def _watch(self, variable: Any) -> None:
        if self.on_watch is not None:
            self.on_watch(variable)

    def read_of(self, variable: Variable) -> Any:
        """One tensor that reads ``variable``, made on first asking."""
        # The variable is held: what an assignment returned is gone before the next one is asked for.
        _, read = self._reads.get(id(variable), (None, None))
        if read is None:
            with self.as_default(), tf.control_dependencies(None):
                read = variable.read_value()
            self._reads[id(variable)] = variable, read
            self._read_first(read.op)
        return read

    def _read_first(self, read: Any) -> None:
        """A step's writes wait for ``read``: asked for, it gives the value before the step."""
        if not self._plain_read(read):
            return
        handles = {handle for op in needed(self, [], [], [read]) for handle in resources(op)}
        for op in super().get_operations():
            if handles & set(written(op)) and read not in op.control_inputs:
                add_control_inputs(op, [read])

    def _plain_read(self, read: Any, run: frozenset[Any] = frozenset(), inputs: Sequence[Any] = ()) -> bool:
        """Whether waiting for ``read`` runs nothing of effect beyond ``run``, and needs nothing that is fed.

        What an assignment returned is read after it: whoever waits for such a read runs the assignment.
        """
        given = {internal.op for _, internal in self.captures} | {tensor.op for tensor in inputs}
        for op in needed(self, inputs, [], [read]):
            if op in run or op in given or op.type in READS:
                continue
            if op.type == "Placeholder" or writes(op) or op.op_def.is_stateful:
                return False
        return True

    def initializer_of(self, variable: Variable) -> Any:
        """The operation that gives ``variable`` the first value that this graph's code names.

        Where it names none (the variable was made outside), the operation changes nothing.
        """
        made = self._initializers.get(id(variable))
        if made is None:
            with self.as_default(), tf.control_dependencies(None):
                value = self.first_values.get(id(variable))
                if callable(value):
                    value = value()
                if value is None:
                    value = variable.read_value()
                made = variable.assign(tf.cast(value, variable.dtype)).op
            self._initializers[id(variable)] = made
        return made

    def reads_before_writes(self, effects: Sequence[Any], inputs: Sequence[Any]) -> None:
        """Lets each write of ``effects`` wait for the reads of its variable that nothing orders against it.

        Sessions left that order open; here a step reads what stood before it, and so is repeatable.
        """
        operations = super().get_operations()
        run = frozenset(needed(self, [], [], effects))
        number = {op: place for place, op in enumerate(operations)}
        before = [
            [number[t.op] for t in op.inputs] + [number[c] for c in op.control_inputs] for op in operations
        ]
        reads: dict[str, list[Any]] = {}
        for op in operations:
            if op.type in READS and (op in run or self._plain_read(op, run, inputs)):
                for handle in resources(op):
                    reads.setdefault(handle, []).append(op)
        keras_writes = set(self.keras_writes)
        for write in run - keras_writes:
            for handle in written(write):
                ahead = reachable(before, number[write])
                for read in reads.get(handle, ()):
                    if number[read] in ahead or number[write] in reachable(before, number[read]):
                        continue
                    add_control_inputs(write, [read])
                    before[number[write]].append(number[read])

    def get_operations(self) -> list[Any]:
        operations = super().get_operations()
        if self._kept is None:
            result: list[Any] = operations
            return result
        return [op for op in operations if op in self._kept]

    def order_keras_effects(self) -> list[Any]:
        """Adds the control edges that program order asks for, once tracing has ended; returns the writes."""
        assigning = [op for op in self.keras_writes if writes(op)]
        owned = {handle for op in assigning for handle in written(op)}
        assigned = set(assigning)
        last_write: dict[str, Any] = {}
        reads_since: dict[str, list[Any]] = {}
        for op in super().get_operations():
            handles = [h for h in resources(op) if h in owned]
            if not handles or op.type == "Placeholder":
                continue
            is_write = op in assigned
            before: list[Any] = []
            for handle in handles:
                if handle in last_write:
                    before.append(last_write[handle])
                if is_write and handle in written(op):
                    before.extend(reads_since.pop(handle, ()))
                    last_write[handle] = op
                else:
                    reads_since.setdefault(handle, []).append(op)
            known = set(op.control_inputs)
            add_control_inputs(op, [b for b in dict.fromkeys(before) if b is not op and b not in known])
        return assigning
