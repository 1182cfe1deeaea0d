"""Charts of learning rates as PNG files, by Matplotlib, without its global state."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["draw_rate_test", "draw_rates"]

_DOTS_PER_INCH = 120
_LINE, _FAINT, _MARK = "#1f5fa8", "#b8c4d2", "#b4441a"


def draw_rates(path: Path, phases: Sequence[tuple[str, np.ndarray]], title: str) -> None:
    """The learning rate by step, each phase after the one before it.

    Args:
        path: of the PNG.
        phases: name and rates, float64 ``[steps]``, of each.
        title: above the chart.
    """
    figure, axes = _open(title, "step", "learning rate")
    axes.margins(y=0.2)  # room for the phases' names
    start = 0
    for name, rates in phases:
        axes.plot(np.arange(start, start + len(rates)), rates, color=_LINE, drawstyle="steps-post")
        if len(phases) > 1:
            axes.axvline(start, color=_FAINT, linewidth=0.8)
            axes.annotate(
                name, (start, 1), xycoords=("data", "axes fraction"), xytext=(4, -12),
                textcoords="offset points", fontsize=8,
            )  # fmt: skip
        start += len(rates)
    positive = np.concatenate([rates for _, rates in phases])
    positive = positive[positive > 0]
    if len(positive) and positive.max() > 30 * positive.min():
        axes.set_yscale("log")
    else:
        axes.set_ylim(bottom=0)
    _save(figure, path)


def draw_rate_test(
    path: Path,
    rates: np.ndarray,
    losses: np.ndarray,
    smoothed: np.ndarray,
    suggested: float | None,
    title: str,
) -> None:
    """The training loss by learning rate.

    Args:
        path: of the PNG.
        rates: float64 ``[N]``, increasing.
        losses: of each step, float64 ``[N]``.
        smoothed: the same, smoothed.
        suggested: the rate to mark, or None.
        title: above the chart.
    """
    figure, axes = _open(title, "learning rate", "training loss")
    axes.plot(rates, losses, color=_FAINT, linewidth=0.8, label="each batch")
    axes.plot(rates, smoothed, color=_LINE, label="smoothed")
    axes.set_xscale("log")
    low, high = float(smoothed.min()), float(smoothed[0])
    axes.set_ylim(low - 0.1 * abs(high - low) - 1e-6, high + max(high - low, 0.1 * abs(high)) + 1e-6)
    if suggested is not None:
        axes.axvline(suggested, color=_MARK, linewidth=1, linestyle="--", label=f"suggested: {suggested:.2g}")
    axes.legend(fontsize=8)
    _save(figure, path)


def _open(title: str, across: str, up: str) -> tuple[Any, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 3.6), layout="constrained")
    axes = figure.add_subplot()
    axes.set_title(title, fontsize=10)
    axes.set_xlabel(across)
    axes.set_ylabel(up)
    axes.grid(visible=True, color="#eceff3")
    axes.set_axisbelow(True)
    return figure, axes


def _save(figure: Any, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=_DOTS_PER_INCH, metadata={"Software": "transferkit"})
