"""Batches of activations for training, straight from the cache, in the order of each epoch."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from transferkit.activations.compute import Activations
from transferkit.activations.division import Division
from transferkit.activations.epoch_order import epoch_order, epoch_steps

__all__ = ["dataset"]


def dataset(
    activations: Activations,
    indices: np.ndarray,
    labels: np.ndarray,
    batch_size: int,
    *,
    seed: int | None = None,
    epochs: int | None = 1,
    start_epoch: int = 0,
    start_step: int = 0,
    drop_remainder: bool = False,
    weights: np.ndarray | None = None,
    mine: np.ndarray | None = None,
    division: Division | None = None,
    element: Callable[..., Any] | None = None,
) -> tf.data.Dataset:
    """A data set of whole batches.

    Args:
        activations: what :func:`transferkit.activations.compute.compute` gives. Where it has K views of each
            image, every epoch draws one of them for each.
        indices: int ``[n]``: the items to take, all of them readable.
        labels: ``[n, …]``: the label of each.
        batch_size: images a batch.
        seed: shuffles every epoch in an order of its own; None keeps the order given (and the first view).
        epochs: epochs from ``start_epoch`` on; None goes on for ever.
        start_epoch: number of the first epoch.
        start_step: steps of the first epoch that are passed over.
        drop_remainder: leaves out the last batch of an epoch where it is smaller.
        weights: float ``[n]``: a weight for each item, handed out beside the label.
        mine: bool ``[n]``: of each batch only these items are given; the others need have no activations.
            Where a batch has none of them, the first of all stands for them, with a weight of 0.
        division: fills the last batch up where it is smaller, in one part: there are weights then, 0 for what
            fills up. Not together with ``mine``.
        element: makes an element of what is given for a batch; in the same pass, since each further one is
            traced anew for every epoch.

    Returns:
        Elements ``(x, y)`` or ``(x, y, w)``: float32 ``[b, *shape]``, labels ``[b, …]``, weights ``[b]``.
        With ``mine`` they are ``(x, y, w, place, whole)``: also int64 ``[b]``, where in the whole batch each
        item stands, and int64 ``[]``, how many items that has.

    Raises:
        IndexError: an item is unreadable.
        ValueError: lengths do not fit, or there is no whole batch.
    """
    if mine is not None:
        weights = np.ones(len(mine), np.float32)
    elif division is not None and division.filled(len(indices)) and weights is None:
        weights = np.ones(len(indices), np.float32)
    reader = _Reader(activations, indices, labels, weights, batch_size, seed, mine, division)
    steps = epoch_steps(len(reader), batch_size, drop_remainder)
    if not steps:
        raise ValueError(f"{len(reader)} item(s) give no batch of {batch_size}")
    first = start_epoch * steps + start_step
    last = np.iinfo(np.int64).max if epochs is None else (start_epoch + epochs) * steps
    signature = reader.signature(drop_remainder)

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

    batches = tf.data.Dataset.range(first, last).map(batch, num_parallel_calls=2, deterministic=True)
    return batches.prefetch(4)


class _Reader:
    def __init__(
        self,
        activations: Activations,
        indices: np.ndarray,
        labels: np.ndarray,
        weights: np.ndarray | None,
        batch_size: int,
        seed: int | None,
        mine: np.ndarray | None,
        division: Division | None,
    ) -> None:
        indices = np.asarray(indices, np.int64)
        self._some = mine is not None
        self._mine = np.ones(len(indices), bool) if mine is None else mine
        self._rows = np.full((len(indices), *activations.rows.shape[1:]), -1)
        self._rows[self._mine] = activations.rows[indices[self._mine]]
        self._columns = [np.asarray(labels)] + ([] if weights is None else [np.asarray(weights, np.float32)])
        if any(len(column) != len(self._rows) for column in self._columns):
            lengths = [len(self._rows), *map(len, self._columns)]
            raise ValueError(f"indices, labels and weights have lengths {lengths}, expected one length")
        if (self._rows[self._mine] < 0).any():
            raise IndexError("an unreadable image has no activations")
        self._division = division
        self._array = activations.array
        self._batch_size = batch_size
        self._seed = seed
        # Two, because batches of two epochs are read at once where one ends.
        self._drawn = functools.lru_cache(maxsize=2)(self._draw)

    def __len__(self) -> int:
        return len(self._rows)

    def signature(self, whole: bool) -> list[tf.TensorSpec]:
        """What a batch is; its first axis is known where every batch is whole."""
        length = self._batch_size if whole else None
        if self._division is not None:
            length = self._division.rows(len(self))
        specs = [tf.TensorSpec([length, *self._array.shape[1:]], tf.float32)]
        for column in self._columns:
            specs.append(tf.TensorSpec([length, *column.shape[1:]], tf.as_dtype(column.dtype)))
        if self._some:
            specs += [tf.TensorSpec([None], tf.int64), tf.TensorSpec([], tf.int64)]
        return specs

    def batch(self, epoch: int, step: int) -> list[np.ndarray]:
        order, rows = self._drawn(epoch)
        here = slice(step * self._batch_size, (step + 1) * self._batch_size)
        picked, rows = order[here], rows[here]
        if self._some:
            return self._own_part(picked, rows)
        there = len(picked)
        if self._division is None or there == self._division.rows(len(self)):
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
