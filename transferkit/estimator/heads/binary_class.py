"""One of two classes for each example."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import tensorflow as tf

from transferkit.estimator.export_output import ExportOutput, PredictOutput, RegressionOutput
from transferkit.estimator.heads.arguments import check_thresholds, check_vocabulary
from transferkit.estimator.heads.base import CLASSIFY_SIGNATURE, PREDICT_SIGNATURE, REGRESS_SIGNATURE
from transferkit.estimator.heads.keys import MetricKeys, PredictionKeys
from transferkit.estimator.heads.labels import (
    all_class_ids,
    all_classes,
    class_ids_of,
    class_names,
    classification_output,
)
from transferkit.estimator.heads.shapes import as_logits, dense_labels, in_range
from transferkit.estimator.heads.single import SingleHead
from transferkit.estimator.heads.threshold_metrics import threshold_metrics, update_threshold_metrics
from transferkit.estimator.heads.updating import MajorityShare, update_mean, update_pair
from transferkit.estimator.spec import DEFAULT_SIGNATURE
from transferkit.keras_import import keras
from transferkit.type_names import Metric, Tensor, Tensors

__all__ = ["BinaryClassHead"]

_KEYS = (
    PredictionKeys.LOGITS,
    PredictionKeys.LOGISTIC,
    PredictionKeys.PROBABILITIES,
    PredictionKeys.CLASS_IDS,
    PredictionKeys.CLASSES,
    PredictionKeys.ALL_CLASS_IDS,
    PredictionKeys.ALL_CLASSES,
)


class BinaryClassHead(SingleHead):
    """One of two classes: sigmoid cross-entropy over logits ``[D0, …, DN, 1]``.

    Labels are 0 and 1 (or floats between), ``[D0, …, DN]`` or ``[D0, …, DN, 1]``, or strings where there
    is a vocabulary.

    Args:
        weight_column: the feature (by name or as a numeric_column) that weighs examples, or None.
        thresholds: probabilities, each in (0, 1), at which accuracy, precision and recall are reported too.
        label_vocabulary: the names of class 0 and class 1, where labels are strings.
        loss_reduction: ``sum_over_batch_size`` or ``sum``.
        loss_fn: a function ``(labels, logits[, features])`` that gives ``[D0, …, DN, 1]``.
        name: the suffix of metrics' and summaries' names.

    Raises:
        ValueError: where one of them is not as said.
    """

    def __init__(
        self,
        weight_column: Any = None,
        thresholds: Iterable[float] | None = None,
        label_vocabulary: Sequence[str] | None = None,
        loss_reduction: Any = "sum_over_batch_size",
        loss_fn: Callable[..., Any] | None = None,
        name: str | None = None,
    ) -> None:
        check_vocabulary("BinaryClassHead", label_vocabulary)
        self._thresholds = check_thresholds("BinaryClassHead", thresholds)
        super().__init__(1, weight_column, loss_reduction, loss_fn, name)
        self._label_vocabulary = label_vocabulary

    def _processed(self, labels: Tensors, logits: Tensors) -> Tensor:
        labels = dense_labels(labels, logits, 1)
        if self._label_vocabulary is not None:
            labels = class_ids_of(labels, self._label_vocabulary)
        return in_range(tf.cast(labels, tf.float32), 2)

    def _own_losses(self, labels: Tensors, logits: Tensors) -> Tensor:
        return tf.nn.sigmoid_cross_entropy_with_logits(labels=labels, logits=logits)

    def predictions(self, logits: Tensors, keys: Sequence[str] | None = None) -> dict[Any, Any]:
        """See :meth:`Head.predictions`.

        Keys: ``logits``, ``logistic`` (the probability of class 1), ``probabilities`` (``[…, 2]``),
        ``class_ids`` (int64, ``[…, 1]``), ``classes`` (strings), ``all_class_ids`` and ``all_classes``
        (``[batch, 2]``).
        """
        keys = self._chosen(keys, _KEYS)
        logits = as_logits(logits, 1)
        with tf.name_scope("predictions"):
            both = tf.concat([tf.zeros_like(logits), logits], axis=-1)
            ids = tf.expand_dims(tf.argmax(both, axis=-1), -1)
            made = {
                PredictionKeys.LOGITS: lambda: logits,
                PredictionKeys.LOGISTIC: lambda: tf.sigmoid(logits, name="logistic"),
                PredictionKeys.PROBABILITIES: lambda: tf.nn.softmax(both, name="probabilities"),
                PredictionKeys.CLASS_IDS: lambda: ids,
                PredictionKeys.CLASSES: lambda: class_names(ids, self._label_vocabulary),
                PredictionKeys.ALL_CLASS_IDS: lambda: all_class_ids(logits, 2),
                PredictionKeys.ALL_CLASSES: lambda: all_classes(logits, 2, self._label_vocabulary),
            }
            return {key: make() for key, make in made.items() if key in keys}  # type: ignore[no-untyped-call]

    def _export_outputs(
        self, features: Tensors, logits: Tensors, predictions: Tensors
    ) -> dict[str, ExportOutput]:
        scores = predictions[PredictionKeys.PROBABILITIES]
        output = classification_output(scores, 2, self._label_vocabulary)
        return {
            DEFAULT_SIGNATURE: output,
            CLASSIFY_SIGNATURE: output,
            REGRESS_SIGNATURE: RegressionOutput(predictions[PredictionKeys.LOGISTIC]),
            PREDICT_SIGNATURE: PredictOutput(predictions),
        }

    def _own_metrics(self) -> dict[str, Any]:
        metrics = keras.metrics
        made = {
            MetricKeys.ACCURACY: metrics.Accuracy(name=MetricKeys.ACCURACY),
            MetricKeys.PRECISION: metrics.Precision(name=MetricKeys.PRECISION),
            MetricKeys.RECALL: metrics.Recall(name=MetricKeys.RECALL),
            MetricKeys.PREDICTION_MEAN: metrics.Mean(name=MetricKeys.PREDICTION_MEAN),
            MetricKeys.LABEL_MEAN: metrics.Mean(name=MetricKeys.LABEL_MEAN),
            MetricKeys.ACCURACY_BASELINE: MajorityShare(name=MetricKeys.ACCURACY_BASELINE),
            MetricKeys.AUC: metrics.AUC(name=MetricKeys.AUC),
            MetricKeys.AUC_PR: metrics.AUC(curve="PR", name=MetricKeys.AUC_PR),
        }
        return made | threshold_metrics(self._thresholds)

    def _update(
        self, metric: Callable[[str], Metric], logits: Tensors, labels: Tensors, weights: Tensor
    ) -> None:
        asked = [PredictionKeys.CLASS_IDS, PredictionKeys.LOGISTIC]
        predictions = self.predictions(logits, asked)
        logistic = predictions[PredictionKeys.LOGISTIC]
        for key in (MetricKeys.ACCURACY, MetricKeys.PRECISION, MetricKeys.RECALL):
            update_pair(metric(key), labels, predictions[PredictionKeys.CLASS_IDS], weights)
        update_mean(metric(MetricKeys.PREDICTION_MEAN), logistic, weights)
        for key in (MetricKeys.LABEL_MEAN, MetricKeys.ACCURACY_BASELINE):
            update_mean(metric(key), labels, weights)
        for key in (MetricKeys.AUC, MetricKeys.AUC_PR):
            update_pair(metric(key), labels, logistic, weights)
        update_threshold_metrics(self._thresholds, metric, labels, logistic, weights)
