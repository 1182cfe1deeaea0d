"""Files that a reader, or a killed process, never sees half of."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["whole_file"]


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Gives a place beside ``path`` to write to; what stands there at the end is on disk and takes its name.

    For files that one process writes: what a killed one left is written over by the next. Files that several
    write at once need a name each (:mod:`transferkit.activations.whole_file`).

    Raises:
        OSError: it cannot be written; ``path`` is as it was.
    """
    beside = path.with_name(f".{path.name}.writing")
    try:
        yield beside
        with open(beside, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(beside, path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
