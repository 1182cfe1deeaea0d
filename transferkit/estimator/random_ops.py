"""Random operations of a traced graph become functions of a seed and the step.

A random kernel keeps its own count, which no checkpoint holds: after a resumption dropout would draw other
masks than in an uninterrupted run. Each such operation is replaced by its stateless sister, seeded by the
operation's own seeds and the position of the batch.
"""

from __future__ import annotations

import logging
from typing import Any

import tensorflow as tf

__all__ = ["make_stateless"]

_log = logging.getLogger("transferkit")

_SISTERS = {"RandomUniform", "RandomStandardNormal", "TruncatedNormal", "RandomUniformInt", "Multinomial"}
_OTHERS = {"RandomShuffle", "RandomGamma", "RandomPoissonV2", "ParameterizedTruncatedNormal"}


def make_stateless(graph: Any, position: Any, worker: int) -> None:
    """Replaces the random operations of ``graph``.

    Args:
        graph: the traced graph.
        position: scalar int64 tensor: the step, or the number of the batch.
        worker: mixed into the seeds, so that workers draw different numbers.
    """
    operations = graph.get_operations()
    found = [op for op in operations if op.type in _SISTERS or op.type == "RandomShuffle"]
    for op in operations:
        if op.type in _OTHERS - {"RandomShuffle"}:
            _warn(op.name, op.type)
        elif op.type in ("If", "While", "Case", "StatefulPartitionedCall"):
            _look_inside(op)
    consumers: dict[str, list[tuple[Any, int]]] = {}
    names = {op.outputs[0].name for op in found}
    for op in operations:
        for index, tensor in enumerate(op.inputs):
            if tensor.name in names:
                consumers.setdefault(tensor.name, []).append((op, index))
    with graph.as_default(), tf.name_scope("stateless_random"), tf.control_dependencies(None):
        for op in found:
            new = _sister(op, position, worker)
            old = op.outputs[0]
            for consumer, index in consumers.get(old.name, ()):
                consumer._update_input(index, new)
            graph.replaced[old.name] = new


def _sister(op: Any, position: Any, worker: int) -> Any:
    first, second = op.get_attr("seed"), op.get_attr("seed2")
    if first == 0 and second == 0:
        # No seed anywhere: the user asked for other numbers in each process.
        first = int.from_bytes(__import__("os").urandom(4), "little")
    mixed = (first * 1_000_003 + second * 7_919 + worker * 104_729) % (2**62)
    seed = tf.stack([tf.constant(mixed, tf.int64), tf.cast(position, tf.int64)])
    inputs = list(op.inputs)
    with tf.device(op.device or None):
        if op.type == "RandomUniform":
            return tf.random.stateless_uniform(inputs[0], seed, dtype=op.outputs[0].dtype)
        if op.type == "RandomStandardNormal":
            return tf.random.stateless_normal(inputs[0], seed, dtype=op.outputs[0].dtype)
        if op.type == "TruncatedNormal":
            return tf.random.stateless_truncated_normal(inputs[0], seed, dtype=op.outputs[0].dtype)
        if op.type == "RandomUniformInt":
            low, high = inputs[1], inputs[2]
            return tf.random.stateless_uniform(inputs[0], seed, low, high, dtype=op.outputs[0].dtype)
        if op.type == "RandomShuffle":
            return tf.random.experimental.stateless_shuffle(inputs[0], seed)
        return tf.random.stateless_categorical(inputs[0], inputs[1], seed, dtype=op.outputs[0].dtype)


def _look_inside(op: Any) -> None:
    for attribute in ("then_branch", "else_branch", "body", "f"):
        try:
            name = op.get_attr(attribute).name
        except (ValueError, AttributeError):
            continue
        function = op.graph._get_function(name)
        definition = getattr(function, "cached_definition", None) or getattr(function, "definition", None)
        for node in getattr(definition, "node_def", ()):
            if node.op in _SISTERS | _OTHERS:
                _warn(f"{op.name}/{node.name}", node.op)


def _warn(name: str, kind: str) -> None:
    _log.warning(
        "%s (%s) keeps a count of its own that checkpoints do not hold: a resumed run draws other numbers; "
        "use the tf.random.stateless_* functions there",
        name,
        kind,
    )
