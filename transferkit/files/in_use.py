"""Folders of the cache that a process uses until it ends, so that nobody removes them meanwhile."""

from __future__ import annotations

import contextlib
from pathlib import Path

from transferkit.files.folder_contents import LOCK
from transferkit.files.lock import locked

__all__ = ["hold"]

# The folders that this process uses, and their locks.
_in_use: dict[Path, contextlib.ExitStack] = {}


def hold(folder: Path) -> bool:
    """Keeps a folder from being removed as long as this process lives; False where there is none.

    Args:
        folder: of the cache; ``transferkit cache prune`` and ``clear`` leave it.
    """
    if folder in _in_use:
        if (folder / LOCK).exists():
            return True
        _in_use.pop(folder).close()  # removed by hand
    stack = contextlib.ExitStack()
    try:
        stack.enter_context(locked(folder / LOCK, shared=True))
    except (FileNotFoundError, NotADirectoryError):
        return False
    _in_use[folder] = stack
    return True
