"""Random operations of a traced graph become functions of a seed and the step.

A random kernel keeps its own count, which no checkpoint holds: after a resumption dropout would draw other
masks than in an uninterrupted run. Each such operation is replaced by its stateless sister, seeded by the
operation's own seeds and the position of the batch: those of the graph itself once it is traced, those inside
the branches of ``tf.cond`` and ``tf.case`` and the bodies of ``tf.while_loop`` and ``tf.map_fn`` (where the
loop's count goes into the seed too) while they are made.

What a ``tf.function`` draws stays as it is, with a warning: the function is traced once for all who call it,
input pipelines and code outside the Estimator among them, and knows no step. Use ``tf.random.stateless_*``
with a seed handed to it there.
"""

from __future__ import annotations

import contextlib
import inspect
import itertools
import logging
import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import tensorflow as tf

from transferkit.private.tensorflow_attributes import function_in, replace_input
from transferkit.private.tensorflow_names import (
    CondBranchFuncGraph,
    WhileBodyFuncGraph,
    WhileCondFuncGraph,
    random_functions,
)

__all__ = ["make_stateless", "stateless_inside"]

_log = logging.getLogger("transferkit")


def _full(arguments: Mapping[str, Any], of: str) -> Any:
    """The shape of the draws: so many for each value of the parameter ``of``."""
    return tf.concat([arguments["shape"], tf.shape(arguments[of], arguments["shape"].dtype)], 0)


def _dtype(value: Any) -> Any:
    return tf.convert_to_tensor(value).dtype


# Kind of operation -> its sister, given the seed and the operation's inputs and dtype by name.
_STATELESS_OPS: dict[str, Callable[[Any, Mapping[str, Any]], Any]] = {
    "RandomUniform": lambda seed, a: tf.random.stateless_uniform(a["shape"], seed, dtype=a["dtype"]),
    "RandomStandardNormal": lambda seed, a: tf.random.stateless_normal(a["shape"], seed, dtype=a["dtype"]),
    "TruncatedNormal": lambda seed, a: tf.random.stateless_truncated_normal(
        a["shape"], seed, dtype=a["dtype"]
    ),
    "RandomUniformInt": lambda seed, a: tf.random.stateless_uniform(
        a["shape"], seed, a["minval"], a["maxval"], dtype=_dtype(a["minval"])
    ),
    "RandomShuffle": lambda seed, a: tf.random.experimental.stateless_shuffle(a["value"], seed),
    "Multinomial": lambda seed, a: tf.random.stateless_categorical(
        a["logits"], a["num_samples"], seed, dtype=a["output_dtype"]
    ),
    "RandomGamma": lambda seed, a: tf.random.stateless_gamma(
        _full(a, "alpha"), seed, a["alpha"], dtype=_dtype(a["alpha"])
    ),
    "RandomPoissonV2": lambda seed, a: tf.random.stateless_poisson(
        _full(a, "rate"), seed, a["rate"], dtype=a["dtype"]
    ),
}
_FUNCTIONS = {
    "RandomUniform": "random_uniform",
    "RandomStandardNormal": "random_standard_normal",
    "TruncatedNormal": "truncated_normal",
    "RandomUniformInt": "random_uniform_int",
    "RandomShuffle": "random_shuffle",
    "Multinomial": "multinomial",
    "RandomGamma": "random_gamma",
    "RandomPoissonV2": "random_poisson_v2",
}
_OTHERS = {"ParameterizedTruncatedNormal", "RandomPoisson"}


def make_stateless(graph: Any, position: Any, worker: int) -> None:
    """Replaces the random operations of ``graph`` itself, and warns of those that keep a count.

    Args:
        graph: the traced graph.
        position: scalar int64 tensor: the step, or the number of the batch.
        worker: mixed into the seeds, so that workers draw different numbers.
    """
    operations = graph.get_operations()
    found = [op for op in operations if op.type in _STATELESS_OPS]
    for op in operations:
        if op.type in _OTHERS:
            _warn(op.name, op.type)
        else:
            _look_inside(graph, op.name, op.node_def, set())
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
                replace_input(consumer, index, new)
            graph.replaced[old.name] = new


