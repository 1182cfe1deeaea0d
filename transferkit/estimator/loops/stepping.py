"""Takes batches and runs steps: one at a time, or several inside the graph between two looks of Python."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from transferkit.estimator.graph.mode_graph import Traced
from transferkit.estimator.inputs.iterators import leaves_nothing, opened, release
from transferkit.private.tensorflow_attributes import iterator_resource
from transferkit.type_names import Tensor

__all__ = ["Batches", "GraphLoop"]

_END = object()

# As Python's errors are told by the operation that calls it: the class first.
_OF_SESSION = re.compile(r"\b((?:FailedPrecondition|InvalidArgument|NotFound|Internal)Error): ")


class Batches:
    """Batches of a dataset, as flat tensors; under a strategy one for each replica.

    Args:
        dataset: of batches.
        replicas: how many batches make up one step.

    Attributes:
        iterator: the dataset's iterator, None once it is closed.
    """

    def __init__(self, dataset: tf.data.Dataset, replicas: int = 1) -> None:
        self.iterator: Any = opened(dataset)
        self.replicas = replicas
        self._leaves_nothing = leaves_nothing(dataset)
        specs = tf.nest.flatten(dataset.element_spec)
        # Plain tensors need no packing into the element's structure, which takes longer than getting them.
        self._plain: dict[str, Any] | None = None
        if all(type(spec) is tf.TensorSpec for spec in specs):
            shapes = [spec.shape for spec in specs]
            self._plain = {"output_types": [spec.dtype for spec in specs], "output_shapes": shapes}

    def close(self) -> None:
        """Ends the iterator; nothing that follows has to wait for its threads."""
        holder, self.iterator = [self.iterator], None
        if self._leaves_nothing:
            release(holder)

    def take(self) -> list[Any] | None:
        """The next step's tensors, or None at the end of the data; an incomplete set counts as it."""
        flat: list[Any] = []
        for _ in range(self.replicas):
            batch = self._next()
            if batch is None:
                return None
            flat.extend(batch)
        return flat

    def take_padded(self) -> tuple[list[Any] | None, int]:
        """As :meth:`take`, but fills an incomplete set with empty batches; and how many are real."""
        flat: list[Any] = []
        for number in range(self.replicas):
            batch = self._next()
            if batch is None:
                if number == 0:
                    return None, 0
                empty = [t[:0] for t in flat[: len(flat) // number]]
                return flat + empty * (self.replicas - number), number
            flat.extend(batch)
        return flat, self.replicas

    def _next(self) -> list[Any] | None:
        """The tensors of the next batch, or None at the end of the data."""
        try:
            if self._plain is None:
                batch = next(self.iterator, _END)
                return None if batch is _END else flatten(batch)
            source = iterator_resource(self.iterator)
            return list(tf.raw_ops.IteratorGetNext(iterator=source, **self._plain))
        except tf.errors.OutOfRangeError:
            return None
        except tf.errors.UnknownError as error:
            raise as_raised(error) from error


def as_raised(error: tf.errors.UnknownError) -> tf.errors.OpError:
    """The error of a session that reads the data, which the way through Python made an unknown one."""
    found = _OF_SESSION.search(error.message or "")
    if found is None:
        return error
    kind: type[tf.errors.OpError] = getattr(tf.errors, found.group(1))
    return kind(error.node_def, error.op, error.message[found.end() :])


def flatten(batch: Any) -> list[Any]:
    """The tensors of a batch, components of sparse and ragged ones apart, None left out."""
    return [t for t in tf.nest.flatten(batch, expand_composites=True) if t is not None]


class GraphLoop:
    """Runs several training steps inside one call; the last one is left to the caller, for its hooks.

    The loop looks one batch ahead, so that the caller gets the very last batch of the data too.

    Args:
        traced: the training graph.
        replicas: how many batches make up one step.
        jit_compile: whether XLA compiles a step.
    """

    def __init__(self, traced: Traced, replicas: int, jit_compile: bool) -> None:
        step = traced.function([traced.step, traced.loss], jit_compile=jit_compile)

        def ahead(iterator: Any) -> list[Any]:
            return [iterator.get_next_as_optional() for _ in range(replicas)]

        def all_there(optionals: Sequence[Any]) -> Any:
            return tf.reduce_all(tf.stack([optional.has_value() for optional in optionals]))

        def values(optionals: Sequence[Any]) -> list[Any]:
            return [t for optional in optionals for t in flatten(optional.get_value())]

        def loop(iterator: Any, position: Any, count: Any) -> Any:
            def go_on(done: Any, loss: Tensor, here: Any, there: Any) -> Any:
                return tf.logical_and(done < count, tf.logical_and(there, tf.math.is_finite(loss)))

            def body(done: Any, loss: Tensor, here: Any, there: Any) -> Any:
                beyond = ahead(iterator)
                more = all_there(beyond)

                def run() -> Any:
                    _, new_loss = step(position + done, *values(here), captures=captures)
                    return done + 1, tf.cast(new_loss, tf.float32), beyond

                def stay() -> Any:
                    return done, loss, here

                ran = tf.cond(more, run, stay)
                return (*ran, more)

            # Made outside the loop: the branches inside cannot make them.
            captures = step.captures_now()
            first = ahead(iterator)
            zero = tf.constant(0, tf.int64), tf.constant(0.0)
            return tf.while_loop(go_on, body, (*zero, first, all_there(first)), parallel_iterations=1)

        self._loop = tf.function(loop, autograph=False, reduce_retracing=False)
        self._values = values

    def run(self, batches: Batches, position: int, count: int) -> tuple[int, float, list[Any] | None, bool]:
        """Runs up to ``count`` steps of ``batches`` from batch number ``position``.

        Returns:
            How many steps were run, the last one's loss, the next batch or None at the end of the data, and
            whether batches may follow that one.
        """
        done, loss, ahead, more = self._loop(
            batches.iterator, tf.constant(position, tf.int64), tf.constant(count, tf.int64)
        )
        there = all(bool(optional.has_value()) for optional in ahead)
        return int(done), float(loss), self._values(ahead) if there else None, bool(more)
