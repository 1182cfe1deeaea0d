"""Numbered versions of an export, each of which appears whole or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

__all__ = ["NewVersion", "next_number", "versions"]


def versions(folder: Path) -> list[Path]:
    """The numbered versions below a folder, the oldest first."""
    if not folder.is_dir():
        return []
    found = [path for path in folder.iterdir() if path.name.isdigit() and path.is_dir()]
    return sorted(found, key=lambda path: int(path.name))


def next_number(folder: Path) -> int:
    """Numbers count up, as TensorFlow Serving expects: it serves the highest."""
    return max((int(path.name) for path in versions(folder)), default=0) + 1


class NewVersion:
    """The next version below a folder, while it is written.

    A server that looks into the folder meanwhile sees nothing of it.

    Args:
        folder: of the numbered versions; made if need be.

    Attributes:
        path: the hidden folder to write in.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self.path = Path(tempfile.mkdtemp(prefix=".partial-", dir=folder))

    def publish(self) -> Path:
        """Gives it its number and returns its place. Two that are published at once get two numbers."""
        self.path.chmod(0o755)  # mkdtemp's own is for nobody else, and servers run as somebody else
        while True:
            target = self._folder / str(next_number(self._folder))
            try:
                os.rename(self.path, target)
                return target
            except OSError:
                if not target.exists():
                    raise

    def discard(self) -> None:
        """Removes what was written, and the folder where nothing else is in it."""
        shutil.rmtree(self.path, ignore_errors=True)
        if not any(self._folder.iterdir()):
            self._folder.rmdir()
