"""What the functions for Python are given: names of photos, and how many are wanted."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

from transferkit.errors import UserError, fault

__all__ = ["check_count", "places_of"]


def places_of(given: Any, place: str = "photos") -> list[str | os.PathLike[str]]:
    """The files and folders that are named, one or several.

    Args:
        given: a path, or paths.
        place: what messages call it.

    Raises:
        UserError: something else is given, such as the pixels or the bytes of a photo.
    """
    if isinstance(given, str | os.PathLike):
        return [given]
    several = (
        isinstance(given, Iterable) and not isinstance(given, bytes | bytearray) and not _is_pixels(given)
    )
    places = list(given) if several else [given]
    others = [one for one in places if not isinstance(one, str | os.PathLike)]
    if others:
        hint = (
            "Run.predict also takes arrays of pixels and images of Pillow, such as Image.open(io.BytesIO(…))"
        )
        raise UserError(fault(place, type(others[0]).__name__, "names of files and folders", hint))
    return places


def check_count(place: str, count: Any) -> None:
    """Refuses what is no number of things to name.

    Raises:
        UserError: it is none, or below 1.
    """
    if isinstance(count, bool) or not hasattr(count, "__index__") or count < 1:
        raise UserError(fault(place, count, "a whole number from 1"))


def _is_pixels(given: Any) -> bool:
    return len(getattr(given, "shape", ())) > 1
