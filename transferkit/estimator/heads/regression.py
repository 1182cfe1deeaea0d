"""Numbers for each example: by squared error, as counts, or as probabilities."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from transferkit.errors import fault
from transferkit.estimator.export_output import ExportOutput, PredictOutput, RegressionOutput
from transferkit.estimator.heads.base import PREDICT_SIGNATURE, REGRESS_SIGNATURE
from transferkit.estimator.heads.keys import MetricKeys, PredictionKeys
from transferkit.estimator.heads.shapes import as_logits, dense_labels, in_range
from transferkit.estimator.heads.single import SingleHead
from transferkit.estimator.heads.updating import update_mean
from transferkit.estimator.spec import DEFAULT_SIGNATURE
from transferkit.keras_import import keras
from transferkit.type_names import Metric, Tensor, Tensors

__all__ = ["LogisticRegressionHead", "PoissonRegressionHead", "RegressionHead"]


class RegressionHead(SingleHead):
    """Numbers, by squared error over logits ``[D0, …, DN, label_dimension]``.

    Labels have the logits' shape; the last axis may be missing where it is 1. Weights may be one for an
    example, or one for each of its labels.

    Args:
        label_dimension: how many numbers an example has.
        weight_column: the feature (by name or as a numeric_column) that weighs examples, or None.
        loss_reduction: ``sum_over_batch_size`` or ``sum``, over examples and their numbers.
        loss_fn: a function ``(labels, logits[, features])`` that gives ``[D0, …, DN, label_dimension]``.
        inverse_link_fn: from logits to predictions; the same where it is None.
        name: the suffix of metrics' and summaries' names.

    Raises:
        ValueError: where one of them is not as said.
    """

    _weighs_logits = True

    def __init__(
        self,
        label_dimension: int = 1,
        weight_column: Any = None,
        loss_reduction: Any = "sum_over_batch_size",
        loss_fn: Callable[..., Any] | None = None,
        inverse_link_fn: Callable[[Any], Any] | None = None,
        name: str | None = None,
    ) -> None:
        if label_dimension < 1:
            raise ValueError(fault("RegressionHead.label_dimension", label_dimension, "1 or more"))
        super().__init__(label_dimension, weight_column, loss_reduction, loss_fn, name)
        self._inverse_link_fn = inverse_link_fn

    def _processed(self, labels: Tensors, logits: Tensors) -> Tensor:
        return tf.cast(dense_labels(labels, logits, self._logits_dimension), tf.float32)

    def _own_losses(self, labels: Tensors, logits: Tensors) -> Tensor:
        return tf.math.squared_difference(logits, labels)

    def predictions(self, logits: Tensors, keys: Sequence[str] | None = None) -> dict[Any, Any]:
        """See :meth:`Head.predictions`; keys: ``predictions``, and ``logits`` where these are others."""
        logits = as_logits(logits, self._logits_dimension)
        if not self._inverse_link_fn:
            made = {PredictionKeys.PREDICTIONS: logits}
        else:
            with tf.name_scope("predictions"):
                value = self._inverse_link_fn(logits)
            made = {PredictionKeys.PREDICTIONS: value, PredictionKeys.LOGITS: logits}
        return {key: made[key] for key in self._chosen(keys, tuple(made))}

    def _export_outputs(
        self, features: Tensors, logits: Tensors, predictions: Tensors
    ) -> dict[str, ExportOutput]:
        output = RegressionOutput(predictions[PredictionKeys.PREDICTIONS])
        return {
            DEFAULT_SIGNATURE: output,
            REGRESS_SIGNATURE: output,
            PREDICT_SIGNATURE: PredictOutput(predictions),
        }

    def _own_metrics(self) -> dict[str, Any]:
        keys = (MetricKeys.PREDICTION_MEAN, MetricKeys.LABEL_MEAN)
        return {key: keras.metrics.Mean(name=key) for key in keys}

    def _update(
        self, metric: Callable[[str], Metric], logits: Tensors, labels: Tensors, weights: Tensor
    ) -> None:
        value = self.predictions(logits)[PredictionKeys.PREDICTIONS]
        update_mean(metric(MetricKeys.PREDICTION_MEAN), value, weights)
        update_mean(metric(MetricKeys.LABEL_MEAN), labels, weights)


class PoissonRegressionHead(RegressionHead):
    """Counts: the loss of a Poisson distribution whose logarithm of the mean is the logits.

    Args:
        label_dimension: how many counts an example has.
        weight_column: the feature (by name or as a numeric_column) that weighs examples, or None.
        loss_reduction: ``sum_over_batch_size`` or ``sum``.
        compute_full_loss: whether the constant term ``log(z!)`` (Stirling's formula) is in the loss.
        name: the suffix of metrics' and summaries' names.
    """

    def __init__(
        self,
        label_dimension: int = 1,
        weight_column: Any = None,
        loss_reduction: Any = "sum_over_batch_size",
        compute_full_loss: bool = True,
        name: str | None = None,
    ) -> None:
        self._compute_full_loss = compute_full_loss
        super().__init__(label_dimension, weight_column, loss_reduction, None, tf.exp, name)

    def _own_losses(self, labels: Tensors, logits: Tensors) -> Tensor:
        return tf.nn.log_poisson_loss(labels, logits, compute_full_loss=self._compute_full_loss)


class LogisticRegressionHead(RegressionHead):
    """Probabilities: sigmoid cross-entropy against float labels in [0, 1].

    Args:
        weight_column: the feature (by name or as a numeric_column) that weighs examples, or None.
        loss_reduction: ``sum_over_batch_size`` or ``sum``.
        name: the suffix of metrics' and summaries' names.
    """

    def __init__(
        self,
        weight_column: Any = None,
        loss_reduction: Any = "sum_over_batch_size",
        name: str | None = None,
    ) -> None:
        super().__init__(1, weight_column, loss_reduction, None, tf.sigmoid, name)

    def _own_losses(self, labels: Tensors, logits: Tensors) -> Tensor:
        labels = in_range(labels, 2, "Labels must be in range [0, 1]")
        return tf.nn.sigmoid_cross_entropy_with_logits(labels=labels, logits=logits)
