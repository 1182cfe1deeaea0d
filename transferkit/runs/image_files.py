"""Image files below folders, found while they are used: a folder of a million files is never listed whole."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable, Iterator

from transferkit.errors import UserError, fault

__all__ = ["image_files"]

_ENDINGS = {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".gif", ".bmp", ".webp"}
_SORTED = 10_000  # entries that are held, and sorted, at a time


def image_files(places: Iterable[str | os.PathLike[str]]) -> Iterator[str]:
    """Files to predict, lazily: the files named, and of folders, walked whole, those named like images.

    The entries of a folder come by name; of one that holds more than 10 000, each 10 000 by themselves, in
    the order in which the file system gives them. A folder that cannot be read is given as a file: opening
    it says why. Hidden files and folders are passed over, links to folders are not followed.

    Raises:
        UserError: a place does not exist (before the first file is given).
    """
    named = [os.fspath(place) for place in places]
    missing = [place for place in named if not os.path.exists(place)]
    if missing:
        raise UserError(
            *(fault("predict", place, "an image or a folder", "no such file") for place in missing)
        )
    for place in named:
        if os.path.isdir(place):
            yield from _walk(place)
        else:
            yield place


def _walk(folder: str) -> Iterator[str]:
    try:
        entries = os.scandir(folder)
    except OSError:
        yield folder
        return
    with entries:
        while part := list(itertools.islice(entries, _SORTED)):
            for entry in sorted(part, key=lambda entry: entry.name):
                if entry.name.startswith("."):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    yield from _walk(entry.path)
                elif os.path.splitext(entry.name)[1].lower() in _ENDINGS:
                    yield entry.path
