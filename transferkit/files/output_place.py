"""Places that a user names for results, looked at before the work that would be lost with them."""

from __future__ import annotations

import os
from pathlib import Path

from transferkit.errors import Faults, fault

__all__ = ["check_output", "output_faults"]


def output_faults(option: str, place: str | os.PathLike[str], folder: bool = False) -> list[str]:
    """What speaks against writing there; empty where nothing does.

    Args:
        option: the option or argument that names it.
        place: a file, in a folder that exists; or a folder, which is made where it is missing.
        folder: it is a folder.
    """
    path = Path(os.path.abspath(place))
    if not folder and path.is_dir():
        return [fault(option, str(place), "a file", "there is a folder of that name")]
    if not folder and not path.parent.is_dir():
        return [fault(option, str(place), "a file in a folder that exists")]
    if not folder and path.exists() and not path.is_file():
        return []  # a device or a pipe
    above = path if folder else path.parent
    while not above.exists():
        above = above.parent
    if not above.is_dir():
        return [fault(option, str(place), "a folder", f"{above} is a file")]
    if not os.access(above, os.W_OK | os.X_OK):
        return [fault(option, str(place), "a folder that can be written in", f"{above} cannot be")]
    if len(os.fsencode(path.name)) > _LONGEST:
        return [fault(option, path.name[:60] + "…", "a shorter name")]
    return []


# Bytes of a name: a hidden one beside it, which is written first, has a few more.
_LONGEST = 255 - len("..writing")


def check_output(option: str, place: str | os.PathLike[str] | None, folder: bool = False) -> None:
    """Refuses a place that cannot be written.

    Args:
        option: as of :func:`output_faults`.
        place: the same; None is none.
        folder: the same.

    Raises:
        UserError: says what is wrong with it.
    """
    Faults([] if place is None else output_faults(option, place, folder)).refuse()
