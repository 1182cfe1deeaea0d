"""The report's charts: which lines from which facts."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from transferkit.drawing.svg import Line, line_chart
from transferkit.evaluation import Evaluation

__all__ = ["Chart", "area_charts", "curves", "history_charts", "reliability_chart", "staircase_chart"]

_NO_FIGURE = {"step", "epoch", "phase", "time", "seconds"}
_FIRST = ("loss", "accuracy")
# More lines than this can no longer be told apart: the pooled curve and the weakest classes are drawn.
_MOST_LINES = 6


@dataclass(frozen=True)
class Chart:
    """A drawing, its title, and its legend: (name, colour, dashed)."""

    title: str
    svg: Markup
    legend: tuple[tuple[str, int, bool], ...]
    note: str = ""


def history_charts(history: Sequence[Mapping[str, Any]]) -> list[Chart]:
    """A chart a figure, training and validation in one, with a mark where each phase begins.

    ``val_loss`` and ``loss`` (or ``train_loss``) are the same figure on other images.
    """
    if not history:
        return []
    axis = "epoch" if all(row.get("epoch") is not None for row in history) else "step"
    places, marks = _places(history, axis)
    figures: dict[str, list[str]] = {}
    for row in history:
        for key, value in row.items():
            if key not in _NO_FIGURE and isinstance(value, int | float):
                keys = figures.setdefault(_figure(key), [])
                if key not in keys:
                    keys.append(key)
    order = sorted(figures, key=lambda name: (_FIRST.index(name) if name in _FIRST else len(_FIRST), name))
    charts = []
    for name in order:
        lines = []
        for key in sorted(figures[name], key=lambda key: key.startswith("val_")):
            of_validation = key.startswith("val_")
            x, y = _points(history, places, key)
            whose = "validation" if of_validation else "training"
            shown = whose if len(figures[name]) > 1 or of_validation else name.replace("_", " ")
            lines.append(Line(shown, x, y, int(of_validation), dots=len(x) < 40))
        title = name.replace("_", " ")
        last = "; ".join(f"{line.name} ends at {line.y[-1]:.4g}" for line in lines)
        svg = line_chart(
            f"{title} over the training: {last}", lines, x_label=axis,
            marks=marks if len(marks) > 1 else (),
        )  # fmt: skip
        charts.append(Chart(title, svg, _legend(lines)))
    return charts


def staircase_chart(steps: Sequence[Any]) -> Chart | None:
    """Held-out accuracy of what was kept after each step, and of what was not; None without steps."""
    tried = [(number, step) for number, step in enumerate(steps, start=1) if step.accuracy is not None]
    if not tried:
        return None
    x: list[float] = []
    y: list[float] = []
    lines = []
    for number, step in tried:
        if step.kept or not y:
            x += [number, number] if y else [number]
            y += [y[-1], step.accuracy] if y else [step.accuracy]
        x.append(number + 1)
        y.append(y[-1])
        middle = number + 0.5
        interval = [step.low, step.accuracy, step.high]
        lines.append(Line(step.name, [middle] * 3, interval, 0 if step.kept else 1, faint=True, dots=True))
    kept = Line("kept so far", x, y, 0)
    names = ", ".join(f"{number} {step.name}" for number, step in tried)
    svg = line_chart(
        f"Accuracy after each step: {names}", [kept, *lines], x_label="step",
        y_label="accuracy, cross-validated", x_range=(1, len(steps) + 1),
    )  # fmt: skip
    legend = (("kept", 0, False), ("tried and not kept", 1, False))
    return Chart("Accuracy after each step", svg, legend, names)


def curves(history: Sequence[Mapping[str, Any]]) -> Markup:
    """Loss and accuracy over the training as a notebook shows them; nothing without a history."""
    figures = [
        Markup("<figure>{}<figcaption>{}: {}</figcaption></figure>").format(
            one.svg,
            one.title,
            Markup(", ").join(
                Markup('<span class="c{}" style="color:var(--c)">{}</span>').format(colour, name)
                for name, colour, _ in one.legend
            ),
        )
        for one in history_charts(history)
        if one.title in _FIRST
    ]
    return Markup('<div class="charts">{}</div>').format(Markup("").join(figures)) if figures else Markup("")


def _places(history: Sequence[Mapping[str, Any]], axis: str) -> tuple[list[float], list[tuple[float, str]]]:
    """Where each point stands, and where each phase begins: a phase that counts from 0 goes on where the last
    one ended."""
    places: list[float] = []
    marks: list[tuple[float, str]] = []
    start = before = 0.0
    phase = None
    for i, row in enumerate(history):
        at, name = float(row.get(axis, i)), row.get("phase")
        changes = name is not None and name != phase
        if changes and places and at <= before:
            start = places[-1]
        places.append(start + at)
        if changes:
            marks.append((places[-1], str(name)))
            phase = name
        before = at
    return places, marks


def _points(
    history: Sequence[Mapping[str, Any]], places: Sequence[float], key: str
) -> tuple[list[float], list[float]]:
    """The points of one figure, with a gap between phases: nothing was measured on the way."""
    x: list[float] = []
    y: list[float] = []
    phase = None
    for place, row in zip(places, history, strict=True):
        if row.get(key) is None:
            continue
        if x and row.get("phase") != phase:
            x.append(place)
            y.append(math.nan)
        x.append(place)
        y.append(float(row[key]))
        phase = row.get("phase")
    return x, y


def reliability_chart(evaluation: Evaluation) -> Chart:
    """Predicted probability against accuracy, with the diagonal of perfect calibration."""
    rows = [row for row in evaluation.reliability if row.confidence is not None and row.accuracy is not None]
    stated = [row.confidence or 0.0 for row in rows]
    accuracies = [row.accuracy or 0.0 for row in rows]
    most = max((row.samples for row in rows), default=1)
    # Areas go by the number of images: a dot of three images says little, and must look so.
    radii = [1.5 + 6 * math.sqrt(row.samples / most) for row in rows]
    error = evaluation.metrics["expected_calibration_error"]
    lines = [
        Line("perfect calibration", [0, 1], [0, 1], 7, dashed=True, faint=True),
        Line("this model", stated, accuracies, 0, dots=True, radii=radii),
    ]
    svg = line_chart(
        f"Reliability curve; the gap is {error:.3f} on average", lines, x_label="predicted probability",
        y_label="accuracy", x_range=(0, 1), y_range=(0, 1),
    )  # fmt: skip
    return Chart(
        "Reliability",
        svg,
        _legend(lines),
        f"Expected calibration error {error:.3f}. Larger dots stand for more images.",
    )


def area_charts(evaluation: Evaluation) -> list[Chart]:
    """ROC and precision-recall curves: all decisions pooled, and the weakest classes."""
    if not evaluation.curves:
        return []
    pooled, rest = evaluation.curves[0], evaluation.curves[1:]
    # The same classes in both, so that a colour means the same.
    weakest = sorted(rest, key=lambda curve: curve.average_precision)[: _MOST_LINES - 1]
    charts = []
    for title, area, x, y, x_label, y_label in (
        (
            "ROC",
            "roc_auc",
            "false_positive_rate",
            "true_positive_rate",
            "false positive rate",
            "true positive rate",
        ),
        ("Precision and recall", "average_precision", "recall", "precision", "recall", "precision"),
    ):
        lines = [
            Line(
                f"{curve.name} {getattr(curve, area):.3f}",
                getattr(curve, x),
                getattr(curve, y),
                i,
                dashed=i > 0,
            )
            for i, curve in enumerate([pooled, *weakest])
        ]
        label = f"{title} curves; area of all decisions pooled {getattr(pooled, area):.3f}"
        svg = line_chart(label, lines, x_label=x_label, y_label=y_label, x_range=(0, 1), y_range=(0, 1))
        note = f"micro is all decisions pooled; the weakest {len(weakest)} of {len(rest)} classes are drawn."
        charts.append(Chart(title, svg, _legend(lines), note if len(rest) > len(weakest) else ""))
    return charts


def _figure(key: str) -> str:
    return key.removeprefix("val_").removeprefix("train_")


def _legend(lines: Sequence[Line]) -> tuple[tuple[str, int, bool], ...]:
    return tuple((line.name, line.colour, line.dashed) for line in lines)
