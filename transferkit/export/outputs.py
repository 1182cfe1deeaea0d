"""What the signatures of a SavedModel answer with: two groups of outputs, each in one order.

* ranked, from the most to the least probable class: ``labels`` string, ``scores`` float32 and ``class_ids``
  int64, each ``[N, classes]``;
* in class order, the same for every image: ``classes`` string and ``probabilities`` float32, each
  ``[N, classes]``, and ``present`` bool ``[N, classes]`` where an image may have several labels;
* one an image: ``confident`` bool ``[N]``, where a precision was wanted; ``novelty`` float32 ``[N]`` and
  ``unknown`` bool ``[N]`` (a novelty above 1), where the model tells what is unlike its training photos.

The other formats answer with ``probabilities`` alone and hold the class names beside them.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from transferkit.export.export_spec import About

__all__ = ["check_outputs", "order_of", "output_names", "outputs_of"]

_RANKED = ("labels", "scores", "class_ids")
_SINGLE = ("confident", "novelty", "unknown")
_VECTOR = ("classes", "probabilities", "present")


def order_of(name: str) -> str:
    """In which order an output stands, in words; empty for one that is not ours.

    >>> order_of("scores")
    'most probable first'
    """
    if name in _RANKED:
        return "most probable first"
    if name in _VECTOR:
        return "class order"
    return "one an image" if name in _SINGLE else ""


def output_names(about: About) -> set[str]:
    """The outputs that each signature of a SavedModel has."""
    names = {*_RANKED, "classes", "probabilities"}
    names |= {"confident"} if about.threshold is not None else set()
    names |= {"novelty", "unknown"} if about.false_alarms is not None else set()
    return names | ({"present"} if about.multi_label else set())


def outputs_of(rows: np.ndarray, about: About) -> dict[str, np.ndarray]:
    """All that a signature answers, from what a network gives: for artefacts that hold no such graph.

    Args:
        rows: float32 ``[N, classes]``, the probabilities; a further column has the scores of novelty.
        about: the classes and thresholds that are meant.

    Returns:
        Name to values as :func:`output_names` has them, strings as an array of objects.
    """
    count = len(about.classes)
    probabilities, further = rows[:, :count], rows[:, count:]
    names = np.array(about.classes, object)
    ids = np.argsort(-probabilities, axis=1, kind="stable")
    outputs = {
        "labels": names[ids],
        "scores": np.take_along_axis(probabilities, ids, axis=1),
        "class_ids": ids.astype(np.int64),
        "classes": np.broadcast_to(names, probabilities.shape),
        "probabilities": probabilities,
    }
    if further.shape[1]:
        outputs |= {"novelty": further[:, 0], "unknown": further[:, 0] > 1}
    if about.threshold is not None:
        outputs["confident"] = probabilities.max(axis=1) >= np.float32(about.threshold)
    if about.multi_label:
        outputs["present"] = probabilities >= np.asarray(about.thresholds, np.float32)
    return outputs


def check_outputs(outputs: Mapping[str, np.ndarray], about: About) -> str | None:
    """Whether outputs say the same as their ``probabilities``; those are compared with the model's elsewhere.

    Args:
        outputs: of one signature, for the same N images; strings as bytes.
        about: the classes and thresholds that are meant.

    Returns:
        What is wrong, or None.
    """
    expected = output_names(about)
    if set(outputs) != expected:
        return f"its outputs are {', '.join(sorted(outputs))}, expected {', '.join(sorted(expected))}"
    probabilities = outputs["probabilities"]
    count, classes = probabilities.shape
    names = np.array([name.encode("utf-8", "surrogateescape") for name in about.classes])
    ids = outputs["class_ids"]
    if ids.shape != (count, classes) or not (np.sort(ids, axis=1) == np.arange(classes)).all():
        return "class_ids does not hold each class once"
    ranked = np.take_along_axis(probabilities, ids, axis=1)
    if (np.diff(ranked, axis=1) > 0).any():
        return "class_ids is not in the order of the probabilities, the most probable first"
    right = {
        "classes": np.broadcast_to(names, (count, classes)),
        "scores": ranked,
        "labels": names[ids],
        "present": probabilities >= np.asarray(about.thresholds, np.float32) if about.multi_label else None,
        "unknown": outputs["novelty"] > 1 if "novelty" in expected else None,
        "confident": probabilities.max(1) >= np.float32(about.threshold or 0),
    }
    meant = {
        "classes": "the class names in their order",
        "scores": "the probabilities of class_ids",
        "labels": "the names of class_ids",
        "present": "the probabilities from their thresholds on",
        "unknown": "whether the novelty is above 1",
        "confident": "whether the largest probability reaches the threshold",
    }
    for name in sorted(expected & set(right)):
        if not np.array_equal(outputs[name], right[name]):
            return f"{name} is not {meant[name]}"
    return None
