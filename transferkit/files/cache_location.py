"""Where the cache lies, and how much it may hold."""

from __future__ import annotations

import atexit
import contextlib
import functools
import logging
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from transferkit.errors import UserError, fault
from transferkit.files.remote.urls import is_remote, without_query

__all__ = [
    "cache_folder",
    "check_cache_folder",
    "default_max_bytes",
    "disk_usage",
    "writable_cache_folder",
]

_MOST = 50 * 1024**3
_log = logging.getLogger("transferkit.activations")


def cache_folder(folder: str | os.PathLike[str] | None = None) -> Path:
    """The folder given, else ``$TRANSFERKIT_CACHE``, else the platform's place for caches.

    Of a cache at a URL the part on this machine is the one that there is without it.

    That is ``$XDG_CACHE_HOME/transferkit`` or ``~/.cache/transferkit``, ``~/Library/Caches/transferkit`` on
    macOS and ``%LOCALAPPDATA%\\transferkit\\Cache`` on Windows. Nothing is made here.

    Raises:
        UserError: none is named, and the user has no home.
    """
    if folder is not None and not is_remote(os.fspath(folder)):
        return Path(folder)
    if named := os.environ.get("TRANSFERKIT_CACHE"):
        return Path(named)
    try:
        return _users()
    except RuntimeError as error:
        hint = "name one with --set activations.cache_dir=DIR or TRANSFERKIT_CACHE"
        raise UserError(fault("activations.cache_dir", None, "a home folder to cache in", hint)) from error


def writable_cache_folder(folder: str | os.PathLike[str] | None = None) -> Path:
    """The cache's folder to work with.

    Where none is named and the user's own cannot be written, it is a temporary one, which this process
    removes when it ends, and the log says so. A folder that is named stays: what is there can be read, and
    whoever writes there says what is wrong.
    """
    folder = None if folder is not None and is_remote(os.fspath(folder)) else folder
    if folder is not None or os.environ.get("TRANSFERKIT_CACHE"):
        return cache_folder(folder)
    try:
        place = cache_folder()
        place.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=place):
            return place
    except (OSError, UserError) as error:
        reason = f"{place}: {error.strerror}" if isinstance(error, OSError) else "there is no home folder"
        return _temporary(reason)


def check_cache_folder(folder: str | os.PathLike[str] | None = None) -> None:
    """Refuses a folder that is named and that can neither be read nor be made. Makes nothing.

    Args:
        folder: ``activations.cache_dir``; None takes ``$TRANSFERKIT_CACHE``.

    Raises:
        UserError: something else has its name, or lies on the way to it, or it is not there and the folder
            above it cannot be written. One that is there and cannot be written may hold all that is needed.
    """
    here = os.environ.get("TRANSFERKIT_CACHE")
    if here and is_remote(here):
        hint = "a URL goes to --set activations.cache_dir=URL; this names the part of it on this machine"
        raise UserError(fault("TRANSFERKIT_CACHE", without_query(here), "a folder", hint))
    if folder is not None and is_remote(os.fspath(folder)):
        from transferkit.files.remote.location import Location

        Location(os.fspath(folder), "activations.cache_dir").check_writable()
        folder = None
    named = folder if folder is not None else here
    if not named:
        return
    place = above = Path(named)
    try:
        while not above.exists() and above != above.parent:
            above = above.parent
        reason = None if above.is_dir() else f"{above} is no folder"
        if reason is None and above != place and not os.access(above, os.W_OK):
            reason = f"{above} cannot be written"
    except (OSError, ValueError) as error:  # a name that no folder can have
        reason = getattr(error, "strerror", None) or str(error)
    if reason is not None:
        hint = f"{reason}; name another with --set activations.cache_dir=DIR or TRANSFERKIT_CACHE"
        raise UserError(fault("activations.cache_dir", str(place), "a folder to write in", hint))


@functools.lru_cache(maxsize=1)
def _temporary(reason: str) -> Path:
    made = Path(tempfile.mkdtemp(prefix="transferkit-cache-"))
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    _log.warning(
        "the cache cannot be written (%s): this run keeps a temporary one, %s; name a folder that stays "
        "with --set activations.cache_dir=DIR or TRANSFERKIT_CACHE",
        reason,
        made,
    )
    return made


def _users() -> Path:
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
    result: int = min(_MOST, disk_usage(folder).total // 10)
    return result


def disk_usage(folder: Path) -> Any:
    """``total``, ``used`` and ``free`` bytes of the disk that a folder lies on, or would lie on.

    Raises:
        FileNotFoundError: no folder above it exists either.
    """
    for place in (folder, *folder.absolute().parents):
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            return shutil.disk_usage(place)
    raise FileNotFoundError(str(folder))
