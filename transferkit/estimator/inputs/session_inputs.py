"""Input functions that need a graph: those that make an iterator of TensorFlow 1, or use its queues.

They give tensors that stand for the next batch, where an eager call would give one batch for ever. Their
graph runs in a session of its own, whose values become a dataset.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import tensorflow as tf

from transferkit.private.tensorflow_attributes import iterator_makers

__all__ = ["NeedsGraph", "input_session", "noticing_iterators", "through_session"]

v1 = tf.compat.v1


class _InputGraph:
    """The graph of an input_fn, and the session that reads it.

    A hook may run what initializes an iterator there, before the first batch is taken.
    """

    def __init__(self, graph: tf.Graph, start: list[Any]) -> None:
        self._graph, self._start = graph, start
        self._begun: Any = None

    def begun(self) -> Any:
        """The session of the batches that are taken next."""
        if self._begun is None:
            # Resumed from any thread: no default graph may stay open between two batches.
            self._begun = v1.Session(graph=self._graph)
            self._begun.run(self._start)
        return self._begun

    def take(self) -> Any:
        """That session, for batches that are taken now: those after them get another one."""
        session, self._begun = self.begun(), None
        return session


# The attribute of its graph that holds it: it goes with the graph.
_HELD = "transferkit_input"


def input_session(fetches: Any) -> Any:
    """The session in which ``fetches`` of an input_fn's graph run; None for those of another graph."""
    for one in tf.nest.flatten(fetches):
        graph = None if hasattr(one, "numpy") else getattr(one, "graph", None)
        held: _InputGraph | None = getattr(graph, _HELD, None)
        if held is not None:
            return held.begun()
    return None


class NeedsGraph(Exception):
    """An input_fn asked for an iterator of TensorFlow 1 outside of a graph."""


@contextlib.contextmanager
def noticing_iterators() -> Iterator[None]:
    """Within it, making an iterator of TensorFlow 1 raises :class:`NeedsGraph`."""

    def refuse(self: Any, *args: Any, **kwargs: Any) -> Any:
        raise NeedsGraph

    with iterator_makers(refuse):
        yield


def through_session(call: Callable[[], Any], seed: int | None) -> Any:
    """Calls an input_fn in a graph, and gives what it gives with a dataset in place of each batch's tensors.

    Args:
        call: the input_fn, its arguments given.
        seed: of the graph.

    Returns:
        A Dataset of ``(features, labels)``, or of features alone where labels are None.
    """
    graph = tf.Graph()
    with graph.as_default():
        if seed is not None:
            v1.set_random_seed(seed)
        result = call()
        pair = isinstance(result, (tuple, list)) and len(result) == 2
        structure = result[0] if pair and result[1] is None else tuple(result) if pair else result
        flat = tf.nest.flatten(structure, expand_composites=True)
        start = [v1.global_variables_initializer(), v1.local_variables_initializer(), v1.tables_initializer()]
    held = _InputGraph(graph, start)
    setattr(graph, _HELD, held)
    # Shapes that the graph knows hold for the dataset too.
    specs = tuple(tf.TensorSpec(tensor.shape, tensor.dtype) for tensor in flat)

    def batches() -> Iterator[Any]:
        session = held.take()
        coordinator = tf.train.Coordinator()
        with graph.as_default():
            threads = v1.train.start_queue_runners(session, coordinator)
        try:
            while True:
                try:
                    values = session.run(flat)
                except tf.errors.OutOfRangeError:
                    return
                yield tuple(values)
        finally:
            coordinator.request_stop()
            coordinator.join(threads, stop_grace_period_secs=5, ignore_live_threads=True)
            session.close()

    data = tf.data.Dataset.from_generator(batches, output_signature=specs)
    return data.map(lambda *values: tf.nest.pack_sequence_as(structure, values, expand_composites=True))
