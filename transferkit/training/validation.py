"""Figures of the validation images beyond loss and accuracy, where a phase is steered by them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from transferkit.evaluation import Evaluation, evaluate
from transferkit.recipe.metrics import STEERING, class_of

__all__ = ["figure", "measure"]

Measure = Callable[[np.ndarray], dict[str, float]]


def measure(wanted: Iterable[str], head: Any, labels: np.ndarray) -> Measure | None:
    """What makes the wanted figures from the probabilities of the validation images.

    Args:
        wanted: names of :mod:`transferkit.recipe.metrics`.
        head: the ready head: its classes and thresholds.
        labels: of the validation images, int ``[N]`` or 0/1 ``[N, C]``.

    Returns:
        ``probabilities [N, C] -> {name: value}``; None where loss and accuracy are all that is wanted, which
        training has without the predictions.
    """
    names = sorted(set(wanted) - set(STEERING))
    if not names:
        return None
    top = [int(name.split("_")[1]) for name in names if name.startswith("top_")]

    def made(probabilities: np.ndarray) -> dict[str, float]:
        evaluation = evaluate(
            labels, probabilities, head.classes, top=top, threshold=head.thresholds, resamples=0
        )
        return {name: figure(evaluation, name) for name in names}

    return made


def figure(evaluation: Evaluation, name: str) -> float:
    """One figure of an evaluation, of the whole or of one class; NaN where it is not defined."""
    of_class = class_of(name)
    if of_class is None:
        value = evaluation.metrics[name]
    else:
        row = next(row for row in evaluation.per_class if row.name == of_class)
        value = getattr(row, name.partition(".")[0])
    return math.nan if value is None else float(value)
