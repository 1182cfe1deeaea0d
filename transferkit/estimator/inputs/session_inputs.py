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

__all__ = ["NeedsGraph", "noticing_iterators", "through_session"]

v1 = tf.compat.v1


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
    # Shapes that the graph knows hold for the dataset too.
    specs = tuple(tf.TensorSpec(tensor.shape, tensor.dtype) for tensor in flat)

    def batches() -> Iterator[Any]:
        # Resumed from any thread: no default graph may stay open between two batches.
        session = v1.Session(graph=graph)
        session.run(start)
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