def _sister(op: Any, position: Any, worker: int) -> Any:
    seed = _seed(op.get_attr("seed"), op.get_attr("seed2"), worker, position)
    given = dict(zip((argument.name for argument in op.op_def.input_arg), op.inputs, strict=True))
    dtype = op.outputs[0].dtype
    with tf.device(op.device or None):
        return _STATELESS_OPS[op.type](seed, {**given, "dtype": dtype, "output_dtype": dtype})


def _seed(first: int, second: int, worker: int, position: Any) -> Any:
    if first == 0 and second == 0:
        # No seed anywhere: the user asked for other numbers in each process.
        first = int.from_bytes(os.urandom(4), "little")
    mixed = (first * 1_000_003 + second * 7_919 + worker * 104_729) % (2**62)
    return tf.stack([tf.constant(mixed, tf.int64), tf.cast(position, tf.int64)])


@contextlib.contextmanager
def stateless_inside(graph: Any, position: Any, worker: int) -> Iterator[None]:
    """Within it, branches and loop bodies that ``graph`` calls are made with stateless draws.

    Args:
        graph: the graph that is being traced.
        position: scalar int64 tensor of ``graph``.
        worker: mixed into the seeds.
    """
    numbers = itertools.count(1)

    def wrap(kind: str, original: Any) -> Any:
        signature = inspect.signature(original)

        def draw(*args: Any, **kwargs: Any) -> Any:
            counts = _counts(graph)
            if counts is None:
                return original(*args, **kwargs)
            given = signature.bind(*args, **kwargs)
            given.apply_defaults()
            arguments = given.arguments
            # Branches number their operations alike; the order in which draws are made tells them apart.
            second = (arguments["seed2"] or 0) * 65_537 + next(numbers)
            first = arguments["seed"] or 0
            seed = _seed(first, second if first or arguments["seed2"] else 0, worker, position)
            for count in counts:
                seed = tf.random.experimental.stateless_fold_in(seed, tf.cast(count, tf.int64))
            if "shape" in arguments:
                arguments["shape"] = tf.convert_to_tensor(arguments["shape"])
            return _STATELESS_OPS[kind](seed, arguments)

        return draw

    before = {name: getattr(random_functions, name) for name in _FUNCTIONS.values()}
    for kind, name in _FUNCTIONS.items():
        setattr(random_functions, name, wrap(kind, before[name]))
    try:
        yield
    finally:
        for name, original in before.items():
            setattr(random_functions, name, original)


def _counts(graph: Any) -> list[Any] | None:
    """The counts of the loops around what is being made; None where it is not in a branch of ``graph``."""
    current, counts = tf.compat.v1.get_default_graph(), []
    if current is graph:
        return None
    while current is not graph:
        if isinstance(current, (WhileBodyFuncGraph, WhileCondFuncGraph)):
            counts.append(current.inputs[0])
        elif not isinstance(current, CondBranchFuncGraph):
            return None
        current = current.outer_graph
    return counts


def _look_inside(graph: Any, place: str, node: Any, seen: set[str]) -> None:
    """Warns of random operations in the functions that ``node`` calls."""
    for attribute in node.attr.values():
        for function in (attribute.func, *attribute.list.func):
            if not function.name or function.name in seen:
                continue
            seen.add(function.name)
            found = function_in(graph, function.name)
            definition = getattr(found, "cached_definition", None) or getattr(found, "definition", None)
            for inner in getattr(definition, "node_def", ()):
                if inner.op in _STATELESS_OPS or inner.op in _OTHERS:
                    _warn(f"{place}/{inner.name}", inner.op)
                else:
                    _look_inside(graph, f"{place}/{inner.name}", inner, seen)


def _warn(name: str, kind: str) -> None:
    _log.warning(
        "%s (%s) keeps a count of its own that checkpoints do not hold: a resumed run draws other numbers; "
        "use the tf.random.stateless_* functions there",
        name,
        kind,
    )
