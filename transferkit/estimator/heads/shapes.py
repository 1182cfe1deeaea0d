"""Labels, logits and weights, brought to the shapes that heads compute with.

Logits are ``[D0, …, DN, dimension]``, most often ``[batch, dimension]``. What is known of a shape is checked
while the graph is made, the rest while it runs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import tensorflow as tf

from transferkit.errors import fault
from transferkit.estimator.graph.calling import arguments
from transferkit.private.tensorflow_names import FeatureTransformationCache, NumericColumn
from transferkit.type_names import Tensor, Tensors

__all__ = ["as_logits", "as_weights", "call_loss_fn", "dense_labels", "in_range"]

v1 = tf.compat.v1


def as_logits(logits: Tensors, dimension: Any) -> Tensor:
    """``logits`` as float32 of shape ``[D0, …, DN, dimension]``.

    Raises:
        ValueError: where the last dimension is known and another.
    """
    expected = f"[D0, D1, ... DN, logits_dimension] with logits_dimension = {dimension}"
    logits = tf.cast(logits, tf.float32)
    if tf.executing_eagerly() and logits.shape.rank < 2:
        raise ValueError(fault("logits", logits.shape.as_list(), expected))
    ranked = v1.debugging.assert_rank_at_least(logits, 2, message=f"logits shape must be {expected}")
    with _after(ranked):
        last = logits.shape[-1] if logits.shape.rank is not None else None
        if last is not None:
            if isinstance(dimension, int) and last != dimension:
                raise ValueError(fault("logits", logits.shape.as_list(), expected))
            return logits
        matched = v1.debugging.assert_equal(
            dimension, tf.shape(logits)[-1], message=f"logits shape must be {expected}"
        )
        with _after(matched):
            return tf.identity(logits)


def dense_labels(labels: Tensors, logits: Tensors, dimension: int) -> Tensor:
    """``labels`` of shape ``[D0, …, DN, dimension]``; the last axis is added where it is missing.

    Args:
        labels: a tensor.
        logits: ``[D0, …, DN, any]``.
        dimension: of the last axis.

    Raises:
        ValueError: without labels, for sparse ones, or for another last dimension.
        InvalidArgumentError: where the other dimensions are not those of ``logits``, in a graph.
    """
    expected = f"[D0, D1, ... DN, {dimension}]"
    if labels is None:
        raise ValueError(
            fault("labels", None, "a tensor", "check that input_fn returns labels, and that it finds them")
        )
    labels = v1.convert_to_tensor_or_sparse_tensor(labels)
    if isinstance(labels, tf.SparseTensor):
        raise ValueError(
            fault(
                "labels",
                "a SparseTensor",
                f"a dense tensor of shape {expected}",
                "each example must have as many labels; use tf.sparse.to_dense in input_fn",
            )
        )
    rank, logits_rank = labels.shape.rank, logits.shape.rank
    if rank is not None and logits_rank is not None and rank == logits_rank - 1:
        labels = tf.expand_dims(labels, -1)
    last = labels.shape[-1] if labels.shape.rank else None
    if last is not None and last != dimension:
        hint = "check n_classes of the head: are the labels one-hot?"
        raise ValueError(fault("labels", labels.shape.as_list(), expected, hint))
    if tf.executing_eagerly() and labels.shape.as_list() != [*logits.shape.as_list()[:-1], dimension]:
        raise ValueError(fault("labels", labels.shape.as_list(), expected))
    message = f"labels shape must be {expected}; check n_classes of the head, or the shape of the labels"
    ranked = v1.debugging.assert_rank_at_least(labels, 2, message=message)
    with _after(ranked):
        shape = tf.concat([tf.shape(logits)[:-1], [dimension]], axis=0)
        matched = v1.debugging.assert_equal(shape, tf.shape(labels), message=message)
        with _after(matched):
            return tf.identity(labels)


def in_range(labels: Tensors, n_classes: Any, message: str | None = None) -> Tensor:
    """``labels``, checked to lie in ``[0, n_classes)``; eagerly that is a ValueError.

    Args:
        labels: whole numbers, any shape.
        n_classes: above 0.
        message: said instead of the usual words.

    Raises:
        ValueError: eagerly, where one lies outside.
    """
    if tf.executing_eagerly():
        if not bool(tf.reduce_all((labels >= 0) & (labels <= n_classes - 1))):
            raise ValueError(message or fault("labels", None, f"values from 0 to {n_classes - 1}"))
        return labels
    most = tf.convert_to_tensor(n_classes - 1, dtype=labels.dtype)
    small = v1.debugging.assert_less_equal(labels, most, message=message or "Labels must be <= n_classes - 1")
    positive = v1.debugging.assert_non_negative(labels, message=message or "Labels must be >= 0")
    with tf.control_dependencies([small, positive]):
        return tf.identity(labels)


def as_weights(features: Tensors, column: Any, logits: Tensors, each_logit: bool = False) -> Tensor:
    """The weights of examples, float32 of shape ``[D0, …, DN, 1]``; None where there is no ``column``.

    Args:
        features: the batch's features by name.
        column: a feature's name, or a ``tf.feature_column.numeric_column``.
        logits: what the weights must match.
        each_logit: whether weights of the logits' own shape are taken too.

    Raises:
        TypeError: where ``column`` is neither.
        ValueError: where the feature is missing, or, eagerly, of another shape.
    """
    if column is None:
        return None
    if not isinstance(features, Mapping):
        raise ValueError(fault("features", type(features).__name__, "a dictionary, to look weights up in"))
    if isinstance(column, str):
        if column not in features:
            raise ValueError(fault("weight_column", column, f"one of the features {sorted(features)}"))
        weights = tf.convert_to_tensor(features[column])
        weights = tf.expand_dims(weights, -1) if weights.shape.rank == 1 else weights
    elif isinstance(column, NumericColumn):
        weights = FeatureTransformationCache(features).get(column, None)
    else:
        raise TypeError(fault("weight_column", column, "a feature's name or a numeric_column"))
    if not (weights.dtype.is_floating or weights.dtype.is_integer):
        raise ValueError(fault("weight_column", weights.dtype.name, "numbers"))
    weights = tf.cast(weights, tf.float32)
    message = "weights shape must be [D0, D1, ... DN] or [D0, D1, ... DN, 1]"
    if each_logit:
        message += " or [D0, D1, ... DN, logits_dimension]"
    if weights.shape.rank is not None and weights.shape.rank == (logits.shape.rank or 0) - 1:
        weights = tf.expand_dims(weights, -1)
    shape, wanted = tf.shape(weights), tf.shape(logits)
    plain = tf.concat([wanted[:-1], [1]], axis=0)
    if tf.executing_eagerly():
        if shape.numpy().tolist() not in [plain.numpy().tolist(), *([wanted.numpy().tolist()] * each_logit)]:
            raise ValueError(f"{message}: {weights.shape.as_list()} for logits {logits.shape.as_list()}")
        return weights
    if each_logit:
        fits = tf.logical_or(_same(shape, wanted), _same(shape, plain))
        matched = v1.debugging.Assert(fits, [message, shape, wanted])
    else:
        matched = v1.debugging.assert_equal(plain, shape, message=message)
    with _after(matched):
        return tf.identity(weights)


def call_loss_fn(
    loss_fn: Callable[..., Any],
    labels: Tensors,
    logits: Tensors,
    features: Mapping[str, Any] | None,
    dimension: int,
) -> Any:
    """What ``loss_fn`` gives, checked to be ``[D0, …, DN, dimension]``; eagerly that is a ValueError.

    Args:
        loss_fn: takes ``labels`` and ``logits``, and ``features`` where it names them.
        labels: what it compares.
        logits: ``[D0, …, DN, any]``.
        features: of the batch.
        dimension: of the loss's last axis.

    Raises:
        ValueError: eagerly, where the loss has another shape.
    """
    more = {"features": features} if "features" in arguments(loss_fn) else {}
    loss = tf.convert_to_tensor(loss_fn(labels=labels, logits=logits, **more))
    message = f"loss_fn must return Tensor of shape [D0, D1, ... DN, {dimension}]"
    shape = tf.concat([tf.shape(logits)[:-1], [dimension]], axis=0)
    if tf.executing_eagerly():
        if loss.shape.as_list() != shape.numpy().tolist():
            raise ValueError(f"{message}: {loss.shape.as_list()} for logits {logits.shape.as_list()}")
        return loss
    matched = v1.debugging.Assert(_same(tf.shape(loss), shape), [message, tf.shape(loss), shape])
    with _after(matched):
        return tf.identity(loss)


def _same(one: Tensor, other: Tensor) -> Tensor:
    """Whether two shapes are equal, also where their ranks differ."""
    if one.shape.num_elements() != other.shape.num_elements():
        return tf.constant(False)
    return tf.reduce_all(tf.equal(one, other))


def _after(check: Tensor) -> Any:
    return tf.control_dependencies([check] if check is not None and not tf.executing_eagerly() else [])
