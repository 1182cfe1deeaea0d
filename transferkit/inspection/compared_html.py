"""The pictures of runs side by side in a notebook: their curves, and photos that one alone has right."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from markupsafe import Markup

from transferkit.data.check.thumbnail import thumbnail
from transferkit.drawing.svg import Line, line_chart

if TYPE_CHECKING:
    from transferkit.inspection.compare_runs import ComparedRuns
    from transferkit.runs.finished.run import Run

__all__ = ["curves_of", "photos_of"]

_PICTURES, _SIDE = 4, 96
# More lines can no longer be told apart.
_MOST_RUNS = 8


def curves_of(runs: Sequence[Run], names: Sequence[str]) -> Markup:
    """The validation loss of each run by epoch; nothing where no head was trained by epochs."""
    lines = []
    for number, (run, name) in enumerate(zip(runs[:_MOST_RUNS], names, strict=False)):
        losses = [row["val_loss"] for row in run.history if row.get("val_loss") is not None]
        if losses:
            lines.append(Line(name, range(len(losses)), losses, number, dots=len(losses) < 40))
    if not lines:
        return Markup("")
    chart = line_chart("validation loss of each run", lines, x_label="evaluation", y_label="validation loss")
    legend = Markup(", ").join(
        Markup('<span class="c{}" style="color:var(--c)">{}</span>').format(line.colour, line.name)
        for line in lines
    )
    return Markup('<div class="charts"><figure>{}<figcaption>{}</figcaption></figure></div>').format(
        chart, legend
    )


def photos_of(compared: ComparedRuns, number: int) -> Markup:
    """Photos that the first run alone answers right, and that another one alone does.

    Args:
        compared: the runs.
        number: of the other run among them.
    """
    one = compared.against[number - 1]
    first, other = compared.names[0], compared.names[number]
    rows = [
        (first, _figures(compared.runs[number], one.only_first)),
        (other, _figures(compared.runs[0], one.only_second)),
    ]
    return Markup("").join(
        Markup('<p>Right only in {}</p><div class="pictures">{}</div>').format(name, figures)
        for name, figures in rows
        if figures
    )


def _figures(wrong: Run, names: Sequence[str]) -> Markup:
    """Photos that a run answers wrong, with its answers."""
    wanted = set(names)
    shown = [one for one in wrong.mistakes(len(wrong.evaluation.labels)) if one.name in wanted][:_PICTURES]
    figures = []
    for one in shown:
        picture = thumbnail(one.file, _SIDE) if one.file is not None else None
        if picture is not None:
            figures.append(
                Markup('<figure><img src="{}" alt="{}"><br>true {}; the other says {} ({})</figure>').format(
                    picture, one.name, one.label, one.predicted, f"{one.probability:.0%}"
                )
            )
    return Markup("").join(figures)
