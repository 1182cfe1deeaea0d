"""An Estimator of a Keras model: trained, evaluated and exported by the loops of this package."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from transferkit.errors import fault
from transferkit.estimator.estimator import Estimator
from transferkit.estimator.graph.keras_bridge import tracing_keras
from transferkit.estimator.ready_models.older_keras import is_older_model, older_keras
from transferkit.estimator.ready_models.older_keras_models import OlderServedModel
from transferkit.estimator.ready_models.served_models import ServedModel, covers, replicas
from transferkit.estimator.run_config import RunConfig
from transferkit.estimator.spec import ModeKeys
from transferkit.keras_import import keras
from transferkit.private.keras_names import compiled_metrics, inputs_structure
from transferkit.type_names import Tensors, Variable

__all__ = ["model_to_estimator"]

_FORMATS = (None, "checkpoint", "saver")


def model_to_estimator(
    keras_model: Any = None,
    keras_model_path: str | os.PathLike[str] | None = None,
    custom_objects: Mapping[str, Any] | None = None,
    model_dir: str | os.PathLike[str] | None = None,
    config: Any = None,
    checkpoint_format: str | None = None,
    metric_names_map: Mapping[str, str] | None = None,
    export_outputs: Mapping[str, Any] | None = None,
) -> Estimator:
    """An Estimator that begins with a copy of a Keras model's weights; the model itself is not changed.

    The model is of Keras 3, or of ``tf_keras`` where the program uses that.

    Its input_fn gives features as the model takes them: a tensor, a list, or a dictionary by the names of the
    inputs; labels likewise, by the names of the outputs. Features ``{"features": …, "sample_weights": …}``
    weigh the examples. Predictions are a dictionary by the names of the outputs. A model that is not compiled
    can predict and be exported; training and evaluation need loss and optimizer.

    Args:
        keras_model: the model, built; a subclassed model needs ``get_config`` and ``from_config``, or it is
            used itself in place of a copy.
        keras_model_path: a file or folder that Keras loads, instead of ``keras_model``.
        custom_objects: name -> class or function, for what Keras does not know by itself.
        model_dir: where checkpoints and event files go.
        config: a RunConfig, or a dictionary of its arguments.
        checkpoint_format: ``"checkpoint"`` or ``"saver"``; both give checkpoints by variable names, which
            ``tf.train.load_variable`` reads.
        metric_names_map: the model's metric name -> the name in evaluations, for all of its metrics.
        export_outputs: output name -> class of export output, such as ``ClassificationOutput``, for a
            signature of that name beside the default one.

    Raises:
        ValueError: where not exactly one of model and path is given, the model has no weights yet, or a
            format or metric name is unknown.
    """
    if checkpoint_format not in _FORMATS:
        place = "model_to_estimator.checkpoint_format"
        raise ValueError(fault(place, checkpoint_format, '"checkpoint" or "saver"'))
    if isinstance(config, Mapping):
        config = RunConfig(**config)
    objects = dict(custom_objects or {})
    older = older_keras()
    older_scope = older.utils.custom_object_scope(objects) if older is not None else contextlib.nullcontext()
    with keras.saving.custom_object_scope(objects), older_scope:
        model = _given_model(keras_model, keras_model_path)
        kind = OlderServedModel if is_older_model(model) else _Served
        served: ServedModel = kind(metric_names_map, export_outputs)
        estimator = Estimator(served.model_fn, model_dir, config)
        # Weights live in the strategy that trains them.
        strategy = estimator._engine.strategy(ModeKeys.TRAIN)
        scope = strategy.scope() if strategy is not None else contextlib.nullcontext()
        # Names that Keras numbers over the whole process begin anew: checkpoints are found by them.
        with scope, tracing_keras(None):
            served.take(model)
    estimator._engine.ready = True
    return estimator


def _given_model(model: Any, path: str | os.PathLike[str] | None) -> Any:
    """The model, or that of a file, if it can be trained or used.

    Raises:
        ValueError: not exactly one of the two is given, it is no model of Keras, or has no weights yet.
    """
    if (model is None) == (path is None):
        hint = "give one of `keras_model` and `keras_model_path`"
        raise ValueError(fault("model_to_estimator", None, None, hint))
    if path is not None:
        model = _loaded(os.fspath(path))
    if not isinstance(model, keras.Model) and not is_older_model(model):
        expected = "a Keras 3 model, or one of tf_keras"
        raise ValueError(fault("model_to_estimator.keras_model", model, expected))
    if isinstance(model, keras.Model) and not model.built:
        hint = "build it, or call it once, so that it has weights"
        raise ValueError(fault("model_to_estimator.keras_model", model.name, None, hint))
    return model


def _loaded(path: str) -> Any:
    """The model of a file, by the Keras that ``tf.keras`` is in this program."""
    return (keras if tf.keras.Model is keras.Model else tf.keras).models.load_model(path)


class _Served(ServedModel):
    """The model_fn of a Keras 3 model."""

    def take(self, model: Any) -> None:
        copy = _copied(model)
        if copy is not model and model.compiled:
            optimizer = model.optimizer
            copy.compile_from_config({**model.get_compile_config(), "jit_compile": False})
            copy.optimizer.build(copy.trainable_variables)
            if optimizer.built and optimizer.variables:
                for new, old in zip(copy.optimizer.variables, optimizer.variables, strict=True):
                    new.assign(old)
        self._model = copy
        self._outputs = _output_names(model)

    def compiled(self, model: Any) -> bool:
        return bool(model.compiled)

    def structured(self, features: Tensors) -> Any:
        return _inputs(self._model, features)

    def loss(self, inputs: Any, labels: Tensors, predicted: Any, weights: Any, training: bool) -> Any:
        return self._model.compute_loss(inputs, labels, predicted, weights, training=training) * replicas()

    def metrics(self, labels: Tensors, predicted: Any, weights: Any) -> dict[str, Any]:
        compiled = compiled_metrics(self._model)
        if compiled is None:
            return {}
        compiled.update_state(labels, predicted, weights)
        return {name: _OneOf(compiled, name) for name in compiled.result()}

    def train(self, inputs: Any, labels: Tensors, weights: Any) -> tuple[Any, Any, Any]:
        model = self._model
        variables = model.trainable_variables
        with tf.GradientTape() as tape:
            predicted = model(inputs, training=True)
            loss = self.loss(inputs, self.labelled(labels, predicted), predicted, weights, True)
            # Under a strategy Keras divides the loss by the replicas, as optimizers add their gradients.
            scaled = model.optimizer.scale_loss(loss / replicas())
        gradients = tape.gradient(scaled, [v.value for v in variables])
        model.optimizer.apply_gradients(zip(gradients, variables, strict=True))
        return predicted, loss, tf.no_op()


class _OneOf:
    """One of the metrics that a model was compiled with, which update and count together."""

    def __init__(self, compiled: Any, name: str) -> None:
        self._compiled, self.name = compiled, name
        self.update_state, self.reset_state = compiled.update_state, compiled.reset_state

    @property
    def variables(self) -> list[Variable]:
        return list(self._compiled.variables)

    def result(self) -> Any:
        return self._compiled.result()[self.name]


def _copied(model: Any) -> Any:
    """A model of its own weights like ``model``; the model itself where it cannot be made anew."""
    try:
        copy = keras.models.clone_model(model)
        if not copy.built:
            copy.build(model.input_shape)
        copy.set_weights(model.get_weights())
    except (NotImplementedError, TypeError, AttributeError):
        return model
    return copy


def _output_names(model: Any) -> list[str]:
    names = getattr(model, "output_names", None)
    if names:
        return list(names)
    if isinstance(model, keras.Sequential):
        return [model.layers[-1].name]
    return ["output"]


def _inputs(model: Any, features: Tensors) -> Any:
    """Features in the structure that the model takes."""
    if not isinstance(features, dict) or not getattr(model, "inputs", None):
        return features
    structure = inputs_structure(model)
    names = list(getattr(model, "input_names", None) or [tensor.name for tensor in model.inputs])
    if isinstance(structure, dict):
        names = list(structure)
    if len(names) == 1 == len(features):
        # Keras numbers the inputs that nobody named.
        return next(iter(features.values())) if not isinstance(structure, dict) else features
    covers("features", features, names)
    chosen = {name: features[name] for name in names}
    return chosen if isinstance(structure, dict) else list(chosen.values())
