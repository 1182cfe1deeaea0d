"""A training's curves drawn by Matplotlib, one chart a figure, the phases after one another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["plot_history"]


def plot_history(history: Sequence[Mapping[str, Any]], figures: Sequence[str]) -> Any:
    """Draws figures of the history's rows by epoch, training and validation in one chart.

    Args:
        history: of a run; each phase counts from 0.
        figures: names without ``val_``, a chart each.

    Returns:
        Matplotlib's axes, one a figure.
    """
    import matplotlib.pyplot as plt

    _, (axes,) = plt.subplots(
        1, len(figures), figsize=(5 * len(figures), 3.2), squeeze=False, layout="constrained"
    )
    for one, name in zip(axes, figures, strict=True):
        _draw(one, history, name)
    return axes


def _draw(axes: Any, history: Sequence[Mapping[str, Any]], name: str) -> None:
    phases = list(dict.fromkeys(row["phase"] for row in history))
    start = 0
    for phase in phases:
        rows = [row for row in history if row["phase"] == phase]
        for key, whose, colour in ((name, "training", "C0"), (f"val_{name}", "validation", "C1")):
            known = [(start + row["epoch"], row[key]) for row in rows if row.get(key) is not None]
            if known:
                label = whose if phase == phases[0] else None
                axes.plot(*zip(*known, strict=True), marker=".", color=colour, label=label)
        if len(phases) > 1:
            axes.axvline(start, color="lightgrey", linestyle=":")
            axes.annotate(
                phase, (start, 1), xycoords=("data", "axes fraction"), xytext=(3, -10),
                textcoords="offset points", fontsize=8,
            )  # fmt: skip
        start += rows[-1]["epoch"]
    axes.set(title=name.replace("_", " "), xlabel="epoch")
    if axes.lines:
        axes.legend()
