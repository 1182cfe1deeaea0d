"""Event files for TensorBoard."""

from __future__ import annotations

import atexit
import contextlib
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

from transferkit.estimator.graph.graph import TracedGraph
from transferkit.estimator.graph.keras_bridge import keras_optimizer
from transferkit.estimator.graph.mode_graph import Traced
from transferkit.estimator.graph.ordering import needed
from transferkit.estimator.variables.variables import VariableStore
from transferkit.keras_import import keras
from transferkit.private.keras_names import rate_of

__all__ = [
    "LearningRate",
    "Speed",
    "SummaryLog",
    "ToldSummaries",
    "merged_summary",
    "tell_summaries",
]

v1 = tf.compat.v1

_FLUSH_SECONDS = 1.0
_flushed: dict[str, float] = {}
_opened: dict[str, Any] = {}
_waiting: dict[str, threading.Timer] = {}


def _flush(folder: str) -> None:
    _waiting.pop(folder, None)
    _flushed[folder] = time.monotonic()
    # The folder may be gone.
    with contextlib.suppress(OSError, tf.errors.OpError):
        _opened[folder].flush()


class SummaryLog:
    """Writes scalars and summaries into the event file of a folder.

    Args:
        folder: where; it is made on the first writing.
        writes: whether this process is the one that writes.
    """

    def __init__(self, folder: str, writes: bool = True) -> None:
        self.folder = folder
        self.writes = writes
        self._wrote = False

    @property
    def writer(self) -> Any:
        """The writer of the folder's event file."""
        # One writer a folder in the whole process, shared with TensorFlow's own hooks. Made here, it writes
        # no graph: a traced graph's collections hold variables that a graph definition cannot name.
        writer = _opened.get(self.folder)
        if writer is None:
            with tf.Graph().as_default():
                writer = _opened[self.folder] = v1.summary.FileWriterCache.get(self.folder)
        return writer

    def prepare(self) -> None:
        """Opens the file, where this process writes one."""
        if self.writes:
            _ = self.writer

    def scalars(self, step: int, values: Mapping[str, Any]) -> None:
        """Writes numbers, arrays, and serialized summaries under the names of ``values``."""
        if not self.writes:
            return
        summary = v1.Summary()
        for name, value in values.items():
            _enter(summary, name, value)
        if summary.value:
            self.writer.add_summary(summary, step)
            self._wrote = True

    def text(self, step: int, name: str, value: str) -> None:
        """Writes a line of text."""
        if not self.writes:
            return
        summary = v1.Summary()
        metadata = v1.SummaryMetadata(plugin_data=v1.SummaryMetadata.PluginData(plugin_name="text"))
        summary.value.add(tag=name, metadata=metadata, tensor=tf.make_tensor_proto(value, dtype=tf.string))
        self.writer.add_summary(summary, step)
        self._wrote = True

    def merged(self, step: int, serialized: bytes) -> None:
        """Writes a summary as TensorFlow-1 summary operations give it."""
        if self.writes and serialized:
            self.writer.add_summary(serialized, step)
            self._wrote = True

    def flush(self) -> None:
        """Sees to it that what was written is in the file, a second later at most.

        Waiting for the disk after each short call would hold up a loop of them; the end flushes too.
        """
        if not self._wrote:
            return
        self._wrote = False
        wait = _flushed.get(self.folder, 0.0) + _FLUSH_SECONDS - time.monotonic()
        if wait <= 0.0:
            _flush(self.folder)
        elif self.folder not in _waiting:
            # Nothing may follow for long, and somebody watches the file.
            _waiting[self.folder] = threading.Timer(wait, _flush, [self.folder])
            _waiting[self.folder].daemon = True
            _waiting[self.folder].start()


class ToldSummaries(SummaryLog):
    """Hands the scalars of training to whoever keeps one log for several trainings, and writes no file.

    Args:
        tell: is given the step and the values by name; None drops them.
    """

    def __init__(self, tell: Callable[[int, dict[str, float]], None] | None) -> None:
        super().__init__("", writes=False)
        self._tell = tell

    def scalars(self, step: int, values: Mapping[str, Any]) -> None:
        """Tells the numbers among the values."""
        if self._tell is not None:
            nested = (tuple, list, dict)
            flat = {name: value for name, value in values.items() if not isinstance(value, nested)}
            self._tell(step, {name: float(value) for name, value in flat.items() if not np.ndim(value)})


