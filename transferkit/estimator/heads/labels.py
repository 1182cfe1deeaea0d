"""Class names and ids."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from transferkit.estimator.export_output import ClassificationOutput
from transferkit.type_names import Tensor, Tensors

__all__ = ["all_class_ids", "all_classes", "class_ids_of", "class_names", "classification_output"]


def class_ids_of(names: Tensor, vocabulary: Sequence[str]) -> Tensor:
    """int64 ids of class ``names``; -1 for a name that is not in ``vocabulary``."""
    keys = tf.constant(list(vocabulary))
    ids = tf.range(len(vocabulary), dtype=tf.int64)
    table = tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(keys, ids), -1)
    return table.lookup(names)


def class_names(ids: Tensor, vocabulary: Sequence[str] | None) -> Tensor:
    """Names of class ``ids``: those of ``vocabulary``, or the ids as text."""
    return tf.strings.as_string(ids) if not vocabulary else tf.gather(tf.constant(list(vocabulary)), ids)


def all_class_ids(logits: Tensors, n_classes: Any) -> Tensor:
    """The ids of all classes for each example, int32 of shape ``[batch, n_classes]``."""
    return tf.tile(tf.expand_dims(tf.range(n_classes), 0), [tf.shape(logits)[0], 1])


def all_classes(logits: Tensors, n_classes: Any, vocabulary: Sequence[str] | None) -> Tensor:
    """The names of all classes for each example, strings of shape ``[batch, n_classes]``.

    Args:
        logits: ``[batch, …]``; says how many examples there are.
        n_classes: how many classes.
        vocabulary: their names; None names them by their numbers.
    """
    names = tf.constant(list(vocabulary)) if vocabulary else tf.strings.as_string(tf.range(n_classes))
    return tf.tile(tf.expand_dims(names, 0), [tf.shape(logits)[0], 1])


def classification_output(
    scores: Tensor, n_classes: Any, vocabulary: Sequence[str] | None
) -> ClassificationOutput:
    """Scores of shape ``[batch, n_classes]`` with the names of the classes.

    Args:
        scores: float32, 0 to 1.
        n_classes: how many classes.
        vocabulary: their names; None names them by their numbers.
    """
    return ClassificationOutput(scores=scores, classes=all_classes(scores, n_classes, vocabulary))
