"""What a model_fn of a ready Keras model does, whichever Keras it is of."""

from __future__ import annotations

import abc
from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from transferkit.errors import did_you_mean, fault
from transferkit.estimator.export_output import ExportOutput, PredictOutput
from transferkit.estimator.spec import DEFAULT_SIGNATURE, EstimatorSpec, ModeKeys
from transferkit.type_names import Tensors

__all__ = ["ServedModel", "covers", "replicas"]


class ServedModel(abc.ABC):
    """The model_fn of a Keras model, and the copy that it trains.

    Args:
        metric_names: the model's metric name -> the name in evaluations, for all of its metrics; or None.
        export_outputs: output name -> class of export output, or None.
    """

    def __init__(
        self, metric_names: Mapping[str, str] | None, export_outputs: Mapping[str, Any] | None
    ) -> None:
        self._metric_names, self._export_outputs = metric_names, export_outputs
        self._model: Any = None
        self._outputs: list[str] = []

    @abc.abstractmethod
    def take(self, model: Any) -> None:
        """Copies ``model`` with its weights, and how it is compiled."""

    @abc.abstractmethod
    def compiled(self, model: Any) -> bool:
        """Whether ``model`` has a loss and an optimizer."""

    @abc.abstractmethod
    def structured(self, features: Tensors) -> Any:
        """Features in the structure that the model takes."""

    @abc.abstractmethod
    def loss(self, inputs: Any, labels: Tensors, predicted: Any, weights: Any, training: bool) -> Any:
        """The scalar loss of a replica's batch."""

    @abc.abstractmethod
    def metrics(self, labels: Tensors, predicted: Any, weights: Any) -> dict[str, Any]:
        """The metrics that the model was compiled with, by its own names, this batch added."""

    @abc.abstractmethod
    def train(self, inputs: Any, labels: Tensors, weights: Any) -> tuple[Any, Any, Any]:
        """What the model predicts, the loss, and the operation of one training step."""

    def model_fn(self, features: Tensors, labels: Tensors, mode: str) -> EstimatorSpec:
        """The spec of one mode."""
        weights = None
        if isinstance(features, dict) and set(features) == {"features", "sample_weights"}:
            features, weights = features["features"], features["sample_weights"]
        inputs = self.structured(features)
        if mode != ModeKeys.PREDICT and not self.compiled(self._model):
            hint = "the model is not compiled: call compile(optimizer=…, loss=…) before model_to_estimator"
            raise ValueError(fault("model_to_estimator", None, None, hint))
        if mode == ModeKeys.TRAIN:
            predicted, loss, operation = self.train(inputs, labels, weights)
            return EstimatorSpec(mode, self._predictions(predicted), loss, train_op=operation)
        predicted = self._model(inputs, training=False)
        predictions = self._predictions(predicted)
        if mode == ModeKeys.PREDICT:
            return EstimatorSpec(mode, predictions, export_outputs=self._exports(predictions))
        labels = self.labelled(labels, predicted)
        loss = self.loss(inputs, labels, predicted, weights, False)
        metrics = self._renamed(self.metrics(labels, predicted, weights))
        return EstimatorSpec(mode, predictions, loss, eval_metric_ops=metrics)

    def labelled(self, labels: Tensors, predicted: Any) -> Any:
        """Labels in the structure of the outputs."""
        if not isinstance(labels, dict) or isinstance(predicted, dict):
            return labels
        self._predictions(predicted)
        covers("labels", labels, self._outputs)
        several = [labels[name] for name in self._outputs]
        return several if isinstance(predicted, (list, tuple)) else several[0]

    def _predictions(self, predicted: Any) -> dict[str, Any]:
        flat = tf.nest.flatten(predicted)
        if not self._outputs:
            # A model of code alone says how many it has when it is called.
            self._outputs = [f"output_{number}" for number, _ in enumerate(flat, 1)]
        return dict(zip(self._outputs, flat, strict=True))

    def _renamed(self, metrics: dict[str, Any]) -> dict[str, Any]:
        if self._metric_names is None:
            return metrics
        unknown = sorted(set(metrics) ^ set(self._metric_names))
        if unknown:
            place = "model_to_estimator.metric_names_map"
            raise ValueError(fault(place, unknown, "the metrics " + ", ".join(metrics)))
        return {self._metric_names[name]: metric for name, metric in metrics.items()}

    def _exports(self, predictions: dict[str, Any]) -> dict[str, ExportOutput]:
        outputs: dict[str, ExportOutput] = {DEFAULT_SIGNATURE: PredictOutput(predictions)}
        given = self._export_outputs or {}
        unknown = sorted(set(given) - set(predictions))
        if unknown:
            place, known = "model_to_estimator.export_outputs", "some of " + ", ".join(predictions)
            raise KeyError(fault(place, unknown, known))
        outputs.update({name: kind(predictions[name]) for name, kind in given.items()})
        return outputs


def replicas() -> int:
    """How many replicas train together."""
    return int(tf.distribute.get_strategy().num_replicas_in_sync)


def covers(what: str, given: Mapping[str, Any], names: list[str]) -> None:
    """Raises KeyError where ``given`` lacks one of ``names``.

    Args:
        what: they are of, for messages.
        given: what an input_fn gave, by name.
        names: that have to be there.
    """
    missing = [name for name in names if name not in given]
    if missing:
        hint = did_you_mean(missing[0], list(given))
        raise KeyError(fault(f"input_fn: {what}", sorted(given), "the keys " + ", ".join(names), hint))
