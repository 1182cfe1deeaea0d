"""Photos of other things, and how well a trained network tells them from new photos of its classes."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import numpy as np

from transferkit.data.splits.ledger import Row
from transferkit.data.unusable_files import Refused, refused_notes
from transferkit.errors import Faults, UserError, fault
from transferkit.files.remote import is_remote
from transferkit.runs.features.photos import Photo, find_photos, read_photos
from transferkit.runs.prediction.image_files import image_files
from transferkit.training.images import Images

__all__ = ["OtherPhotos", "check_other_places", "find_other_photos"]

_PLACE = "evaluation.other_data"
_MOST = 2_000  # photos of a place that are looked at


@dataclass(frozen=True)
class OtherPhotos:
    """What was measured on photos of other things.

    Attributes:
        photos: how many.
        area: under the ROC: how often one of them has a higher score than a held-out photo of the classes.
        unknown: the share that is called unknown.
    """

    photos: int
    area: float
    unknown: float

    def describe(self) -> str:
        """In a few words."""
        return f"{self.area:.2f} ({self.photos} photos, {self.unknown:.1%} of them rejected)"


def check_other_places(places: Sequence[str]) -> None:
    """Makes sure that each place is there and has photos, without opening one.

    Raises:
        UserError: the places of which that is not so.
    """
    faults = Faults()
    for place in places:
        hint = _trouble(place)
        if hint is not None:
            faults.append(fault(_PLACE, place, "photos of other things: files, folders, a manifest", hint))
    faults.refuse()


def _trouble(place: str) -> str | None:
    if is_remote(place):
        return "give files and folders of this machine"
    if not os.path.exists(place):
        return "no such file or folder"
    if os.path.isdir(place):
        return None if next(image_files([place]), None) else "there is no photo in it"
    try:
        find_photos([place])
    except UserError as error:
        return error.faults[0]
    return None


def find_other_photos(place: str, known: Collection[str], say: Callable[[str], object]) -> Images:
    """The photos of a place; of more than 2 000 a sample, the same each time.

    Args:
        place: a file, a folder, a manifest or an archive.
        known: content hashes of the run's own photos, which are nothing other.
        say: is told what is left out.
    """
    # Folders are walked whatever their layout, which says nothing here.
    found = [Photo(path) for path in image_files([place])] if os.path.isdir(place) else find_photos([place])
    if len(found) > _MOST:
        some = np.sort(np.random.default_rng(0).choice(len(found), _MOST, replace=False))
        found = [found[number] for number in some]
    read, bad = read_photos(found)
    others = [one for one in read if one.sha256 not in known]
    if len(others) < len(read):
        say(f"{_PLACE}: {place}: {len(read) - len(others)} photo(s) are the run's own, and left out")
    for note in refused_notes([Refused(one.name, one.reason, one.kind) for one in bad]):
        say(f"{_PLACE}: {place}: {note}")
    rows = tuple(Row(str(one.sha256), one.path, "", "test") for one in others)
    # They have no class; the labels stand for none.
    return Images((), rows, tuple(one.path for one in others), np.zeros(len(rows), np.int64))
