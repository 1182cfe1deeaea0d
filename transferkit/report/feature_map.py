"""The map of a data set: photos as points, near each other where the network sees them alike."""

from __future__ import annotations

import base64
import io
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from transferkit.data.file_names import shown
from transferkit.report.sprite import sprite
from transferkit.type_names import NamedValues

__all__ = ["MapFacts", "MapPoint", "drawn_map"]

_TILE = 44
_COLOURS = 7  # classes with a colour of their own; the eighth is of all others
_WIDTH, _HEIGHT, _EDGE = 720, 480, 14


@dataclass(frozen=True)
class MapPoint:
    """One photo.

    Attributes:
        x, y: 0 to 1.
        label: its class, in words.
        file: where it lies.
        predicted: what it was taken for, where that was wrong; else empty.
    """

    x: float
    y: float
    label: str
    file: str
    predicted: str = ""


@dataclass(frozen=True)
class MapFacts:
    """Points of a map.

    Attributes:
        points: drawn of all photos, mistakes first.
        photos: how many there are in all.
        share: of the features' variance that the two axes hold, 0 to 1.
    """

    points: Sequence[MapPoint] = field(default_factory=tuple)
    photos: int = 0
    share: float = 0.0


def drawn_map(facts: MapFacts | None) -> NamedValues | None:
    """What the page's template draws; None where there is no map.

    Args:
        facts: the points.
    """
    if facts is None or len(facts.points) < 3:
        return None
    counts = Counter(one.label for one in facts.points)
    named = [name for name, _ in counts.most_common(_COLOURS + (len(counts) == _COLOURS + 1))]
    colour = {name: number for number, name in enumerate(sorted(named))}
    files = [one.file for one in facts.points]
    tiles = {file: number for number, file in enumerate(dict.fromkeys(files)) if Path(file).is_file()}
    across = max(1, math.ceil(math.sqrt(len(set(files)))))
    points = [
        {
            "x": round(_EDGE + one.x * (_WIDTH - 2 * _EDGE), 1),
            "y": round(_EDGE + (1 - one.y) * (_HEIGHT - 2 * _EDGE), 1),
            "colour": colour.get(one.label, _COLOURS),
            "wrong": bool(one.predicted),
            "text": f"{one.label}, predicted as {one.predicted}" if one.predicted else one.label,
            "name": shown(Path(one.file).name),
            "tile": tiles.get(one.file, -1),
        }
        for one in facts.points
    ]
    legend: list[tuple[str, int]] = list(colour.items())
    if len(counts) > len(named):
        legend.append((f"{len(counts) - len(named)} other classes", _COLOURS))
    return {
        "points": points,
        "legend": legend,
        "sheet": _data_uri(list(dict.fromkeys(files))) if tiles else "",
        "across": across,
        "tile": _TILE,
        "width": _WIDTH,
        "height": _HEIGHT,
        "photos": facts.photos,
        "share": facts.share,
        "mistakes": sum(bool(one.predicted) for one in facts.points),
    }


def _data_uri(files: Sequence[str]) -> str:
    held = io.BytesIO()
    sprite(files, _TILE).save(held, "JPEG", quality=70)
    return f"data:image/jpeg;base64,{base64.b64encode(held.getvalue()).decode()}"
