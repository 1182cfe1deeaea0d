"""Files that are refused before they are opened: what they may weigh and hold, and where they may lie."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Limits", "refusal"]


@dataclass(frozen=True)
class Limits:
    """How much one file may ask for.

    Attributes:
        bytes: size of the file.
        pixels: width times height as the header states them. A few kilobytes can state billions, and the
            decoder would ask for the memory.
        side: the longer side in pixels.
        follow_links: take symbolic links that lead out of the data folder.
    """

    bytes: int = 100_000_000
    pixels: int = 100_000_000
    side: int = 60_000
    follow_links: bool = False


def refusal(path: str | os.PathLike[str], root: str | os.PathLike[str], limits: Limits) -> str | None:
    """Why a file must not be opened, or None. Looks at the file's name, place, kind and size only.

    Args:
        path: the file.
        root: the data folder, which may itself be a link.
        limits: what is allowed.
    """
    try:
        if os.path.islink(path):
            target = Path(path).resolve()
            if not target.exists():
                return f"a symbolic link to nothing ({os.readlink(path)})"
            if not limits.follow_links and not target.is_relative_to(Path(root).resolve()):
                return "a symbolic link out of the data folder"
        state = os.stat(path)
    except (OSError, RuntimeError) as error:
        # RuntimeError is how older Pythons say that links lead in a circle.
        return getattr(error, "strerror", None) or "a symbolic link in a circle"
    if not stat.S_ISREG(state.st_mode):
        # Opening a pipe would wait for ever.
        return "not a regular file"
    if state.st_size == 0:
        return "the file is empty"
    if state.st_size > limits.bytes:
        return f"{state.st_size:,} bytes, above the limit of {limits.bytes:,}"
    return None
