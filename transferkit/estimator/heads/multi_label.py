"""Any number of several classes for each example."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import tensorflow as tf

from transferkit.errors import fault
from transferkit.estimator.export_output import ExportOutput, PredictOutput
from transferkit.estimator.heads.arguments import check_thresholds, check_vocabulary
from transferkit.estimator.heads.base import CLASSIFY_SIGNATURE, PREDICT_SIGNATURE
from transferkit.estimator.heads.keys import MetricKeys, PredictionKeys
from transferkit.estimator.heads.labels import all_classes, class_ids_of, classification_output
from transferkit.estimator.heads.shapes import as_logits, dense_labels, in_range
from transferkit.estimator.heads.single import SingleHead
from transferkit.estimator.heads.threshold_metrics import threshold_metrics, update_threshold_metrics
from transferkit.estimator.heads.updating import update_mean, update_pair
from transferkit.estimator.spec import DEFAULT_SIGNATURE
from transferkit.keras_import import keras
from transferkit.type_names import Metric, Tensor, Tensors

__all__ = ["MultiLabelHead"]

_KEYS = (PredictionKeys.LOGITS, PredictionKeys.PROBABILITIES, PredictionKeys.CLASSES)


class MultiLabelHead(SingleHead):
    """Independent classes: the mean of sigmoid cross-entropies over logits ``[D0, …, DN, n_classes]``.

    Labels are multi-hot integers of the logits' shape, or a SparseTensor of class ids, or of names where
    there is a vocabulary.

    Args:
        n_classes: 2 or more.
        weight_column: the feature (by name or as a numeric_column) that weighs examples, or None.
        thresholds: probabilities, each in (0, 1), at which accuracy, precision and recall are reported.
        label_vocabulary: the classes' names.
        loss_reduction: ``sum_over_batch_size`` or ``sum``.
        loss_fn: a function ``(labels, logits[, features])`` that gives ``[D0, …, DN, 1]``.
        classes_for_class_based_metrics: ids or names of classes with metrics of their own.
        name: the suffix of metrics' and summaries' names.

    Raises:
        ValueError: where one of them is not as said.
    """

    def __init__(
        self,
        n_classes: int,
        weight_column: Any = None,
        thresholds: Iterable[float] | None = None,
        label_vocabulary: Sequence[str] | None = None,
        loss_reduction: Any = "sum_over_batch_size",
        loss_fn: Callable[..., Any] | None = None,
        classes_for_class_based_metrics: Iterable[Any] | None = None,
        name: str | None = None,
    ) -> None:
        if n_classes is None or n_classes < 2:
            raise ValueError(fault("MultiLabelHead.n_classes", n_classes, "2 or more"))
        self._thresholds = check_thresholds("MultiLabelHead", thresholds)
        check_vocabulary("MultiLabelHead", label_vocabulary, n_classes)
        super().__init__(n_classes, weight_column, loss_reduction, loss_fn, name)
        self._label_vocabulary = label_vocabulary
        self._classes = self._class_ids(tuple(classes_for_class_based_metrics or ()))

    def _class_ids(self, classes: tuple[Any, ...]) -> tuple[int, ...]:
        names = self._label_vocabulary
        place, most = "MultiLabelHead.classes_for_class_based_metrics", self._logits_dimension - 1
        if classes and isinstance(classes[0], str):
            if not names or not set(classes) <= set(names):
                raise ValueError(fault(place, list(classes), "names in label_vocabulary"))
            return tuple(names.index(one) for one in classes)
        if not all(0 <= one <= most for one in classes):
            raise ValueError(fault(place, list(classes), f"ids from 0 to {most}"))
        return classes

    def _processed(self, labels: Tensors, logits: Tensors) -> Tensor:
        if isinstance(labels, (tf.SparseTensor, tf.compat.v1.SparseTensorValue)):
            labels = self._multi_hot(tf.compat.v1.convert_to_tensor_or_sparse_tensor(labels))
        elif labels is not None:
            message = "labels must be an integer indicator Tensor with values in [0, 1]"
            labels = in_range(tf.convert_to_tensor(labels), 2, message)
        return dense_labels(labels, logits, self._logits_dimension)

    def _multi_hot(self, labels: Tensors) -> Tensor:
        """int64 ``[D0, …, DN, n_classes]`` of 0 and 1, from ids or names."""
        if labels.dtype == tf.string:
            if not self._label_vocabulary:
                raise ValueError(fault("labels", "strings", "integers, or a label_vocabulary for the head"))
            ids = class_ids_of(labels.values, self._label_vocabulary)
        else:
            if not labels.dtype.is_integer:
                raise ValueError(fault("labels", labels.dtype.name, "integers"))
            n_classes = self._logits_dimension
            message = f"labels must be an integer SparseTensor with values in [0, {n_classes})"
            ids = in_range(labels.values, n_classes, message)
        labels = tf.SparseTensor(labels.indices, ids, labels.dense_shape)
        return tf.cast(tf.sparse.to_indicator(labels, self._logits_dimension), tf.int64)

    def _own_losses(self, labels: Tensors, logits: Tensors) -> Tensor:
        labels = tf.cast(labels, logits.dtype)
        losses = tf.nn.sigmoid_cross_entropy_with_logits(labels=labels, logits=logits)
        return tf.reduce_mean(losses, axis=-1, keepdims=True)

    def predictions(self, logits: Tensors, keys: Sequence[str] | None = None) -> dict[Any, Any]:
        """See :meth:`Head.predictions`; keys: ``logits``, ``probabilities``, ``classes`` (all names)."""
        keys = self._chosen(keys, _KEYS)
        logits = as_logits(logits, self._logits_dimension)
        with tf.name_scope("predictions"):
            made = {
                PredictionKeys.LOGITS: lambda: logits,
                PredictionKeys.PROBABILITIES: lambda: tf.sigmoid(logits, name="probabilities"),
                PredictionKeys.CLASSES: lambda: all_classes(
                    logits, self._logits_dimension, self._label_vocabulary
                ),
            }
            return {key: make() for key, make in made.items() if key in keys}  # type: ignore[no-untyped-call]

    def _export_outputs(
        self, features: Tensors, logits: Tensors, predictions: Tensors
    ) -> dict[str, ExportOutput]:
        scores = predictions[PredictionKeys.PROBABILITIES]
        output = classification_output(scores, self._logits_dimension, self._label_vocabulary)
        return {
            DEFAULT_SIGNATURE: output,
            CLASSIFY_SIGNATURE: output,
            PREDICT_SIGNATURE: PredictOutput(predictions),
        }

    def _class_keys(self, number: int) -> tuple[str, str, str]:
        """The keys of a class's mean probability, AUC, and AUC of precision and recall."""
        keys = MetricKeys
        if self._label_vocabulary is None:
            patterns = (keys.PROBABILITY_MEAN_AT_CLASS, keys.AUC_AT_CLASS, keys.AUC_PR_AT_CLASS)
            return tuple(pattern % number for pattern in patterns)  # type: ignore[return-value]
        patterns = (keys.PROBABILITY_MEAN_AT_NAME, keys.AUC_AT_NAME, keys.AUC_PR_AT_NAME)
        return tuple(pattern % self._label_vocabulary[number] for pattern in patterns)  # type: ignore[return-value]

    def _own_metrics(self) -> dict[str, Any]:
        made = {
            MetricKeys.AUC: keras.metrics.AUC(name=MetricKeys.AUC),
            MetricKeys.AUC_PR: keras.metrics.AUC(curve="PR", name=MetricKeys.AUC_PR),
            **threshold_metrics(self._thresholds),
        }
        for number in self._classes:
            mean, auc, auc_pr = self._class_keys(number)
            made[mean] = keras.metrics.Mean(name=mean)
            made[auc] = keras.metrics.AUC(name=auc)
            made[auc_pr] = keras.metrics.AUC(curve="PR", name=auc_pr)
        return made

    def _update(
        self, metric: Callable[[str], Metric], logits: Tensors, labels: Tensors, weights: Tensor
    ) -> None:
        scores = self.predictions(logits, [PredictionKeys.PROBABILITIES])[PredictionKeys.PROBABILITIES]
        for key in (MetricKeys.AUC, MetricKeys.AUC_PR):
            update_pair(metric(key), labels, scores, weights)
        update_threshold_metrics(self._thresholds, metric, labels, scores, weights)
        for number in self._classes:
            mean, auc, auc_pr = self._class_keys(number)
            one, truth = scores[..., number : number + 1], labels[..., number : number + 1]
            update_mean(metric(mean), one, weights)
            for key in (auc, auc_pr):
                update_pair(metric(key), truth, one, weights)
