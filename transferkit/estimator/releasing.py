"""Opens and ends data iterators without waiting for them.

An iterator's own threads take up to 20 ms to notice its end: the thread that tunes its buffers sleeps that
long. A loop of short calls must not wait for it twice a round, so the end happens beside what follows. A
pipeline that leaves something outside of its own memory (a cache or snapshot in files, a Python generator) is
waited for: the next call may open the same thing.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import tensorflow as tf

__all__ = ["leaves_nothing", "quick_to_open", "release"]

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
            if _OUTSIDE.search(type(one).__name__):
                return False
            for wrapped in one._functions():
                if any(map(_OUTSIDE.search, _operation_types(wrapped.function.graph))):
                    return False
    except _SILENT:
        return False
    return True


def quick_to_open(dataset: tf.data.Dataset) -> tf.data.Dataset:
    """``dataset``, told not to have its graph rewritten where there is nothing to gain.

    Rewriting takes 1 to 3 ms of each new iterator; beside fusing shuffle with repeat, what it improves is how
    a pipeline calls functions of users.
    """
    try:
        if any(one._functions() for one in _stages(dataset)):
            return dataset
        if dataset.options().experimental_optimization.apply_default_optimizations is not None:
            return dataset
    except _SILENT:
        return dataset
    return dataset.with_options(_as_it_is())


def _stages(dataset: tf.data.Dataset) -> Iterator[Any]:
    todo: list[Any] = [dataset]
    while todo:
        one = todo.pop()
        yield one
        todo.extend(one._inputs())


@functools.cache
def _as_it_is() -> tf.data.Options:
    options = tf.data.Options()
    options.experimental_optimization.apply_default_optimizations = False
    return options


def _operation_types(graph: Any) -> set[str]:
    found = {op.type for op in graph.get_operations()}
    library = graph.as_graph_def().library.function if getattr(graph, "_functions", True) else ()
    return found | {node.op for function in library for node in function.node_def}


def release(holder: list[Any]) -> None:
    """Empties ``holder``, which alone holds an iterator, in a thread that the process's end waits for."""
    _elsewhere().submit(holder.clear)
