"""Line charts as inline SVG: small, sharp at any size, and coloured by the page's light or dark theme."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

__all__ = ["Line", "line_chart", "ticks"]

_WIDTH, _HEIGHT = 400, 260
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 10, 12, 40
# About what a character of a name takes, and a line of them.
_CHARACTER, _LINE_HEIGHT = 6.0, 12.0


@dataclass(frozen=True)
class Line:
    """A named polyline. ``colour`` 0..7 is a place in the page's palette; ``faint`` lines stand back.

    ``radii`` are those of the dots in pixels, one a point, where the dots say something by their size.
    A line that is ``named`` has its name beside its middle point.
    """

    name: str
    x: Sequence[float]
    y: Sequence[float]
    colour: int = 0
    dashed: bool = False
    faint: bool = False
    dots: bool = False
    radii: Sequence[float] | None = None
    named: bool = False


def line_chart(
    label: str,
    lines: Sequence[Line],
    *,
    x_label: str = "",
    y_label: str = "",
    x_range: tuple[float, float] | None = None,
    y_range: tuple[float, float] | None = None,
    marks: Sequence[tuple[float, str]] = (),
) -> Markup:
    """Draws lines over common axes.

    Args:
        label: what a screen reader says instead of the picture.
        lines: what to draw; points that are not finite break a line.
        x_label, y_label: what the axes count, with units.
        x_range, y_range: of the axes; by default what the lines cover.
        marks: (x, name) of vertical lines, such as where a phase begins.
    """
    points = [(x, y) for line in lines for x, y in zip(line.x, line.y, strict=True) if _finite(x, y)]
    axes = _Axes(
        *(x_range or _covered([*(x for x, _ in points), *(x for x, _ in marks)])),
        *(y_range or _covered([y for _, y in points])),
    )
    parts = [f'<svg class="chart" role="img" aria-label="{escape(label)}" viewBox="0 0 {_WIDTH} {_HEIGHT}">']
    parts += axes.grid()
    strokes, names = _marks(axes, marks)
    parts += strokes
    for line in lines:
        parts += _drawn(axes, line)
    # Names come last: what they lie over is held off by their halo.
    parts += names + _beside(axes, [line for line in lines if line.named])
    centre, middle = (_LEFT + _WIDTH - _RIGHT) / 2, (_TOP + _HEIGHT - _BOTTOM) / 2
    parts.append(_text("axis", f'x="{centre}" y="{_HEIGHT - 7}"', "middle", x_label))
    parts.append(_text("axis", f'transform="translate(11 {middle}) rotate(-90)"', "middle", y_label))
    parts.append("</svg>")
    return Markup("".join(parts))


@dataclass(frozen=True)
class _Axes:
    """From values to pixels."""

    x_low: float
    x_high: float
    y_low: float
    y_high: float

    def across(self, x: float) -> float:
        return _LEFT + (x - self.x_low) / (self.x_high - self.x_low) * (_WIDTH - _LEFT - _RIGHT)

    def down(self, y: float) -> float:
        height = _HEIGHT - _TOP - _BOTTOM
        return _HEIGHT - _BOTTOM - (y - self.y_low) / (self.y_high - self.y_low) * height

    def grid(self) -> list[str]:
        """Lines across, with the numbers of both axes."""
        parts = []
        for value in ticks(self.y_low, self.y_high):
            at = self.down(value)
            parts.append(
                f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{at:.1f}" y2="{at:.1f}"/>'
            )
            parts.append(_text("tick", f'x="{_LEFT - 5}" y="{at + 4:.1f}"', "end", f"{value:g}"))
        for value in ticks(self.x_low, self.x_high):
            at = self.across(value)
            parts.append(_text("tick", f'x="{at:.1f}" y="{_HEIGHT - _BOTTOM + 15}"', "middle", f"{value:g}"))
        return parts


def _marks(axes: _Axes, marks: Sequence[tuple[float, str]]) -> tuple[list[str], list[str]]:
    """Vertical lines, and their names."""
    strokes, names = [], []
    for i, (value, name) in enumerate(marks):
        at = axes.across(value)
        strokes.append(
            f'<line class="mark" x1="{at:.1f}" x2="{at:.1f}" y1="{_TOP}" y2="{_HEIGHT - _BOTTOM}"/>'
        )
        # Names of phases that begin close together stand below each other; near the right edge, to the left.
        side = "end" if at > 0.7 * _WIDTH else "start"
        shift = -3 if side == "end" else 3
        names.append(_text("tick", f'x="{at + shift:.1f}" y="{_TOP + 9 + 12 * (i % 3)}"', side, name))
    return strokes, names


def _beside(axes: _Axes, lines: Sequence[Line]) -> list[str]:
    """Names of lines beside their middle points, moved down as far as they would lie over another one."""
    points = [(line.x[len(line.x) // 2], line.y[len(line.y) // 2], line.name) for line in lines]
    names: list[str] = []
    taken: list[tuple[float, float, float]] = []
    for x, y, name in sorted(points, key=lambda point: -point[1]):
        across, down, width = axes.across(x), axes.down(y) + 4, _CHARACTER * len(name)
        side = "start" if across + 6 + width < _WIDTH else "end"
        left = across + 6 if side == "start" else across - 6 - width
        for other, high, wide in taken:
            if left < other + wide and other < left + width and abs(down - high) < _LINE_HEIGHT:
                down = high + _LINE_HEIGHT
        taken.append((left, down, width))
        at = left if side == "start" else left + width
        names.append(_text("tick", f'x="{at:.1f}" y="{down:.1f}"', side, name))
    return names


def _drawn(axes: _Axes, line: Line) -> list[str]:
    """One line, piece by piece, and its dots."""
    colour = f"c{line.colour % 8}"
    style = f"line {colour}" + (" dashed" if line.dashed else "") + (" faint" if line.faint else "")
    parts = []
    for piece in _pieces(line):
        shape = " ".join(f"{axes.across(x):.1f},{axes.down(y):.1f}" for x, y, _ in piece)
        if len(piece) > 1:
            parts.append(f'<polyline class="{style}" points="{shape}"/>')
        if line.dots or len(piece) == 1:
            parts += [
                f'<circle class="dot {colour}" cx="{axes.across(x):.1f}" cy="{axes.down(y):.1f}" '
                f'r="{radius:.3g}"/>'
                for x, y, radius in piece
            ]
    return parts


def _text(style: str, place: str, anchor: str, words: str) -> str:
    return f'<text class="{style}" {place} text-anchor="{anchor}">{escape(words)}</text>'


def ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Round numbers between two bounds.

    >>> ticks(0, 1)
    [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]

    Args:
        low: the one bound.
        high: the other, above it.
        about: how many are wanted, nearly.
    """
    raw = (high - low) / about
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    # Rounding takes the dust of binary fractions off: 0.6000000000000001 would be shown as it is.
    return [round(i * step, 12) for i in range(first, last + 1)]


def _covered(values: list[float]) -> tuple[float, float]:
    if not values:
        return 0.0, 1.0
    low, high = min(values), max(values)
    if low == high:
        return low - (abs(low) or 1.0) / 2, high + (abs(high) or 1.0) / 2
    return low, high + (high - low) * 0.03


def _pieces(line: Line) -> list[list[tuple[float, float, float]]]:
    """The line's points with their radii, broken where a point is not finite."""
    pieces: list[list[tuple[float, float, float]]] = [[]]
    radii = line.radii if line.radii is not None else [3.0] * len(line.x)
    for x, y, radius in zip(line.x, line.y, radii, strict=True):
        if _finite(x, y):
            pieces[-1].append((x, y, radius))
        elif pieces[-1]:
            pieces.append([])
    return [piece for piece in pieces if piece]


def _finite(x: float, y: float) -> bool:
    return math.isfinite(x) and math.isfinite(y)
