"""Files that are refused before they are opened: what they may weigh and hold, and where they may lie."""

from __future__ import annotations

import errno
import os
import stat
from dataclasses import dataclass

from transferkit.data.file_names import shown
from transferkit.data.sources.tree import LINK_OUT, is_below
from transferkit.data.unusable_files import Kind
from transferkit.recipe.sections import DataSection

__all__ = ["Limits", "Refusal", "refusal"]


_DEFAULTS = {name: DataSection.model_fields[f"max_{name}"].default for name in ("bytes", "pixels", "side")}


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
    def of(cls, data: DataSection) -> Limits:
        """The limits that a recipe's ``[data]`` states."""
        return cls(data.max_bytes, data.max_pixels, data.max_side, data.follow_links)


class Refusal(str):
    """Why a file must not be opened, in words.

    Attributes:
        kind: ``missing``; ``limit``, of its size or its place; or ``unreadable``.
    """

    kind: Kind

    def __new__(cls, reason: str, kind: Kind) -> Refusal:
        made = super().__new__(cls, reason)
        made.kind = kind
        return made

    def __getnewargs__(self) -> tuple[str, Kind]:  # type: ignore[override]
        """What a copy is made from."""
        return str(self), self.kind


def refusal(path: str | os.PathLike[str], root: str | os.PathLike[str], limits: Limits) -> Refusal | None:
    """Why a file must not be opened, or None. Looks at the file's name, place, kind and size only.

    Args:
        path: the file.
        root: the data folder, which may itself be a link.
        limits: what is allowed.
    """
    try:
        if os.path.islink(path) and not os.path.exists(path):
            os.stat(path)
        if not limits.follow_links and _led_out(os.path.abspath(path), os.path.abspath(root)):
            return Refusal(LINK_OUT, "limit")
        state = os.stat(path)
    except OSError as error:
        if error.errno == errno.ELOOP:
            return Refusal("a symbolic link in a circle", "missing")
        if error.errno == errno.ENOENT and os.path.islink(path):
            return Refusal(f"a symbolic link to nothing ({shown(os.readlink(path))})", "missing")
        denied = isinstance(error, PermissionError)
        return Refusal(error.strerror or type(error).__name__, "unreadable" if denied else "missing")
    if stat.S_ISDIR(state.st_mode) and not os.access(path, os.R_OK | os.X_OK):
        return Refusal("a folder that cannot be listed: Permission denied", "unreadable")
    if stat.S_ISDIR(state.st_mode):
        return Refusal("a folder, not a file", "missing")
    if not stat.S_ISREG(state.st_mode):
        # Opening a pipe would wait for ever.
        return Refusal("not a regular file", "unreadable")
    if state.st_size == 0:
        return Refusal("the file is empty", "unreadable")
    if state.st_size > limits.bytes:
        return Refusal(f"{state.st_size:,} bytes, above the limit of {limits.bytes:,}", "limit")
    return None


def _led_out(path: str, root: str) -> bool:
    """Whether a link, of the file or of a folder on the way to it, leads out of the data folder.

    A manifest may name files anywhere: where a path itself says so, no link leads there.
    """
    if is_below(path, root):
        return not is_below(os.path.realpath(path), os.path.realpath(root))
    return os.path.islink(path) and not is_below(os.path.realpath(path), os.path.realpath(root))
