"""A data folder as it is read: links by one rule, clutter and runs passed over, everything left out recorded.

Each folder is listed once. A link is taken where it stays within the data folder; one that leads out is taken
only where links are followed. Files are judged again when they are opened
(:func:`transferkit.data.check.limits.refusal`), by the same rule.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from dataclasses import dataclass

from transferkit.data.file_names import shown
from transferkit.data.source import LeftOut
from transferkit.data.sources.file_kinds import (
    BESIDE,
    OTHER_DATA,
    PAPERS,
    is_clutter,
    is_record,
)
from transferkit.errors import UserError, fault

__all__ = [
    "LINK_OUT",
    "NOT_A_PICTURE",
    "Entries",
    "Tree",
    "is_below",
]

LINK_OUT = "a symbolic link out of the data folder; data.follow_links = true takes it"
NOT_A_PICTURE = "no picture by the name"
_HIDDEN = "hidden"


@dataclass(frozen=True, slots=True)
class Entries:
    """What a folder holds directly, by name, sorted.

    Attributes:
        folders: those that may hold pictures.
        pictures: files that may be pictures.
        beside: texts, code and annotations.
        data: other files that are no pictures.
        runs: folders that transferkit wrote.
    """

    folders: tuple[str, ...] = ()
    pictures: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()
    data: tuple[str, ...] = ()
    runs: tuple[str, ...] = ()


class Tree:
    """Lists a data folder.

    Args:
        root: the data folder; it may be a link itself.
        follow_links: take links that lead out of it.
    """

    def __init__(self, root: str | os.PathLike[str], follow_links: bool = False) -> None:
        self.root = os.fspath(root)
        self._follow = follow_links
        real = os.path.realpath(self.root)
        self._within = real
        # Of each folder: where it really lies, and the real folders on the way to it.
        self._real = {self.root: real}
        self._chain = {self.root: frozenset({real})}
        self._entries: dict[str, Entries] = {}
        self._holds: dict[str, bool] = {}
        self._left: dict[str, LeftOut] = {}
        self._closed: dict[str, str] = {}

    @property
    def left_out(self) -> tuple[LeftOut, ...]:
        """What was left out so far, in the order of names; a folder left out stands for all that is in it."""
        found: list[LeftOut] = []
        for name in sorted(self._left):
            if not (found and found[-1].name.endswith("/") and name.startswith(found[-1].name)):
                found.append(self._left[name])
        return tuple(found)

    def name(self, path: str) -> str:
        """A path below the data folder as reports show it."""
        below = path[len(os.path.join(self.root, "")) :]
        return shown(below.replace(os.sep, "/")) or "."

    def leave_out(self, path: str, reason: str, files: int = 1, folder: bool = False) -> None:
        """Records a file or folder that is not taken."""
        name = self.name(path) + ("/" if folder else "")
        self._left.setdefault(name, LeftOut(name, reason, files))

    def leave_folder(self, path: str, reason: str) -> None:
        """Records a folder that is not taken, with the number of pictures in it."""
        self.leave_out(path, reason, sum(1 for _ in self.pictures(path)), folder=True)

    def check_open(self) -> None:
        """Makes sure that all folders that were looked at could be listed: what they hold would be missing.

        Raises:
            UserError: one line for each that could not.
        """
        if self._closed:
            for _ in self.pictures(self.root):
                pass  # looks into all folders: each that is closed is named
            hint = "give yourself the right to list and to enter it (chmod u+rx), or move it out of the data"
            raise UserError(
                *(
                    fault("data", folder, "a folder that can be listed", f"{why}; {hint}")
                    for folder, why in self._closed.items()
                )
            )

    def entries(self, folder: str) -> Entries:
        """What a folder holds; nothing where it cannot be listed, which :meth:`check_open` tells."""
        if folder not in self._entries:
            self._entries[folder] = self._list(folder)
        return self._entries[folder]

    def holds_pictures(self, folder: str) -> bool:
        """Whether there is anything below a folder that may be a picture."""
        real = self._real[folder]
        if real not in self._holds:
            self._holds[real] = False  # for links that come back while it is being looked at
            found = self.entries(folder)
            self._holds[real] = bool(found.pictures) or any(
                self.holds_pictures(os.path.join(folder, name)) for name in found.folders
            )
        return self._holds[real]

    def folders(self, folder: str) -> list[str]:
        """The folders in a folder that hold pictures, by name."""
        return [
            name for name in self.entries(folder).folders if self.holds_pictures(os.path.join(folder, name))
        ]

    def pictures(self, folder: str) -> Iterator[str]:
        """Every file below a folder that may be a picture. What else is there is left out, by name."""
        seen: set[str] = set()
        waiting = [folder]
        while waiting:
            folder = waiting.pop()
            if self._real[folder] in seen:
                self.leave_out(folder, "a symbolic link to a folder that is read already", 0, folder=True)
                continue
            seen.add(self._real[folder])
            found = self.entries(folder)
            yield from (os.path.join(folder, name) for name in found.pictures)
            self.leave_files(folder)
            waiting += [os.path.join(folder, name) for name in reversed(found.folders)]

    def leave_pictures(self, folder: str, reason: str) -> None:
        """Records the files that lie directly in a folder, where its folders alone are read."""
        for name in self.entries(folder).pictures:
            path = os.path.join(folder, name)
            self.leave_out(path, reason if os.path.exists(path) else "a symbolic link to nothing")
        self.leave_files(folder)

    def leave_bare(self, folder: str) -> None:
        """Records the folders in a folder that hold no pictures, unless what they hold is recorded."""
        for name in self.entries(folder).folders:
            path = os.path.join(folder, name)
            if self.holds_pictures(path):
                continue
            prefix = self.name(path) + "/"
            if not any(one.name.startswith(prefix) and one.reason != _HIDDEN for one in self._left.values()):
                self.leave_out(path, "no pictures in it", 0, folder=True)

    def is_empty(self, folder: str) -> bool:
        """Whether there is nothing at all below a folder, left out or not."""
        found = self.entries(folder)
        prefix = self.name(folder) + "/"
        return (
            not (found.pictures or found.beside or found.data or found.runs)
            and all(self.is_empty(os.path.join(folder, name)) for name in found.folders)
            and not any(name.startswith(prefix) for name in self._left)
        )

    def data_files(self, folder: str) -> list[str]:
        """Files below a folder that may hold data, though no pictures of ours."""
        found = self.entries(folder)
        deeper = (self.data_files(os.path.join(folder, name)) for name in found.folders)
        return [*(os.path.join(folder, name) for name in found.data), *itertools.chain(*deeper)]

    def leave_files(self, folder: str) -> None:
        """Records the files of a folder that are no pictures."""
        found = self.entries(folder)
        for name in (*found.beside, *found.data):
            self.leave_out(os.path.join(folder, name), NOT_A_PICTURE)

    def _list(self, folder: str) -> Entries:
        folders: list[str] = []
        pictures: list[str] = []
        beside: list[str] = []
        data: list[str] = []
        runs: list[str] = []
        try:
            with os.scandir(folder) as scanned:
                found = sorted(scanned, key=lambda entry: entry.name)
        except OSError as error:
            self._closed[shown(folder)] = error.strerror or str(error)
            return Entries()
        for entry in found:
            ending = os.path.splitext(entry.name)[1].lower()
            if is_clutter(entry.name):
                continue
            if entry.name.startswith("."):
                if _is_folder(entry):
                    if entry.name.endswith(".partial"):
                        runs.append(entry.name)
                        self.leave_out(entry.path, "an unfinished run", 0, folder=True)
                    else:
                        self.leave_out(entry.path, _HIDDEN, 0, folder=True)
                elif ending not in BESIDE and ending:
                    self.leave_out(entry.path, _HIDDEN)
            elif not _is_folder(entry):
                other = ending in OTHER_DATA or is_record(entry.name)
                text = ending in BESIDE or entry.name.casefold() in PAPERS
                (beside if text else data if other else pictures).append(entry.name)
            elif self._enter(folder, entry):
                written = _written_by_us(entry.path)
                if written:
                    runs.append(entry.name)
                    self.leave_out(entry.path, written, 0, folder=True)
                else:
                    folders.append(entry.name)
        return Entries(tuple(folders), tuple(pictures), tuple(beside), tuple(data), tuple(runs))

    def _enter(self, parent: str, entry: os.DirEntry[str]) -> bool:
        """Whether a folder is to be read; notes where it really lies."""
        if entry.is_symlink():
            real = os.path.realpath(entry.path)
            if not self._follow and not is_below(real, self._within):
                self.leave_out(entry.path, LINK_OUT, 0, folder=True)
                return False
        else:
            real = os.path.join(self._real[parent], entry.name)
        if real in self._chain[parent]:
            self.leave_out(entry.path, "a symbolic link in a circle", 0, folder=True)
            return False
        self._real[entry.path] = real
        self._chain[entry.path] = self._chain[parent] | {real}
        return True


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link in a circle: opening the file says so
        return False


def is_below(path: str, folder: str) -> bool:
    """Whether an absolute path is a folder, or lies in it."""
    return path == folder or path.startswith(folder.rstrip(os.sep) + os.sep)


def _written_by_us(folder: str) -> str | None:
    """What a folder is that transferkit wrote, or None."""

    def holds(*names: str) -> bool:
        return all(os.path.exists(os.path.join(folder, name)) for name in names)

    if holds("metrics.json", "recipe.toml"):
        return "a run of transferkit"
    if holds("sweep.toml", "sweep.json"):
        return "a sweep of transferkit"
    if holds("saved_model.pb"):
        return "an exported model"
    if holds("digits", os.path.join("run", "metrics.json"), os.path.join("run", "recipe.toml")):
        return "a demonstration of transferkit"
    if holds("activations", "engines"):
        return "a cache of transferkit"
    return None
