"""What an evaluation gives: the figures, the tables behind them, and the samples they came from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from transferkit.evaluation.curves import Curve
from transferkit.evaluation.reliability import ReliabilityBin
from transferkit.type_names import NamedValues

__all__ = ["ClassFigures", "Evaluation", "mean_of_known"]


@dataclass(frozen=True)
class ClassFigures:
    """How one class fares against all others.

    A figure is None where it is not defined: recall without samples of the class, precision without
    predictions of it, areas where the class has all or none of the samples.

    Attributes:
        name: the class.
        samples: how many images truly are of it.
        predicted: how many were said to be of it.
        precision, recall, f1, roc_auc, average_precision: 0 to 1.
    """

    name: str
    samples: int
    predicted: int
    precision: float | None
    recall: float | None
    f1: float | None
    roc_auc: float | None
    average_precision: float | None


def mean_of_known(figures: Iterable[float | None]) -> float | None:
    """The mean of the figures that are defined; None where none is."""
    known = [figure for figure in figures if figure is not None]
    return sum(known) / len(known) if known else None


@dataclass(frozen=True, eq=False, repr=False)
class Evaluation:
    """What a model was found to be worth on labelled images.

    Attributes:
        kind: ``single`` (each image has one class) or ``multi`` (any number of them).
        classes: the class names in the order of the probabilities' columns.
        labels: int64 ``[N]``, or bool ``[N, C]`` for multi-label.
        probabilities: float32 ``[N, C]``, 0 to 1.
        predicted: int64 ``[N]`` (the most probable class, the first among equals), or bool ``[N, C]``.
        paths: N names of the images, or None.
        metrics: flat and ready for JSON: figure name to value, and for the main figures also
            ``NAME_low`` and ``NAME_high``, the interval: Wilson's of the accuracy, else of the bootstrap. A
            value that is not defined is None.
        per_class: one row a class, in the order of ``classes``.
        confusion: int64 ``[C, C]``, rows the truth, columns the prediction; for multi-label ``[C, 2, 2]``,
            a two by two table a class (row: absent, present; column: not predicted, predicted).
        reliability: the reliability curve, one bin a row.
        curves: ROC and precision-recall curves, ``micro`` (all decisions pooled) first, then a class each
            where there are not too many classes to draw.
        notes: what is to be said of the images beside the figures: what was left out, and why.
    """

    kind: Literal["single", "multi"]
    classes: tuple[str, ...]
    labels: np.ndarray
    probabilities: np.ndarray
    predicted: np.ndarray
    paths: tuple[str, ...] | None
    metrics: NamedValues
    per_class: tuple[ClassFigures, ...]
    confusion: np.ndarray
    reliability: tuple[ReliabilityBin, ...]
    curves: tuple[Curve, ...]
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        """The main figure and what it was measured on: arrays are not printed."""
        accuracy, images = self.metrics["accuracy"], self.metrics["samples"]
        return f"Evaluation(accuracy {accuracy:.3f} on {images} images, {len(self.classes)} classes)"

    def _repr_html_(self) -> str:
        """What a notebook shows: the headline, classes from the weakest on, confusions, reliability."""
        from transferkit.evaluation.evaluation_html import evaluation_html

        return evaluation_html(self)

    def plot(self) -> Any:
        """Draws confusions and reliability with Matplotlib, in a notebook or its current window.

        Returns:
            Matplotlib's axes.
        """
        from transferkit.evaluation.plot_evaluation import plot_evaluation

        return plot_evaluation(self)

    @property
    def correct(self) -> np.ndarray:
        """bool ``[N]``: whether each image was predicted right (multi-label: every class of it)."""
        hit = self.predicted == self.labels
        result: np.ndarray = hit if hit.ndim == 1 else hit.all(axis=1)
        return result

    def interval(self, name: str) -> tuple[float, float] | None:
        """The interval of a main figure, or None for a figure that has none."""
        low, high = self.metrics.get(f"{name}_low"), self.metrics.get(f"{name}_high")
        return None if low is None or high is None else (low, high)

    def to_dict(self) -> NamedValues:
        """Everything but the samples themselves, ready for JSON."""
        return {
            "kind": self.kind,
            "classes": list(self.classes),
            "metrics": self.metrics,
            "per_class": [asdict(row) for row in self.per_class],
            "confusion": self.confusion.tolist(),
            "reliability": [asdict(row) for row in self.reliability],
            "curves": [asdict(curve) for curve in self.curves],
        }

    def write_predictions(self, path: str | Path, top: int | None = None) -> Path:
        """Writes one CSV row an image; see :func:`transferkit.evaluation.write_predictions`."""
        from transferkit.evaluation.predictions import write_predictions

        return write_predictions(self, path, top)
