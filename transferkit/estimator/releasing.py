"""Ends data iterators without waiting for them.

An iterator's own threads take up to 20 ms to notice its end: the thread that tunes its buffers sleeps that
long. A loop of short calls must not wait for it twice a round, so the end happens beside what follows. A
pipeline that leaves something outside of its own memory (a cache or snapshot in files, a Python generator) is
waited for: the next call may open the same thing.
"""

from __future__ import annotations

import functools
import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import tensorflow as tf

__all__ = ["leaves_nothing", "release"]

# Datasets and operations with something outside: files they write, Python code, other processes.
_OUTSIDE = re.compile(r"Cache|Generator|Iterator|Py|Save|Service|Snapshot|Sql")


@functools.cache
def _elsewhere() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1, "transferkit-release")


def leaves_nothing(dataset: tf.data.Dataset) -> bool:
    """Whether a second iterator of ``dataset`` may begin while the first one ends."""
    todo: list[Any] = [dataset]
    try:
        while todo:
            one = todo.pop()
            if _OUTSIDE.search(type(one).__name__):
                return False
            for wrapped in one._functions():
                if any(map(_OUTSIDE.search, _operation_types(wrapped.function.graph))):
                    return False
            todo.extend(one._inputs())
    except (AttributeError, NotImplementedError):
        # A kind of dataset that does not say what it is made of.
        return False
    return True


def _operation_types(graph: Any) -> set[str]:
    found = {op.type for op in graph.get_operations()}
    library = graph.as_graph_def().library.function if getattr(graph, "_functions", True) else ()
    return found | {node.op for function in library for node in function.node_def}


def release(holder: list[Any]) -> None:
    """Empties ``holder``, which alone holds an iterator, in a thread that the process's end waits for."""
    _elsewhere().submit(holder.clear)
