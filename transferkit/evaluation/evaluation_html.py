"""An evaluation as a notebook shows it: headline, classes from the weakest on, confusions, reliability."""

from __future__ import annotations

from markupsafe import Markup

from transferkit.drawing.html_pieces import block, html_table, paragraph
from transferkit.drawing.svg import Line, line_chart
from transferkit.evaluation import evaluation_text
from transferkit.evaluation.evaluation import Evaluation

__all__ = ["evaluation_html"]

# With more classes the cells of a whole table of confusions would no longer be read.
_MOST_CLASSES = 12


def evaluation_html(found: Evaluation) -> str:
    """HTML in which everything is escaped."""
    parts = [
        paragraph(*evaluation_text.headline(found, ""), *found.notes),
        html_table(evaluation_text.class_rows(found), evaluation_text.CLASS_HEADER),
    ]
    if confused := evaluation_text.confusion_rows(found):
        parts.append(html_table(confused, evaluation_text.CONFUSION_HEADER))
    figures = [_reliability(found)]
    if found.kind == "single" and len(found.classes) <= _MOST_CLASSES:
        figures.insert(0, _confusion(found))
    parts.append(Markup('<div class="charts">{}</div>').format(Markup("").join(figures)))
    return block(*parts)


def _confusion(found: Evaluation) -> Markup:
    """Every count, the darker the larger its share of the true class."""
    head = Markup("").join(Markup("<th>{}</th>").format(name) for name in found.classes)
    rows = []
    for name, counts in zip(found.classes, found.confusion.tolist(), strict=True):
        total = max(sum(counts), 1)
        cells = Markup("").join(
            Markup('<td style="background:rgba(47,127,214,{:.2f})">{}</td>').format(0.6 * one / total, one)
            for one in counts
        )
        rows.append(Markup("<tr><th>{}</th>{}</tr>").format(name, cells))
    table = "<table><thead><tr><th>true \\ predicted</th>{}</tr></thead><tbody>{}</tbody></table>"
    return Markup(f'<figure class="table">{table}</figure>').format(head, Markup("").join(rows))


def _reliability(found: Evaluation) -> Markup:
    rows = [one for one in found.reliability if one.confidence is not None and one.accuracy is not None]
    lines = [
        Line("perfect calibration", [0, 1], [0, 1], 7, dashed=True, faint=True),
        Line("this model", [r.confidence or 0 for r in rows], [r.accuracy or 0 for r in rows], 0, dots=True),
    ]
    error = found.metrics["expected_calibration_error"]
    chart = line_chart(
        f"Reliability curve; the gap is {error:.3f} on average", lines, x_label="predicted probability",
        y_label="share of right answers", x_range=(0, 1), y_range=(0, 1),
    )  # fmt: skip
    return Markup("<figure>{}<figcaption>calibration error {}</figcaption></figure>").format(
        chart, f"{error:.3f}"
    )
