"""Where the cache lies, and how much it may hold."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

__all__ = ["cache_folder", "default_max_bytes"]

_MOST = 50 * 1024**3


def cache_folder(folder: str | os.PathLike | None = None) -> Path:
    """The folder given, else ``$TRANSFERKIT_CACHE``, else the platform's place for caches.

    That is ``$XDG_CACHE_HOME/transferkit`` or ``~/.cache/transferkit``, ``~/Library/Caches/transferkit`` on
    macOS and ``%LOCALAPPDATA%\\transferkit\\Cache`` on Windows. Nothing is made here.
    """
    if folder is not None:
        return Path(folder)
    if named := os.environ.get("TRANSFERKIT_CACHE"):
        return Path(named)
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData/Local", "transferkit", "Cache")
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "transferkit"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "transferkit")


def default_max_bytes(folder: Path) -> int:
    """A tenth of the disk that the folder lies on, 50 GiB at most.

    Args:
        folder: the cache's folder; it need not exist yet.
    """
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return min(_MOST, shutil.disk_usage(folder).total // 10)
