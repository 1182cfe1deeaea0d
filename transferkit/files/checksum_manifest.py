"""Manifests: the SHA-256 of every file that a run or an export consists of, and what has changed since.

A manifest lies in the folder that it describes, under paths relative to that, so a folder may be moved or
copied. It holds a sum of itself. What a user adds to the folder is no change. Event files may have grown:
TensorBoard's writers append to them, so only the part that was there is compared.

Large files are read once: their sums are kept in the cache folder, by device, inode, size and times.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict

from transferkit.errors import UserError, fault
from transferkit.files.checksummed_json import SEAL, seal_of, sealed
from transferkit.files.file_hash import sha256_of_file
from transferkit.files.whole_file import write_whole
from transferkit.type_names import NamedValues

__all__ = [
    "NAME",
    "Manifest",
    "is_list_of_files",
    "list_files",
    "parse_manifest",
    "read_manifest",
    "said_of",
    "write_manifest",
]

NAME = "manifest.json"
_GROWING = ".tfevents."
_WORTH_KEEPING = 1 << 20  # bytes; smaller files are read again as quickly as their sum is found
_MOST_KEPT = 4000
_SETTLED = 2.0  # seconds: a file written just now may change again within one tick of its times


class FileFacts(TypedDict):
    """A file's size in bytes and the SHA-256 of its content, in hex."""

    bytes: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """What a manifest says.

    Attributes:
        folder: that it describes.
        facts: what was written beside the files.
        files: path relative to the folder, with slashes, to ``{"bytes": …, "sha256": …}``.
        intact: whether its sum of itself is right.
    """

    folder: Path
    facts: NamedValues
    files: dict[str, FileFacts]
    intact: bool

    def changes(self, wanted: Callable[[str], bool] = lambda name: True) -> list[str]:
        """One line for each file that is missing or has other content, the manifest itself among them.

        Args:
            wanted: which files to compare.
        """
        lines = [] if self.intact else [f"{NAME}: changed since it was written"]
        return lines + [f"{name}: {wrong}" for name, wrong in self.differing(wanted).items()]

    def differing(self, wanted: Callable[[str], bool] = lambda name: True) -> dict[str, str]:
        """Name to what is wrong of each file that is missing or has other content.

        Args:
            wanted: which files to compare.
        """
        found = {}
        with _Sums() as sums:
            for name, known in self.files.items():
                if wanted(name) and (wrong := _compare(self.folder / name, known, sums)):
                    found[name] = wrong
        return found

    def sha256_of(self, name: str) -> str | None:
        """What a file's content was when it was written; None for a file that is not listed."""
        return self.files[name]["sha256"] if name in self.files else None

    def unknown(self, skip: Callable[[str], bool] = lambda name: False) -> list[str]:
        """Files in the folder that it does not name: somebody added them."""
        return [name for name in _walk(self.folder) if name not in self.files and not skip(name)]


def said_of(place: Path, changes: Sequence[str], hint: str) -> str:
    """One line on what is not as it was written.

    Args:
        place: a folder or file.
        changes: of :meth:`Manifest.changes`.
        hint: what to do about it.
    """
    shown = "; ".join(changes[:5]) + (f" and {len(changes) - 5} more" if len(changes) > 5 else "")
    return fault(str(place), hint=f"it is not as it was written: {shown}; {hint}")


def list_files(folder: Path, skip: Callable[[str], bool] = lambda name: False) -> dict[str, FileFacts]:
    """Size and SHA-256 of every file below a folder but its manifest.

    Args:
        folder: where.
        skip: paths that have a manifest of their own.
    """
    return {
        name: {"bytes": (folder / name).stat().st_size, "sha256": sha256_of_file(folder / name)}
        for name in _walk(folder)
        if not skip(name)
    }


def write_manifest(
    folder: Path, facts: Mapping[str, Any], skip: Callable[[str], bool] = lambda name: False
) -> None:
    """Writes the manifest of a folder whose files are all there.

    Args:
        folder: of the files.
        facts: what else the manifest says, ready for JSON.
        skip: says of a file's name below the folder that it is left out.
    """
    content = {**facts, "files": list_files(folder, skip)}
    write_whole(folder / NAME, sealed(content))


