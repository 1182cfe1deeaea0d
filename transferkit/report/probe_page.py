"""A probe of backbones as a page: accuracy against cost, the table, and what to take."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from transferkit._version import __version__
from transferkit.drawing.svg import Line, line_chart
from transferkit.files.whole_file import whole_file
from transferkit.report.rendering import render

__all__ = ["write_probe_page"]


def write_probe_page(found: Any, path: str | Path) -> Path:
    """Writes the page whole or not at all, and returns its path.

    Args:
        found: a :class:`transferkit.inspection.probe.Probe`.
        path: where to.
    """
    path = Path(path)
    with whole_file(path) as beside:
        beside.write_text(
            render("probe.html.j2", found=found, chart=_chart(found), transferkit_version=__version__),
            encoding="utf-8",
        )
    return path


def _chart(found: Any) -> Any:
    """Accuracy against operations; where some are unknown, against seconds an image."""
    cost, unit = found.costs
    front = sorted((row for row in found.rows if row.front), key=lambda row: cost[row.backbone])
    lines = [
        Line(
            "none is cheaper and better",
            [cost[row.backbone] for row in front],
            [row.accuracy for row in front],
            0,
            dots=True,
        )
    ]
    for row in found.rows:
        # The interval of each, as a line upright.
        at = cost[row.backbone]
        lines.append(
            Line(
                row.backbone,
                [at, at, at],
                [row.low, row.accuracy, row.high],
                1,
                faint=True,
                dots=True,
                radii=[1.5, 4, 1.5],
                named=True,
            )
        )
    return line_chart(
        "Accuracy of each backbone against the cost of an image",
        lines,
        x_label=unit,
        y_label="accuracy, cross-validated",
        x_range=(0, 1.1 * max(cost.values())),
    )
