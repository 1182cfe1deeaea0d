"""The photos that features are wanted of: with labels and splits where their place has them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from transferkit.data.file_names import shown
from transferkit.data.hashing import hash_files
from transferkit.data.sources import read_source
from transferkit.data.sources.archive import is_archive
from transferkit.data.sources.file_kinds import picture_by_name
from transferkit.data.sources.tree import Tree
from transferkit.data.unusable_files import Refused
from transferkit.errors import UserError, fault
from transferkit.files.cache_location import writable_cache_folder
from transferkit.runs.prediction.image_files import image_files
from transferkit.runs.prediction.photo_files import refused

__all__ = ["Photo", "find_photos", "read_photos", "readable_of"]


@dataclass(frozen=True, slots=True)
class Photo:
    """One file.

    Attributes:
        path: where it lies.
        label: its class, where the place says it; with several labels a JSON list.
        split: ``train``, ``val`` or ``test``, where the place has splits.
        sha256: of its content, 64 hexadecimal digits; None where it cannot be read.
    """

    path: str
    label: str | None = None
    split: str | None = None
    sha256: str | None = None


def find_photos(places: Sequence[str | os.PathLike[str]]) -> list[Photo]:
    """Photos of one labelled source, or of any files and folders.

    Args:
        places: one folder of class folders, manifest, archive or TFRecords, which give labels; or image
            files and folders of them, which have none.

    Raises:
        UserError: there is no such place, or it holds no photos.
    """
    if len(places) == 1 and _is_labelled(os.fspath(places[0])):
        found = read_source(
            os.fspath(places[0]), unpack_to=writable_cache_folder() / "sources", minimum_classes=1
        )
        return [Photo(str(item.path), found.label_text(item), item.split) for item in found]
    photos = [Photo(path) for path in image_files(places)]
    if not photos:
        shown_places = ", ".join(os.fspath(place) for place in places)
        raise UserError(fault("photos", shown_places, "images, or folders that hold some"))
    return photos


def read_photos(photos: Sequence[Photo]) -> tuple[list[Photo], list[Refused]]:
    """Photos with the hash of their content, and those that are beyond a limit or cannot be opened."""
    reasons = [refused(photo.path) for photo in photos]
    sound = [photo for photo, reason in zip(photos, reasons, strict=True) if reason is None]
    bad = [
        Refused(shown(photo.path), reason)
        for photo, reason in zip(photos, reasons, strict=True)
        if reason is not None
    ]
    read = []
    for photo, sha256 in zip(sound, hash_files([photo.path for photo in sound]), strict=True):
        if sha256 is None:
            bad.append(Refused(shown(photo.path), "cannot be read"))
        else:
            read.append(Photo(photo.path, photo.label, photo.split, sha256))
    return read, bad


def _is_labelled(place: str) -> bool:
    """Whether a place is more than photos side by side."""
    path = Path(place)
    if not path.is_dir():
        named = is_archive(path) or not picture_by_name(path.name)
        return place.startswith("tfds:") or (path.is_file() and named)
    tree = Tree(path, False)
    return not tree.entries(str(path)).pictures and bool(tree.folders(str(path)))


def readable_of(photos: Sequence[Photo], readable: np.ndarray) -> list[Photo]:
    """The photos that are marked."""
    return [photo for photo, good in zip(photos, readable, strict=True) if good]
