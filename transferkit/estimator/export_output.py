"""What an exported model answers with: the outputs of one serving signature."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from transferkit.errors import fault

__all__ = ["ClassificationOutput", "ExportOutput", "PredictOutput", "RegressionOutput"]


class ExportOutput:
    """The outputs of one signature.

    Attributes:
        outputs: name -> tensor, as the signature lists them.
        method: the serving method, one of ``predict``, ``classify``, ``regress``.
    """

    method = "predict"
    outputs: dict[str, Any]


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
            # A key of several parts is joined, as tf.estimator does for nested heads.
            name = "/".join(name) if isinstance(name, tuple) else name
            if not isinstance(name, str):
                raise ValueError(fault("PredictOutput", name, "names that are strings"))
            if not tf.is_tensor(value):
                raise ValueError(fault(f"PredictOutput[{name!r}]", value, "a tensor"))
            self.outputs[name] = value


class ClassificationOutput(ExportOutput):
    """Scores (float, ``[N, classes]``), classes (string), or both.

    Raises:
        ValueError: where both are missing or of another dtype.
    """

    method = "classify"

    def __init__(self, scores: Any = None, classes: Any = None) -> None:
        if scores is None and classes is None:
            raise ValueError(fault("ClassificationOutput", None, None, "give scores, classes or both"))
        if scores is not None and not (tf.is_tensor(scores) and scores.dtype.is_floating):
            raise ValueError(fault("ClassificationOutput.scores", scores, "a float tensor"))
        if classes is not None and not (tf.is_tensor(classes) and classes.dtype == tf.string):
            raise ValueError(fault("ClassificationOutput.classes", classes, "a string tensor"))
        self.scores, self.classes = scores, classes
        pairs = {"classes": classes, "scores": scores}
        self.outputs = {name: value for name, value in pairs.items() if value is not None}


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
