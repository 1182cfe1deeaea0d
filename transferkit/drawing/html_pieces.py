"""Pieces of HTML for notebooks: everything that is shown is escaped, and the style touches nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from markupsafe import Markup, escape

__all__ = ["block", "html_table", "paragraph"]

# Charts take their colours from these classes, as on the report's page; greys suit light and dark notebooks.
_STYLE = Markup(
    "<style>"
    ".transferkit{max-width:60rem;overflow-x:auto;font:14px/1.45 system-ui,sans-serif}"
    ".transferkit table{border-collapse:collapse;margin:.4rem 0}"
    ".transferkit th,.transferkit td{padding:.15rem .6rem;text-align:right;border-bottom:1px solid #8884}"
    ".transferkit th:first-child,.transferkit td.text{text-align:left}"
    ".transferkit .charts{display:flex;flex-wrap:wrap;gap:1rem}.transferkit figure{margin:0;width:20rem}"
    ".transferkit figure.table{width:auto;max-width:100%;overflow-x:auto}"
    ".transferkit svg{width:100%;height:auto}.transferkit svg text{fill:currentColor;font-size:11px}"
    ".transferkit .grid{stroke:#8884}.transferkit .mark{stroke:#888;stroke-dasharray:2 3}"
    ".transferkit .line{fill:none;stroke:var(--c);stroke-width:2}.transferkit .dot{fill:var(--c)}"
    ".transferkit .c0{--c:#2f7fd6}.transferkit .c1{--c:#d9631a}.transferkit .c2{--c:#2e9d5b}"
    ".transferkit .c3{--c:#a24bc4}.transferkit .c4{--c:#c23b4b}.transferkit .c5{--c:#8a7a1f}"
    ".transferkit .c6{--c:#1f9aa3}.transferkit .c7{--c:#888}.transferkit .dashed{stroke-dasharray:5 4}"
    ".transferkit .strip{display:flex;height:1.2rem;margin:.3rem 0;max-width:40rem}"
    ".transferkit .strip span{background:#8886;border-right:1px solid #fff}"
    ".transferkit .strip .trains{background:#d9631a}"
    ".transferkit .soft{opacity:.75}.transferkit .pictures{display:flex;flex-wrap:wrap;gap:.6rem}"
    ".transferkit .pictures figure{width:7rem;font-size:12px}.transferkit img{max-width:100%}"
    "</style>"
)


def block(*parts: Markup) -> str:
    """One piece of output, with its style."""
    return str(Markup('<div class="transferkit">{}{}</div>').format(_STYLE, Markup("").join(parts)))


def paragraph(*lines: object) -> Markup:
    """Lines of text, the first one strong."""
    first, *rest = lines
    more = Markup("").join(Markup("<br>{}").format(line) for line in rest)
    return Markup("<p><strong>{}</strong>{}</p>").format(first, more)


def html_table(rows: Iterable[Sequence[object]], header: Sequence[str], most: int = 30) -> Markup:
    """A table of up to ``most`` rows; what is left out is counted.

    Args:
        rows: cells of each; the first one heads its row.
        header: the columns' names.
        most: see above.
    """
    cells = list(rows)
    head = Markup("").join(Markup("<th>{}</th>").format(name) for name in header)
    body = Markup("").join(
        Markup("<tr><th>{}</th>{}</tr>").format(row[0], Markup("").join(_cell(cell) for cell in row[1:]))
        for row in cells[:most]
    )
    left = Markup('<p class="soft">and {} more</p>').format(len(cells) - most) if len(cells) > most else ""
    return Markup("<table><thead><tr>{}</tr></thead><tbody>{}</tbody></table>{}").format(head, body, left)


def _cell(cell: object) -> Markup:
    if isinstance(cell, float):
        return Markup("<td>{}</td>").format(f"{cell:.4g}")
    if cell is None:
        return Markup("<td>–</td>")
    text = str(cell)
    figure = isinstance(cell, int) or text[:1].isdigit() or text == "–"
    return Markup("<td{}>{}</td>").format(Markup("" if figure else ' class="text"'), escape(text))