def tell_summaries(estimator: Any, tell: Callable[[int, dict[str, float]], None] | None) -> None:
    """Has an Estimator tell the scalars of its training instead of writing event files of its own.

    Args:
        estimator: before its first call.
        tell: as of :class:`ToldSummaries`; what evaluations give is returned to their caller anyway.
    """
    train = estimator._engine.model_dir
    estimator._engine.summary_log = lambda folder, writes: ToldSummaries(tell if folder == train else None)


def _enter(summary: Any, name: str, value: Any) -> None:
    """Adds a value to ``summary`` as tf.estimator's evaluations do."""
    if isinstance(value, bytes):
        try:
            several = v1.Summary.FromString(value).value
        except DecodeError:
            # Text, and no summary.
            return
        for number, one in enumerate(several):
            one.tag = f"{name}/{number}"
        summary.value.extend(several)
    elif isinstance(value, (tuple, list, dict)):
        # A nested metric: its parts have no names.
        return
    elif np.ndim(value):
        array = np.asarray(value)
        if array.dtype != object:
            summary.value.add(tag=name, node_name=name, tensor=tf.make_tensor_proto(array))
    elif np.issubdtype(np.asarray(value).dtype, np.number):
        summary.value.add(tag=name, simple_value=float(value))


def flush_now(folder: str) -> None:
    """Flushes this process's writer of ``folder``, where there is one, before its files are read."""
    if folder in _flushed or folder in _opened:
        SummaryLog(folder).writer.flush()


@atexit.register
def _flush_all() -> None:
    for folder in _opened:
        with contextlib.suppress(Exception):
            SummaryLog(folder).writer.flush()


class Speed:
    """Steps and examples a second since the last look."""

    def __init__(self, step: int) -> None:
        self._step, self._time, self._examples = step, time.perf_counter(), 0

    def count(self, examples: int) -> None:
        """Adds the examples of a step."""
        self._examples += examples

    def read(self, step: int) -> dict[str, float]:
        """``global_step/sec`` and ``examples/sec`` (for an image model: images/s), then starts anew."""
        now = time.perf_counter()
        seconds = max(now - self._time, 1e-9)
        values = {"global_step/sec": (step - self._step) / seconds}
        if self._examples:
            values["examples/sec"] = self._examples / seconds
        self._step, self._time, self._examples = step, now, 0
        return values


def merged_summary(graph: TracedGraph, scaffold: Any) -> Any:
    """One string tensor of all TensorFlow-1 summaries of ``graph``, or None."""
    given = getattr(scaffold, "summary_op", None)
    if given is not None and tf.is_tensor(given):
        return given
    found = graph.get_collection(v1.GraphKeys.SUMMARIES)
    if not found:
        return None
    with graph.as_default():
        return v1.summary.merge(found)


class LearningRate:
    """Finds a training graph's learning rate: the argument of an update operation, or a Keras optimizer's.

    Attributes:
        tensor: the scalar tensor of the graph, or None.
    """

    def __init__(self, traced: Traced, store: VariableStore) -> None:
        self.tensor = _update_rate(traced)
        self._optimizer: Any = None
        if self.tensor is None:
            owners = [store.keras_variable(v) for v in store.saved.values()]
            self._optimizer = keras_optimizer([o for o in owners if o is not None])
            given = rate_of(self._optimizer)
            if callable(given) and not isinstance(given, keras.optimizers.schedules.LearningRateSchedule):
                value = None if isinstance(given, keras.Variable) else given()
                if (
                    value is not None
                    and tf.is_tensor(value)
                    and getattr(value, "graph", None) is traced.graph
                ):
                    self.tensor, self._optimizer = value, None

    def value(self) -> float | None:
        """The present rate of a Keras optimizer; None where a tensor of the graph tells it."""
        if self._optimizer is None:
            return None
        return float(tf.convert_to_tensor(self._optimizer.learning_rate))


def _update_rate(traced: Traced) -> Any:
    for op in needed(traced.graph, traced.inputs, [], traced.effects):
        if not op.type.startswith(("ResourceApply", "ResourceSparseApply")):
            continue
        names = [argument.name for argument in op.op_def.input_arg]
        for name in ("lr", "alpha"):
            if name in names:
                tensor = op.inputs[names.index(name)]
                return tensor if tensor.shape.rank == 0 else None
    return None
