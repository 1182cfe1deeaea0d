"""Batches of arrays and of pandas tables that are in memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from transferkit.errors import fault
from transferkit.estimator.graph.identity import in_input_fn
from transferkit.estimator.inputs.session_inputs import NeedsGraph

__all__ = ["numpy_input_fn", "pandas_input_fn"]


def numpy_input_fn(
    x: Any,
    y: Any = None,
    batch_size: int = 128,
    num_epochs: int | None = 1,
    shuffle: bool | None = None,
    queue_capacity: int = 1000,
    num_threads: int = 1,
) -> Callable[[], Any]:
    """An input_fn of arrays: it gives a Dataset, or in a graph the tensors of the next batch.

    Args:
        x: an array, or a dictionary of arrays of one length: the features.
        y: likewise the labels, or None.
        batch_size: examples a batch; the last batch may be smaller.
        num_epochs: how often the data are gone through; None goes on for ever.
        shuffle: whether they are shuffled; must be given.
        queue_capacity: how many examples a shuffle chooses among.
        num_threads: kept for compatibility.

    Raises:
        ValueError: without ``shuffle``, for an empty dictionary, or arrays of different lengths.
        TypeError: where ``x`` is neither an array nor a dictionary.
    """
    _check_shuffle(shuffle)
    if not isinstance(x, (np.ndarray, Mapping)):
        raise TypeError(fault("numpy_input_fn.x", type(x).__name__, "an array or a dictionary of arrays"))
    for place, value in (("x", x), ("y", y)):
        if isinstance(value, Mapping) and not value:
            raise ValueError(fault(f"numpy_input_fn.{place}", {}, "a dictionary with an entry"))
    parts = x if y is None else (x, y)
    return _input_fn(parts, batch_size, num_epochs, bool(shuffle), queue_capacity)


def pandas_input_fn(
    x: Any,
    y: Any = None,
    batch_size: int = 128,
    num_epochs: int | None = 1,
    shuffle: bool | None = None,
    queue_capacity: int = 1000,
    num_threads: int = 1,
    target_column: str = "target",
) -> Callable[[], Any]:
    """An input_fn of a pandas ``DataFrame``: a feature a column.

    Args:
        x: the features.
        y: the labels, a ``Series`` (or a ``DataFrame``, which gives a dictionary) with the index of ``x``,
            or None.
        batch_size: examples a batch; the last batch may be smaller.
        num_epochs: how often the data are gone through; None goes on for ever.
        shuffle: whether they are shuffled; must be given.
        queue_capacity: how many examples a shuffle chooses among.
        num_threads: kept for compatibility.
        target_column: kept for compatibility; labels have no name here.

    Raises:
        ValueError: without ``shuffle``, or where the indexes differ.
        TypeError: where ``x`` is no table.
    """
    _check_shuffle(shuffle)
    if not hasattr(x, "columns"):
        raise TypeError(fault("pandas_input_fn.x", type(x).__name__, "a pandas DataFrame"))
    features = {column: x[column].to_numpy() for column in x.columns}
    if y is None:
        return _input_fn(features, batch_size, num_epochs, bool(shuffle), queue_capacity)
    if not np.array_equal(x.index, y.index):
        raise ValueError(fault("pandas_input_fn.y", None, None, "Index for x and y are mismatched."))
    labels = {c: y[c].to_numpy() for c in y.columns} if hasattr(y, "columns") else y.to_numpy()
    return _input_fn((features, labels), batch_size, num_epochs, bool(shuffle), queue_capacity)


def _check_shuffle(shuffle: Any) -> None:
    if not isinstance(shuffle, bool):
        raise ValueError(fault("shuffle", shuffle, "True or False", "it must be given"))


def _input_fn(
    parts: Any, batch_size: int, num_epochs: int | None, shuffle: bool, capacity: int
) -> Callable[[], Any]:
    def input_fn() -> tf.data.Dataset:
        arrays = tf.nest.map_structure(_plain, parts)
        lengths = {len(array) for array in tf.nest.flatten(arrays)}
        if len(lengths) != 1:
            raise ValueError(
                fault("input_fn", sorted(lengths), "arrays of one length", "Length of tensors must match")
            )
        data = tf.data.Dataset.from_tensor_slices(arrays)
        if shuffle:
            data = data.shuffle(max(1, min(capacity, *lengths)))
        data = data.repeat(num_epochs).batch(batch_size)
        if not tf.executing_eagerly():
            return tf.compat.v1.data.make_one_shot_iterator(data).get_next()
        return _unpackable(data)

    return input_fn


def _unpackable(data: Any) -> Any:
    """``data``, for input functions of users that call this one and take the tensors of its batches apart.

    In a graph, features and labels stood here. A Dataset has none to take; the user's function is then called
    again in a graph.
    """

    def refuse_inside(self: Any) -> Any:
        if in_input_fn():
            raise NeedsGraph
        return super(kind, self).__iter__()

    def refuse(self: Any, key: Any) -> Any:
        if in_input_fn():
            raise NeedsGraph
        raise TypeError(f"{type(self).__name__!r} object is not subscriptable")

    parts = {"__iter__": refuse_inside, "__getitem__": refuse}
    kind: Any = type("ArrayBatches", (type(data),), parts)
    data.__class__ = kind
    return data


def _plain(array: Any) -> Any:
    """An array of text for one of Python objects, which TensorFlow cannot take."""
    array = np.asarray(array)
    return array.astype(str) if array.dtype == object else array
