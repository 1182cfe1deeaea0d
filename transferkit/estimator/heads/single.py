"""What heads of one objective share: a loss for each example, its weights, and the sum or mean of both."""

from __future__ import annotations

import abc
from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from transferkit.estimator.heads.arguments import check_loss_fn, check_prediction_keys, check_reduction
from transferkit.estimator.heads.base import Head
from transferkit.estimator.heads.keys import MetricKeys
from transferkit.estimator.heads.shapes import as_logits, as_weights, call_loss_fn
from transferkit.estimator.heads.updating import update_mean
from transferkit.keras_import import keras
from transferkit.private.tensorflow_attributes import note_loss_reduction
from transferkit.type_names import Metric, Tensor, Tensors

__all__ = ["SingleHead"]


class SingleHead(Head):
    """A head of one objective.

    Args:
        logits_dimension: the last dimension of the logits.
        weight_column: the feature (by name or as a numeric_column) that weighs examples, or None.
        loss_reduction: ``sum_over_batch_size`` (the weighted sum divided by the number of losses) or ``sum``.
        loss_fn: a function ``(labels, logits[, features])`` in place of the head's own loss for each example.
        name: the suffix of metrics' and summaries' names.
    """

    # Whether weights may differ between the logits of an example.
    _weighs_logits = False

    def __init__(
        self,
        logits_dimension: Any,
        weight_column: Any,
        loss_reduction: Any,
        loss_fn: Callable[..., Any] | None,
        name: str | None,
    ) -> None:
        place = type(self).__name__
        check_loss_fn(place, loss_fn)
        self._loss_reduction = check_reduction(place, loss_reduction)
        self._logits_dimension = logits_dimension
        self._weight_column = weight_column
        self._loss_fn = loss_fn
        self._name = name

    @property
    def name(self) -> str | None:
        return self._name

    @property
    def logits_dimension(self) -> Any:
        return self._logits_dimension

    @property
    def loss_reduction(self) -> str:
        return self._loss_reduction

    def loss(
        self,
        labels: Tensors,
        logits: Tensors,
        features: Tensors = None,
        mode: str | None = None,
        regularization_losses: Sequence[Tensor] | None = None,
    ) -> Any:
        """See :meth:`Head.loss`."""
        with tf.name_scope("losses"):
            _, _, losses, weights = self._computed(features, logits, labels)
            if not tf.executing_eagerly():
                note_loss_reduction(self._loss_reduction)
            weighted = losses if weights is None else losses * weights
            loss = tf.reduce_sum(weighted)
            if self._loss_reduction != "sum":
                loss = tf.math.divide_no_nan(loss, tf.cast(tf.size(weighted), loss.dtype))
            return loss if regularization_losses is None else loss + tf.add_n(regularization_losses)

    def metrics(self, regularization_losses: Sequence[Tensor] | None = None) -> dict[str, Any]:
        """See :meth:`Head.metrics`."""
        made = {MetricKeys.LOSS_MEAN: keras.metrics.Mean(name=MetricKeys.LOSS_MEAN)}
        if regularization_losses is not None:
            key = MetricKeys.LOSS_REGULARIZATION
            made[key] = keras.metrics.Mean(name=key)
        made.update(self._own_metrics())
        return {self._summary_key(key): metric for key, metric in made.items()}

    def update_metrics(
        self,
        eval_metrics: dict[str, Any],
        features: Tensors,
        logits: Tensors,
        labels: Tensors,
        mode: str | None = None,
        regularization_losses: Sequence[Tensor] | None = None,
    ) -> dict[str, Any]:
        """See :meth:`Head.update_metrics`."""
        logits, labels, losses, weights = self._computed(features, logits, labels)

        def metric(key: str) -> Any:
            return eval_metrics[self._summary_key(key)]

        update_mean(metric(MetricKeys.LOSS_MEAN), losses, weights)
        if regularization_losses is not None:
            update_mean(metric(MetricKeys.LOSS_REGULARIZATION), tf.add_n(regularization_losses))
        self._update(metric, logits, labels, weights)
        return eval_metrics

    def _computed(self, features: Tensors, logits: Tensors, labels: Tensors) -> tuple[Any, Any, Any, Any]:
        """Logits and labels as they are computed with, the loss of each example, and the weights or None."""
        logits = as_logits(logits, self._logits_dimension)
        labels = self._processed(labels, logits)
        losses = self._losses(labels, logits, features)
        return logits, labels, losses, as_weights(features, self._weight_column, logits, self._weighs_logits)

    def _losses(self, labels: Tensors, logits: Tensors, features: Tensors) -> Tensor:
        if self._loss_fn is None:
            return self._own_losses(labels, logits)
        dimension = self._logits_dimension if self._weighs_logits else 1
        return call_loss_fn(self._loss_fn, labels, logits, features, dimension)

    def _chosen(self, keys: Sequence[str] | None, valid: Sequence[str]) -> Sequence[str]:
        """The keys of predictions that are asked for."""
        check_prediction_keys(keys or (), valid)
        return keys or valid

    @abc.abstractmethod
    def _processed(self, labels: Tensors, logits: Tensors) -> Tensor:
        """Labels as the loss takes them."""

    @abc.abstractmethod
    def _own_losses(self, labels: Tensors, logits: Tensors) -> Tensor:
        """The loss of each example, ``[D0, …, DN, 1]`` (or one for each logit)."""

    @abc.abstractmethod
    def _own_metrics(self) -> dict[str, Any]:
        """Key -> metric, beside the mean loss."""

    @abc.abstractmethod
    def _update(
        self, metric: Callable[[str], Metric], logits: Tensors, labels: Tensors, weights: Tensor
    ) -> None:
        """Adds a batch to those metrics; ``metric`` finds one by its key."""
