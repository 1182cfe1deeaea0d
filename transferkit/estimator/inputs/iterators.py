"""Opens and ends data iterators without waiting for them.

The thread that tunes an iterator's buffers can miss its end, and sleeps for twice as long each time: to end
an iterator can take as long as it was in use. Calls must not wait for it, so the end happens beside what
follows. A pipeline that leaves something outside of its own memory (a cache or snapshot in files, a Python
generator) is waited for: the next call may open the same thing.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import tensorflow as tf

from transferkit.estimator.graph.functions import GraphFunction
from transferkit.estimator.graph.graph import TracedGraph
from transferkit.private.tensorflow_attributes import (
    cache_file_of,
    flat_elements,
    functions_of,
    inputs_of,
    keep_dataset,
    options_text,
    variant_of,
)
from transferkit.private.tensorflow_names import OwnedIterator

__all__ = ["as_it_is", "leaves_nothing", "opened", "release"]

# Datasets and operations with something outside: files they write, Python code, other processes.
_OUTSIDE = re.compile(r"Cache|Generator|Iterator|Py|Save|Service|Snapshot|Sql")

# What a kind of dataset raises that does not say what it is made of.
_SILENT = (AttributeError, NotImplementedError)


@functools.cache
def _elsewhere() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1, "transferkit-release")


def leaves_nothing(dataset: tf.data.Dataset) -> bool:
    """Whether a second iterator of ``dataset`` may begin while the first one ends."""
    try:
        for one in _stages(dataset):
            if _OUTSIDE.search(type(one).__name__) and not _cached_in_memory(one):
                return False
            for wrapped in functions_of(one):
                if any(map(_OUTSIDE.search, _operation_types(wrapped.function.graph))):
                    return False
    except _SILENT:
        return False
    return True


def opened(dataset: tf.data.Dataset) -> Any:
    """An iterator of ``dataset``, whose graph is not rewritten where there is nothing to gain.

    Rewriting takes 1 to 3 ms of each new iterator; beside fusing shuffle with repeat, what it improves is how
    a pipeline calls functions of users.
    """
    if not _nothing_to_gain(dataset):
        return iter(dataset)
    types, shapes = flat_elements(dataset)
    resource = tf.raw_ops.AnonymousIteratorV3(output_types=types, output_shapes=shapes)
    tf.raw_ops.MakeIterator(dataset=as_it_is(dataset), iterator=resource)
    iterator = OwnedIterator(components=[resource], element_spec=dataset.element_spec)
    # As TensorFlow's own: what the pipeline made (seeds of a shuffle, a cache) lives as long.
    keep_dataset(iterator, dataset)
    return iterator


def as_it_is(dataset: tf.data.Dataset) -> Any:
    """The variant of ``dataset`` with the option not to be rewritten beside its own options.

    In a function, whose kernels TensorFlow keeps: those of datasets that are called one by one it makes anew.
    """
    types, shapes = flat_elements(dataset)
    (variant,) = _told(tuple(types), tuple(shapes))(variant_of(dataset))
    return variant


def _nothing_to_gain(dataset: tf.data.Dataset) -> bool:
    try:
        if any(functions_of(one) for one in _stages(dataset)):
            return False
        return dataset.options().experimental_optimization.apply_default_optimizations is None
    except _SILENT:
        return False


def _cached_in_memory(dataset: tf.data.Dataset) -> bool:
    return type(dataset).__name__ == "CacheDataset" and cache_file_of(dataset) == ""


def _stages(dataset: tf.data.Dataset) -> Iterator[Any]:
    todo: list[Any] = [dataset]
    while todo:
        one = todo.pop()
        yield one
        todo.extend(inputs_of(one))


@functools.cache
def _told(types: tuple[Any, ...], shapes: tuple[Any, ...]) -> GraphFunction:
    """The function from one variant to the other, for datasets of such elements."""
    options = tf.data.Options()
    options.experimental_optimization.apply_default_optimizations = False
    with tf.init_scope():
        graph = TracedGraph("not_rewritten")
        with graph.as_default():
            variant = tf.compat.v1.placeholder(tf.variant, [])
            told = tf.raw_ops.OptionsDataset(
                input_dataset=variant,
                serialized_options=options_text(options),
                output_types=types,
                output_shapes=shapes,
            )
        return GraphFunction(graph, [variant], [told])


def _operation_types(graph: Any) -> set[str]:
    found = {op.type for op in graph.get_operations()}
    library = graph.as_graph_def().library.function if getattr(graph, "_functions", True) else ()
    return found | {node.op for function in library for node in function.node_def}


def release(holder: list[Any]) -> None:
    """Empties ``holder``, which alone holds an iterator, in a thread that the process's end waits for."""
    _elsewhere().submit(holder.clear)
