"""One of several classes for each example."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from transferkit.errors import fault
from transferkit.estimator.export_output import ExportOutput, PredictOutput
from transferkit.estimator.heads.arguments import check_vocabulary
from transferkit.estimator.heads.base import CLASSIFY_SIGNATURE, PREDICT_SIGNATURE
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
from transferkit.estimator.heads.updating import update_pair
from transferkit.estimator.spec import DEFAULT_SIGNATURE
from transferkit.keras_import import keras
from transferkit.type_names import Metric, Tensor, Tensors

__all__ = ["MultiClassHead"]

_KEYS = (
    PredictionKeys.LOGITS,
    PredictionKeys.PROBABILITIES,
    PredictionKeys.CLASS_IDS,
    PredictionKeys.CLASSES,
    PredictionKeys.ALL_CLASS_IDS,
    PredictionKeys.ALL_CLASSES,
)


class MultiClassHead(SingleHead):
    """One of more than two classes: softmax cross-entropy over logits ``[D0, …, DN, n_classes]``.

    Labels are integers ``[D0, …, DN]`` or ``[D0, …, DN, 1]``, or strings where there is a vocabulary.

    Args:
        n_classes: more than 2.
        weight_column: the feature (by name or as a numeric_column) that weighs examples, or None.
        label_vocabulary: the classes' names, where labels are strings.
        loss_reduction: ``sum_over_batch_size`` or ``sum``.
        loss_fn: a function ``(labels, logits[, features])`` that gives ``[D0, …, DN, 1]``.
        name: the suffix of metrics' and summaries' names.

    Raises:
        ValueError: where one of them is not as said.
    """

    def __init__(
        self,
        n_classes: int,
        weight_column: Any = None,
        label_vocabulary: Sequence[str] | None = None,
        loss_reduction: Any = "sum_over_batch_size",
        loss_fn: Callable[..., Any] | None = None,
        name: str | None = None,
    ) -> None:
        if n_classes is None:
            raise ValueError(fault("MultiClassHead.n_classes", None, "a number above 2"))
        check_vocabulary("MultiClassHead", label_vocabulary, n_classes)
        if not tf.is_tensor(n_classes) and n_classes <= 2:
            hint = "BinaryClassHead is for two classes"
            raise ValueError(fault("MultiClassHead.n_classes", n_classes, "a number above 2", hint))
        super().__init__(n_classes, weight_column, loss_reduction, loss_fn, name)
        self._label_vocabulary = label_vocabulary

    def _processed(self, labels: Tensors, logits: Tensors) -> Tensor:
        labels = dense_labels(labels, logits, 1)
        if self._label_vocabulary is None:
            if not labels.dtype.is_integer:
                raise ValueError(fault("labels", labels.dtype.name, "integers"))
        elif labels.dtype != tf.string:
            raise ValueError(fault("labels", labels.dtype.name, "strings, as there is a label_vocabulary"))
        else:
            labels = class_ids_of(labels, self._label_vocabulary)
        return in_range(labels, self._logits_dimension)

    def _own_losses(self, labels: Tensors, logits: Tensors) -> Tensor:
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(tf.squeeze(labels, -1), logits)
        return tf.expand_dims(losses, -1)

    def predictions(self, logits: Tensors, keys: Sequence[str] | None = None) -> dict[Any, Any]:
        """See :meth:`Head.predictions`.

        Keys: ``logits``, ``probabilities``, ``class_ids`` (int64, ``[…, 1]``), ``classes`` (strings),
        ``all_class_ids`` and ``all_classes`` (``[batch, n_classes]``).
        """
        keys = self._chosen(keys, _KEYS)
        logits = as_logits(logits, self._logits_dimension)
        with tf.name_scope("predictions"):
            ids = tf.expand_dims(tf.argmax(logits, axis=-1), -1)
            made = {
                PredictionKeys.LOGITS: lambda: logits,
                PredictionKeys.PROBABILITIES: lambda: tf.nn.softmax(logits, name="probabilities"),
                PredictionKeys.CLASS_IDS: lambda: ids,
                PredictionKeys.CLASSES: lambda: class_names(ids, self._label_vocabulary),
                PredictionKeys.ALL_CLASS_IDS: lambda: all_class_ids(logits, self._logits_dimension),
                PredictionKeys.ALL_CLASSES: lambda: all_classes(
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

    def _own_metrics(self) -> dict[str, Any]:
        return {MetricKeys.ACCURACY: keras.metrics.Accuracy(name=MetricKeys.ACCURACY)}

    def _update(
        self, metric: Callable[[str], Metric], logits: Tensors, labels: Tensors, weights: Tensor
    ) -> None:
        ids = self.predictions(logits, [PredictionKeys.CLASS_IDS])[PredictionKeys.CLASS_IDS]
        update_pair(metric(MetricKeys.ACCURACY), labels, ids, weights)
