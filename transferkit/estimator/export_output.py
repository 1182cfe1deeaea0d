"""What an exported model answers with: the outputs of one serving signature."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from transferkit.errors import fault
from transferkit.type_names import Tensor, Tensors

__all__ = [
    "ClassificationOutput",
    "EvalOutput",
    "ExportOutput",
    "PredictOutput",
    "RegressionOutput",
    "TrainOutput",
    "of_tensorflow",
]

_signatures = tf.compat.v1.saved_model


class ExportOutput:
    """The outputs of one signature.

    Attributes:
        outputs: name -> tensor, as the signature lists them.
        method: the serving method, one of ``predict``, ``classify``, ``regress``.
    """

    method = "predict"
    outputs: dict[str, Any]

    def as_signature_def(self, receiver_tensors: Mapping[str, Any]) -> Any:
        """The ``SignatureDef`` of an export whose requests give ``receiver_tensors`` (name -> tensor)."""
        return _signatures.predict_signature_def(dict(receiver_tensors), self.outputs)


class PredictOutput(ExportOutput):
    """Any tensors: a tensor (named ``output``) or a dictionary of them.

    Raises:
        ValueError: where something is neither.
    """

    def __init__(self, outputs: Any) -> None:
        if not isinstance(outputs, Mapping):
            outputs = {"output": outputs}
        self.outputs = {}
        for name, value in outputs.items():
            self.outputs[_checked("PredictOutput", name, value)] = value


class ClassificationOutput(ExportOutput):
    """Scores (float, ``[N, classes]``), classes (string), or both.

    Raises:
        ValueError: where both are missing or of another dtype.
    """

    method = "classify"

    def __init__(self, scores: Tensor = None, classes: Any = None) -> None:
        if scores is None and classes is None:
            raise ValueError(fault("ClassificationOutput", None, None, "give scores, classes or both"))
        if scores is not None and not (tf.is_tensor(scores) and scores.dtype.is_floating):
            raise ValueError(fault("ClassificationOutput.scores", scores, "a float tensor"))
        if classes is not None and not (tf.is_tensor(classes) and classes.dtype == tf.string):
            raise ValueError(fault("ClassificationOutput.classes", classes, "a string tensor"))
        self.scores, self.classes = scores, classes
        pairs = {"classes": classes, "scores": scores}
        self.outputs = {name: value for name, value in pairs.items() if value is not None}

    def as_signature_def(self, receiver_tensors: Mapping[str, Any]) -> Any:
        """The ``SignatureDef``, whose one input is a string tensor of examples.

        Raises:
            ValueError: where ``receiver_tensors`` are something else.
        """
        examples = _examples("Classification", receiver_tensors)
        return _signatures.classification_signature_def(examples, self.classes, self.scores)


class RegressionOutput(ExportOutput):
    """One number an example.

    Raises:
        ValueError: where ``value`` is no float tensor.
    """

    method = "regress"

    def __init__(self, value: Any) -> None:
        if not (tf.is_tensor(value) and value.dtype.is_floating):
            raise ValueError(fault("RegressionOutput.value", value, "a float tensor"))
        self.value = value
        self.outputs = {"outputs": value}

    def as_signature_def(self, receiver_tensors: Mapping[str, Any]) -> Any:
        """The ``SignatureDef``, whose one input is a string tensor of examples.

        Raises:
            ValueError: where ``receiver_tensors`` are something else.
        """
        return _signatures.regression_signature_def(_examples("Regression", receiver_tensors), self.value)


class _SupervisedOutput(ExportOutput):
    """Loss, predictions and metrics of a graph that has labels, each a tensor or a dictionary of them.

    Args:
        loss: named ``loss``, or ``loss/NAME``.
        predictions: named ``predictions``, or ``predictions/NAME``.
        metrics: ``(value, update)`` pairs by name: ``metrics/NAME/value`` and ``metrics/NAME/update_op``.

    Raises:
        ValueError: where something is no tensor, or a name no string.
    """

    # The serving method, as TensorFlow names it.
    serving_method = ""

    def __init__(self, loss: Tensor = None, predictions: Tensors = None, metrics: Any = None) -> None:
        self.loss = None if loss is None else _prefixed("loss", loss)
        self.predictions = None if predictions is None else _prefixed("predictions", predictions)
        self.metrics = None if metrics is None else _metric_outputs(metrics)
        self.outputs = {}
        for part in (self.loss, self.predictions, self.metrics):
            self.outputs.update(part or {})

    def as_signature_def(self, receiver_tensors: Mapping[str, Any]) -> Any:
        """The ``SignatureDef`` with all outputs, and features and labels as inputs."""
        info = _signatures.build_tensor_info
        return _signatures.build_signature_def(
            {name: info(tensor) for name, tensor in receiver_tensors.items()},
            {name: info(tensor) for name, tensor in self.outputs.items()},
            self.serving_method,
        )


class TrainOutput(_SupervisedOutput):
    """The outputs of an exported training graph."""

    serving_method = "tensorflow/supervised/training"


class EvalOutput(_SupervisedOutput):
    """The outputs of an exported evaluation graph."""

    serving_method = "tensorflow/supervised/eval"


def of_tensorflow(output: Any) -> Any:
    """An export output of TensorFlow's own classes, which tf.estimator's were, as one of these."""
    kind = type(output).__name__
    if isinstance(output, ExportOutput) or not hasattr(output, "as_signature_def"):
        return output
    if kind == "ClassificationOutput":
        return ClassificationOutput(output.scores, output.classes)
    if kind == "RegressionOutput":
        return RegressionOutput(output.value)
    return PredictOutput(output.outputs) if kind == "PredictOutput" else output


def _checked(place: str, name: Any, value: Any) -> str:
    """The name of an output; a key of several parts is joined, as tf.estimator does for nested heads."""
    name = "/".join(name) if isinstance(name, tuple) else name
    if not isinstance(name, str):
        raise ValueError(fault(place, name, "names that are strings", "output key must be a string"))
    if not tf.is_tensor(value):
        raise ValueError(fault(f"{place}[{name!r}]", value, "a tensor", "output value must be a Tensor"))
    return name


def _prefixed(part: str, given: Any) -> dict[str, Any]:
    given = given if isinstance(given, Mapping) else {part: given}
    outputs = {}
    for name, value in given.items():
        name = _checked(part, name, value)
        outputs[name if name.startswith(part) else f"{part}/{name}"] = value
    return outputs


def _metric_outputs(metrics: Any) -> dict[str, Any]:
    metrics = metrics if isinstance(metrics, Mapping) else {"metrics": metrics}
    outputs = {}
    for name, (value, update) in metrics.items():
        name = _checked("metrics", name, value)
        name = name if name.startswith("metrics") else f"metrics/{name}"
        if not tf.is_tensor(update) and not isinstance(update, tf.Operation):
            raise ValueError(fault(name, update, None, "update_op must be a Tensor or Operation"))
        if not tf.is_tensor(update):
            with tf.control_dependencies([update]):
                update = tf.constant([])
        outputs[f"{name}/value"], outputs[f"{name}/update_op"] = value, update
    return outputs


def _examples(kind: str, receiver_tensors: Mapping[str, Any]) -> Any:
    tensors = list(receiver_tensors.values())
    if len(tensors) != 1 or tensors[0].dtype != tf.string:
        hint = f"{kind} signatures accept only a single tensor input of type tf.string"
        raise ValueError(fault("receiver_tensors", dict(receiver_tensors), None, hint))
    return tensors[0]
