"""What every head does, and the part that heads share."""

from __future__ import annotations

import abc
from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from transferkit.estimator.export_output import ExportOutput, PredictOutput
from transferkit.estimator.heads.train_op import loss_summaries, train_op
from transferkit.estimator.spec import DEFAULT_SIGNATURE, EstimatorSpec, ModeKeys
from transferkit.type_names import Optimizer, Tensor, Tensors, Variable

__all__ = ["CLASSIFY_SIGNATURE", "PREDICT_SIGNATURE", "REGRESS_SIGNATURE", "Head"]

# Signatures by which an export is asked for a classification, a regression, or all predictions.
CLASSIFY_SIGNATURE = "classification"
REGRESS_SIGNATURE = "regression"
PREDICT_SIGNATURE = "predict"


class Head(abc.ABC):
    """From logits and labels to loss, metrics, predictions, export outputs and an EstimatorSpec.

    A head of your own defines the abstract members; :meth:`create_estimator_spec` follows from them.
    """

    @property
    @abc.abstractmethod
    def name(self) -> str | None:
        """The suffix of its metrics' and summaries' names."""

    @property
    @abc.abstractmethod
    def logits_dimension(self) -> int:
        """The last dimension of the logits: of classes, labels or values."""

    @property
    @abc.abstractmethod
    def loss_reduction(self) -> str:
        """How examples' losses become one: ``sum_over_batch_size`` or ``sum``."""

    @abc.abstractmethod
    def loss(
        self,
        labels: Tensors,
        logits: Tensors,
        features: Tensors = None,
        mode: str | None = None,
        regularization_losses: Sequence[Tensor] | None = None,
    ) -> Any:
        """The scalar loss that is trained and evaluated, with the ``regularization_losses`` added."""

    @abc.abstractmethod
    def predictions(self, logits: Tensors, keys: Sequence[str] | None = None) -> dict[Any, Any]:
        """Name -> tensor; those of ``keys``, or all."""

    @abc.abstractmethod
    def metrics(self, regularization_losses: Sequence[Tensor] | None = None) -> dict[str, Any]:
        """Name -> a fresh Keras metric."""

    @abc.abstractmethod
    def update_metrics(
        self,
        eval_metrics: dict[str, Any],
        features: Tensors,
        logits: Tensors,
        labels: Tensors,
        mode: str | None = None,
        regularization_losses: Sequence[Tensor] | None = None,
    ) -> dict[str, Any]:
        """Adds a batch to what :meth:`metrics` gave, and returns it."""

    def create_estimator_spec(
        self,
        features: Tensors,
        mode: str,
        logits: Tensors,
        labels: Tensors = None,
        optimizer: Optimizer = None,
        trainable_variables: Sequence[Variable] | None = None,
        train_op_fn: Callable[[Any], Any] | None = None,
        update_ops: Sequence[Any] | None = None,
        regularization_losses: Sequence[Tensor] | None = None,
    ) -> EstimatorSpec:
        """What a model_fn returns.

        Args:
            features: the batch's features by name; weights are looked up in them.
            mode: one of ModeKeys.
            logits: float32 of shape ``[D0, …, DN, logits_dimension]``.
            labels: needed in TRAIN and EVAL.
            optimizer: a Keras optimizer of ``trainable_variables``; or
            train_op_fn: a function from the loss to the operation that a step runs.
            update_ops: operations that a step runs besides.
            regularization_losses: scalars to add to the loss.

        Raises:
            ValueError: in TRAIN, where not just one of ``optimizer`` and ``train_op_fn`` is given; and for
                labels, logits and weights of the wrong shape or type.
        """
        with tf.name_scope(self.name or "head"):
            predictions = self.predictions(logits)
            if mode == ModeKeys.PREDICT:
                outputs = self._export_outputs(features, logits, predictions)
                return EstimatorSpec(mode, predictions=predictions, export_outputs=outputs)
            loss = self.loss(
                labels=labels,
                logits=logits,
                features=features,
                mode=mode,
                regularization_losses=regularization_losses,
            )
            if mode == ModeKeys.EVAL:
                metrics = self.update_metrics(
                    eval_metrics=self.metrics(regularization_losses=regularization_losses),
                    features=features,
                    logits=logits,
                    labels=labels,
                    regularization_losses=regularization_losses,
                )
                return EstimatorSpec(mode, predictions=predictions, loss=loss, eval_metric_ops=metrics)
            self._before_training(features, logits, labels)
            operation = train_op(
                loss, self.loss_reduction, optimizer, trainable_variables, train_op_fn, update_ops
            )
        loss_summaries(loss, regularization_losses, self._scalar_name)
        return EstimatorSpec(mode, predictions=predictions, loss=loss, train_op=operation)

    def _export_outputs(
        self, features: Tensors, logits: Tensors, predictions: Tensors
    ) -> dict[str, ExportOutput]:
        """Signature -> what an export answers with."""
        output = PredictOutput(predictions)
        return {DEFAULT_SIGNATURE: output, PREDICT_SIGNATURE: output}

    def _before_training(self, features: Tensors, logits: Tensors, labels: Tensors) -> None:
        """What a graph for training holds besides: nothing, for one objective."""
        return

    def _summary_key(self, key: str) -> str:
        """The name of a metric."""
        return f"{key}/{self.name}" if self.name else key

    def _scalar_name(self, key: str) -> str:
        """The name of a summary of training."""
        return self._summary_key(key)