def read_manifest(folder: Path) -> Manifest | None:
    """The manifest of a folder; None where there is none.

    Raises:
        UserError: it is damaged.
    """
    file = folder / NAME
    try:
        return parse_manifest(folder, file.read_text("utf-8"), str(file))
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(fault(str(file), hint=f"it cannot be read: {error}")) from None


def parse_manifest(folder: Path, text: str, place: str) -> Manifest:
    """What the text of a manifest says.

    Args:
        folder: that it describes.
        text: of the file.
        place: the file, for messages.

    Raises:
        UserError: it is damaged.
    """
    try:
        content = json.loads(text)
    except ValueError as error:
        raise UserError(fault(place, hint=f"it cannot be read: {error}")) from None
    expected = {"files", SEAL}
    if (
        not isinstance(content, dict)
        or not expected <= set(content)
        or not is_list_of_files(content["files"])
    ):
        raise UserError(fault(place, hint="it is damaged: it does not list the files that were written"))
    intact = content.pop(SEAL) == seal_of(content)
    files = content.pop("files")
    return Manifest(folder, content, files, intact)


def is_list_of_files(files: Any) -> bool:
    """Whether it is a list of files as :func:`list_files` makes it, of files below the folder."""
    return (
        isinstance(files, dict)
        and bool(files)
        and all(
            isinstance(known, dict)
            and isinstance(known.get("bytes"), int)
            and isinstance(known.get("sha256"), str)
            and not os.path.isabs(name)
            and ".." not in name.split("/")
            for name, known in files.items()
        )
    )


def _walk(folder: Path) -> Iterator[str]:
    """Files below a folder, by name; hidden ones are file managers' and half-written ones."""
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            path = os.path.relpath(os.path.join(place, name), folder).replace(os.sep, "/")
            if not name.startswith(".") and path != NAME:
                yield path


def _compare(path: Path, known: FileFacts, sums: _Sums) -> str | None:
    try:
        status = os.stat(path)
        if _GROWING in path.name and status.st_size > known["bytes"]:
            same = sha256_of_file(path, known["bytes"]) == known["sha256"]
        else:
            same = status.st_size == known["bytes"] and sums.of(path, status) == known["sha256"]
    except FileNotFoundError:
        return "missing"
    except OSError as error:
        return f"it cannot be read: {error.strerror or type(error).__name__}"
    return None if same else "changed since it was written"


class _Sums:
    """Sums of large files that were read before, kept in the cache folder where that can be written."""

    def __init__(self) -> None:
        from transferkit.files.cache_location import cache_folder

        self._file = cache_folder() / "file-sums.json"
        self._kept: dict[str, str] | None = None
        self._new = False

    def of(self, path: Path, status: os.stat_result) -> str:
        if status.st_size < _WORTH_KEEPING:
            return sha256_of_file(path)
        parts = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
        key = "-".join(map(str, parts))
        kept = self._read()
        if key not in kept:
            found = sha256_of_file(path)
            if time.time() - max(status.st_mtime, status.st_ctime) < _SETTLED:
                return found
            kept[key], self._new = found, True
        return kept[key]

    def _read(self) -> dict[str, str]:
        if self._kept is None:
            self._kept = {}
            with contextlib.suppress(OSError, ValueError):
                found = json.loads(self._file.read_text("utf-8"))
                self._kept = {str(key): str(value) for key, value in found.items()}
        return self._kept

    def __enter__(self) -> _Sums:
        return self

    def __exit__(self, *error: object) -> None:
        if not self._new or self._kept is None:
            return
        newest = dict(list(self._kept.items())[-_MOST_KEPT:])
        with contextlib.suppress(OSError):
            self._file.parent.mkdir(parents=True, exist_ok=True)
            # A name of its own: several processes may write at once, and the last one counts.
            beside = self._file.with_name(f".{self._file.name}.{os.getpid()}")
            beside.write_text(json.dumps(newest), encoding="utf-8")
            os.replace(beside, self._file)
