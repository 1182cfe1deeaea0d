"""What operations of a graph need, read and write: the facts by which a step's order is settled."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

__all__ = ["READS", "needed", "reachable", "resources", "writes", "written"]

# Operations that take a variable's resource and leave it as it is.
READS = frozenset(
    {"ReadVariableOp", "ResourceGather", "ResourceGatherNd", "VariableShape", "VarIsInitializedOp"}
)
_CALLS = frozenset({"PartitionedCall", "StatefulPartitionedCall", "If", "While", "Case"})
_CALLS_WITHOUT_STATE = frozenset({"StatelessIf", "StatelessWhile", "StatelessCase"})


def reachable(before: Sequence[Sequence[int]], start: int) -> set[int]:
    """What is ahead of ``start``, where ``before`` lists what comes directly before each."""
    seen: set[int] = set()
    todo = [start]
    while todo:
        for place in before[todo.pop()]:
            if place not in seen:
                seen.add(place)
                todo.append(place)
    return seen


def resources(op: Any) -> list[str]:
    """Names of the resources that ``op`` takes."""
    return [t.name for t in op.inputs if t.dtype == tf.resource]


def written(op: Any) -> list[str]:
    """Names of the resources that ``op`` may write."""
    handles = resources(op)
    if op.type in READS or op.type in _CALLS_WITHOUT_STATE:
        return []
    if op.type in _CALLS:
        try:
            read_only = set(op.get_attr("_read_only_resource_inputs"))
        except ValueError:
            return handles
        return [t.name for i, t in enumerate(op.inputs) if t.dtype == tf.resource and i not in read_only]
    return handles


def writes(op: Any) -> bool:
    """Whether ``op`` may write a resource."""
    return bool(written(op))


def needed(graph: Any, inputs: Sequence[Any], outputs: Sequence[Any], control: Sequence[Any]) -> set[Any]:
    """The operations that the outputs need, going no further than the inputs.

    Args:
        graph: that they are all in.
        inputs: tensors that are fed.
        outputs: tensors that are wanted.
        control: operations that have to run besides.
    """
    fed = {t.name for t in inputs}
    todo = [t.op for t in outputs if t.name not in fed] + list(control)
    found: set[Any] = set()
    while todo:
        op = todo.pop()
        if op in found:
            continue
        found.add(op)
        todo.extend(t.op for t in op.inputs if t.name not in fed)
        todo.extend(op.control_inputs)
    return found
