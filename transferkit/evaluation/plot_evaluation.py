"""An evaluation drawn by Matplotlib: what is confused with what, and whether its probabilities come true."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from transferkit.evaluation.evaluation import Evaluation

__all__ = ["plot_evaluation"]

# With more classes neither counts nor names could be read.
_MOST_CLASSES = 25


def plot_evaluation(found: Evaluation) -> Any:
    """Draws the confusions, as shares of each true class, and the reliability curve.

    Returns:
        Matplotlib's axes, ``[2]``; of several labels the reliability curve alone, ``[1]``.
    """
    import matplotlib.pyplot as plt

    several = found.kind == "multi"
    count = 1 if several else 2
    figure, axes = plt.subplots(1, count, figsize=(5 * count, 4), squeeze=False, layout="constrained")
    if not several:
        _draw_confusion(axes[0, 0], found)
    _draw_reliability(axes[0, -1], found)
    figure.suptitle(f"accuracy {found.metrics['accuracy']:.3f} on {found.metrics['samples']} images")
    return axes[0]


def _draw_confusion(axes: Any, found: Evaluation) -> None:
    shares = found.confusion / np.maximum(found.confusion.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axes.set(title="confusions", xlabel="predicted", ylabel="true")
    places = range(len(found.classes))
    if len(places) > _MOST_CLASSES:
        return
    axes.set_xticks(places, found.classes, rotation=45, ha="right")
    axes.set_yticks(places, found.classes)
    for row, column in np.argwhere(found.confusion):
        colour = "white" if shares[row, column] > 0.5 else "black"
        axes.text(column, row, found.confusion[row, column], ha="center", va="center", color=colour)


def _draw_reliability(axes: Any, found: Evaluation) -> None:
    rows = [one for one in found.reliability if one.confidence is not None]
    axes.plot([0, 1], [0, 1], color="lightgrey", linestyle="--", label="perfect calibration")
    axes.plot([one.confidence for one in rows], [one.accuracy for one in rows], color="steelblue")
    # A dot's area goes by its images: one of three images says little.
    most = max((one.samples for one in rows), default=1)
    sizes = [8 + 90 * one.samples / most for one in rows]
    axes.scatter([one.confidence for one in rows], [one.accuracy for one in rows], s=sizes, color="steelblue")
    error = found.metrics["expected_calibration_error"]
    axes.set(title=f"calibration error {error:.3f}", xlim=(0, 1.03), ylim=(0, 1.03))
    axes.set(xlabel="probability", ylabel="share of right answers")
    axes.legend()
