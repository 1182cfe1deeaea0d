"""Rows of a saved weight found again by their vocabulary's entries, where the new model has another one."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from transferkit.errors import fault

__all__ = ["VocabInfo", "remapped"]


class _Info(NamedTuple):
    new_vocab: str
    new_vocab_size: int
    num_oov_buckets: int
    old_vocab: str
    old_vocab_size: int = -1
    backup_initializer: Any = None
    axis: int = 0


class VocabInfo(_Info):
    """The vocabularies of a weight, in the model and in the checkpoint that it begins with.

    Args:
        new_vocab: a text file with an entry a line, the model's.
        new_vocab_size: how many of its entries the model uses.
        num_oov_buckets: how many rows follow them, for what is in no vocabulary; these begin anew.
        old_vocab: the checkpoint's file.
        old_vocab_size: how many of its entries count; -1 for all.
        backup_initializer: gives first values where the checkpoint has none; zero where it is None.
        axis: of the weight, along which the entries stand: 0 (embeddings, linear weights) or 1 (logits of
            classes).

    Raises:
        ValueError: for another axis.
    """

    __slots__ = ()

    def __new__(
        cls,
        new_vocab: str,
        new_vocab_size: int,
        num_oov_buckets: int,
        old_vocab: str,
        old_vocab_size: int = -1,
        backup_initializer: Any = None,
        axis: int = 0,
    ) -> VocabInfo:
        if axis not in (0, 1):
            raise ValueError(fault("VocabInfo.axis", axis, "0 or 1"))
        return super().__new__(
            cls,
            new_vocab,
            new_vocab_size,
            num_oov_buckets,
            old_vocab,
            old_vocab_size,
            backup_initializer,
            axis,
        )


def remapped(
    name: str,
    info: VocabInfo,
    old: Any,
    shape: Sequence[int],
    draw: Callable[[str, Callable[[], Any]], Any],
) -> Any:
    """The first value of a weight, its entries' values as the checkpoint has them.

    Args:
        name: of the weight.
        info: its vocabularies.
        old: the value in the checkpoint.
        shape: of the weight in the model.
        draw: ``draw(name, make)`` is the array that the tensor of ``make()`` holds.

    Raises:
        ValueError: where the shapes do not fit the vocabularies.
    """
    entries, axis = info.new_vocab_size, info.axis
    expected = list(old.shape)
    if axis < len(expected):
        expected[axis] = entries + info.num_oov_buckets
    if list(shape) != expected or axis >= len(expected):
        hint = f"new_vocab_size {entries} and num_oov_buckets {info.num_oov_buckets} along axis {axis}"
        raise ValueError(fault(f"warm start of {name}", list(shape), f"shape {expected}", hint))
    rows = _rows(info, old.shape[axis])
    new = np.zeros(shape, old.dtype)
    if info.backup_initializer is not None:
        new = np.array(draw(name, lambda: info.backup_initializer(list(shape))), old.dtype)
    known = np.flatnonzero(rows >= 0)
    # As rows, whichever axis they are along.
    np.moveaxis(new, axis, 0)[known] = np.moveaxis(np.asarray(old), axis, 0)[rows[known]]
    return new


def _rows(info: VocabInfo, size: int) -> Any:
    """Row of the new weight -> row of the old one, or -1."""
    for path in (info.new_vocab, info.old_vocab):
        if not tf.io.gfile.exists(path):
            raise ValueError(fault("VocabInfo", path, "a vocabulary file"))
    found, _ = tf.raw_ops.GenerateVocabRemapping(
        new_vocab_file=os.fspath(info.new_vocab),
        old_vocab_file=os.fspath(info.old_vocab),
        new_vocab_offset=0,
        num_new_vocab=info.new_vocab_size,
        old_vocab_size=info.old_vocab_size,
    )
    rows = found.numpy()
    if rows.max(initial=-1) >= size:
        hint = "set old_vocab_size, or name the vocabulary that the checkpoint was made with"
        raise ValueError(fault("VocabInfo.old_vocab", int(rows.max()) + 1, f"at most {size} entries", hint))
    return rows
