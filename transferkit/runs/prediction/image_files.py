"""Image files below folders, found while they are used: a folder of a million files is never listed whole."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable, Iterator, MutableSequence

from transferkit.data.file_names import shown
from transferkit.data.source import LeftOut
from transferkit.data.sources.file_kinds import is_clutter, picture_by_name
from transferkit.data.sources.tree import LINK_OUT, NOT_A_PICTURE, is_below
from transferkit.errors import UserError, fault

__all__ = ["image_files"]

_SORTED = 10_000  # entries that are held, and sorted, at a time


def image_files(
    places: Iterable[str | os.PathLike[str]], left_out: MutableSequence[LeftOut] | None = None
) -> Iterator[str]:
    """Files to predict, lazily: the files named, and of folders those that training would read.

    The entries of a folder come by name; of one that holds more than 10 000, each 10 000 by themselves, in
    the order in which the file system gives them. A folder that cannot be read is given as a file: opening
    it says why. Links to folders are followed within the folder that was named.

    Args:
        places: files and folders.
        left_out: takes what is passed over, with the reason.

    Raises:
        UserError: a place does not exist (before the first file is given).
    """
    named = [os.fspath(place) for place in places]
    missing = [place for place in named if not os.path.exists(place)]
    if missing:
        raise UserError(
            *(fault("images", place, "an image or a folder", "no such file") for place in missing)
        )
    passed: MutableSequence[LeftOut] = [] if left_out is None else left_out
    for place in named:
        if os.path.isdir(place):
            root = os.path.realpath(place)
            yield from _walk(place, root, frozenset({root}), passed)
        else:
            yield place


def _walk(folder: str, root: str, above: frozenset[str], passed: MutableSequence[LeftOut]) -> Iterator[str]:
    try:
        entries = os.scandir(folder)
    except OSError:
        yield folder
        return
    with entries:
        while part := list(itertools.islice(entries, _SORTED)):
            for entry in sorted(part, key=lambda entry: entry.name):
                if is_clutter(entry.name):
                    continue
                if not _is_folder(entry):
                    if picture_by_name(entry.name):
                        yield entry.path
                    else:
                        why = "hidden" if entry.name.startswith(".") else NOT_A_PICTURE
                        passed.append(LeftOut(shown(entry.path), why))
                    continue
                real = os.path.realpath(entry.path)
                reason = _not_entered(entry, real, root, above)
                if reason:
                    passed.append(LeftOut(shown(entry.path) + "/", reason, 0))
                else:
                    yield from _walk(entry.path, root, above | {real}, passed)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    """A link in a circle is none: it is handed on as a file, and whoever opens it says so."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def _not_entered(entry: os.DirEntry[str], real: str, root: str, above: frozenset[str]) -> str | None:
    """Why a folder is passed over, or None."""
    if entry.name.startswith("."):
        return "hidden"
    if not entry.is_symlink():
        return None
    if not is_below(real, root):
        return LINK_OUT.split(";")[0]
    return "a symbolic link in a circle" if real in above else None
