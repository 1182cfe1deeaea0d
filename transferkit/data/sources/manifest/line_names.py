"""What messages call a manifest and its lines: the file's own, or the rows of what a program gave."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

__all__ = ["FRAME_FILE", "GIVEN", "frame_folder", "header_of", "line_of", "name_of"]

# A data frame is written out as this file, which its owner has never seen.
FRAME_FILE = "manifest.jsonl"
GIVEN = "data"


def frame_folder(text: str) -> str:
    """The name of the folder that the rows of a data frame are written to.

    Args:
        text: all of them.
    """
    return "frame-" + hashlib.sha256(text.encode()).hexdigest()[:32]


def name_of(path: Path) -> str:
    """The name of a manifest for messages; ``data`` for the rows that a program gave."""
    written = path.name == FRAME_FILE and re.fullmatch("frame-[0-9a-f]{32}", path.parent.name)
    return GIVEN if written else path.name


def line_of(name: str, line: int) -> str:
    """The place of one of its lines: that of a file, from 1, or a row as pandas' ``iloc`` counts, from 0.

    Args:
        name: of :func:`name_of`.
        line: from 1.

    >>> line_of("m.csv", 3), line_of("data", 3)
    ('m.csv:3', 'data: row 2')
    """
    return f"{name}: row {line - 1}" if name == GIVEN else f"{name}:{line}"


def header_of(name: str) -> str:
    """The place of its columns' names.

    >>> header_of("m.csv"), header_of("data")
    ('m.csv:1', 'data: columns')
    """
    return f"{name}: columns" if name == GIVEN else f"{name}:1"
