"""The folders that a run writes to: whether each can be written, and what room it has."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from transferkit.errors import UserError
from transferkit.inspection.doctor_finding import Finding

__all__ = ["gib", "look_at_folders"]

# Free bytes below which a first run may end early: a cache of some thousand images, checkpoints and exports.
_LITTLE_DISK = 2 * 1024**3


def look_at_folders() -> Iterator[Finding]:
    """A finding for each; one that cannot be found does not hide the others."""
    yield _folder("cache", _cache, "--set activations.cache_dir=DIR or TRANSFERKIT_CACHE")
    yield _folder("Keras' weights", _weights, "KERAS_HOME")
    yield _folder("current folder", Path.cwd, "--run DIR, and call from another folder")
    yield _folder("temporary", lambda: Path(tempfile.gettempdir()), "TMPDIR")


def _cache() -> Path:
    from transferkit.files.cache_location import cache_folder, check_cache_folder

    check_cache_folder()
    return cache_folder()


def _weights() -> Path:
    from transferkit.keras_settings import keras_folder

    return keras_folder() / "models"


def _folder(name: str, find: Callable[[], Path], setting: str) -> Finding:
    from transferkit.files.cache_location import disk_usage

    try:
        folder = find()
        # Before the test below: it needs the current folder, which may be gone.
        place = next((one for one in (folder, *folder.absolute().parents) if one.exists()), Path("/"))
    except UserError as error:
        # A home that is not known is no fault: a temporary cache takes its place.
        return Finding(
            "folders", name, error.faults[0], "fault" if os.environ.get("TRANSFERKIT_CACHE") else "note"
        )
    except OSError as error:
        return Finding(
            "folders", name, f"cannot be found ({error.strerror})", "note", f"name another with {setting}"
        )
    try:
        with tempfile.TemporaryFile(dir=place if place.is_dir() else place.parent):
            pass
        if not place.is_dir():
            raise NotADirectoryError(20, "Not a directory")
    except OSError as error:
        shown = f"{folder}: cannot be written ({error.strerror})"
        return Finding("folders", name, shown, "note", f"name another with {setting}")
    free = disk_usage(place).free
    hint = f"make room, or name another with {setting}" if free < _LITTLE_DISK else None
    return Finding("folders", name, f"{folder}: {gib(free)} free", "note" if hint else "ok", hint)


def gib(count: float) -> str:
    """Bytes for people.

    >>> gib(3 * 1024**3)
    '3.0 GiB'
    """
    return f"{count / 1024**3:.1f} GiB"
