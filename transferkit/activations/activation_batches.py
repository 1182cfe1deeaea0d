"""Batches of activations for training, straight from the cache, in the order of each epoch."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from transferkit.activations.compute import Activations
from transferkit.activations.division import Division
from transferkit.activations.epoch_order import Epochs, epoch_order, epoch_steps

__all__ = ["dataset", "untuned"]


def dataset(
    activations: Activations,
    indices: np.ndarray,
    labels: np.ndarray,
    division: Division,
    epochs: Epochs = Epochs(),  # noqa: B008 -- frozen
    *,
    mine: np.ndarray | None = None,
    element: Callable[..., Any] | None = None,
) -> tf.data.Dataset:
    """A data set of batches.

    Args:
        activations: what :func:`transferkit.activations.compute.compute` gives. Where it has K views of each
            image, every shuffled epoch draws one of them for each.
        indices: int64 ``[n]``: the items to take, all of them readable.
        labels: ``[n, …]``: the label of each.
        division: how large a batch is, and whether the last one is filled up where it is smaller: there are
            weights then, 0 for what fills up. In one part; without effect together with ``mine``.
        epochs: which epochs, and in which order their items are.
        mine: bool ``[n]``: of each batch only these items are given; the others need have no activations.
            Where a batch has none of them, the first of all stands for them, with a weight of 0.
        element: makes an element of what is given for a batch; in the same pass, since each further one is
            traced anew for every epoch.

    Returns:
        Elements ``(x, y)`` or ``(x, y, w)``: float32 ``[b, *shape]``, labels ``[b, …]``, weights ``[b]``.
        With ``mine`` they are ``(x, y, w, place, whole)``: also int64 ``[b]``, where in the whole batch each
        item stands, and int64 ``[]``, how many items that has.

    Raises:
        IndexError: an item is unreadable.
        ValueError: lengths do not fit, or there are no items.
    """
    reader = _Reader(activations, indices, labels, division, epochs.seed, mine)
    steps = epoch_steps(len(reader), division.batch_size)
    if not steps:
        raise ValueError(f"no items give no batch of {division.batch_size}")
    signature = reader.signature()

    @tf.autograph.experimental.do_not_convert  # type: ignore[untyped-decorator]
    def batch(number: tf.Tensor) -> Any:
        # Only which batch it is comes from the graph: a call a batch, whatever its size.
        read = tf.numpy_function(
            lambda position: reader.batch(*divmod(int(position), steps)),
            [number],
            [spec.dtype for spec in signature],
            stateful=False,
        )
        for tensor, spec in zip(read, signature, strict=True):
            tensor.set_shape(spec.shape)
        return tuple(read) if element is None else element(*read)

    last = np.iinfo(np.int64).max if epochs.count is None else (epochs.first + epochs.count) * steps
    numbers = tf.data.Dataset.range(epochs.first * steps, last)
    return untuned(numbers.map(batch, num_parallel_calls=2, deterministic=True).prefetch(4))


def untuned(batches: tf.data.Dataset) -> tf.data.Dataset:
    """A data set whose parallel calls and buffers are chosen, without the thread that would tune them.

    That thread sleeps for twice as long each time and can miss the end of its iterator, which waits for it
    then: an epoch took up to twice its time.

    Args:
        batches: nothing of which is ``tf.data.AUTOTUNE``.
    """
    options = tf.data.Options()
    options.autotune.enabled = False
    return batches.with_options(options)


class _Reader:
    """Reads batches by their numbers; arguments as of :func:`dataset`."""

    def __init__(
        self,
        activations: Activations,
        indices: np.ndarray,
        labels: np.ndarray,
        division: Division,
        seed: int | None,
        mine: np.ndarray | None,
    ) -> None:
        indices = np.asarray(indices, np.int64)
        self._some = mine is not None
        self._mine = np.ones(len(indices), bool) if mine is None else mine
        self._rows = np.full((len(indices), *activations.rows.shape[1:]), -1)
        self._rows[self._mine] = activations.rows[indices[self._mine]]
        self._columns = [np.asarray(labels)]
        if self._some or division.filled(len(indices)):
            self._columns.append(np.ones(len(indices), np.float32))
        if any(len(column) != len(self._rows) for column in self._columns):
            lengths = [len(self._rows), *map(len, self._columns)]
            raise ValueError(f"indices, labels and weights have lengths {lengths}, expected one length")
        if (self._rows[self._mine] < 0).any():
            raise IndexError("an unreadable image has no activations")
        self._division = division
        self._array = activations.array
        self._seed = seed
        # Two, because batches of two epochs are read at once where one ends.
        self._drawn = functools.lru_cache(maxsize=2)(self._draw)

    def __len__(self) -> int:
        return len(self._rows)

    def signature(self) -> list[tf.TensorSpec]:
        """What a batch is; its first axis is known where all batches are alike."""
        length = None if self._some else self._division.rows(len(self))
        specs = [tf.TensorSpec([length, *self._array.shape[1:]], tf.float32)]
        for column in self._columns:
            specs.append(tf.TensorSpec([length, *column.shape[1:]], tf.as_dtype(column.dtype)))
        if self._some:
            specs += [tf.TensorSpec([None], tf.int64), tf.TensorSpec([], tf.int64)]
        return specs

    def batch(self, epoch: int, step: int) -> list[np.ndarray]:
        order, rows = self._drawn(epoch)
        size = self._division.batch_size
        here = slice(step * size, (step + 1) * size)
        picked, rows = order[here], rows[here]
        if self._some:
            return self._own_part(picked, rows)
        there = len(picked)
        if self._division.rows(len(self)) in (None, there):
            x = self._array[rows].astype(np.float32, copy=False)
            return [x, *(column[picked] for column in self._columns)]
        places = self._division.places(there, len(self))
        x = self._array[rows[places]].astype(np.float32, copy=False)
        columns = [column[picked[places]] for column in self._columns]
        if len(places) > there:
            columns[-1][there:] = 0
        return [x, *columns]

    def _own_part(self, picked: np.ndarray, rows: np.ndarray) -> list[np.ndarray]:
        """Those of a batch that are this reader's own, their places in it, and its length."""
        place, whole = np.flatnonzero(self._mine[picked]), np.array(len(picked))
        if len(place):
            x = self._array[rows[place]].astype(np.float32, copy=False)
            return [x, *(column[picked[place]] for column in self._columns), place, whole]
        nothing = [np.zeros_like(column[:1]) for column in self._columns]
        x = np.zeros((1, *self._array.shape[1:]), np.float32)
        own = np.flatnonzero(self._mine)[:1]
        if len(own):
            # Numbers as good as any, where zeros could leave the range of a division or a root.
            x = self._array[self._rows[own].reshape(1, -1)[:, 0]].astype(np.float32, copy=False)
        return [x, *nothing, np.zeros(1, np.int64), whole]

    def _draw(self, epoch: int) -> tuple[np.ndarray, np.ndarray]:
        """Order of an epoch, and the row that each item is read from in it."""
        count = len(self._rows)
        order = np.arange(count) if self._seed is None else epoch_order(count, self._seed, epoch)
        rows = self._rows[order]
        if rows.ndim == 1:
            return order, rows
        views = rows.shape[1]
        if self._seed is None:
            return order, rows[:, 0]
        # A stream of its own: the order does not depend on how many views there are.
        drawn = np.random.default_rng((self._seed, epoch, views)).integers(0, views, count)
        return order, rows[np.arange(count), drawn]
