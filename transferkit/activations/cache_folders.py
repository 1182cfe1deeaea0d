"""Folders of the cache: how large they are, and how they go although other processes may use them."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from transferkit.files.folder_contents import LOCK, facts_of
from transferkit.files.lock import locked

__all__ = ["REMOVING", "folders_in", "remove_folder", "remove_unused", "size_of_folder", "still_there"]

# What the name of a folder begins with that is on its way out.
REMOVING = ".removing-"


@contextlib.contextmanager
def still_there() -> Iterator[None]:
    """For one entry of several: what another process removes meanwhile is passed over."""
    with contextlib.suppress(OSError, ValueError):
        yield


def folders_in(parent: Path) -> list[Path]:
    """The folders of one kind, without those that are being made or removed."""
    if not parent.is_dir():
        return []
    return sorted(path for path in parent.iterdir() if path.is_dir() and not path.name.startswith("."))


def size_of_folder(folder: Path) -> int:
    """Bytes of a folder's files; those of its list where there is one, since a source may have millions."""
    if facts := facts_of(folder):
        result: int = facts["bytes"]
        return result
    size = 0
    for path in folder.rglob("*"):
        with contextlib.suppress(FileNotFoundError):
            size += path.stat().st_size if path.is_file() else 0
    return size


def remove_unused(folder: Path, wait: bool = False) -> int:
    """Removes a folder under its lock; 0 where a process holds that, unless it is waited for."""
    try:
        with locked(folder / LOCK, wait=wait) as held:
            return remove_folder(folder) if held else 0
    except OSError:
        return 0  # removed meanwhile, or on a disk that cannot be written


def remove_folder(folder: Path) -> int:
    """Removes a folder at once for everybody else, whatever becomes of this process."""
    if not folder.is_dir():
        return 0
    size = size_of_folder(folder)
    if not folder.name.startswith(REMOVING):
        away = Path(tempfile.mkdtemp(prefix=REMOVING, dir=folder.parent))
        try:
            folder = folder.rename(away / folder.name).parent
        except OSError:
            away.rmdir()  # Windows keeps a folder that holds an open file
    shutil.rmtree(folder, ignore_errors=True)
    return size
