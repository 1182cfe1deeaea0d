"""Takes out of a quantised TFLite model what rounding its weights adds to every answer alike.

A rounded weight is wrong by the same amount for every image, so the channel that it feeds is shifted on
average by that amount times the mean of what comes in: on MobileNetV2 half of the whole error. The mean is
measured on the model before quantisation, and the shift taken off the bias, which is kept in 32 bits
(Nagel et al. 2019, section 4.2, arXiv:1906.04721).
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.lite.python import schema_py_generated as schema

__all__ = ["correct_biases"]

_WEIGHTED = {
    schema.BuiltinOperator.CONV_2D,
    schema.BuiltinOperator.DEPTHWISE_CONV_2D,
    schema.BuiltinOperator.FULLY_CONNECTED,
}
_FLOAT, _INT8, _INT32 = schema.TensorType.FLOAT32, schema.TensorType.INT8, schema.TensorType.INT32


def correct_biases(quantised: bytes, original: bytes, photos: Sequence[np.ndarray]) -> bytes:
    """``quantised`` with its biases corrected; unchanged where the two are not the same layers in one order.

    Args:
        quantised: a TFLite model with int8 weights.
        original: the same in float32, which takes ``photos`` as float32.
        photos: each ``[h, w, 3]``, of the kind that the model is for.
    """
    buffer = bytearray(quantised)  # what the layers show of it is written through
    rounded, exact = _layers(buffer), _layers(bytearray(original))
    if [one.kind for one in rounded] != [one.kind for one in exact]:
        return quantised
    if any(a.weights.shape != b.weights.shape for a, b in zip(rounded, exact, strict=True)):
        return quantised
    means = _input_means(original, [one.source for one in exact], photos)
    for ours, theirs, mean in zip(rounded, exact, means, strict=True):
        if ours.scales is None or ours.bias is None or ours.bias_scales is None:
            continue
        shift = _shift(ours.kind, theirs.weights - ours.weights * ours.scales, mean)
        ours.bias[:] += np.round(shift / ours.bias_scales).astype(np.int32)
    return bytes(buffer)


@dataclass(frozen=True)
class _Layer:
    """One operation with weights: ``bias`` is a view of the model's own bytes."""

    kind: int
    source: int
    weights: np.ndarray
    scales: np.ndarray | None
    bias: np.ndarray | None
    bias_scales: np.ndarray | None


def _layers(model: bytearray) -> list[_Layer]:
    read = schema.Model.GetRootAs(model, 0)
    graph = read.Subgraphs(0)
    found = []
    for number in range(graph.OperatorsLength()):
        operator = graph.Operators(number)
        kind = read.OperatorCodes(operator.OpcodeIndex()).BuiltinCode()
        if kind not in _WEIGHTED:
            continue
        source, weights, *rest = operator.InputsAsNumpy()
        values = _values(read, graph.Tensors(weights))
        if values is None:
            continue  # weights that are computed
        bias = graph.Tensors(rest[0]) if rest and rest[0] >= 0 else None
        found.append(
            _Layer(
                kind,
                int(source),
                values,
                _scales(graph.Tensors(weights), values.ndim),
                _values(read, bias) if bias is not None and bias.Type() == _INT32 else None,
                _scales(bias, 1) if bias is not None else None,
            )
        )
    return found


def _values(model: Any, tensor: Any) -> np.ndarray | None:
    kinds = {_FLOAT: np.float32, _INT8: np.int8, _INT32: np.int32}
    stored = model.Buffers(tensor.Buffer()).DataAsNumpy()
    if not isinstance(stored, np.ndarray) or tensor.Type() not in kinds:
        return None
    return stored.view(kinds[tensor.Type()]).reshape(tensor.ShapeAsNumpy())


def _scales(tensor: Any, rank: int) -> np.ndarray | None:
    """Ready to be multiplied with the tensor's values; None where it is not quantised."""
    how = tensor.Quantization()
    if how is None or not how.ScaleLength():
        return None
    shape = [1] * rank
    shape[how.QuantizedDimension()] = how.ScaleLength()
    return how.ScaleAsNumpy().reshape(shape)


def _input_means(model: bytes, sources: Sequence[int], photos: Sequence[np.ndarray]) -> list[np.ndarray]:
    """The mean of each of these tensors by channel."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TensorFlow's own says that it is going to move
        interpreter = tf.lite.Interpreter(
            model_content=model,
            experimental_preserve_all_tensors=True,
            # Delegates keep what is between their operations to themselves.
            experimental_op_resolver_type=tf.lite.experimental.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        )
    interpreter.allocate_tensors()
    place = interpreter.get_input_details()[0]["index"]
    sums: list[Any] = [0.0] * len(sources)
    for photo in photos:
        interpreter.set_tensor(place, photo[np.newaxis].astype(np.float32))
        interpreter.invoke()
        for number, source in enumerate(sources):
            values = interpreter.get_tensor(source)
            sums[number] = sums[number] + values.reshape(-1, values.shape[-1]).mean(0)
    return [total / len(photos) for total in sums]


def _shift(kind: int, errors: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """What ``errors`` of the weights take from each output channel on average.

    Padding is taken for more of the same, which it is for all but the outermost pixels.
    """
    if kind == schema.BuiltinOperator.DEPTHWISE_CONV_2D:  # [1, h, w, inputs * multiplier]
        return errors.sum((0, 1, 2)) * np.repeat(mean, errors.shape[-1] // len(mean))
    by_input = errors.reshape(len(errors), -1, errors.shape[-1]).sum(1)  # [outputs, inputs of a group]
    groups = len(mean) // by_input.shape[1]
    return (by_input * np.repeat(mean.reshape(groups, -1), len(by_input) // groups, axis=0)).sum(1)
