"""The photos to label next as a page of thumbnails, one file that needs nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from transferkit._version import __version__
from transferkit.data.check.thumbnail import thumbnail
from transferkit.data.file_names import shown
from transferkit.files.whole_file import whole_file
from transferkit.report.rendering import render

__all__ = ["write_label_page"]

_MOST, _SIZE = 500, 176


def write_label_page(photos: Sequence[Any], asked: int, path: Path) -> Path:
    """Writes the page whole or not at all, and returns its path.

    Args:
        photos: with ``path``, ``guesses``, ``doubt`` and ``distance``, the most useful first.
        asked: how many there were to choose from.
        path: where to.
    """
    pieces = [(one, shown(Path(one.path).as_posix()), thumbnail(one.path, _SIZE)) for one in photos[:_MOST]]
    page = render(
        "label_next.html.j2", pieces=pieces, count=len(photos), asked=asked, transferkit_version=__version__
    )
    with whole_file(path) as beside:
        beside.write_text(page, encoding="utf-8")
    return path
