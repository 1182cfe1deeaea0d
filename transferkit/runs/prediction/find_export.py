"""Where an export lies: the folder or file that a user's argument leads to."""

from __future__ import annotations

import os
from pathlib import Path

from transferkit.errors import UserError, did_you_mean, fault
from transferkit.export.versions import versions
from transferkit.runs.remote.local_copy import local_copy

__all__ = ["find_export", "find_model"]

_OF_A_VERSION = ("saved_model.pb", "variables", "assets")


def find_model(place: str | os.PathLike[str]) -> Path:
    """The file of an export, where one is named, else what :func:`find_export` finds.

    Raises:
        UserError: there is none.
    """
    here = local_copy(place, newest=True)
    return here if here.is_file() else find_export(here)


def find_export(place: str | os.PathLike[str]) -> Path:
    """The SavedModel's folder, from that folder itself, its parent of numbered versions, or a run.

    A version that was begun counts, so that an older one never stands in for one that was damaged.

    Raises:
        UserError: there is none.
    """
    place = Path(place)
    for folder in (place, place / "export"):
        if any((folder / name).exists() for name in _OF_A_VERSION):
            return folder
        for version in reversed(versions(folder)):
            if any((version / name).exists() for name in _OF_A_VERSION):
                return version
    raise UserError(fault("run", str(place), "a run or an export", _no_export(place)))


def _no_export(place: Path) -> str:
    """Why there is nothing to load, and what lies beside it under a name like it."""
    if place.exists():
        return "it holds no saved_model.pb"
    beside = place.parent.iterdir() if place.parent.is_dir() else ()
    names = {str(one) for one in beside if one.is_dir() and not one.name.startswith(".")}
    near = did_you_mean(str(place), names)
    return f"there is no such file or folder{f'; {near}' if near else ''}"
