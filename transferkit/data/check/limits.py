"""Files that are refused before they are opened: what they may weigh and hold, and where they may lie."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from transferkit.recipe.sections import Data

__all__ = ["Limits", "refusal"]


_DEFAULTS = {name: Data.model_fields[f"max_{name}"].default for name in ("bytes", "pixels", "side")}


@dataclass(frozen=True)
class Limits:
    """How much one file may ask for. The defaults are those of a recipe's ``[data]``.

    Attributes:
        bytes: size of the file.
        pixels: width times height as the header states them. A few kilobytes can state billions, and the
            decoder would ask for the memory.
        side: the longer side in pixels.
        follow_links: take symbolic links that lead out of the data folder.
    """

    bytes: int = _DEFAULTS["bytes"]
    pixels: int = _DEFAULTS["pixels"]
    side: int = _DEFAULTS["side"]
    follow_links: bool = False

    @classmethod
    def of(cls, data: Data) -> Limits:
        """The limits that a recipe's ``[data]`` states."""
        return cls(data.max_bytes, data.max_pixels, data.max_side, data.follow_links)


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
