"""Takes out of a quantised TFLite model what quantising adds to every answer alike.

Rounded weights, ranges that are cut off and sums that are rounded shift a channel by nearly the same amount
for every image, and each layer hands its shift on: on MobileNets that is most of the whole error. The mean of
each layer's outputs is measured before quantisation and after it, and the difference taken off the layer's
bias, which is kept in 32 bits; layer after layer, as those above see what those below then give (Nagel et al.
2019, section 4.2, arXiv:1906.04721).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from transferkit.export.formats._tflite_interpreter import plain_operations
from transferkit.export.formats._tflite_parts import Graph, interpreter

__all__ = ["correct_biases"]

# An activation that cuts off hides a part of the difference; the second look finds what the first one left.
_LOOKS = 2
# What lies between two layers is kept for all photos at once: where images are large, of fewer photos.
_MOST_BYTES, _FEWEST = 256_000_000, 16

# What is known of an image: tensor -> values.
_Known = dict[int, np.ndarray]


def correct_biases(quantised: bytes, original: bytes, photos: Sequence[np.ndarray]) -> bytes:
    """``quantised`` with its biases corrected; unchanged where that brings it no nearer to ``original``.

    Args:
        quantised: a TFLite model with int8 weights.
        original: the same in float32, which takes ``photos`` as float32.
        photos: each ``[h, w, 3]``, of the kind that the model is for.
    """
    rounded, exact = Graph(quantised), Graph(original)
    if _layers(rounded) != _layers(exact):
        return quantised  # the two are not the same layers in one order
    photos = photos[: max(_FEWEST, _MOST_BYTES // rounded.largest())]
    means, wanted = _means(original, exact, photos)
    known: list[_Known] = [{rounded.inputs[0]: photo[np.newaxis]} for photo in photos]
    start = 0
    for number, mean in zip(rounded.weighted(), means, strict=True):
        bias = rounded.bias(number)
        output = int(rounded.operators[number].outputs[0])
        if bias is not None:
            values, scales = bias
            for _ in range(_LOOKS):
                given = _run(rounded, start, number + 1, known)
                found = np.mean([_by_channel(rounded.to_real(output, one[output])) for one in given], axis=0)
                values[:] = _added(values, mean - found, scales)
        known = _run(rounded, start, number + 1, known)
        start = number + 1
    corrected = rounded.to_bytes()
    before, after = (_distance(_answers(model, photos), wanted) for model in (quantised, corrected))
    return corrected if after < before else quantised


def _added(values: np.ndarray, shift: np.ndarray, scales: np.ndarray) -> np.ndarray:
    """int32 ``values`` of these scales with ``shift`` added, as far as 32 bits go: one may be nearly 0."""
    most = np.iinfo(np.int32).max
    with np.errstate(divide="ignore", invalid="ignore"):
        steps = np.nan_to_num(np.round(shift / scales))
    result: np.ndarray = np.clip(values + steps, -most, most).astype(np.int32)
    return result


def _layers(graph: Graph) -> list[tuple[int, tuple[int, ...]]]:
    """Kind and shape of each layer with weights: what two models of one network have in common."""
    numbers = graph.weighted()
    return [(graph.kind(number), graph.shape(graph.operators[number].outputs[0])) for number in numbers]


def _means(
    model: bytes, graph: Graph, photos: Sequence[np.ndarray]
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """The mean of each layer's outputs by channel, and the model's answers."""
    # Delegates keep what is between their operations to themselves.
    plain = plain_operations()
    runner = interpreter(model, experimental_preserve_all_tensors=True, experimental_op_resolver_type=plain)
    outputs = [int(graph.operators[number].outputs[0]) for number in graph.weighted()]
    sums: list[np.ndarray] = [np.zeros(()) for _ in outputs]
    answers = []
    for photo in photos:
        runner.set_tensor(graph.inputs[0], photo[np.newaxis].astype(np.float32))
        runner.invoke()
        for place, output in enumerate(outputs):
            sums[place] = sums[place] + _by_channel(runner.get_tensor(output))
        answers.append(runner.get_tensor(graph.outputs[0]))
    return [total / len(photos) for total in sums], answers


def _run(graph: Graph, start: int, stop: int, known: Sequence[_Known]) -> list[_Known]:
    """What is known of each image after operations ``start`` to ``stop``, as far as it is still needed."""
    model, takes, gives = graph.part(start, stop)
    runner = interpreter(model)
    sources = [one["index"] for one in runner.get_input_details()]
    targets = [one["index"] for one in runner.get_output_details()]
    types = [one["dtype"] for one in runner.get_input_details()]
    needed = graph.needed_after(stop) | set(gives)
    found = []
    for one in known:
        for tensor, place, kind in zip(takes, sources, types, strict=True):
            runner.set_tensor(place, one[tensor].astype(kind, copy=False))
        runner.invoke()
        made = {tensor: runner.get_tensor(place) for tensor, place in zip(gives, targets, strict=True)}
        found.append({tensor: values for tensor, values in one.items() if tensor in needed} | made)
    return found


def _answers(model: bytes, photos: Sequence[np.ndarray]) -> list[np.ndarray]:
    graph, runner = Graph(model), interpreter(model)
    kind, answers = runner.get_input_details()[0]["dtype"], []
    for photo in photos:
        runner.set_tensor(graph.inputs[0], photo[np.newaxis].astype(kind))
        runner.invoke()
        answers.append(graph.to_real(graph.outputs[0], runner.get_tensor(graph.outputs[0])))
    return answers


def _distance(answers: Sequence[np.ndarray], wanted: Sequence[np.ndarray]) -> float:
    return float(np.mean(np.square(np.concatenate(answers) - np.concatenate(wanted))))


def _by_channel(values: np.ndarray) -> np.ndarray:
    """The mean over all but the last dimension, in float64."""
    result: np.ndarray = values.reshape(-1, values.shape[-1]).mean(0, dtype=np.float64)
    return result
