"""Paths with ``[``, ``*``, ``?`` or a backslash, under a name that TensorFlow does not take for a pattern.

TensorFlow matches the names of checkpoints, and so of a SavedModel's variables, as patterns: it looks for
``runs/exp1`` where ``runs/exp[1]`` is meant, and calls a whole checkpoint missing. It writes such files; only
reading fails. So it is given another name of the same folder: a symbolic link in a private temporary folder,
which is removed when the process ends.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import shutil
import tempfile
import threading
from collections.abc import Iterator

__all__ = ["SPECIAL", "is_pattern", "plain_path", "plain_temporary_folder"]

SPECIAL = "*?[\\"  # what TensorFlow's file systems look for; a closing bracket alone is none
# TMPDIR may itself have such a name.
_OTHER_PLACES = ("/tmp", "/var/tmp", "/dev/shm")

_lock = threading.Lock()
_links: dict[str, str] = {}
_own: list[str] = []


def is_pattern(path: str | bytes | os.PathLike[str]) -> bool:
    """Whether TensorFlow would take the path for a pattern. Addresses of remote files are left alone."""
    text = os.fsdecode(path)
    text = text if os.sep != "\\" else text.replace("\\", "/")
    return "://" not in text and any(one in text for one in SPECIAL)


def plain_path(path: str | bytes | os.PathLike[str]) -> str:
    """A path to the same file, folder or checkpoint that TensorFlow reads as it stands.

    Args:
        path: of a file or folder, or of a checkpoint, without the endings of its files.

    Returns:
        The path itself where nothing in it is special, or where no link can be made.
    """
    text = os.fsdecode(path)
    if not is_pattern(text):
        return text
    try:
        folder, name = os.path.split(os.path.abspath(text))
        if os.path.isdir(text):
            return _link(os.path.abspath(text))
        if is_pattern(name):
            return _link_files(folder, name)
        return os.path.join(_link(folder), name)
    except OSError:
        return text


@contextlib.contextmanager
def plain_temporary_folder() -> Iterator[None]:
    """Temporary folders have plain names inside, for converters that write checkpoints there and read them.

    Nothing is changed where the usual place has a plain name, as nearly all have.
    """
    before = tempfile.tempdir
    usual = tempfile.gettempdir()
    if is_pattern(usual):
        tempfile.tempdir = plain_path(usual)
    try:
        yield
    finally:
        tempfile.tempdir = before


def _link(folder: str) -> str:
    with _lock:
        link = _links.get(folder)
        if link is None or not os.path.islink(link):
            link = os.path.join(_place(), str(len(_links)))
            os.symlink(folder, link, target_is_directory=True)
            _links[folder] = link
        return link


def _link_files(folder: str, name: str) -> str:
    """A folder of links to all files of one checkpoint, or to one file."""
    with _lock:
        place = tempfile.mkdtemp(dir=_place())
    for file in os.listdir(folder):
        if file == name or file.startswith(f"{name}."):
            os.symlink(os.path.join(folder, file), os.path.join(place, "file" + file[len(name) :]))
    return os.path.join(place, "file")


def _place() -> str:
    if not (_own and os.path.isdir(_own[-1])):
        for parent in (tempfile.gettempdir(), *_OTHER_PLACES):
            if not is_pattern(parent) and os.access(parent, os.W_OK):
                _own.append(tempfile.mkdtemp(prefix="transferkit-names-", dir=parent))
                break
        else:
            raise OSError("there is no temporary folder with a plain name")
        _links.clear()
    return _own[-1]


@atexit.register
def _remove() -> None:
    for place in _own:
        shutil.rmtree(place, ignore_errors=True)
