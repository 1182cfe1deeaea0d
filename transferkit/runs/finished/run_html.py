"""A run as a notebook shows it: how good it is, curves, classes, the surest mistakes, the next step."""

from __future__ import annotations

from typing import TYPE_CHECKING

from markupsafe import Markup

from transferkit.data.check.thumbnail import thumbnail
from transferkit.drawing.html_pieces import block, html_table, paragraph
from transferkit.errors import UserError
from transferkit.evaluation import evaluation_text
from transferkit.report.charts import curves

if TYPE_CHECKING:
    from transferkit.runs.finished.run import Run

__all__ = ["run_html"]

_PICTURES, _SIDE = 6, 112


def run_html(run: Run) -> str:
    """HTML in which everything is escaped; a damaged run is its path and what is wrong with it."""
    try:
        parts = [
            paragraph(*run.describe().splitlines()),
            curves(run.history),
            html_table(evaluation_text.class_rows(run.evaluation), evaluation_text.CLASS_HEADER, 12),
            _mistakes(run),
        ]
    except UserError as error:
        return block(paragraph(repr(run), *error.faults))
    return block(*parts)


def _mistakes(run: Run) -> Markup:
    pictures = []
    for one in run.mistakes(_PICTURES):
        picture = thumbnail(one.file, _SIDE) if one.file is not None else None
        if picture is not None:
            pictures.append(
                Markup('<figure><img src="{}" alt="{}"><br>true {}, predicted {} ({})</figure>').format(
                    picture, one.name, one.label, one.predicted, f"{one.probability:.0%}"
                )
            )
    if not pictures:
        return Markup("")
    return Markup('<p>The most confident mistakes</p><div class="pictures">{}</div>').format(
        Markup("").join(pictures)
    )
