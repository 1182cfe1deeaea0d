"""A model of the older Keras (``tf_keras``) behind ``model_to_estimator``."""

from __future__ import annotations

import re
from typing import Any

import tensorflow as tf

from transferkit.estimator.ready_models.older_keras import older_keras, older_train_op
from transferkit.estimator.ready_models.served_models import ServedModel, covers, replicas
from transferkit.private.keras_names import older_compile_arguments
from transferkit.type_names import Metric, Tensors

__all__ = ["OlderServedModel"]


class OlderServedModel(ServedModel):
    """The model_fn of a model of the older Keras, and the copy that it trains."""

    def take(self, model: Any) -> None:
        weights = model.get_weights()
        try:
            copy = older_keras().models.clone_model(model)
            if not copy.built:
                copy.build(model.input_shape)
            copy.set_weights(weights)
        except (NotImplementedError, TypeError, ValueError, AttributeError):
            # A model of code alone cannot be made anew: it is trained itself.
            copy = model
        if copy is not model and self.compiled(model):
            optimizer = model.optimizer
            arguments = older_compile_arguments(model)
            for name in ("metrics", "weighted_metrics"):
                arguments[name] = tf.nest.map_structure(_anew, arguments[name])
            own = getattr(optimizer, "optimizer", None) or type(optimizer).from_config(optimizer.get_config())
            copy.compile(optimizer=own, **arguments)
        self._model = copy
        self._outputs = list(getattr(model, "output_names", None) or ())

    def compiled(self, model: Any) -> bool:
        return bool(getattr(model, "optimizer", None)) and bool(getattr(model, "compiled_loss", None))

    def structured(self, features: Tensors) -> Any:
        model = self._model
        if not isinstance(features, dict):
            return features
        if not getattr(model, "inputs", None):
            # A model of code alone calls its inputs by number.
            several = [features[name] for name in sorted(features) if re.fullmatch(r"input_\d+", name)]
            if len(several) != len(features):
                return features
            return several if len(several) > 1 else several[0]
        names = list(model.input_names)
        if len(names) == 1 == len(features):
            return next(iter(features.values()))
        covers("features", features, names)
        return {name: features[name] for name in names}

    def loss(self, inputs: Any, labels: Tensors, predicted: Any, weights: Any, training: bool) -> Any:
        del inputs, training
        # It divides by the replicas itself.
        model = self._model
        return (
            model.compiled_loss(labels, predicted, weights, regularization_losses=model.losses) * replicas()
        )

    def metrics(self, labels: Tensors, predicted: Any, weights: Any) -> dict[str, Any]:
        compiled = self._model.compiled_metrics
        compiled.update_state(labels, predicted, weights)
        return {metric.name: metric for metric in compiled.metrics}

    def train(self, inputs: Any, labels: Tensors, weights: Any) -> tuple[Any, Any, Any]:
        model = self._model
        predicted = model(inputs, training=True)
        labels = self.labelled(labels, predicted)
        loss = self.loss(inputs, labels, predicted, weights, True)
        if not model.compiled_metrics.built:
            # With those of the loss: made in another mode, theirs would be taken for these by their names.
            model.compiled_metrics.build(predicted, labels)
        operation = older_train_op(model.optimizer, loss / replicas(), model.trainable_variables)
        return predicted, loss, operation


def _anew(metric: Metric) -> Any:
    """A metric object with a state of its own; a name or a function as it is."""
    if not isinstance(metric, older_keras().metrics.Metric):
        return metric
    return type(metric).from_config(metric.get_config())
